"""Preparation of features, of ai.onnx.ml: scaling, encoding, maps. Source: onnx.ai/onnx/operators (ai.onnx.ml)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.ir.tracing import Tracer
from graphkit.ops._convert import dtype_name

from .elementwise import scalar
from .estimators import features
from .known import shape_of
from .table import ML, operator
from .texts import strings

# ----- numbers -----


@operator("Scaler", domain=ML)
def scaler(x: Any, *, offset: Any = None, scale: Any = None) -> Any:
    """Return (x - offset) * scale."""
    x = ops.cast(x, "float32")
    if offset:
        x = ops.subtract(x, np.asarray(offset, np.float32))
    return ops.multiply(x, np.asarray(scale, np.float32)) if scale else x


@operator("Normalizer", domain=ML)
def normalizer(x: Any, *, norm: str = "MAX") -> Any:
    """Divide each row by its largest element, its sum, or its length; rows of zeros stay zero."""
    rules = {
        "MAX": lambda v: ops.max(v, axis=-1, keepdims=True),
        "L1": lambda v: ops.sum(ops.abs(v), axis=-1, keepdims=True),
        "L2": lambda v: ops.sqrt(ops.sum(ops.square(v), axis=-1, keepdims=True)),
    }
    if norm not in rules:
        raise UnsupportedError(f"norm expects one of {sorted(rules)}, got {norm!r}.")
    x = ops.cast(x, "float32")
    size = rules[norm](x)
    return ops.true_divide(x, ops.where(ops.equal(size, 0), ops.ones_like(size), size))


@operator("Binarizer", domain=ML)
def binarizer(x: Any, *, threshold: float = 0.0) -> Any:
    """Return 1 where the input exceeds a threshold, 0 elsewhere."""
    return ops.cast(ops.greater(x, scalar(threshold, x)), dtype_name(x))


@operator("Imputer", domain=ML)
def imputer(
    x: Any,
    *,
    imputed_value_floats: Any = None,
    imputed_value_int64s: Any = None,
    replaced_value_float: float = 0.0,
    replaced_value_int64: int = 0,
) -> Any:
    """Replace one value, which may be NaN, by another, or by one for each feature."""
    is_int = dtypes.is_int(dtype_name(x))
    new = imputed_value_int64s if is_int else imputed_value_floats
    old = replaced_value_int64 if is_int else replaced_value_float
    if not new:
        raise InvalidArgumentError(f"Imputer has no values for inputs of {dtype_name(x)}.")
    found = ops.isnan(x) if not is_int and np.isnan(old) else ops.equal(x, scalar(old, x))
    return ops.where(found, np.asarray(new, dtypes.to_numpy(dtype_name(x))), x)


@operator("FeatureVectorizer", domain=ML)
def feature_vectorizer(*inputs: Any, inputdimensions: Any = None) -> Any:
    """Join inputs as rows of float32, cut or padded with zeros to the given lengths."""
    parts = []
    for i, x in enumerate(inputs):
        matrix = features(x)
        rows = shape_of(x)[0] if len(shape_of(x)) > 1 else 1
        matrix = ops.cast(ops.reshape(matrix, (rows, -1)), "float32")
        wanted = inputdimensions[i] if inputdimensions else shape_of(matrix)[1]
        missing = wanted - shape_of(matrix)[1]
        parts.append(matrix[:, :wanted] if missing <= 0 else ops.pad(matrix, [(0, 0), (0, missing)]))
    return ops.concatenate(parts, axis=-1)


@operator("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(x: Any, places: Any) -> Any:
    """Take elements along the last axis."""
    made = ops.take(x, ops.reshape(places, (-1,)), axis=-1)
    return ops.expand_dims(made, 0) if len(shape_of(x)) == 1 else made


# ----- categories -----


@operator("OneHotEncoder", domain=ML)
def one_hot_encoder(x: Any, *, cats_int64s: Any = None, cats_strings: Any = None, zeros: int = 1) -> Any:
    """Return float32 vectors that mark the category of each element; unknown ones are all zero, if `zeros`."""
    categories = np.array(list(cats_strings), object) if cats_strings else np.array(cats_int64s or (), np.int64)
    marked = ops.equal(ops.expand_dims(_as_text(x) if cats_strings else ops.cast(x, "int64"), -1), categories)
    if not zeros and isinstance(marked, np.ndarray) and not marked.any(axis=-1).all():
        raise InvalidArgumentError("OneHotEncoder got a category that is not listed.")
    return ops.cast(marked, "float32")


def _as_text(x: Any) -> Any:
    """Return strings as str; bytes are decoded, where they are known."""
    return x if isinstance(x, Tracer) else strings(x)


@operator("CategoryMapper", domain=ML)
def category_mapper(
    x: Any, *, cats_int64s: Any, cats_strings: Any, default_int64: int = -1, default_string: str = "_Unused"
) -> Any:
    """Turn strings into integers, or the reverse."""
    names, numbers = np.array(list(cats_strings), object), np.array(cats_int64s, np.int64)
    if dtype_name(x) == "string":
        return _replaced(_as_text(x), names, numbers, default_int64)
    return _replaced(x, numbers, names, default_string)


def _replaced(x: Any, keys: Any, values: Any, default: Any) -> Any:
    """Return the value of the first key that each element equals, or the default."""
    found = ops.equal(ops.expand_dims(x, -1), keys)
    if keys.dtype.kind == "f":
        found = ops.logical_or(found, ops.logical_and(ops.isnan(ops.expand_dims(x, -1)), np.isnan(keys)))
    table = np.empty(len(values) + 1, values.dtype)
    table[:-1], table[-1] = values, default
    return ops.take(table, ops.where(ops.any(found, axis=-1), ops.argmax(found, axis=-1), len(values)), axis=0)


_KINDS = (("strings", object, "_Unused"), ("int64s", np.int64, -1), ("floats", np.float32, -0.0))


@operator("LabelEncoder", domain=ML)
def label_encoder_of_strings(
    x: Any, *, classes_strings: Any, default_int64: int = -1, default_string: str = "_Unused"
) -> Any:
    """Turn strings into their places in a list, or the reverse (version 1)."""
    return category_mapper(
        x, cats_int64s=tuple(range(len(classes_strings))), cats_strings=classes_strings, default_int64=default_int64,
        default_string=default_string,
    )  # fmt: skip


@operator("LabelEncoder", since=2, domain=ML)
def label_encoder(
    x: Any, *, default_float: float = -0.0, default_int64: int = -1, default_string: str = "_Unused", default_tensor: Any = None,
    keys_floats: Any = None, keys_int64s: Any = None, keys_strings: Any = None, keys_tensor: Any = None, values_floats: Any = None,
    values_int64s: Any = None, values_strings: Any = None, values_tensor: Any = None,
) -> Any:  # fmt: skip
    """Replace keys by values; NaN is a key as well."""
    keys = _listed(keys_strings, keys_int64s, keys_floats, keys_tensor, "keys")
    values = _listed(values_strings, values_int64s, values_floats, values_tensor, "values")
    if len(keys) != len(values):
        raise InvalidArgumentError(f"LabelEncoder has {len(keys)} keys and {len(values)} values.")
    kinds = {"O": default_string, "i": default_int64, "f": default_float}
    default = np.asarray(default_tensor).reshape(-1)[0] if default_tensor is not None else kinds[values.dtype.kind]
    return _replaced(_as_text(x) if keys.dtype == object else x, keys, values, default)


def _listed(texts: Any, integers: Any, floats: Any, tensor: Any, what: str) -> Any:
    if tensor is not None:
        array = np.asarray(tensor).reshape(-1)
        return strings(array) if array.dtype.kind in "OSU" else array
    for given, (_, dtype, _) in zip((texts, integers, floats), _KINDS, strict=True):
        if given:
            return np.array(list(given), dtype)
    raise InvalidArgumentError(f"LabelEncoder has no {what}.")


# ----- maps: dicts of Python -----


def _as_map(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"expects a map (a dict), got {type(value).__name__}.")
    return value


@operator("DictVectorizer", domain=ML)
def dict_vectorizer(x: Any, *, int64_vocabulary: Any = None, string_vocabulary: Any = None) -> Any:
    """Return the values of a map in the order of a vocabulary, as one row; zeros where a key is missing."""
    table = _as_map(x)
    found = [table.get(key) for key in string_vocabulary or int64_vocabulary or ()]
    kind: Any = _kind_of(next(iter(table.values()), 0.0))
    return np.array([("" if kind is object else 0) if v is None else v for v in found], kind).reshape(1, -1)


def _kind_of(value: Any) -> Any:
    """Return the dtype of the values of a map; numbers of Python are int64 and float32, as in the maps of ZipMap."""
    kinds = {str: object, int: np.int64, float: np.float32}
    return kinds.get(type(value)) or np.asarray(value).dtype


_CASTS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "TO_FLOAT": (np.float32, float),
    "TO_INT64": (np.int64, lambda value: int(float(value))),
    "TO_STRING": (object, str),
}


@operator("CastMap", domain=ML)
def cast_map(x: Any, *, cast_to: str = "TO_FLOAT", map_form: str = "DENSE", max_map: int = 1) -> Any:
    """Return the values of a map by rising keys, as one row; a sparse one has its keys as places."""
    table = _as_map(x)
    if cast_to not in _CASTS:
        raise UnsupportedError(f"cast_to expects one of {sorted(_CASTS)}, got {cast_to!r}.")
    kind, convert = _CASTS[cast_to]
    keys: Sequence[int] = sorted(table)
    if map_form == "DENSE":
        row = [convert(table[key]) for key in keys]
    else:
        empty = "" if cast_to == "TO_STRING" else 0
        row = [convert(table[place]) if place in table else empty for place in range(max_map)]
    return np.array(row, kind).reshape(1, -1)


@operator("ZipMap", domain=ML)
def zip_map(x: Any, *, classlabels_int64s: Any = None, classlabels_strings: Any = None) -> Any:
    """Return each row as a map from labels to numbers."""
    from .known import array

    labels = list(classlabels_strings or classlabels_int64s or ())
    rows = np.atleast_2d(array(x, "X"))
    if rows.shape[1] != len(labels):
        raise InvalidArgumentError(f"ZipMap has {len(labels)} labels for rows of {rows.shape[1]}.")
    return [dict(zip(labels, row.tolist(), strict=True)) for row in rows]
