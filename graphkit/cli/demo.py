"""`graphkit demo`: train a siamese model on handwritten digits, save, reload and export it, and compare the outputs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphkit.cli.terminal import say
from graphkit.core.files import make_folder, write_text
from graphkit.datasets.digits import load_digits

Array = np.ndarray[Any, Any]

_EPOCHS = 5
_BATCH = 64
_RATE = 3e-3
_PAIRS = 4  # matching pairs, and as many non-matching ones, per training image
_HELD_OUT = 0.2
_AGREEMENT = 1e-5
_BATCH_LATENCY = 256


class Pairs(NamedTuple):
    """Pairs of images, half of them of the same digit.

    Args:
        left: images, float32 of shape (n, 8, 8, 1), from 0 to 1.
        right: as `left`.
        same: 1.0 for pairs of the same digit, else 0.0; float32 of shape (n, 1).
        digit: the digit of the left image; int64 of shape (n,).
    """

    left: Array
    right: Array
    same: Array
    digit: Array

    @property
    def inputs(self) -> dict[str, Array]:
        """The images, by the names of the model's inputs."""
        return {"left": self.left, "right": self.right}

    @property
    def targets(self) -> dict[str, Array]:
        """The targets, by the names of the model's outputs."""
        return {"same": self.same, "digit": self.digit}


def run_demo(folder: Path, epochs: int | None = None, seed: int = 0) -> int:
    """Run the demo and print its report.

    Args:
        folder: where files are written; created if needed.
        epochs: passes over the training pairs; 5 by default.
        seed: of the split, the weights and the batches.

    Returns:
        0 if the engine, the reloaded model and onnxruntime agree, else 1.
    """
    import graphkit

    images, labels = load_digits()
    graphkit.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    training, held_out = split(labels, random)
    train, test = (make_pairs(images, labels, part, _PAIRS, random) for part in (training, held_out))
    model = build()
    make_folder(folder)
    say(
        f"{len(training)} training images ({len(train.same)} pairs), {len(held_out)} held out ({len(test.same)} pairs)\n"
    )
    seconds = fit(model, train, epochs or _EPOCHS)
    say()
    about = {
        "training_seconds": round(seconds, 2),
        "epochs": epochs or _EPOCHS,
        "seed": seed,
        "held_out_images": len(held_out),
    }
    report: dict[str, Any] = about | save_and_compare(model, test, folder)
    write_text(folder / "report.json", json.dumps(report, indent=2) + "\n")
    say(as_text(report, folder))
    return 0 if max(report["largest_difference"].values()) <= _AGREEMENT else 1


# ----- data -----


def split(labels: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Return the indices of the training images and of the held-out images, stratified by digit."""
    held: list[Array] = []
    for digit in range(10):
        of_digit = random.permutation(np.flatnonzero(labels == digit))
        held.append(of_digit[: round(_HELD_OUT * len(of_digit))])
    held_out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out


def make_pairs(images: Array, labels: Array, part: Array, each: int, random: np.random.Generator) -> Pairs:
    """Return pairs of images.

    Args:
        images: all images.
        labels: their digits.
        part: the indices of the images to use, on both sides.
        each: how often each of them is the left image of a matching pair, and of a non-matching one.
        random: draws the right images.
    """
    left = np.repeat(part, 2 * each)
    same = np.tile([True, False], len(left) // 2)
    right = np.empty_like(left)
    for digit in range(10):
        alike, others = part[labels[part] == digit], part[labels[part] != digit]
        for wanted, partners in ((True, alike), (False, others)):
            here = (labels[left] == digit) & (same == wanted)
            right[here] = random.choice(partners, int(here.sum()))
    return Pairs(images[left], images[right], same.astype("float32")[:, None], labels[left])


# ----- the model -----


def build() -> Any:
    """Return the model: an encoder and a code shared by both images, the similarity of the codes, the digit of the left image."""
    from graphkit import layers
    from graphkit.models import Model

    image = layers.Input((8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(48, 3, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    encoder = Model(image, layers.Dense(64, activation="relu", name="features")(x), name="encoder")

    left, right = layers.Input((8, 8, 1), name="left"), layers.Input((8, 8, 1), name="right")
    left_features, right_features = encoder(left), encoder(right)
    code = layers.Dense(12, activation="sigmoid", name="code")
    same = layers.Lambda(exponent_neg_manhattan_distance, name="same")([code(left_features), code(right_features)])
    kept = layers.Dropout(0.3)(left_features)
    digit = layers.Dense(10, activation="softmax", name="digit")(kept)
    return Model([left, right], [same, digit], name="digits")


def exponent_neg_manhattan_distance(codes: Sequence[Any]) -> Any:
    """Return exp(-sum |left - right|) of two codes (n, k), of shape (n, 1): 1 for equal codes, near 0 for distant ones."""
    from graphkit import ops

    left, right = codes
    return ops.exp(-ops.sum(ops.abs(left - right), axis=1, keepdims=True))


def fit(model: Any, pairs: Pairs, epochs: int) -> float:
    """Train, and return the time taken in seconds."""
    import sys

    from graphkit import optimizers

    steps = epochs * -(-len(pairs.same) // _BATCH)
    schedule = optimizers.schedules.CosineDecay(_RATE, steps, alpha=0.02)
    model.compile(
        optimizer=optimizers.Adam(schedule),
        loss={"same": "binary_crossentropy", "digit": "sparse_categorical_crossentropy"},
        loss_weights={"same": 1.0, "digit": 1.0},
        metrics={"same": ["accuracy"], "digit": ["accuracy"]},
    )
    started = time.perf_counter()
    model.fit(pairs.inputs, pairs.targets, epochs=epochs, batch_size=_BATCH, verbose=1 if sys.stdout.isatty() else 2)
    return time.perf_counter() - started


# ----- save, reload, export, compare -----


def save_and_compare(model: Any, test: Pairs, folder: Path) -> dict[str, Any]:
    """Write all files, open them again, and compare the outputs on the held-out pairs. Returns the report."""
    from graphkit.models import model_from_json
    from graphkit.runtime import Predictor
    from graphkit.visualization.plot import plot_model

    write_text(folder / "model.json", model.to_json(indent=2))
    model.save_weights(folder / "model.weights.h5")
    model.save(folder / "model.keras")
    model.export(folder / "model.onnx")
    plot_model(model, folder / "model.svg", show_shapes=True, show_layer_names=True, expand_nested=True)
    lines: list[str] = []
    model.summary(line_length=110, expand_nested=True, print_fn=lambda text, **_: lines.append(text))
    write_text(folder / "summary.txt", "\n".join(lines))

    reloaded: Any = model_from_json((folder / "model.json").read_text())
    reloaded.load_weights(folder / "model.weights.h5")
    predictor = Predictor(folder / "model.onnx")
    engines: dict[str, Callable[[list[Array]], Any]] = {
        "graphkit": model,
        "reloaded": reloaded,
        "onnxruntime": predictor,
    }
    batch = [test.left, test.right]
    outputs = {name: [np.asarray(o) for o in run(batch)] for name, run in engines.items()}
    return {
        "accuracy": {name: accuracy(found, test) for name, found in outputs.items()},
        "largest_difference": {
            name: _difference(outputs["graphkit"], outputs[name]) for name in ("reloaded", "onnxruntime")
        },
        "milliseconds": {name: _latencies(engines[name], batch) for name in ("graphkit", "onnxruntime")},
        "bytes": {
            p.name: p.stat().st_size for p in sorted(folder.iterdir()) if p.name.startswith(("model.", "summary."))
        },
        "parameters": model.count_params(),
        "provider": predictor.providers[0],
    }


def accuracy(outputs: Sequence[Array], test: Pairs) -> dict[str, float]:
    """Return the accuracy on pairs and on digits."""
    same, digit = outputs
    return {
        "same": round(float(np.mean((same > 0.5) == (test.same > 0.5))), 4),
        "digit": round(float(np.mean(digit.argmax(axis=-1) == test.digit)), 4),
    }


def _difference(a: Sequence[Array], b: Sequence[Array]) -> float:
    return max(float(np.max(np.abs(x - y))) for x, y in zip(a, b, strict=True))


def _latencies(run: Callable[[list[Array]], Any], batch: list[Array]) -> dict[str, float]:
    """Return the median time of a call on one pair and on a batch, in milliseconds."""
    return {f"{n} pair{'s' if n > 1 else ''}": _milliseconds(run, [b[:n] for b in batch]) for n in (1, _BATCH_LATENCY)}


def _milliseconds(run: Callable[[list[Array]], Any], arrays: list[Array], repeats: int = 30) -> float:
    times = []
    for _ in range(repeats + 3):
        started = time.perf_counter()
        run(arrays)
        times.append(time.perf_counter() - started)
    return round(float(np.median(times[3:])) * 1e3, 3)


# ----- the report -----


def as_text(report: dict[str, Any], folder: Path) -> str:
    """Format the report."""
    accuracies, differences, times = report["accuracy"], report["largest_difference"], report["milliseconds"]
    agree = max(differences.values()) <= _AGREEMENT
    names = list(next(iter(times.values())))
    lines = [
        f"trained in {report['training_seconds']:.1f} s (epochs: {report['epochs']}, parameters: {report['parameters']:,})",
        "",
        f"on {report['held_out_images']} held-out images",
        *_table(
            ["", "graphkit", "reloaded", "onnxruntime"],
            [
                ["same digit or not", *(f"{accuracies[n]['same']:.2%}" for n in accuracies)],
                ["which digit", *(f"{accuracies[n]['digit']:.2%}" for n in accuracies)],
                ["largest difference", "", *(f"{d:.1e}" for d in differences.values())],
                *(
                    [f"time for {n}", f"{times['graphkit'][n]:.2f} ms", "", f"{times['onnxruntime'][n]:.2f} ms"]
                    for n in names
                ),
            ],
        ),
        "",
        f"written to {folder}",
        *_table(None, [[name, f"{size / 1024:,.1f} KB"] for name, size in report["bytes"].items()]),
        "",
        "All three agree." if agree else f"They do NOT agree within {_AGREEMENT:g}.",
    ]
    return "\n".join(lines)


def _table(header: list[str] | None, rows: list[list[str]]) -> list[str]:
    """Align columns: the first to the left, the others to the right."""
    shown = ([header] if header else []) + rows
    widths = [max(len(row[i]) for row in shown) for i in range(len(shown[0]))]
    padded = (
        [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))] for row in shown
    )
    return ["  " + "  ".join(row) for row in padded]
