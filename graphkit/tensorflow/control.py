"""Branches, loops over tensors, and functions that take functions: `tf.cond`, `tf.while_loop`, `tf.map_fn`, `tf.scan`, ..."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, UnknownValueError, UnsupportedError
from graphkit.tensorflow.table import as_tensor, is_deferred, shape_of, tensorflow


@tensorflow("cond", tensors="")
def cond(pred: Any, true_fn: Any = None, false_fn: Any = None) -> Any:
    """Call one of two functions. Source: tf.cond."""
    if not is_deferred(pred):
        return (true_fn if bool(np.asarray(pred)) else false_fn)()
    return ops.cond(pred, true_fn, false_fn)


@tensorflow("while_loop", tensors="")
def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, shape_invariants: Any = None, parallel_iterations: int = 10,
    back_prop: bool = True, swap_memory: bool = False, maximum_iterations: Any = None,
) -> Any:  # fmt: skip
    """Repeat `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` holds. Source: tf.while_loop."""
    start = nest.map_structure(as_tensor, loop_vars)
    limit = None if maximum_iterations is None else int(maximum_iterations)
    if not any(is_deferred(v) for v in nest.flatten(start)):
        return _repeated(cond, body, start, limit)
    made = ops.while_loop(cond, body, tuple(start), maximum_iterations=limit)
    return list(made) if isinstance(loop_vars, list) else made


def _repeated(cond: Callable[..., Any], body: Callable[..., Any], values: Any, limit: int | None) -> Any:
    """Run a loop with its numbers, so that the shapes of the variables may change."""
    count, kind = 0, type(values)
    while (limit is None or count < limit) and bool(np.asarray(cond(*values))):
        made = body(*values)
        made = made if isinstance(made, (list, tuple)) else (made,)
        values, count = nest.map_structure(as_tensor, kind(made) if kind in (list, tuple) else made), count + 1
    return values


def _first_size(elems: Any) -> Any:
    return shape_of(nest.flatten(elems)[0])[0]


def _rows(elems: Any, reverse: bool = False) -> list[Any]:
    size = _first_size(elems)
    if not isinstance(size, int):
        raise UnsupportedError("A loop over an axis of unknown size: use ops.scan or ops.map.")
    order = range(size - 1, -1, -1) if reverse else range(size)
    return [nest.map_structure(lambda e, i=i: e[i], elems) for i in order]


@tensorflow("map_fn", tensors="")
def map_fn(
    fn: Callable[..., Any], elems: Any, dtype: Any = None, parallel_iterations: Any = None, back_prop: bool = True,
    swap_memory: bool = False, infer_shape: bool = True, fn_output_signature: Any = None,
) -> Any:  # fmt: skip
    """Apply a function to each slice along the first axis, and stack the results. Source: tf.map_fn."""
    elems = nest.map_structure(as_tensor, elems)
    if not isinstance(_first_size(elems), int):
        return ops.map(fn, elems)
    return _stacked([fn(row) for row in _rows(elems)], fn_output_signature or dtype)


def _stacked(results: Sequence[Any], dtype: Any = None) -> Any:
    if not results:
        raise InvalidArgumentError("A loop over no element has no result whose shape is known.")
    kinds = nest.flatten(dtype) if dtype is not None else []
    leaves = [nest.flatten(r) for r in results]
    columns = []
    for place, column in enumerate(zip(*leaves, strict=True)):
        kind = getattr(kinds[place], "dtype", kinds[place]) if len(kinds) == len(leaves[0]) else None
        parts = [as_tensor(part, kind) for part in column]
        columns.append(
            np.stack([np.asarray(p) for p in parts])
            if str(getattr(parts[0], "dtype", "")) == "object"
            else ops.stack(parts)
        )
    return nest.pack(results[0], columns)


@tensorflow("vectorized_map", tensors="")
def vectorized_map(fn: Callable[..., Any], elems: Any, fallback_to_while_loop: bool = True, warn: bool = True) -> Any:
    """Apply a function to each slice along the first axis. Source: tf.vectorized_map."""
    elems = nest.map_structure(as_tensor, elems)
    return (
        ops.vectorized_map(fn, elems)
        if not isinstance(_first_size(elems), int)
        else _stacked([fn(row) for row in _rows(elems)])
    )


@tensorflow("scan", tensors="")
def scan(
    fn: Callable[..., Any], elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
    swap_memory: bool = False, infer_shape: bool = True, reverse: bool = False,
) -> Any:  # fmt: skip
    """Return the running results of `value = fn(value, slice)`, stacked. Source: tf.scan."""
    elems = nest.map_structure(as_tensor, elems)
    rows = _rows(elems, reverse)
    value = rows.pop(0) if initializer is None else nest.map_structure(as_tensor, initializer)
    results = [value] if initializer is None else []
    for row in rows:
        value = fn(value, row)
        results.append(value)
    return _stacked(results[::-1] if reverse else results)


def _fold(reverse: bool) -> Callable[..., Any]:
    def call(
        fn: Callable[..., Any], elems: Any, initializer: Any = None, parallel_iterations: int = 10, back_prop: bool = True,
        swap_memory: bool = False,
    ) -> Any:  # fmt: skip
        rows = _rows(nest.map_structure(as_tensor, elems), reverse)
        value = rows.pop(0) if initializer is None else nest.map_structure(as_tensor, initializer)
        for row in rows:
            value = fn(value, row)
        return value

    return call


tensorflow("foldl", tensors="")(_fold(reverse=False))
tensorflow("foldr", tensors="")(_fold(reverse=True))


@tensorflow("switch_case", tensors="")
def switch_case(branch_index: Any, branch_fns: Any, default: Any = None) -> Any:
    """Call the function of this number; another number calls `default`, or the last function. Source: tf.switch_case."""
    pairs = branch_fns.items() if isinstance(branch_fns, dict) else enumerate(branch_fns)
    listed = [f if isinstance(f, tuple) else (i, f) for i, f in pairs]
    functions = {int(i): f for i, f in listed}
    other = default if default is not None else functions[max(functions)]
    if not is_deferred(branch_index):
        return functions.get(int(np.asarray(branch_index)), other)()
    ordered = [functions.get(i, other) for i in range(max(functions) + 1)]
    inside = ops.logical_and(ops.greater_equal(branch_index, 0), ops.less(branch_index, len(ordered)))
    return ops.switch(ops.where(inside, ops.cast(branch_index, "int32"), len(ordered)), [*ordered, other])


@tensorflow("case", tensors="")
def case(pred_fn_pairs: Any, default: Any = None, exclusive: bool = False, strict: bool = False) -> Any:
    """Call the function of the first condition that holds. Source: tf.case."""
    pairs = list(pred_fn_pairs.items() if isinstance(pred_fn_pairs, dict) else pred_fn_pairs)
    if default is None:
        default = pairs[-1][1]

    def chosen(rest: Sequence[Any]) -> Any:
        if not rest:
            return default()
        return cond(rest[0][0], rest[0][1], lambda: chosen(rest[1:]))

    return chosen(pairs)


@tensorflow("recompute_grad grad_pass_through", tensors="")
def _as_it_is(f: Any) -> Any:
    return f


@tensorflow("numpy_function", tensors="")
def numpy_function(func: Any = None, inp: Any = None, Tout: Any = None, stateful: bool = True) -> Any:  # noqa: N803
    """Call a function of NumPy arrays; not inside a traced function. Source: tf.numpy_function."""
    return _called(func, inp, Tout, "tf.numpy_function", lambda part: np.asarray(part))


@tensorflow("py_function", tensors="")
def py_function(func: Any = None, inp: Any = None, Tout: Any = None) -> Any:  # noqa: N803
    """Call a Python function of tensors; not inside a traced function. Source: tf.py_function."""
    return _called(func, inp, Tout, "tf.py_function", lambda part: part)


def _called(func: Any, inp: Any, kinds: Any, what: str, prepare: Callable[[Any], Any]) -> Any:
    if any(is_deferred(part) for part in inp):
        raise UnknownValueError(
            f"{what} needs the values of its tensors, which are not known while a function is traced; use keras.ops."
        )
    made = func(*(prepare(as_tensor(part)) for part in inp))
    if isinstance(kinds, (list, tuple)):
        return [
            as_tensor(m, k) for m, k in zip(made if isinstance(made, (list, tuple)) else [made], kinds, strict=True)
        ]
    return as_tensor(made, kinds)


@tensorflow("custom_gradient", tensors="")
def custom_gradient(f: Any = None) -> Any:
    """Give a function a gradient of its own: it returns (value, function of the value's gradient). Source: tf.custom_gradient."""
    return custom_gradient if f is None else ops.custom_gradient(f)
