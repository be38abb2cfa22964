"""Save a net of keras.applications, with weights that all affect the outputs, and its outputs. Runs on real Keras 3.

    python make_application.py NAME FOLDER [SIZE]      writes FOLDER/NAME.keras and FOLDER/NAME.npz (x, y, sensitivity)
    python make_application.py --list                  prints the names of all constructors, as JSON

The weights are random and the moving statistics those of a batch (so that no layer saturates), then perturbed so that every
value in the file affects the outputs. The last layer is scaled so that its softmax is neither flat nor one-hot.
"""

import inspect
import json
import os
import pathlib
import sys
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")
warnings.filterwarnings("ignore")
import keras  # noqa: E402
import numpy as np  # noqa: E402

SHAPES = {"MobileNetV3Large": (224, 224, 3), "MobileNetV3Small": (224, 224, 3)}  # they have no default shape
ROWS = 2
LOGIT_SPREAD = 2.0  # standard deviation of the logits
BRANCH = 0.3  # scale of the last weights of residual branches
OFFSET = 1.0  # mean of beta outside of residual branches
ROUNDING = 1e-7  # relative change of the images for the sensitivity


def names():
    """Return the names of the constructors in keras.applications."""
    return sorted(n for n in dir(keras.applications) if inspect.isfunction(getattr(keras.applications, n)))


def constructed(name, size):
    """Return a net with new weights."""
    shape = (size, size, 3) if size else SHAPES.get(name)
    return getattr(keras.applications, name)(weights=None, **({"input_shape": shape} if shape else {}))


def layers_within(layer):
    """Yield all layers inside, including nested ones."""
    for inner in getattr(layer, "layers", []):
        yield inner
        yield from layers_within(inner)


def ends_branch(layer):
    """Return whether an Add reads the layer's output, directly or after a Dropout."""
    readers = [node.operation for node in layer._outbound_nodes]
    return any(
        isinstance(reader, keras.layers.Add) or (isinstance(reader, keras.layers.Dropout) and ends_branch(reader))
        for reader in readers
    )


def fill(model, rng):
    """Assign random weights: kernels that preserve the variance, scales around one, and nonzero biases.

    Residual branches are small, and most activations are not saturated. Otherwise a deep random net is chaotic, and its outputs
    depend on rounding.
    """
    for layer in layers_within(model):
        share = BRANCH if ends_branch(layer) else 1.0
        for v in layer._trainable_variables + layer._non_trainable_variables:
            fan_in = int(np.prod(v.shape[:-1]))
            if type(layer).__name__ == "DepthwiseConv2D":
                fan_in = int(np.prod(v.shape[:2]))
            if v.name in ("kernel", "depthwise_kernel", "pointwise_kernel"):
                v.assign(rng.normal(0, share * fan_in**-0.5, v.shape))
            elif v.name in ("bias", "beta"):
                v.assign(rng.normal(OFFSET if v.name == "beta" and share == 1.0 else 0.0, 0.2, v.shape))
            elif v.name in ("gamma", "variable"):  # LayerScale calls its factors `variable`
                v.assign(share * rng.uniform(0.6, 1.4, v.shape))


def settle(model, x, rng):
    """Set moving statistics to those of a batch, and perturb them."""
    normalizations = [layer for layer in layers_within(model) if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0
    if normalizations:
        model(x, training=True)
    for layer, momentum in zip(normalizations, momenta, strict=True):
        layer.momentum = momentum
        spread = np.sqrt(keras.ops.convert_to_numpy(layer.moving_variance) + 1e-3)
        layer.moving_mean.assign(
            keras.ops.convert_to_numpy(layer.moving_mean) + spread * rng.normal(0, 0.2, spread.shape)
        )
        layer.moving_variance.assign((spread * rng.uniform(0.8, 1.25, spread.shape)) ** 2)


def spread_out(model, x):
    """Scale the last weights so that the logits have the standard deviation LOGIT_SPREAD; return the outputs."""
    last = model.layers[-1]
    activation, last.activation = last.activation, keras.activations.linear
    factor = LOGIT_SPREAD / keras.ops.convert_to_numpy(model(x)).std()
    last.activation = activation
    for v in next(layer for layer in reversed(model.layers) if layer.weights).weights:
        v.assign(keras.ops.convert_to_numpy(v) * factor)
    return keras.ops.convert_to_numpy(model(x))


def main():
    """Write one net."""
    if keras.backend.backend() == "torch":
        import torch

        torch.set_grad_enabled(False)
    if sys.argv[1] == "--list":
        print(json.dumps(names()))
        return
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    rng = np.random.default_rng(0)
    model = constructed(name, int(sys.argv[3]) if len(sys.argv) > 3 else None)
    coarse = rng.uniform(0, 255, (ROWS, 8, 8, 3)).astype("float32")  # patches of colour, so that the rows differ
    height, width = model.input_shape[1:3]
    picks = [np.arange(n) * 8 // n for n in (height, width)]
    x = coarse[:, picks[0]][:, :, picks[1]] + rng.normal(0, 20, (ROWS, height, width, 3)).astype("float32")
    x = x.astype("float32")
    fill(model, rng)
    settle(model, x, rng)
    y = spread_out(model, x)
    model.save(folder / f"{name}.keras")
    off = (x * (1 + ROUNDING * rng.normal(size=x.shape))).astype("float32")
    sensitivity = float(abs(keras.ops.convert_to_numpy(model(off)) - y).max() / y.max())
    np.savez(folder / f"{name}.npz", x=x, y=y, sensitivity=sensitivity)
    print(
        json.dumps(
            {
                "parameters": model.count_params(),
                "largest": float(y.max()),
                "sensitivity": sensitivity,
                "between rows": float(abs(y[0] - y[1]).max()),
            }
        )
    )


if __name__ == "__main__":
    main()
