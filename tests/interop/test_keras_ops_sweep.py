"""Every public op of Keras, called with what its documentation implies, gives Keras' results and refuses what Keras refuses.

Needs an interpreter with Keras 3 and JAX, as tests/interop/test_real_keras.py. Arrays are computed by Keras' NumPy backend, which
compiles nothing; symbolic results are those of the JAX backend.
"""

from __future__ import annotations

import os
import pickle
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import graphkit
from tests.interop import keras_ops_sweep as sweep
from tests.interop.test_real_keras import keras_python

pytestmark = pytest.mark.slow
SCRIPT = Path(sweep.__file__)

_INTEGERS = (
    "floating-point functions of integers and bools give floatx(); Keras truncates to integers, or gives a small float"
)
_SCALARS = "results are tensors; Keras' NumPy backend gives Python values"
_FLOAT_SIZES = "sizes and numbers of points are integers"
_FREE = "an unknown size is assumed to fit a known one, and to be what the op requires; arrays are checked"
_ROWS = "one size for each spatial axis: Keras ignores further ones"
_UNUSUAL = "a mistake in all likelihood, which is refused here"
KEPT: dict[str, str] = {
    **dict.fromkeys(
        [
            "conj",
            "conjugate",
            "reciprocal",
            "round",
            "rsqrt",
            "erf",
            "elu",
            "gelu",
            "glu",
            "hard_shrink",
            "hard_tanh",
            "leaky_relu",
            "log_sigmoid",
            "log_softmax",
            "relu",
            "relu6",
            "selu",
            "sigmoid",
            "silu",
            "soft_shrink",
            "softmax",
            "softplus",
            "sparse_plus",
            "sparse_sigmoid",
            "squareplus",
            "swish",
            "tanh_shrink",
            "threshold",
            "clip",
            "floor_divide",
            "power",
            "heaviside",
            "hypot",
            "bitwise_left_shift",
            "bitwise_right_shift",
            "left_shift",
            "right_shift",
            "i0",
            "sparsemax",
            "rad2deg",
            "histogram",
        ],
        _INTEGERS,
    ),
    **dict.fromkeys(["imag", "real", "stop_gradient", "allclose"], _SCALARS),
    **dict.fromkeys(["bartlett", "blackman", "hamming", "hanning", "tri", "rot90", "kaiser"], _FLOAT_SIZES),
    **dict.fromkeys(
        [
            "where",
            "in_top_k",
            "stack",
            "append",
            "dstack",
            "vstack",
            "repeat",
            "corrcoef",
            "polar",
            "dot",
            "einsum",
            "lstsq",
            "solve_triangular",
            "binary_crossentropy",
            "categorical_crossentropy",
            "sparse_categorical_crossentropy",
            "batch_normalization",
            "dot_product_attention",
            "ctc_loss",
            "ctc_decode",
            "fft",
            "fft2",
            "ifft2",
            "irfft",
            "istft",
            "image.rgb_to_hsv",
            "image.hsv_to_rgb",
            "image.perspective_transform",
            "image.map_coordinates",
            "image.crop_images",
            "bitwise_and",
            "bitwise_or",
            "bitwise_xor",
        ],
        _FREE,
    ),
    **dict.fromkeys(["adaptive_average_pool", "adaptive_max_pool", "conv_transpose"], _ROWS),
    **dict.fromkeys(
        [
            "equal",
            "not_equal",
            "split",
            "hsplit",
            "vsplit",
            "dsplit",
            "tril",
            "triu",
            "diff",
            "unstack",
            "slice",
            "extract_sequences",
            "top_k",
            "image.gaussian_blur",
            "image.scale_and_translate",
            "argsort",
        ],
        _UNUSUAL,
    ),
    "erfc": "the error function is defined for real numbers here",
    "view": "the default dtype keeps the dtype of the tensor, as Keras on JAX",
    "cumsum": "the result has the dtype that is asked for, bool as well",
    "cumprod": "the result has the dtype that is asked for, bool as well",
    "median": "refused for no elements, as Keras on JAX",
    "nanmedian": "refused for no elements, as Keras on JAX",
    **dict.fromkeys(
        ["quantile", "nanquantile", "percentile", "nanpercentile"],
        "positions of 'nearest' are rounded as by Keras on JAX",
    ),
    "digitize": "bins ascend, as for Keras on JAX",
    "concatenate": "axis=None is refused, as by symbolic tensors of Keras",
    "pad": "mode='empty' fills with zeros, Keras with what is in memory",
    "slice_update": "updates must fit the dtype of the inputs, as for Keras on JAX",
    "arange": "a size of None is an unknown size, not the default",
    "eig": "eigenvalues of real matrices are complex, and eigenvectors have a sign of their own, as for Keras on JAX",
    "eigh": "a matrix is made symmetric first, as by Keras on JAX",
    "cholesky_inverse": "stacks of matrices are accepted",
    "solve": "right-hand sides have as many axes as the matrices or one less",
    "image.resize": "bytes are clamped to their range, as by Keras on JAX",
    "image.affine_transform": "bytes are rounded, as by Keras on JAX",
    "image.sobel_edges": "the numbers are those of Keras on JAX",
    "unique": "slices along an axis are not compared in a graph",
    "reshape": "a size of -1 beside 0 is 0",
    "get_item": "all keys of NumPy are accepted",
    "linspace": "a step may be returned by symbolic calls too",
    "scatter": "an unknown number of index axes is taken as 1",
    "cross": "of two unknown sizes of vectors, none is known to be 3",
    "stft": "a window tensor has a known size",
    "one_hot": "a new axis may be the last one",
    "random.normal": "random floats have a float dtype, as for Keras on JAX",
    "random.truncated_normal": "random floats have a float dtype, as for Keras on JAX",
    "random.dropout": "draws are no ops of the graph; integers become floatx()",
}


def _name(op: str) -> str:
    return op.removeprefix("ops.")


@lru_cache(maxsize=1)
def _found() -> tuple[dict[Any, Any], dict[str, list[str]]]:
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    keras: dict[Any, Any] = {}
    for backend, modes in (("numpy", "array"), ("jax", "[!a]*")):
        target = folder / f"keras_ops_{os.getpid()}_{backend}.pickle"
        environment = {**os.environ, "KERAS_BACKEND": backend}
        command = [python, str(SCRIPT), "keras", str(target), "*", modes]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        keras.update(pickle.loads(target.read_bytes()))
        target.unlink()
    ours = {
        (title, mode): sweep.outcome(graphkit, one, shapes)
        for title, one in sweep.calls.every()
        for mode, shapes in sweep.modes(one)
    }
    return keras, sweep.faults(keras, ours)


def test_every_difference_is_on_the_list() -> None:
    _, faults = _found()
    assert {op: rows[:3] for op, rows in faults.items() if _name(op) not in KEPT} == {}


def test_every_entry_of_the_list_is_a_difference() -> None:
    _, faults = _found()
    assert sorted(KEPT.keys() - {_name(op) for op in faults}) == []


def test_the_calls_are_many() -> None:
    keras, faults = _found()
    different = sum(map(len, faults.values()))
    print(f"{len(keras)} comparisons with Keras, {len(keras) - different} equal, {different} different on purpose")
    assert len(keras) > 40000
    assert different < len(keras) / 25


# Parts of expressions whose results differ, and why.
KEPT_EXPRESSIONS = {
    "sparse=True": "there are no sparse tensors",
    "[1, 2, 3])": "lists may be operands of symbolic tensors",
    "list(KT(": "a symbolic tensor of known size can be iterated over",
    "divmod(": "a pair of symbolic tensors",
    "<< 1": "symbolic tensors can be shifted",
    ">> 1": "symbolic tensors can be shifted",
    "k.ops.ndim(KT": "the number of axes is a number",
    "convert_to_tensor(KT((2,)))": "the class has another name",
    'name_scope("")': "the class has another name",
    "activations.serialize(lambda": "a function that cannot be serialized is a ValueError",
    'activations.deserialize("foo")': "an unknown name is refused",
    "standardize_dtype(d)) for d in": "names such as 'float' and 'half' are accepted",
    "np.asarray(getattr(k.initializers, n)()((4, 4)": "64 bits exist; random integers are rounded, not refused",
    "np.asarray(getattr(k.initializers, n)()(s))": "a shape is a sequence",
    "Regularizer().get_config()": "arguments are recorded, so every class has a config",
    "__delitem__": "deleting returns None",
    '{"a": 5}': "policies are checked when the map is made",
    'split("map_")': "the address is not part of the text",
    'set_epsilon("a")': "what is no number is refused",
    "SeedGenerator(-1)": "a ValueError, not an OverflowError",
    "next(ordered=False)": "the order is kept",
    'np.array([1, 2], "uint32")': "a state may be given as a seed",
}


def test_every_expression_gives_what_keras_gives() -> None:
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    target = Path(os.environ.get("TMPDIR", "/tmp")) / f"keras_expressions_{os.getpid()}.pickle"
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [python, str(SCRIPT), "expressions", "keras", str(target)]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    keras = pickle.loads(target.read_bytes())
    target.unlink()
    ours = sweep.evaluated(graphkit)
    wrong = {
        line: (result, ours[line])
        for line, result in keras.items()
        if not sweep.same(result, ours[line])
        and not (isinstance(result, tuple) and result[:1] == ("raised",))
        and not any(part in line for part in KEPT_EXPRESSIONS)
    }
    assert wrong == {}
