"""Losses for probabilities: cross-entropies, focal ones, Kullback-Leibler divergence, Poisson, CTC."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.losses.loss import HOME, FunctionLoss, dtype_of, like, set_mask
from graphkit.ops._convert import canonical_axis, shape_of, tensor


def _smooth(y_true: Any, amount: float, share: Any) -> Any:
    """Move the targets towards `share`."""
    return ops.add(ops.multiply(y_true, 1.0 - amount), amount * share) if amount else y_true


def _classes(x: Any) -> int:
    size = shape_of(x)[-1]
    if not isinstance(size, int):
        raise ShapeError(f"The number of classes must be known, got a tensor of shape {shape_of(x)}.")
    return size


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: Any = -1
) -> Any:
    """Return the mean over `axis` of -y_true * log(y_pred) - (1 - y_true) * log(1 - y_pred).

    Args:
        y_true: Targets between 0 and 1.
        y_pred: Probabilities, or logits.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: How far targets are moved towards 0.5, from 0 to 1.
        axis: The axis or axes of the mean.

    Source: keras.losses.binary_crossentropy.
    """
    y_true, y_pred = like(y_true, y_pred)
    return ops.mean(
        ops.binary_crossentropy(_smooth(y_true, label_smoothing, 0.5), y_pred, from_logits=from_logits), axis=axis
    )


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: Any = -1,
) -> Any:
    """Return the mean over `axis` of the binary cross-entropy times (1 - probability of the true label)^gamma.

    Args:
        y_true: Targets between 0 and 1.
        y_pred: Probabilities, or logits.
        apply_class_balancing: Whether to weight the classes 1 and 0 with `alpha` and `1 - alpha`.
        alpha: The weight of class 1.
        gamma: The focusing exponent.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: How far targets are moved towards 0.5, from 0 to 1.
        axis: The axis or axes of the mean.

    Source: keras.losses.binary_focal_crossentropy.
    """
    y_true, y_pred = like(y_true, y_pred)
    y_true = _smooth(y_true, label_smoothing, 0.5)
    y_pred = ops.sigmoid(y_pred) if from_logits else y_pred
    unlike = ops.subtract(1.0, y_true)
    hit = ops.add(ops.multiply(y_true, y_pred), ops.multiply(unlike, ops.subtract(1.0, y_pred)))
    values = ops.multiply(ops.power(ops.subtract(1.0, hit), gamma), ops.binary_crossentropy(y_true, y_pred))
    if apply_class_balancing:
        values = ops.multiply(values, ops.add(ops.multiply(y_true, alpha), ops.multiply(unlike, 1.0 - alpha)))
    return ops.mean(values, axis=axis)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Return -sum(y_true * log(y_pred)) over `axis`, for one-hot targets.

    Args:
        y_true: One-hot targets, or probabilities.
        y_pred: Probabilities, or logits.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: How far targets are moved towards the uniform distribution, from 0 to 1.
        axis: The axis of the classes.

    Raises:
        ShapeError: With `label_smoothing`, if the number of classes is unknown.

    Source: keras.losses.categorical_crossentropy.
    """
    y_true, y_pred = like(y_true, y_pred)
    y_true = _smooth(y_true, label_smoothing, 1.0 / _classes(y_true)) if label_smoothing else y_true
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """Return sum(-y_true * log(y_pred) * alpha * (1 - y_pred)^gamma) over `axis`, for one-hot targets.

    Args:
        y_true: One-hot targets.
        y_pred: Probabilities, or logits.
        alpha: A factor, or one per class.
        gamma: The focusing exponent.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: How far targets are moved towards the uniform distribution, from 0 to 1.
        axis: The axis of the classes.

    Raises:
        ShapeError: With `label_smoothing`, if the number of classes is unknown.

    Source: keras.losses.categorical_focal_crossentropy.
    """
    y_true, y_pred = like(y_true, y_pred)
    y_true = _smooth(y_true, label_smoothing, 1.0 / _classes(y_true)) if label_smoothing else y_true
    y_pred = ops.softmax(y_pred, axis=axis) if from_logits else y_pred
    chance = ops.true_divide(y_pred, ops.sum(y_pred, axis=axis, keepdims=True))
    chance = ops.clip(chance, dtypes.epsilon(), 1.0 - dtypes.epsilon())
    focus = ops.multiply(ops.power(ops.subtract(1.0, chance), gamma), alpha)
    return ops.sum(ops.multiply(focus, ops.multiply(ops.negative(y_true), ops.log(chance))), axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """Return -log(y_pred[y_true]) along `axis`, for class indices.

    Args:
        y_true: Class indices of shape (batch, ...) or (batch, ..., 1).
        y_pred: Probabilities, or logits.
        from_logits: Whether `y_pred` holds logits.
        ignore_class: A class whose samples are masked.
        axis: The axis of the classes.

    Source: keras.losses.sparse_categorical_crossentropy.
    """
    y_true, y_pred = tensor(y_true), tensor(y_pred)
    axis = canonical_axis(axis, len(shape_of(y_pred)))
    if len(shape_of(y_true)) == len(shape_of(y_pred)) and shape_of(y_true)[axis] == 1:
        y_true = ops.squeeze(y_true, axis)
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    valid = ops.not_equal(y_true, ops.cast(ignore_class, dtype_of(y_true)))
    y_true = ops.where(valid, y_true, ops.cast(0, dtype_of(y_true)))
    y_pred = ops.where(ops.expand_dims(valid, axis), y_pred, 0.0)
    values = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)
    return set_mask(ops.where(valid, values, 0.0), valid)


def ignored_mask(y_true: Any, values: Any, ignore_class: int | None) -> Any:
    """Return the mask of the samples that are not of `ignore_class`, in the shape of `values`; None if no class is ignored."""
    if ignore_class is None:
        return None
    y_true = tensor(y_true)
    return ops.reshape(ops.not_equal(y_true, ops.cast(ignore_class, dtype_of(y_true))), shape_of(values))


def kl_divergence(y_true: Any, y_pred: Any) -> Any:
    """Return sum(y_true * log(y_true / y_pred)) over the last axis. Source: keras.losses.kl_divergence."""
    y_true, y_pred = (ops.clip(y, dtypes.epsilon(), 1.0) for y in like(y_true, y_pred))
    return ops.sum(ops.multiply(y_true, ops.log(ops.true_divide(y_true, y_pred))), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """Return mean(y_pred - y_true * log(y_pred)) over the last axis. Source: keras.losses.poisson."""
    y_true, y_pred = like(y_true, y_pred)
    logs = ops.log(ops.add(y_pred, dtypes.epsilon()))
    return ops.mean(ops.subtract(y_pred, ops.multiply(y_true, logs)), axis=-1)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Any:
    """Return (1 - p^q) / q for the probability p of the true class; robust to wrong labels. Source: keras.losses (Keras 3).

    Args:
        y_true: Class indices of shape (batch, ...).
        y_pred: Probabilities of shape (batch, ..., classes).
        q: Between 0 (cross-entropy) and 1 (mean absolute error).

    Raises:
        ShapeError: The number of classes is unknown.
    """
    y_pred = tensor(y_pred)
    chosen = ops.cast(ops.one_hot(ops.cast(y_true, "int32"), _classes(y_pred)), dtype_of(y_pred))
    chance = ops.sum(ops.multiply(y_pred, chosen), axis=-1)
    return ops.true_divide(ops.subtract(1.0, ops.power(chance, q)), q)


def ctc(y_true: Any, y_pred: Any) -> Any:
    """Return the connectionist temporal classification loss. Source: keras.losses.ctc.

    Args:
        y_true: Labels of shape (batch, length); 0 is the blank and pads shorter sequences.
        y_pred: Logits of shape (batch, steps, classes).

    Returns:
        The loss of each sample, of shape (batch,).

    Raises:
        ShapeError: An argument has another rank.
    """
    y_true, y_pred = tensor(y_true), tensor(y_pred)
    for name, given, axes in (
        ("y_true", y_true, "(batch_size, max_length)"),
        ("y_pred", y_pred, "(batch_size, max_length, num_classes)"),
    ):
        if len(shape_of(given)) != axes.count(",") + 1:
            raise ShapeError(f"`{name}` of ctc is expected to be of shape `{axes}`. Received: shape={shape_of(given)}")
    batch, steps = shape_of(y_pred)[:2]
    lengths = ops.multiply(ops.ones((batch,), "int32"), steps)
    labels = ops.sum(ops.cast(ops.not_equal(y_true, 0), "int32"), axis=-1)
    return ops.ctc_loss(ops.cast(y_true, "int32"), y_pred, labels, lengths, mask_index=0)


def _inside(loss: Any, name: str, value: Any) -> Any:
    if not 0 < value < 1:
        raise InvalidArgumentError(f"{name} must be in the interval (0, 1), got {name}={value}.")
    return value


@keras_class(HOME)
class KLDivergence(FunctionLoss):
    """The loss `kl_divergence`, reduced over the batch. Source: keras.losses.KLDivergence."""

    function, default_name = staticmethod(kl_divergence), "kl_divergence"


@keras_class(HOME)
class Poisson(FunctionLoss):
    """The loss `poisson`, reduced over the batch. Source: keras.losses.Poisson."""

    function, default_name = staticmethod(poisson), "poisson"


class _Crossentropy(FunctionLoss):
    argument_order = "from_logits label_smoothing axis reduction name dtype"
    from_logits: bool = argument(default=False)
    label_smoothing: float = argument(default=0.0)
    axis: Any = argument(default=-1)


@keras_class(HOME)
class BinaryCrossentropy(_Crossentropy):
    """The loss `binary_crossentropy`, reduced over the batch. Source: keras.losses.BinaryCrossentropy."""

    function, default_name = staticmethod(binary_crossentropy), "binary_crossentropy"


@keras_class(HOME)
class CategoricalCrossentropy(_Crossentropy):
    """The loss `categorical_crossentropy`, reduced over the batch. Source: keras.losses.CategoricalCrossentropy."""

    function, default_name = staticmethod(categorical_crossentropy), "categorical_crossentropy"


@keras_class(HOME)
class SparseCategoricalCrossentropy(FunctionLoss):
    """The loss `sparse_categorical_crossentropy`, reduced over the batch. Source: keras.losses.SparseCategoricalCrossentropy."""

    function, default_name = staticmethod(sparse_categorical_crossentropy), "sparse_categorical_crossentropy"

    argument_order = "from_logits ignore_class reduction axis name dtype"
    from_logits: bool = argument(default=False)
    ignore_class: Any = argument(default=None)
    axis: int = argument(default=-1)

    def own_mask(self, y_true: Any, values: Any) -> Any:
        """Return the mask of the samples that are not of `ignore_class`."""
        return ignored_mask(y_true, values, self.ignore_class)

    def get_config(self) -> dict[str, Any]:
        """Return the config, without the axis if it is the last one, as Keras does."""
        config = super().get_config()
        return config if self.axis != -1 else {k: v for k, v in config.items() if k != "axis"}


@keras_class(HOME)
class BinaryFocalCrossentropy(_Crossentropy):
    """The loss `binary_focal_crossentropy`, reduced over the batch. Source: keras.losses.BinaryFocalCrossentropy."""

    function, default_name = staticmethod(binary_focal_crossentropy), "binary_focal_crossentropy"

    argument_order = "apply_class_balancing alpha gamma from_logits label_smoothing axis reduction name dtype"
    apply_class_balancing: bool = argument(default=False)
    alpha: float = argument(default=0.25)
    gamma: float = argument(default=2.0)


@keras_class(HOME)
class CategoricalFocalCrossentropy(_Crossentropy):
    """The loss `categorical_focal_crossentropy`, reduced over the batch. Source: keras.losses.CategoricalFocalCrossentropy."""

    function, default_name = staticmethod(categorical_focal_crossentropy), "categorical_focal_crossentropy"

    argument_order = "alpha gamma from_logits label_smoothing axis reduction name dtype"
    alpha: Any = argument(default=0.25)
    gamma: float = argument(default=2.0)


@keras_class(HOME)
class CategoricalGeneralizedCrossEntropy(FunctionLoss):
    """The loss `categorical_generalized_cross_entropy`, reduced over the batch. Source: keras.losses (Keras 3).

    Raises:
        InvalidArgumentError: `q` is not in (0, 1).
    """

    function, default_name = (
        staticmethod(categorical_generalized_cross_entropy),
        "categorical_generalized_cross_entropy",
    )

    argument_order = "q reduction name dtype"
    q: float = argument(default=0.5, check=_inside)


@keras_class(HOME)
class CTC(FunctionLoss):
    """The loss `ctc`, reduced over the batch. Source: keras.losses.CTC."""

    function, default_name = staticmethod(ctc), "ctc"
