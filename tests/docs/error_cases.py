"""Mistakes, each a few lines of code: docs/errors.md shows them, and tests/docs/test_errors.py runs them.

`python -m tests.docs.error_cases` regenerates docs/errors.md.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"

PREAMBLE = """
import json
from pathlib import Path
import numpy as np
import graphkit
from graphkit import Input, Model, Sequential, ops
from graphkit import backend as K
from graphkit import layers
from graphkit.layers import (
    LSTM, Activation, Add, BatchNormalization, Bidirectional, Concatenate, Conv2D, Dense, Dot, Dropout, Embedding, Flatten,
    Lambda, MaxPooling2D, Permute, RepeatVector, Reshape, Subtract, TimeDistributed, UpSampling2D, ZeroPadding2D,
)

def small_model():
    a = Input((4,), name="a")
    return Model(a, Dense(2, name="out")(a), name="small")

def two_inputs():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    return Model([a, b], Dense(1, name="out")(Concatenate(name="join")([a, b])), name="two")

def compiled():
    model = small_model()
    model.compile("sgd", "mse")
    return model

x, y = np.zeros((8, 4), "float32"), np.zeros((8, 2), "float32")
"""


class Case(NamedTuple):
    """One mistake."""

    title: str
    code: str


SECTIONS: dict[str, list[Case]] = {
    "Building a graph": [
        Case(
            "An input is missing",
            'a, b = Input((4,), name="a"), Input((4,), name="b")\nModel(a, Add(name="sum")([a, b]))',
        ),
        Case("An input that is not a tensor", "Model(np.zeros((2, 4)), Input((4,)))"),
        Case("An output that is not a tensor", "a = Input((4,))\nModel(a, [Dense(2)(a), None])"),
        Case("No outputs", "Model(Input((4,)), [])"),
        Case("The same input twice", "a = Input((4,))\nModel([a, a], Dense(2)(a))"),
        Case("Two layers with the same name", 'a = Input((4,))\nModel(a, Dense(2, name="d")(Dense(3, name="d")(a)))'),
        Case("A layer called on a string", 'Dense(2, name="d")("a")'),
        Case("A layer called on a layer", 'Dense(2, name="d")(Dense(3, name="e"))'),
        Case("A layer called without an input", 'Dense(2, name="d")()'),
        Case("An unknown call argument", 'Dense(2, name="d")(Input((4,)), trainning=True)'),
        Case("`.output` of a shared layer", 'd = Dense(2, name="d")\nd(Input((4,)))\nd(Input((4,)))\nd.output'),
        Case("`.input` of a layer never called", 'Dense(2, name="d").input'),
        Case("A node that does not exist", 'd = Dense(2, name="d")\nd(Input((4,)))\nd.get_output_at(1)'),
        Case(
            "`input_shape` of calls with different shapes",
            'f = Flatten(name="f")\nf(Input((4, 2)))\nf(Input((4, 3)))\nf.input_shape',
        ),
        Case("A layer name that does not exist", 'small_model().get_layer("ouy")'),
        Case("A layer index that does not exist", "small_model().get_layer(index=7)"),
        Case("Input without a shape", "Input()"),
        Case("Input with a number as its shape", "Input(4)"),
        Case("Input with a negative size", "Input((4, -3))"),
        Case("NumPy on a symbolic tensor", "np.linalg.norm(Input((4,)))"),
        Case("`if` on a symbolic tensor", "a = Input((4,))\nif a > 0:\n    pass"),
        Case("A slash in a name", 'Dense(2, name="a/b")'),
    ],
    "Arguments of layers": [
        Case("A misspelled argument", 'Dense(2, activaton="relu")'),
        Case("Negative units", 'Dense(-1, name="d")'),
        Case("An unknown activation", 'Dense(2, activation="rellu")'),
        Case("An unknown initializer", 'Dense(2, kernel_initializer="glorot")'),
        Case("An unknown regularizer", 'Dense(2, kernel_regularizer="l3")'),
        Case("A dropout rate above 1", 'Dropout(1.5, name="drop")'),
        Case("An unknown dtype", 'Dense(2, dtype="float31")'),
        Case("Zero filters", 'Conv2D(0, 3, name="c")'),
        Case("Groups that do not divide the channels", 'Conv2D(4, 3, groups=3, name="c")(Input((8, 8, 4)))'),
        Case("Strides and dilation at once", 'Conv2D(4, 3, strides=2, dilation_rate=2, name="c")(Input((8, 8, 4)))'),
        Case("An unknown padding", 'Conv2D(4, 3, padding="full", name="c")'),
        Case("An unknown data format", 'Conv2D(4, 3, data_format="NHWC", name="c")'),
        Case("An Embedding without rows", 'Embedding(0, 8, name="e")'),
        Case("Dot with axes that are not integers", 'Dot("last", name="dot")'),
        Case("Lambda of something that is not a function", 'Lambda("x + 1", name="l")'),
        Case("An unknown Merge mode", 'layers.Merge(mode="join")'),
        Case("TimeDistributed of something that is not a layer", 'TimeDistributed(3, name="td")'),
        Case("An unknown merge_mode", 'Bidirectional(LSTM(2), merge_mode="both", name="b")'),
    ],
    "Shapes": [
        Case("Another last axis than at the first call", 'd = Dense(2, name="d")\nd(Input((4,)))\nd(Input((5,)))'),
        Case("A rank too low", 'Conv2D(4, 3, name="c")(Input((8, 8)))'),
        Case("A kernel larger than the image", 'Conv2D(4, 9, name="c")(Input((8, 8, 1)))'),
        Case("A pool larger than the image", 'MaxPooling2D(9, name="p")(Input((8, 8, 1)))'),
        Case("An unknown last axis", 'Dense(2, name="d")(Input((None,)))'),
        Case("Merging shapes that differ", 'Add(name="sum")([Input((4,)), Input((5,))])'),
        Case("Merging a single tensor", 'Add(name="sum")(Input((4,)))'),
        Case("Subtracting three tensors", 'Subtract(name="s")([Input((4,)), Input((4,)), Input((4,))])'),
        Case(
            "Concatenating shapes that differ along another axis",
            'Concatenate(name="c")([Input((4, 2)), Input((5, 2))])',
        ),
        Case("Dot of sizes that differ", 'Dot(1, name="dot")([Input((4,)), Input((5,))])'),
        Case("Reshape to another number of elements", 'Reshape((3, 3), name="r")(Input((8,)))'),
        Case("Permute with a missing axis", 'Permute((1, 3), name="p")(Input((4, 2)))'),
        Case("A recurrent layer on two axes", 'LSTM(4, name="l")(Input((8,)))'),
        Case(
            "Batch normalization over an axis that does not exist", 'BatchNormalization(axis=3, name="bn")(Input((4,)))'
        ),
        Case("ops: shapes that do not broadcast", "ops.add(np.zeros(3), np.zeros(4))"),
        Case("ops: a product of incompatible shapes", "ops.matmul(np.zeros((2, 3)), np.zeros((4, 5)))"),
        Case("ops: an axis that does not exist", "ops.sum(np.zeros((2, 3)), axis=2)"),
        Case("ops: too many indices", "ops.get_item(np.zeros((2, 3)), (0, 0, 0))"),
    ],
    "Feeding a model": [
        Case("Too few inputs", "two_inputs()(x)"),
        Case("A misspelled input name", 'two_inputs()({"a": x, "c": x})'),
        Case("An input of another size", "small_model()(np.zeros((2, 5)))"),
        Case("The wrong number of weights", "small_model().set_weights([np.zeros((4, 2))])"),
        Case("A weight of another shape", "small_model().set_weights([np.zeros((4, 3)), np.zeros(2)])"),
        Case("Assigning a value of another shape", 'graphkit.Variable(np.zeros(3), name="v").assign(np.zeros(4))'),
        Case("A Sequential without a shape", 'Sequential([Dense(2)], name="s").count_params()'),
    ],
    "Training": [
        Case("fit before compile", "small_model().fit(x, y, verbose=0)"),
        Case("An unknown optimizer", 'small_model().compile("adamm", "mse")'),
        Case("An unknown loss", 'small_model().compile("adam", "msee")'),
        Case(
            "An unknown metric",
            'small_model().compile("adam", "mse", metrics=["acuracy"])\ngraphkit.metrics.get("acuracy")',
        ),
        Case("Inputs and targets of different lengths", "compiled().fit(x, y[:5], verbose=0)"),
        Case("Targets of another shape", "compiled().fit(x, np.zeros((8, 3)), verbose=0)"),
        Case("No data", "compiled().fit(x[:0], y[:0], verbose=0)"),
        Case("A batch size of zero", "compiled().fit(x, y, batch_size=0, verbose=0)"),
        Case("A validation split beyond 1", "compiled().fit(x, y, validation_split=1.5, verbose=0)"),
        Case(
            "A loss for an output that does not exist",
            'm = small_model()\nm.compile("sgd", {"oot": "mse"})\nm.fit(x, y, verbose=0)',
        ),
        Case(
            "The gradient of a value that is not a scalar",
            "v = graphkit.Variable(np.ones(3))\ngraphkit.value_and_grad(lambda: v * 2, [v])()",
        ),
        Case("A gradient with respect to an array", "graphkit.value_and_grad(lambda: 1.0, [np.ones(3)])"),
    ],
    "Files and export": [
        Case("A file that does not exist", 'graphkit.models.load_model("missing.keras")'),
        Case(
            "A file that is not a model",
            'Path("notes.keras").write_text("hello")\ngraphkit.models.load_model("notes.keras")',
        ),
        Case("Invalid JSON", 'graphkit.models.model_from_json("{\\"class_name\\": ")'),
        Case(
            "A class that is not registered",
            'text = small_model().to_json().replace("\\"Dense\\"", "\\"Dance\\"")\ngraphkit.models.model_from_json(text)',
        ),
        Case(
            "A reference to a layer that is not in the file",
            'text = small_model().to_json().replace("[\\"a\\", 0, 0]", "[\\"z\\", 0, 0]")\ngraphkit.models.model_from_json(text)',
        ),
        Case(
            "Weights for another model",
            'small_model().save_weights("w.weights.h5")\ntwo_inputs().load_weights("w.weights.h5")',
        ),
        Case(
            "An existing file, overwrite=False",
            'small_model().save("m.keras")\nsmall_model().save("m.keras", overwrite=False)',
        ),
        Case("An unknown suffix", 'small_model().save("model.xyz")'),
        Case("An opset that is too old", 'small_model().export("m.onnx", opset=9)'),
        Case(
            "An operator that the opset lacks",
            'hashed = Sequential([Input((1,), dtype="int32"), layers.Hashing(9, name="hash")])\nhashed.export("m.onnx", opset=14)',
        ),
        Case("Another export format", 'small_model().export("m.pb", format="tf_saved_model")'),
        Case("A provider that is not available", 'graphkit.runtime.Predictor(small_model(), providers=["TPU"])'),
        Case("Predictor: a wrong input name", 'graphkit.runtime.Predictor(small_model())({"b": x})'),
        Case("Predictor: a wrong shape", "graphkit.runtime.Predictor(small_model())(np.zeros((2, 5)))"),
    ],
}


def run(code: str) -> Exception:
    """The exception that the code ends with. Raises AssertionError if it ends without one."""
    from graphkit.core.names import reset_names

    reset_names()
    names: dict[str, object] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        exec(compile(PREAMBLE, "preamble", "exec"), names)
        try:
            exec(compile(code, "case", "exec"), names)
        except Exception as error:
            return error
    raise AssertionError(f"This should not have worked:\n{code}")


def describe(case: Case) -> str:
    """One case as Markdown: the code and its message."""
    error = run(case.code)
    return f"**{case.title}**\n\n```python\n{case.code}\n```\n\n> `{type(error).__name__}`: {' '.join(str(error).split())}\n"


def page() -> str:
    """docs/errors.md."""
    count = sum(len(cases) for cases in SECTIONS.values())
    parts = [
        "# Errors and their messages\n",
        f"{count} common mistakes. Every exception is a `graphkit.errors.GraphKitError` and also the builtin exception that fits "
        "(`ValueError`, `TypeError`, `AttributeError`, `KeyError`, ...). A test runs each of them; "
        "`python -m tests.docs.error_cases` regenerates this page.\n",
        f"Each one starts with:\n\n```python\n{PREAMBLE.strip()}\n```\n",
    ]
    for section, cases in SECTIONS.items():
        parts.append(f"## {section}\n")
        parts += [describe(case) for case in cases]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
