"""Sequences (lists of tensors) and optionals (None, or the value). Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, UnsupportedError

from .evaluate import Body
from .known import ints, shape_of
from .sizes import single
from .table import operator


class Growing:
    """A sequence inside a traced loop, to whose end each step appends: the number of its tensors is not known while it grows.

    Attributes:
        added: the tensors that this step has appended.
    """

    def __init__(self, added: tuple[Any, ...] = ()) -> None:
        self.added = added

    def __len__(self) -> int:
        raise UnsupportedError(
            "a loop that counts the sequence which it builds cannot be traced; give the loop a known number of steps."
        )

    __iter__ = __getitem__ = __len__


class Stacked:
    """A sequence of tensors of one shape whose number is not known, as one tensor.

    Attributes:
        tensor: the tensors, along a new first axis.
    """

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


def _place(sequence: list[Any], position: Any, last: int) -> int:
    place = int(ints(position, "position")[0])
    if not -len(sequence) <= place < last:
        raise InvalidArgumentError(f"position {place} is outside of a sequence of {len(sequence)} tensors.")
    return place


@operator("SequenceEmpty")
def sequence_empty(*, dtype: int = 1) -> Any:
    """Return a sequence without tensors."""
    return []


@operator("SequenceConstruct")
def sequence_construct(*inputs: Any) -> Any:
    """Return a sequence of the inputs."""
    return list(inputs)


@operator("SequenceInsert")
def sequence_insert(sequence: Any, tensor: Any, position: Any = None) -> Any:
    """Insert a tensor, at the end by default."""
    if isinstance(sequence, Growing):
        if position is not None:
            raise UnsupportedError("a loop that inserts into a sequence at a position cannot be traced.")
        return Growing((*sequence.added, tensor))
    made = list(sequence)
    made.insert(len(made) if position is None else _place(made, position, len(made) + 1), tensor)
    return made


@operator("SequenceErase")
def sequence_erase(sequence: Any, position: Any = None) -> Any:
    """Remove a tensor, the last by default."""
    made = list(sequence)
    made.pop(-1 if position is None else _place(made, position, len(made)))
    return made


@operator("SequenceAt")
def sequence_at(sequence: Any, position: Any) -> Any:
    """Return the tensor at a position."""
    if isinstance(sequence, Stacked):
        return ops.take(sequence.tensor, position, axis=0)
    return sequence[_place(sequence, position, len(sequence))]


@operator("SequenceLength")
def sequence_length(sequence: Any) -> Any:
    """Return the number of tensors."""
    if isinstance(sequence, Stacked):
        return single(shape_of(sequence.tensor)[0])
    return np.asarray(len(sequence), np.int64)


@operator("ConcatFromSequence")
def concat_from_sequence(sequence: Any, *, axis: int, new_axis: int = 0) -> Any:
    """Join the tensors along an axis, or along a new one."""
    if isinstance(sequence, Stacked):
        return _joined(sequence.tensor, axis, bool(new_axis))
    return ops.stack(list(sequence), axis=axis) if new_axis else ops.concatenate(list(sequence), axis=axis)


def _joined(stacked: Any, axis: int, new_axis: bool) -> Any:
    """Join the slices of a tensor along its first axis, as `concat_from_sequence` joins the tensors of a list."""
    rank = len(shape_of(stacked))
    axis %= rank if new_axis else rank - 1
    moved = ops.moveaxis(stacked, 0, axis) if axis else stacked
    if new_axis:
        return moved
    sizes = shape_of(moved)
    return ops.reshape(moved, (*sizes[:axis], sizes[axis] * sizes[axis + 1], *sizes[axis + 2 :]))


@operator("SplitToSequence")
def split_to_sequence(x: Any, split: Any = None, *, axis: int = 0, keepdims: int = 1) -> Any:
    """Cut a tensor into a sequence: into slices, chunks of one length, or parts of given lengths."""
    size = shape_of(x)[axis]
    if split is None:
        parts = list(ops.split(x, size, axis=axis))
        return parts if keepdims else [ops.squeeze(p, axis) for p in parts]
    if len(shape_of(split)) == 0:
        each = ints(split, "split")[0]
        return list(ops.split(x, list(range(each, size, each)), axis=axis)) if each < size else [x]
    return list(ops.split(x, [int(n) for n in np.cumsum(ints(split, "split")[:-1])], axis=axis))


@operator("SequenceMap")
def sequence_map(first: Any, *others: Any, body: Body) -> Any:
    """Apply a graph to each tensor."""
    made = [body(tensor, *(o[i] if isinstance(o, list) else o for o in others)) for i, tensor in enumerate(first)]
    results = tuple([row[k] for row in made] for k in range(len(body.graph.output)))
    return results if len(results) > 1 else results[0]


@operator("Optional")
def optional(value: Any = None, *, type: Any = None) -> Any:
    """Return the value, or an empty optional."""
    return value


@operator("OptionalGetElement")
def optional_get_element(value: Any) -> Any:
    """Return the value of an optional."""
    if value is None:
        raise InvalidArgumentError("the optional is empty.")
    return value


@operator("OptionalHasElement")
def optional_has_element(value: Any = None) -> Any:
    """Return whether an optional has a value."""
    return np.asarray(value is not None)
