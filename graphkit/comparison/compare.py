"""The comparison itself: structure, weights, and numbers layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphkit.comparison.layers import Entry, Key, entries_of, outputs_of, values_of
from graphkit.comparison.pairing import Pairs, paired
from graphkit.comparison.report import Difference, LayerNumbers, WeightDifference
from graphkit.core.errors import InvalidArgumentError
from graphkit.saving import formats
from graphkit.saving.api import existing, load_from

_FREE = 2  # the size of an unknown axis in generated inputs
_LARGE_FREE = 8  # of one that is not the first: a sequence or an image
_ONLY_A, _ONLY_B = "only in the first model", "only in the second model"
_MOST_AXES = 4  # of weights that are compared in other orders of the axes
_VOCABULARY = 4  # generated integers are smaller


def diff(
    a: Any,
    b: Any,
    inputs: Any = None,
    *,
    tolerance: float = 1e-4,
    seed: int = 0,
    numbers: bool = True,
    custom_objects: Mapping[str, Any] | None = None,
) -> Difference:
    """Compare two models of any formats: layers, configs, shapes, weights, and what each layer computes.

    An ONNX file is compared as it is, one layer for each node, unless graphkit wrote it.

    Args:
        a: a model, or a file.
        b: another one.
        inputs: arrays for the inputs: a dict by the names of `a`'s inputs, a list in their order, or one array. By default random
            numbers: axes of unknown size get 2 (the first) or 8 elements, integers are 0 to 3.
        tolerance: the largest difference that counts as equal, as a fraction of the largest magnitude of a layer's output.
        seed: of the random inputs.
        numbers: False compares only structure and weights.
        custom_objects: user-defined classes and functions by the names that the files use.

    Returns:
        The report, which is true if the models differ: `if graphkit.diff(a, b): ...`; `print` shows it.

    Raises:
        InvalidArgumentError: `inputs` do not fit the inputs of `a`.
        SerializationError: a file cannot be read.
    """
    models = _opened(a, custom_objects), _opened(b, custom_objects)
    names = [str(x) if isinstance(x, (str, Path)) else f"model {m.name}" for x, m in zip((a, b), models, strict=True)]
    entries = entries_of(models[0]), entries_of(models[1])
    pairs = paired(*entries)
    report = Difference(names[0], names[1], tolerance=tolerance)
    _compare_structure(report, entries, pairs)
    _compare_weights(report, entries, pairs)
    if numbers:
        _compare_numbers(report, models, entries, pairs, inputs, seed)
    else:
        report.not_compared = "as asked"
    return report


def _opened(source: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    if hasattr(source, "to_json"):
        return source
    found = existing(source)
    format = formats.format_of(found)
    options = {"lift": False} if "lift" in format.load_options else {}
    return load_from(found, format, custom_objects, **options)


# ----- structure and weights -----


def _compare_structure(report: Difference, entries: tuple[list[Entry], list[Entry]], pairs: Pairs) -> None:
    taken = {id(e) for pair in pairs for e in pair}
    report.only_a = [(str(e), e.kind) for e in entries[0] if id(e) not in taken]
    report.only_b = [(str(e), e.kind) for e in entries[1] if id(e) not in taken]
    for a, b in pairs:
        if a.path != b.path and not a.call:
            report.renamed.append((a.path, b.path))
        if a.kind != b.kind:
            report.changed_configs.append((str(a), "class", a.kind, b.kind))
        elif not a.call:
            keys = [k for k in {**a.config, **b.config} if a.config.get(k) != b.config.get(k)]
            report.changed_configs += [(str(a), k, a.config.get(k), b.config.get(k)) for k in keys]
        if a.shapes != b.shapes:
            report.changed_shapes.append((str(a), _shown(a.shapes), _shown(b.shapes)))


def _shown(shapes: Sequence[Any]) -> Any:
    return shapes[0] if len(shapes) == 1 else list(shapes)


def _compare_weights(report: Difference, entries: tuple[list[Entry], list[Entry]], pairs: Pairs) -> None:
    alike = [(a, b) for a, b in pairs if a.is_node == b.is_node]
    for a, b in alike:
        if a.call:
            continue
        same_number = len(a.weights) == len(b.weights)
        names = list(zip(a.weights, b.weights, strict=True)) if same_number else [(name, name) for name in a.weights]
        for name, other in names:
            found = _of_weights(a.weights[name], b.weights.get(other))
            if found is None:
                report.equal_weights += 1
            else:
                report.different_weights.append(WeightDifference(str(a), name, *found))
        if not same_number:
            extra = [n for n in b.weights if n not in a.weights]
            report.different_weights += [WeightDifference(str(a), n, _ONLY_B) for n in extra]
    _compare_loose_weights(report, entries, alike)


def _of_weights(mine: Any, theirs: Any) -> tuple[str, float | None] | None:
    """Return how two weights differ; None if they are equal."""
    if theirs is None:
        return _ONLY_A, None
    if tuple(mine.shape) != tuple(theirs.shape):
        return f"shape {tuple(mine.shape)} -> {tuple(theirs.shape)}", None
    if mine.dtype != theirs.dtype:
        return f"dtype {mine.dtype} -> {theirs.dtype}", None
    largest = _largest(np.asarray(mine.value), np.asarray(theirs.value))
    return None if largest == 0 else ("values", largest)


class _Loose(NamedTuple):
    """A weight of a layer without a counterpart of its kind.

    Attributes:
        layer: the layer.
        name: of the weight in it.
        variable: the weight.
        total: the sum of its elements, which does not depend on how they are laid out.
    """

    layer: str
    name: str
    variable: Any
    total: float


def _loose(entries: Sequence[Entry], taken: set[int]) -> list[_Loose]:
    found: dict[int, _Loose] = {}
    for entry in entries:
        for name, variable in entry.weights.items() if id(entry) not in taken else ():
            array = np.asarray(variable.value)
            total = float(array.sum(dtype=np.float64)) if array.dtype.kind in "biuf" else 0.0
            found[id(variable)] = _Loose(str(entry), name, variable, total)
    return list(found.values())


def _compare_loose_weights(report: Difference, entries: tuple[list[Entry], list[Entry]], alike: Pairs) -> None:
    """Compare the weights of other layers: that of a node may belong to a layer of another name, in another layout."""
    taken = {id(e) for pair in alike for e in pair}
    mine, left = (_loose(side, taken) for side in entries)
    open_ones = []
    for weight in mine:
        near = [o for o in left if abs(o.total - weight.total) <= 1e-6 * abs(weight.total) + 1e-6]
        equal = next((o for o in near if _distance(weight.variable, o.variable) == 0), None)
        if equal is None:
            open_ones.append(weight)
        else:
            left.remove(equal)
            report.equal_weights += 1
    for weight in open_ones:  # what is left differs: compared with what is most like it
        total = weight.total
        likely = sorted(left, key=lambda other: abs(other.total - total))
        distances = ((other, _distance(weight.variable, other.variable)) for other in likely)
        nearest = next(((other, distance) for other, distance in distances if distance is not None), None)
        if nearest is None:
            report.different_weights.append(WeightDifference(weight.layer, weight.name, _ONLY_A))
        else:
            left.remove(nearest[0])
            report.different_weights.append(WeightDifference(weight.layer, weight.name, "values", nearest[1]))
    report.different_weights += [WeightDifference(o.layer, o.name, _ONLY_B) for o in left]


def _distance(a: Any, b: Any) -> float | None:
    """Return the largest difference of two weights in the order of axes that fits best; None if none fits."""
    if (
        sorted(size for size in a.shape if size != 1) != sorted(size for size in b.shape if size != 1)
        or a.dtype != b.dtype
    ):
        return None
    x, y = (np.squeeze(np.asarray(v.value)) for v in (a, b))
    if x.ndim > _MOST_AXES:
        return _largest(x, y) if x.shape == y.shape else None
    orders = (np.transpose(y, order) for order in permutations(range(y.ndim)))
    return min((_largest(x, v) for v in orders if v.shape == x.shape), default=None)


def _largest(x: Any, y: Any) -> float:
    """Return the largest difference of two elements of arrays of one shape; equal infinities and two NaN do not differ."""
    if x.dtype.kind in "OSU" or y.dtype.kind in "OSU":
        return 0.0 if np.array_equal(x, y) else float("inf")
    complex_numbers = x.dtype.kind == "c" or y.dtype.kind == "c"
    wide: Any = np.complex128 if complex_numbers else np.float64
    if x.size == 0:
        return 0.0
    p, q = x.astype(wide), y.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):
        same = (p == q) | (np.isnan(p) & np.isnan(q))
        distance = np.where(same, 0.0, np.abs(p - q))
    return float("inf") if np.isnan(distance).any() else float(distance.max())


# ----- numbers -----


def _compare_numbers(
    report: Difference,
    models: tuple[Any, Any],
    entries: tuple[list[Entry], list[Entry]],
    pairs: Pairs,
    inputs: Any,
    seed: int,
) -> None:
    mine, theirs = (list(getattr(m, "inputs", None) or []) for m in models)
    if not mine or len(mine) != len(theirs):
        report.not_compared = f"the models have {len(mine)} and {len(theirs)} inputs"
        return
    given = _given(models[0], inputs, seed)
    order = _order(models)
    passed = [_fitted(given[i], tensor.shape) for i, tensor in zip(order, theirs, strict=True)]
    lacking = next((t for t, array in zip(theirs, passed, strict=True) if array is None), None)
    if lacking is not None:
        report.not_compared = f"the inputs have different shapes, {_shown([t.shape for t in mine])} and {_shown([t.shape for t in theirs])}"
        return
    found_a, outputs_a = values_of(models[0], given)
    found_b, outputs_b = values_of(models[1], [array for array in passed if array is not None])
    # A node and a layer of its name may compute different parts: a MatMul, and the Dense that adds the bias as well.
    known = [(x, y) for x, y in pairs if x.key in found_a and y.key in found_b and x.is_node == y.is_node]
    compared = {x.key: _of_values(str(x), str(y), found_a[x.key], found_b[y.key], report.tolerance) for x, y in known}
    compared.update(_found_by_values(entries, known, found_a, found_b, report.tolerance))
    report.numbers = [compared[e.key] for e in entries[0] if e.key in compared]
    for number, (x, y) in enumerate(zip(outputs_a, outputs_b, strict=False)):
        name, other = (_output_name(m, number) for m in models)
        report.outputs.append(_of_values(name, other, [x], [y], report.tolerance))
    if len(outputs_a) != len(outputs_b):
        report.changed_shapes.append(("the number of outputs", len(outputs_a), len(outputs_b)))
    report.parts_at = _parting(entries[0], compared)
    if not report.parts_at:
        ends = [key for key, found in zip(outputs_of(models[0]), report.outputs, strict=False) if not found.agree]
        report.parts_after = _last_agreeing(entries[0], compared, ends)


def _output_name(model: Any, number: int) -> str:
    names = list(getattr(model, "output_names", ()))
    return names[number] if number < len(names) else str(number)


def _order(models: tuple[Any, Any]) -> list[int]:
    """Return, for each input of the second model, the number of the first model's input that it corresponds to."""
    mine, theirs = (list(getattr(m, "input_names", ())) for m in models)
    if sorted(mine) == sorted(theirs) and len(set(mine)) == len(mine):
        return [mine.index(name) for name in theirs]
    return list(range(len(theirs)))


def _given(model: Any, inputs: Any, seed: int) -> list[Any]:
    """Return one array for each input of a model."""
    tensors = model.inputs
    names = list(getattr(model, "input_names", ())) or [t.name for t in tensors]
    if inputs is None:
        rng = np.random.default_rng(seed)
        return [_random(name, t, rng) for name, t in zip(names, tensors, strict=True)]
    if isinstance(inputs, Mapping):
        unknown = [name for name in inputs if name not in names]
        lacking = [name for name in names if name not in inputs]
        if unknown or lacking:
            raise InvalidArgumentError(f"diff: `inputs` expects arrays for {names}, got {list(inputs)}.")
        arrays = [inputs[name] for name in names]
    else:
        arrays = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        if len(arrays) != len(names):
            raise InvalidArgumentError(f"diff: `inputs` expects {len(names)} arrays, for {names}, got {len(arrays)}.")
    return [_checked(name, np.asarray(array), t) for name, array, t in zip(names, arrays, tensors, strict=True)]


def _checked(name: str, array: Any, tensor: Any) -> Any:
    fits = len(array.shape) == len(tensor.shape) and all(
        w in (None, n) for n, w in zip(array.shape, tensor.shape, strict=True)
    )
    if not fits:
        raise InvalidArgumentError(f"diff: the input {name!r} expects the shape {tensor.shape}, got {array.shape}.")
    return array if array.dtype.kind in "OSU" else array.astype(np.dtype(_numpy_dtype(tensor.dtype)))


def _numpy_dtype(dtype: str) -> Any:
    from graphkit.core import dtypes

    return dtypes.to_numpy(dtypes.standardize(dtype))


def _random(name: str, tensor: Any, rng: np.random.Generator) -> Any:
    shape = [size or (_FREE if axis == 0 else _LARGE_FREE) for axis, size in enumerate(tensor.shape)]
    if tensor.dtype == "string":
        raise InvalidArgumentError(
            f"diff: the input {name!r} is of strings, which cannot be generated; pass `inputs` (--inputs)."
        )
    dtype = np.dtype(_numpy_dtype(tensor.dtype))
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0, _VOCABULARY, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def _fitted(array: Any, shape: Sequence[Any]) -> Any:
    """Return an input in the layout that a shape has: with its channels at the other end if only that fits; None if nothing does."""
    for candidate in _layouts(array):
        if candidate.ndim == len(shape) and all(w in (None, n) for n, w in zip(candidate.shape, shape, strict=True)):
            return candidate
    return None


def _layouts(array: Any) -> list[Any]:
    """Return an array as it is, and with the axis of its channels moved from one end to the other."""
    if array.ndim < 3:
        return [array]
    return [array, np.moveaxis(array, 1, -1), np.moveaxis(array, -1, 1)]


def _found_by_values(
    entries: tuple[list[Entry], list[Entry]],
    pairs: Pairs,
    a: Mapping[Key, list[Any]],
    b: Mapping[Key, list[Any]],
    tolerance: float,
) -> dict[Key, LayerNumbers]:
    """Return the layers without a counterpart whose output is also that of a layer of the other model without one."""
    taken = {id(e) for pair in pairs for e in pair}
    free = [e for e in entries[1] if id(e) not in taken and len(b.get(e.key, ())) == 1]
    sizes = {e.key: _mean_size(b[e.key][0]) for e in free}
    found: dict[Key, LayerNumbers] = {}
    for x in entries[0]:
        if id(x) in taken or x.key not in a or len(a[x.key]) != 1 or not _is_telling(a[x.key][0]):
            continue
        size = _mean_size(a[x.key][0])
        for y in free:
            if b[y.key][0].size == a[x.key][0].size and abs(sizes[y.key] - size) <= 10 * tolerance * size:
                numbers = _of_values(str(x), str(y), a[x.key], b[y.key], tolerance)
                if numbers.agree:
                    found[x.key] = numbers._replace(note=", ".join(filter(None, [numbers.note, "found by its values"])))
                    free.remove(y)
                    break
    return found


def _mean_size(array: Any) -> float:
    return float(np.abs(array.astype(np.float64)).mean()) if array.size and array.dtype.kind in "biuf" else float("nan")


def _is_telling(array: Any) -> bool:
    """Return whether an array has enough different values that another one would not equal it by chance."""
    return bool(array.dtype.kind == "f" and array.size >= 8 and np.unique(array.reshape(-1)[:1000]).size >= 8)


def _of_values(a: str, b: str, xs: Sequence[Any], ys: Sequence[Any], tolerance: float) -> LayerNumbers:
    """Compare the outputs of two layers."""
    shape = tuple(xs[0].shape) if xs else ()
    if len(xs) != len(ys):
        return LayerNumbers(a, b, shape, float("inf"), float("inf"), f"{len(xs)} and {len(ys)} outputs", False)
    largest = relative = 0.0
    note = ""
    for x, y in zip(xs, ys, strict=True):
        fitting = [v for v in _layouts(y) if v.shape == x.shape]
        if not fitting:
            return LayerNumbers(a, b, shape, float("inf"), float("inf"), f"the other has the shape {y.shape}", False)
        distances = [_largest(x, v) for v in fitting]
        distance = min(distances)
        note = "channels moved" if fitting[distances.index(distance)] is not y and y.shape != x.shape else note
        largest, relative = max(largest, distance), max(relative, _relative(x, distance))
    return LayerNumbers(a, b, shape, largest, relative, note, relative <= tolerance)


def _relative(x: Any, distance: float) -> float:
    if distance == 0 or x.dtype.kind in "OSU":
        return distance
    finite = (
        np.abs(x[np.isfinite(x)]) if x.dtype.kind in "fc" or x.dtype.kind not in "biu" else np.abs(x.astype(np.float64))
    )
    scale = float(finite.max()) if finite.size else 0.0
    return distance / scale if scale else float("inf")


def _parting(entries: Sequence[Entry], compared: Mapping[Key, LayerNumbers]) -> list[LayerNumbers]:
    """Return the layers that differ although nothing before them does."""
    differs: dict[Key, bool] = {}
    parting: list[LayerNumbers] = []
    for entry in entries:  # in the order of computation
        before = any(differs.get(key, False) for key in entry.sources)
        found = compared.get(entry.key)
        differs[entry.key] = before if found is None else not found.agree
        if found is not None and not found.agree and not before:
            parting.append(found)
    return parting


def _last_agreeing(
    entries: Sequence[Entry], compared: Mapping[Key, LayerNumbers], ends: Sequence[Key]
) -> list[LayerNumbers]:
    """Return the nearest layers before `ends` that agree."""
    by_key = {e.key: e for e in entries}
    seen: set[Key] = set()
    stack, found = list(ends), []
    while stack:
        key = stack.pop()
        if key in seen or key not in by_key:
            continue
        seen.add(key)
        if key in compared and compared[key].agree:
            found.append(compared[key])
        else:
            stack += by_key[key].sources
    return found
