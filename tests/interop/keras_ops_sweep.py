"""Make the calls of keras_ops_calls.py under Keras or graphkit, and compare two such runs.

    KERAS_BACKEND=jax python tests/interop/keras_ops_sweep.py keras keras.pickle [ops [modes]]
    python tests/interop/keras_ops_sweep.py graphkit graphkit.pickle [ops [modes]]
    python tests/interop/keras_ops_sweep.py compare keras.pickle graphkit.pickle
    KERAS_BACKEND=jax python tests/interop/keras_ops_sweep.py expressions keras keras.pickle

Each call is made with arrays, with symbolic tensors of known sizes, and with symbolic tensors that lack sizes.
"""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util
import pathlib
import pickle
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import numpy as np

if __package__:
    calls: Any = importlib.import_module(f"{__package__}.keras_ops_calls")
else:
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    calls = importlib.import_module("keras_ops_calls")

T = calls.T
RANDOM = ("ops.image.elastic_transform", "random.", "ops.empty")  # the values differ, or are not defined


def values(t: Any) -> Any:
    """Return the array of a tensor argument: seeded by its shape, dtype and kind."""
    shape, dtype, kind = t
    random = np.random.default_rng(crc32(repr(t).encode()))
    size = int(np.prod(shape))
    if kind.startswith("index"):
        made = random.integers(0, int(kind[5:]), shape)
    elif kind == "special":
        pool = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5, 0.5, -0.5, 2.0, 1e30, -1.0, 3.0, 1e-30, 7.0, -7.0]
        made = np.resize(np.array(pool), shape)
    elif kind in _KINDS:
        made = _KINDS[kind](random, shape)
    elif dtype == "bool":
        made = random.integers(0, 2, shape)
    elif dtype.startswith("complex"):
        made = random.normal(size=shape) + 1j * random.normal(size=shape)
    elif dtype.startswith(("int", "uint")):
        made = random.integers(0 if dtype.startswith("u") else -9, 9, shape)
    else:
        made = random.normal(size=shape)
    if kind == "nan" and size:
        made = np.where(random.random(shape) < 0.3, np.nan, made)
    return np.asarray(made).astype(_numpy_dtype(dtype))


def _positive_definite(random: Any, shape: tuple[int, ...]) -> Any:
    x = random.normal(size=shape)
    return x @ np.swapaxes(x, -1, -2) + 3 * np.eye(shape[-1])


_CORNERS = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0], [4.0, 3.0]])
_AFFINE = np.array([1.1, 0.1, -0.4, -0.2, 0.9, 0.3, 0.0, 0.0])
_KINDS: dict[str, Any] = {
    "positive": lambda r, s: r.integers(1, 5, s) * 0.75 + 0.25,
    "bigger": lambda r, s: r.uniform(5, 9, s),
    "unit": lambda r, s: r.random(s),
    "other_unit": lambda r, s: r.random(s),
    "percent": lambda r, s: 100 * r.random(s),
    "big": lambda r, s: r.normal(size=s) * 200,
    "sorted": lambda r, s: np.sort(r.integers(0, 3, s) + np.arange(np.prod(s)).reshape(s)),
    "posdef": _positive_definite,
    "image": lambda r, s: r.integers(0, 120, s),
    "label": lambda r, s: r.integers(1, 4, s),
    "zeros": lambda r, s: np.zeros(s),
    "one": lambda r, s: np.ones(s),
    "three": lambda r, s: np.full(s, 3),
    "four": lambda r, s: np.full(s, 4),
    "six": lambda r, s: np.full(s, 6),
    "affine": lambda r, s: np.broadcast_to(_AFFINE, s),
    "corners": lambda r, s: np.broadcast_to(_CORNERS, s),
    "corners2": lambda r, s: np.broadcast_to(_CORNERS * [0.9, 1.1] + [0.3, -0.2], s),
    "coordinates": lambda r, s: r.uniform(-6, 9, s),
}  # fmt: skip


def _numpy_dtype(dtype: str) -> Any:
    if dtype == "bfloat16":
        import ml_dtypes

        return ml_dtypes.bfloat16
    return np.dtype(dtype)


# ----- making the calls -----


def _map(value: Any, function: Any) -> Any:
    if isinstance(value, T):
        return function(value)
    if type(value) in (list, tuple):
        return type(value)(_map(v, function) for v in value)
    if isinstance(value, dict):
        return {k: _map(v, function) for k, v in value.items()}
    return value


def _tensors(value: Any) -> list[Any]:
    found: list[Any] = []
    _map(value, found.append)
    return found


def modes(one: Any) -> Iterator[tuple[str, Any]]:
    """Yield how a call is made: a name, and the shapes of its symbolic tensors (None: arrays)."""
    yield "array", None
    tensors = _tensors([list(one.args), one.options])
    if not tensors:
        return
    shapes = [t.shape for t in tensors]
    yield "symbolic", shapes
    variants: dict[str, Any] = {}
    for axis in range(max(map(len, shapes))):
        variants[f"None at {axis} of all"] = [_without(s, axis) for s in shapes]
    if len(shapes) > 1:
        for number, shape in enumerate(shapes[:3]):
            for axis in range(len(shape)):
                variants[f"None at {axis} of {number}"] = [
                    _without(s, axis) if i == number else s for i, s in enumerate(shapes)
                ]
    variants["None"] = [(None,) * len(s) for s in shapes]
    seen = [shapes]
    for name, variant in variants.items():
        if variant not in seen:
            seen.append(variant)
            yield name, variant


def _without(shape: tuple[int, ...], axis: int) -> tuple[Any, ...]:
    return tuple(None if i == axis else s for i, s in enumerate(shape))


def outcome(package: Any, one: Any, shapes: Any) -> tuple[str, Any]:
    """Return ("made", leaves), or ("refused", (kind, who raised, message))."""
    function: Any = package
    for part in one.name.split("."):
        function = getattr(function, part)
    rest = iter(shapes or ())

    def fill(t: Any) -> Any:
        return values(t) if shapes is None else package.KerasTensor(next(rest), t.dtype)

    args, options = _map(list(one.args), fill), _map(one.options, fill)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = function(*args, **options)
            return "made", [_leaf(package, leaf, one.name) for leaf in _flatten(made)]
    except Exception as error:
        kind = next((k for k in (ValueError, TypeError) if isinstance(error, k)), type(error)).__name__
        return "refused", (kind, _who(error), f"{type(error).__name__}: {error}"[:300])


def _flatten(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in _flatten(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for v in value for leaf in _flatten(v)]
    return [value]


def _leaf(package: Any, x: Any, name: str) -> Any:
    if isinstance(x, package.KerasTensor):
        return "symbolic", tuple(x.shape), x.dtype, bool(getattr(x, "sparse", False))
    if hasattr(x, "todense"):
        return "sparse", tuple(x.shape), package.backend.standardize_dtype(x.dtype)
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        kind = package.backend.standardize_dtype(x.dtype)
        shown = None if name.startswith(RANDOM) else np.asarray(x)
        if shown is not None and kind in ("bfloat16", "float16"):
            shown = shown.astype("float32")
        return "tensor", tuple(x.shape), kind, shown
    return "other", x if isinstance(x, (int, float, str, bool, type(None))) else type(x).__name__


def _who(error: BaseException) -> str:
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if "/keras/src/" in frame.filename:
            return "backend" if "/keras/src/backend/" in frame.filename else "keras"
    return "other"


def run(package_name: str, target: str, pattern: str = "*", which: str = "*") -> None:
    """Make the calls of the ops, and in the modes, that the patterns match, and write their outcomes."""
    package = importlib.import_module(package_name)
    results: dict[tuple[str, str], Any] = {}
    for title, one in calls.every():
        if not fnmatch.fnmatch(one.name, pattern):
            continue
        if package_name == "keras":
            print(title, file=sys.stderr)
        for mode, shapes in modes(one):
            if not fnmatch.fnmatch(mode, which):
                continue
            results[title, mode] = outcome(package, one, shapes)
    with open(target, "wb") as file:
        pickle.dump(results, file)


# ----- comparing -----


def compare(keras: dict[Any, Any], ours: dict[Any, Any]) -> dict[str, list[str]]:
    """Return the differences by kind, and the titles of the equal calls."""
    found: dict[str, list[str]] = {}
    for key, (state, content) in keras.items():
        if key not in ours:
            continue
        own_state, own = ours[key]
        label = f"{key[0]} [{key[1]}]"
        if state == "refused":
            kind, who, message = content
            if own_state == "made":
                found.setdefault(f"accepted, {who} refuses, {key[1][:4]}", []).append(
                    f"{label}: {_brief(own)}; Keras: {message}"
                )
            elif own[0] not in ("ValueError", "TypeError"):
                found.setdefault("broke", []).append(f"{label}: {own[2]}; Keras: {message}")
            elif kind in ("ValueError", "TypeError") and kind != own[0] and who == "keras":
                found.setdefault("other kind of error", []).append(f"{label}: {own[2]}; Keras: {message}")
            else:
                found.setdefault("equal refusal", []).append(label)
        elif own_state == "refused":
            found.setdefault(f"refused, {key[1][:4]}", []).append(f"{label}: {own[2]}; Keras: {_brief(content)}")
        else:
            kind, text = _difference(content, own)
            found.setdefault(kind + (f", {key[1][:4]}" if text else ""), []).append(f"{label}: {text}")
    return found


# ----- expressions -----


def run_expressions(package_name: str, target: str) -> None:
    """Evaluate the expressions of keras_parts_calls.py and write what they give."""
    with open(target, "wb") as file:
        pickle.dump(evaluated(importlib.import_module(package_name)), file)


def evaluated(package: Any) -> dict[str, Any]:
    """Return what each expression of keras_parts_calls.py gives, in plain types and arrays, or the exception."""
    parts: Any = importlib.import_module(f"{__package__}.keras_parts_calls" if __package__ else "keras_parts_calls")
    names: dict[str, Any] = {"k": package, "np": np}
    exec(parts.SETUP, names)
    found: dict[str, Any] = {}
    for line in parts.every():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[line] = _plain(package, eval(line, names))
        except Exception as error:
            found[line] = ("raised", type(error).__name__, str(error)[:250])
    return found


def _plain(package: Any, value: Any) -> Any:
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: str(item[0])) if type(value) is dict else value.items()
        return "dict", type(value).__name__, [(str(a), _plain(package, b)) for a, b in items]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [_plain(package, v) for v in value]
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, package.KerasTensor):
        array = np.asarray(value)
        kind = package.backend.standardize_dtype(value.dtype)
        return "array", tuple(array.shape), kind, array.astype("float64") if array.dtype.kind in "fiubV" else array
    return type(value).__name__


def same(a: Any, b: Any) -> bool:
    """Whether two results of `evaluated` agree; 64-bit integers are those of 32 bits, which Keras on JAX gives instead."""
    if isinstance(a, tuple) and isinstance(b, tuple) and a[:1] == ("array",) == b[:1]:
        return (
            a[1] == b[1]
            and NARROW.get(a[2], a[2]) == NARROW.get(b[2], b[2])
            and bool(np.allclose(a[3], b[3], rtol=2e-4, atol=2e-5, equal_nan=True))
        )
    if isinstance(a, str) and isinstance(b, str) and a[:1] == b[:1] == "!":  # refused: the kinds of exception
        return bool(set(a[1:].split("+")) & set(b[1:].split("+")))
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol=1e-6, atol=1e-12, equal_nan=True))
    return bool(a == b)


NARROW = {"int64": "int32", "uint64": "uint32", "float64": "float32", "complex128": "complex64"}


def faults(keras: dict[Any, Any], ours: dict[Any, Any]) -> dict[str, list[str]]:
    """Return the differences that matter, by op.

    Not counted: dtypes that differ in their width only (Keras on NumPy computes some ops in 64 bits), symbolic results of Keras
    whose arrays it refuses, and symbolic results of ours that differ from Keras', but are those that arrays give.
    """
    found: dict[str, list[str]] = {}
    for (title, mode), (state, content) in keras.items():
        own_state, own = ours[title, mode]
        text = ""
        if own_state == "refused" and own[0] not in ("ValueError", "TypeError"):
            text = f"breaks: {own[2]}"
        elif state == "made" and own_state == "refused":
            if keras[title, "array"][0] == "made":
                text = f"refused: {own[2]}; Keras: {_brief(content)}"
        elif state == "refused" and own_state == "made":
            kind, who, message = content
            if who == "keras" and kind == "ValueError":
                text = f"accepted: {_brief(own)}; Keras: {message}"
        elif state == "made":
            kind, text = _difference(content, own)
            if mode == "array" and kind == "other dtype":
                text = text if [_narrow(a) for a in content] != [_narrow(b) for b in own] else ""
            elif mode != "array" and ours[title, "array"][0] == "made":
                text = "" if _announces(own, ours[title, "array"][1]) else text
            text = text and f"{kind}: {text}"
        if text:
            found.setdefault(title.split("(")[0], []).append(f"{title} [{mode}] {text}")
    return found


def _narrow(leaf: Any) -> Any:
    return (leaf[1], NARROW.get(leaf[2], leaf[2])) if leaf[0] == "tensor" else leaf


def _announces(symbolic: Any, made: Any) -> bool:
    """Whether symbolic results have the dtypes of the arrays, and their sizes where they are known."""
    return len(symbolic) == len(made) and all(
        a[0] == b[0]
        or ((a[0] == "symbolic" and b[0] == "tensor" and a[2] == b[2] and len(a[1]) == len(b[1]))
        and all(m is None or m == n for m, n in zip(a[1], b[1], strict=True)))
        for a, b in zip(symbolic, made, strict=True)
    )


def _brief(leaves: Any) -> str:
    return str([leaf[:3] if leaf[0] in ("tensor", "symbolic") else leaf for leaf in leaves])


def _difference(theirs: Any, ours: Any) -> tuple[str, str]:
    if len(theirs) != len(ours):
        return "other structure", f"{_brief(ours)}; Keras: {_brief(theirs)}"
    for a, b in zip(theirs, ours, strict=True):
        if a[0] != b[0]:
            return "other kind of result", f"{_brief(ours)}; Keras: {_brief(theirs)}"
        if a[0] == "other":
            if a[1] != b[1]:
                return "other value", f"{b[1]!r}; Keras: {a[1]!r}"
            continue
        if a[1] != b[1]:
            exact = len(a[1]) == len(b[1]) and all(x is None or x == y for x, y in zip(a[1], b[1], strict=True))
            return "known shape" if exact else "other shape", f"{_brief(ours)}; Keras: {_brief(theirs)}"
        if a[2] != b[2]:
            return "other dtype", f"{_brief(ours)}; Keras: {_brief(theirs)}"
        if a[0] == "symbolic" and a[3] != b[3]:
            return "other sparseness", f"{_brief(ours)}; Keras: {_brief(theirs)}"
        if a[0] == "tensor" and a[3] is not None and not _close(a[3], b[3], a[2]):
            return "other values", f"{np.asarray(b[3]).ravel()[:8]}; Keras: {np.asarray(a[3]).ravel()[:8]} ({a[2]})"
    return "equal", ""


def _close(a: Any, b: Any, dtype: str) -> bool:
    if a.dtype.kind in "OSU" or b.dtype.kind in "OSU":
        return bool(np.all(a == b))
    tolerance = {"bfloat16": 2e-2, "float16": 3e-3}.get(dtype, 2e-4)
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True))


def main() -> None:
    """Run or compare, as the arguments say."""
    if sys.argv[1] == "compare":
        tables = [pickle.loads(pathlib.Path(name).read_bytes()) for name in sys.argv[2:4]]
        found = compare(*tables)
        for kind, rows in found.items():
            if not kind.startswith("equal"):
                print(f"\n===== {kind}: {len(rows)}")
                print("\n".join(rows))
        print({kind: len(rows) for kind, rows in found.items()})
        return
    if sys.argv[1] == "expressions":
        run_expressions(*sys.argv[2:])
        return
    run(*sys.argv[1:])


if __name__ == "__main__":
    main()
