"""Every op returns the dtype that real Keras returns, for every dtype and pair of dtypes of its inputs."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from graphkit import KerasTensor, ops
from graphkit.core import dtypes, nest
from graphkit.core.errors import GraphKitError
from tests.ops import keras_dtypes, sweep

FILE = Path(__file__).resolve().parents[2] / "fixtures" / "ops" / "dtypes.json"

# JAX has no kernel for some dtypes, so Keras on JAX refuses them although its symbolic tensors accept them; so do we.
_NO_KERNEL = (
    "adaptive_average_pool argpartition batch_normalization erf fft ifft2 irfft istft rfft glu log_softmax max_pool average_pool normalize"
    " one_hot psnr random.dropout rsqrt scatter sigmoid silu swish softmax vander bincount_weighted cdist kron quantile_of polar round"
    " round_decimals round_negative map_coordinates_at elastic_transform random.categorical"
)
NO_KERNEL = frozenset(_NO_KERNEL.split())
# Refused here, since values would be wrong or an index not an integer; Keras returns a result.
STRICTER = frozenset(["segment ids", "take", "unravel_index", "sobel_edges", "scatter at"])
# Normalization and attention of integers give floats here, and are not truncated to integers.
KEPT_FLOAT = frozenset(["dot_product_attention", "layer_normalization", "rms_normalization"])
# Keras casts the inputs of a convolution to the dtype of its kernel, even if values are lost; here both get their common dtype.
PROMOTED = frozenset(["conv"])
WHOLE = tuple(i for i, d in enumerate(keras_dtypes.DTYPES) if d != "complex64")  # complex numbers: the rows below


def _dtype(x: Any) -> str:
    if not hasattr(x, "dtype"):
        return type(x).__name__
    return x.dtype if isinstance(x.dtype, str) else dtypes.of_array(x)


WORLD = SimpleNamespace(
    ops=ops,
    run=lambda call, *args: call(ops, *args),
    ones=lambda shape, dtype: ops.ones(shape, dtype=dtype),
    symbolic=KerasTensor,
    leaves=nest.flatten,
    dtype=_dtype,
    result_type=dtypes.result_type,
)


@lru_cache(maxsize=1)
def answers() -> dict[str, Any]:
    """What Keras returned."""
    table: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return table


def _differ(call: Any, args: tuple[Any, ...], wanted: str, name: str) -> str:
    """Describe what is wrong with the result; an empty string if nothing is."""
    key = name.replace(" ", "_")
    try:
        found = " ".join(_dtype(leaf) for leaf in nest.flatten(call(ops, *args)))
    except GraphKitError as error:
        kinds = {"!ValueError": ValueError, "!TypeError": TypeError}
        if wanted.startswith("!"):
            is_kind = wanted not in kinds or isinstance(error, (ValueError, TypeError))
            return "" if is_kind else f"refused with {type(error).__name__}, Keras says {wanted[1:]}"
        return "" if name in STRICTER else f"refused ({error}), Keras says {wanted}"
    except Exception as error:
        return f"broke: {type(error).__name__}: {error}"
    if wanted.startswith("!"):
        return "" if key in NO_KERNEL else f"{found}, Keras refuses with {wanted[1:]}"
    return "" if found == wanted or name in KEPT_FLOAT | PROMOTED else f"{found}, Keras says {wanted}"


def _tensor(number: int) -> Any:
    return ops.ones((2, 2), dtype=keras_dtypes.DTYPES[number])


@pytest.mark.parametrize("name", keras_dtypes.ONE)
def test_the_dtype_of_an_op_of_one_tensor(name: str) -> None:
    wanted = answers()[f"one: {name}"]
    found = {keras_dtypes.DTYPES[i]: _differ(keras_dtypes.ONE[name], (_tensor(i),), wanted[i], name) for i in WHOLE}
    assert {k: v for k, v in found.items() if v} == {}


@pytest.mark.parametrize("name", keras_dtypes.TWO)
def test_the_dtype_of_an_op_of_two_tensors(name: str) -> None:
    wanted, kinds = answers()[f"two: {name}"], keras_dtypes.DTYPES
    found = {
        (kinds[i], kinds[j]): _differ(keras_dtypes.TWO[name], (_tensor(i), _tensor(j)), wanted[i][j], name)
        for i in WHOLE
        for j in WHOLE
    }
    assert {k: v for k, v in found.items() if v} == {}


@pytest.mark.parametrize("name", sorted(keras_dtypes.WITH_SCALARS & keras_dtypes.TWO.keys()))
@pytest.mark.parametrize("kind", keras_dtypes.SCALARS)
def test_the_dtype_of_an_op_of_a_tensor_and_a_python_number(name: str, kind: str) -> None:
    call, scalar = keras_dtypes.TWO[name], keras_dtypes.SCALARS[kind]
    right, left = answers()[f"{kind} right: {name}"], answers()[f"{kind} left: {name}"]
    found = {(keras_dtypes.DTYPES[i], kind): _differ(call, (_tensor(i), scalar), right[i], name) for i in WHOLE}
    found |= {(kind, keras_dtypes.DTYPES[i]): _differ(call, (scalar, _tensor(i)), left[i], name) for i in WHOLE}
    assert {k: v for k, v in found.items() if v} == {}


_OWN = {  # 64-bit dtypes are kept here; Keras on JAX has none
    "categorical as int64": "int64",
    "normal as float64": "float64",
    "randint as int64": "int64",
    "truncated_normal as float64": "float64",
    "uniform as float64": "float64",
    "uniform as float": "float32",
    "normal as complex64": "!ValueError",
    "meshgrid": "int32 float32",
}


@pytest.mark.parametrize("name", keras_dtypes.NO_TENSORS)
def test_the_dtype_of_what_is_made(name: str) -> None:
    wanted = _OWN.get(name, answers()[f"none: {name}"])
    assert _differ(keras_dtypes.NO_TENSORS[name], (), wanted, name) == ""


# ----- symbolic tensors announce what arrays give -----

UNTRACED = frozenset(["unique", "view"])  # the shape depends on the values; the call reads the dtype as NumPy's


def _announces(name: str) -> bool:
    return name not in UNTRACED and not name.startswith("random.")  # random draws are not ops of the layer graph


@pytest.mark.parametrize("name", sorted(filter(_announces, keras_dtypes.ONE.keys() | keras_dtypes.TWO.keys())))
def test_a_symbolic_tensor_announces_the_dtype_that_arrays_give(name: str) -> None:
    kinds, wrong = keras_dtypes.DTYPES, []
    call = keras_dtypes.ONE.get(name) or keras_dtypes.TWO[name]
    pairs = [(i,) for i in WHOLE] if name in keras_dtypes.ONE else [(i, 9) for i in WHOLE] + [(5, i) for i in WHOLE]
    for numbers in pairs:
        eager = sweep.outcome(WORLD, call, *(_tensor(i) for i in numbers))
        announced = sweep.outcome(WORLD, call, *(KerasTensor((2, 2), kinds[i]) for i in numbers))
        if announced != eager and not eager.startswith("!"):
            wrong.append((tuple(kinds[i] for i in numbers), announced, eager))
    assert wrong == []


# ----- the lattice -----


def test_the_common_dtype_of_two_is_that_of_keras() -> None:
    every = [*keras_dtypes.DTYPES, "uint64", "int64", "float64", "complex128"]
    rows = [*every, int, float]
    wide = {"uint64", "int64", "float64", "complex128"}
    wrong = []
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            if wide.isdisjoint((a, b)) and dtypes.result_type(a, b) != answers()["result_type"][i][j]:
                wrong.append((a, b, dtypes.result_type(a, b), answers()["result_type"][i][j]))
    assert wrong == []


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (("uint32", "int64"), "int64"),
        (("int64", int), "int64"),
        (("int32", "uint32"), "int32"),
        (("uint64", "int8"), "float32"),
        (("float64", "int64"), "float64"),
        (("uint8", "uint32", "int8"), "int32"),
        (("float32", "complex128"), "complex128"),
    ],
)
def test_64_bits_come_out_where_some_went_in(given: tuple[Any, ...], wanted: str) -> None:
    assert dtypes.result_type(*given) == wanted
