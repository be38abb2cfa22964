"""TensorFlow's public functions over graphkit's ops, with TensorFlow's argument names, positions, defaults and meaning.

`graphkit run` puts them under the name `tensorflow`. Each name is one row of the table `NAMES`, by its path without `tf.`; a function is
a composition of `graphkit.ops`, so that it computes on arrays, on tensors of a traced function and on the symbolic tensors of a
model alike. `HINTS` names what to use instead of absent names.
"""

from __future__ import annotations

import inspect
from typing import Any

from graphkit.tensorflow import (
    arrays,
    control,
    dtypes,
    files,
    images,
    linalg,
    mathematics,
    neural,
    numpy_names,
    randoms,
    runtime,
    signals,
    strings,
    table,
    tensors,
)
from graphkit.tensorflow.hints import HINTS, PACKAGES, hint_for
from graphkit.tensorflow.runtime import VERSION
from graphkit.tensorflow.table import NAMES

__all__ = ["HINTS", "NAMES", "PACKAGES", "VERSION", "hint_for", "modules", "names_in", "pure_functions"]

_PARTS = (
    arrays,
    control,
    files,
    images,
    linalg,
    mathematics,
    neural,
    numpy_names,
    randoms,
    runtime,
    signals,
    strings,
    tensors,
)
"""The modules that fill the table when they are imported."""

NAMES.update(dtypes.NAMES)
NAMES.update({f"dtypes.{name}": value for name, value in dtypes.NAMES.items()})
NAMES["__version__"] = VERSION
NAMES["experimental.float8_e4m3fn"] = dtypes.DType("float8_e4m3fn")
NAMES["experimental.float8_e5m2"] = dtypes.DType("float8_e5m2")

# The names of TensorFlow 1 that TensorFlow 2 still has, with the same arguments.
_ALIASES = {
    "compat.v1.set_random_seed": "random.set_seed", "compat.v1.random.set_random_seed": "random.set_seed",
    "compat.v1.log": "math.log", "compat.v1.ceil": "math.ceil", "compat.v1.global_norm": "linalg.global_norm",
    "compat.v1.truncated_normal": "random.truncated_normal", "compat.v1.random_normal": "random.normal",
    "compat.v1.random_uniform": "random.uniform", "compat.v1.diag": "linalg.tensor_diag", "compat.v1.to_float": "",
    "compat.v1.matrix_diag": "linalg.diag", "compat.v1.matrix_band_part": "linalg.band_part",
    "compat.v1.matrix_inverse": "linalg.inv", "compat.v1.trace": "linalg.trace", "compat.v1.cholesky": "linalg.cholesky",
    "compat.v1.depth_to_space": "nn.depth_to_space", "compat.v1.space_to_depth": "nn.space_to_depth",
    "compat.v1.is_nan": "math.is_nan", "compat.v1.is_finite": "math.is_finite", "compat.v1.rsqrt": "math.rsqrt",
    "compat.v1.erf": "math.erf", "compat.v1.lgamma": "math.lgamma", "compat.v1.digamma": "math.digamma",
    "compat.v1.segment_sum": "math.segment_sum", "compat.v1.unsorted_segment_sum": "math.unsorted_segment_sum",
    "compat.v1.floordiv": "math.floordiv", "compat.v1.mod": "math.floormod", "compat.v1.real": "math.real",
    "compat.v1.imag": "math.imag", "compat.v1.conj": "math.conj", "compat.v1.invert_permutation": "math.invert_permutation",
}  # fmt: skip
_SAME_IN_1 = (
    "abs add cast ceil clip_by_global_norm clip_by_norm clip_by_value concat cond constant convert_to_tensor cos divide einsum equal "
    "exp eye fill floor function greater greater_equal identity less less_equal linspace logical_and logical_not logical_or matmul "
    "maximum meshgrid minimum multiply negative not_equal ones ones_like pad pow range reshape reverse round scatter_nd shape sigmoid "
    "sign sin size slice sqrt square stack stop_gradient subtract tanh tensordot tile unstack where zeros zeros_like bool float16 float32 "
    "float64 int32 int64 string uint8 name_scope device print control_dependencies while_loop map_fn"
)


def _nothing(*_: Any, **__: Any) -> None:
    """Accept a switch of TensorFlow 1 whose setting is always on here."""


_LEVELS = {"DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}
NAMES.update({f"compat.v1.logging.{name}": level for name, level in _LEVELS.items()})
NAMES["compat.v1.logging.set_verbosity"] = NAMES["autograph.set_verbosity"]
NAMES.update({name: NAMES[target] for name, target in _ALIASES.items() if target})
NAMES.update({f"compat.v1.{name}": NAMES[name] for name in _SAME_IN_1.split() if name in NAMES})
NAMES.update({
    f"compat.v1.{name}": _nothing
    for name in ("enable_eager_execution", "enable_v2_behavior", "enable_v2_tensorshape", "enable_resource_variables")
})  # fmt: skip


def pure_functions() -> dict[str, Any]:
    """Return the functions of the table that only compute: from tensors, without files, random numbers, settings or other functions."""
    homes = {part.__name__ for part in (arrays, images, linalg, mathematics, neural, signals, table)}
    return {
        name: function
        for name, function in NAMES.items()
        if getattr(function, "__module__", "") in homes
        and inspect.isfunction(function)
        and not name.startswith(("compat.", "image.random_", "image.stateless_", "nn.dropout", "nn.experimental."))
    }


def names_in(module: str) -> list[str]:
    """Return the names of a module of TensorFlow, "" for TensorFlow itself; submodules are among them."""
    prefix = f"{module}." if module else ""
    return sorted({name[len(prefix) :].split(".")[0] for name in NAMES if name.startswith(prefix)})


def modules() -> set[str]:
    """Return the modules that the table has names in, without `tensorflow.` and without TensorFlow itself."""
    return {".".join(parts[:count]) for parts in (n.split(".") for n in NAMES) for count in range(1, len(parts))}
