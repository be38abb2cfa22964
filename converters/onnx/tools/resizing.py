"""New sizes for the inputs of an ONNX model: the sizes of all other tensors are inferred again.

What an exporter wrote for other sizes, such as a Reshape to fixed ones, is found by inference with numbers in the place of names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import onnx
from onnx import numpy_helper

from graphkit.core.errors import InvalidArgumentError, ShapeError, UnknownNameError
from graphkit.core.registry import did_you_mean

from ..files import read_structure
from . import messages
from .inference import InferenceError, forget_sizes, inferred, set_sizes, skeleton
from .writing import write_changed

Sizes: TypeAlias = "Sequence[int | str | None]"
Known: TypeAlias = "Mapping[str, list[Any] | None]"
_PROBES = (7, 11)  # numbers in the place of the name of the batch axis: what is 7 and 11 is that axis
_RECURRENT = ("LSTM", "GRU", "RNN")


def set_batch(source: Path, target: Path, batch: int | str, overwrite: bool = True) -> list[str]:
    """Write an ONNX model for another batch size.

    Args:
        source: the file.
        target: the file to write.
        batch: the size of the first axis of the first input, and of all axes of inputs that have the same name, or are first and have
            the same size; a name makes it free.
        overwrite: False raises InvalidArgumentError if `target` exists.

    Returns:
        Notes on inputs and outputs that keep their sizes.

    Raises:
        ShapeError: the graph does not work with this size; the message names the node.
        InvalidArgumentError: the size is not positive.
        SerializationError: the file cannot be read.
    """
    with messages.naming_damaged(source):
        message = read_structure(source)
        notes = resize(message, batch_sizes(message.graph, batch))
        write_changed(message, source, target, overwrite, same_structure=True)
    return notes


def set_shape(source: Path, target: Path, shapes: Mapping[str, Sizes], overwrite: bool = True) -> list[str]:
    """Write an ONNX model with other sizes of some inputs.

    Args:
        source: the file.
        target: the file to write.
        shapes: sizes by the name of the input: numbers, names of free axes, None for unknown ones.
        overwrite: False raises InvalidArgumentError if `target` exists.

    Returns:
        Notes on what keeps its sizes.

    Raises:
        ShapeError: the graph does not work with these sizes; the message names the node.
        UnknownNameError: there is no such input.
        SerializationError: the file cannot be read.
    """
    with messages.naming_damaged(source):
        message = read_structure(source)
        notes = resize(message, shapes)
        write_changed(message, source, target, overwrite, same_structure=True)
    return notes


def batch_sizes(graph: onnx.GraphProto, batch: int | str) -> dict[str, Sizes]:
    """Return the sizes of the inputs with another batch size. The arguments and errors are those of `set_batch`."""
    own = {v.name: messages.sizes_of(v.type) for v in messages.fed_inputs(graph)}
    first = next((sizes for sizes in own.values() if sizes), None)
    if first is None:
        raise ShapeError(
            f"The graph {graph.name!r} has no input with a known number of axes, so no batch axis; use set-shape."
        )
    old = first[0]
    found: dict[str, Sizes] = {}
    for name, sizes in own.items():
        axes = range(len(sizes)) if isinstance(old, str) and sizes else range(1 if sizes else 0)
        if sizes and any(sizes[axis] == old for axis in axes):
            found[name] = [batch if axis in axes and size == old else size for axis, size in enumerate(sizes)]
    return found


def resize(message: onnx.ModelProto, shapes: Mapping[str, Sizes]) -> list[str]:
    """Give the inputs of a message other sizes. The arguments and errors are those of `set_shape`."""
    inputs = {v.name: v for v in messages.fed_inputs(message.graph)}
    for name, sizes in shapes.items():
        _check(name, sizes, inputs)
    old = {name: messages.sizes_of(v.type) for name, v in inputs.items()}
    before = _known(skeleton(message))
    leading = {sizes[0]: None for sizes in shapes.values() if sizes and isinstance(sizes[0], str)}
    probed = [_probed(message, shapes, dict.fromkeys(leading, probe), before) for probe in _PROBES]
    _check_single(message, shapes, old, before)
    _apply(message, shapes, list(leading), probed)
    return list(_notes(message, shapes, old, before))


def _check_single(message: onnx.ModelProto, shapes: Mapping[str, Sizes], old: Known, before: Known) -> None:
    """Check a first axis that becomes 1 with another number: 1 fits everything, since it is broadcast."""
    hidden = {
        name for name, new in shapes.items() if new and new[0] == 1 and isinstance((old.get(name) or [0])[0], int)
    }
    hidden = {name for name in hidden if (old.get(name) or [1])[0] != 1}
    if hidden:
        free = {name: ["samples", *new[1:]] if name in hidden else new for name, new in shapes.items()}
        _probed(message, free, {"samples": _PROBES[0]}, before)


def _check(name: str, sizes: Sizes, inputs: Mapping[str, onnx.ValueInfoProto]) -> None:
    if name not in inputs:
        raise UnknownNameError(
            f"The model has no input {name!r}; its inputs are {list(inputs)}.{did_you_mean(name, inputs)}"
        )
    if not inputs[name].type.HasField("tensor_type"):
        raise InvalidArgumentError(
            f"The input {name!r} is a {messages.type_text(inputs[name].type)}, which has no sizes."
        )
    own = messages.sizes_of(inputs[name].type)
    if own is not None and len(own) != len(sizes):
        raise ShapeError(
            f"The input {name!r} has {len(own)} axes, {messages.type_text(inputs[name].type)}; got {len(sizes)} sizes."
        )
    for size in sizes:
        if isinstance(size, int) and size < 1:
            raise InvalidArgumentError(f"The sizes of {name!r} must be positive numbers or names, got {size}.")


def _known(made: onnx.ModelProto) -> Known:
    """Return the sizes of all tensors as far as they can be inferred; none if the message contradicts itself."""
    try:
        found = inferred(made)
    except InferenceError:
        return {}
    return {name: messages.sizes_of(v.type) for name, v in messages.values_with_types(found.graph).items()}


def _resized(message: onnx.ModelProto, shapes: Mapping[str, Sizes], numbers: Mapping[str, int]) -> onnx.ModelProto:
    """Return a skeleton with these sizes; names in `numbers` are replaced by numbers."""
    made = skeleton(message)
    forget_sizes(made.graph)
    for value in messages.fed_inputs(made.graph):
        sizes = shapes.get(value.name, messages.sizes_of(value.type))
        if sizes is not None:
            set_sizes(value, [numbers.get(size, size) if isinstance(size, str) else size for size in sizes])
    return made


def _probed(message: onnx.ModelProto, shapes: Mapping[str, Sizes], numbers: Mapping[str, int], before: Known) -> Known:
    """Return the sizes of all tensors with numbers in the place of names.

    Raises:
        ShapeError: they contradict the sizes of the inputs.
    """
    made = _resized(message, shapes, numbers)
    known = _known(made)
    _check_fixed(message.graph, before, known, ", ".join(f"{name}={number}" for name, number in numbers.items()))
    try:
        inferred(made, strict=True)
    except InferenceError as error:
        if not _fails_unchanged(message):
            shown = ", ".join(f"{name}=({', '.join(map(str, sizes))})" for name, sizes in shapes.items())
            raise ShapeError(f"The graph does not work with {shown}: {error}") from None
    return known


def _fails_unchanged(message: onnx.ModelProto) -> bool:
    """Return whether strict inference fails for the message as it is: then its failure says nothing of the new sizes."""
    made = skeleton(message)
    forget_sizes(made.graph)
    try:
        inferred(made, strict=True)
    except InferenceError:
        return True
    return False


# ----- sizes that are written into the graph -----


def _check_fixed(graph: onnx.GraphProto, before: Known, known: Known, tried: str) -> None:
    """Raise ShapeError for a node that holds sizes which contradict the new ones; `tried` are the numbers in place of names."""
    values = {t.name: t for t in graph.initializer}
    values.update({node.output[0]: tensor for node, tensor in messages.constants(graph.node)})
    for node in graph.node:
        if messages.domain_of(node) == "" and node.op_type == "Reshape":
            fault = _fault_of_reshape(node, values, before, known)
        elif messages.domain_of(node) == "" and node.op_type in _RECURRENT:
            fault = _fault_of_states(node, known)
        else:
            continue
        if fault:
            where = f"Node {node.name or node.output[0]!r} ({node.op_type})"
            raise ShapeError(
                f"{where} {fault}{f' (tried with {tried})' if tried else ''}. Export the model again with this axis free, or keep its size."
            )


def _fault_of_reshape(node: onnx.NodeProto, values: Mapping[str, onnx.TensorProto], before: Known, known: Known) -> str:
    wanted = _target(node, values)
    old, new = before.get(node.input[0]), known.get(node.input[0])
    if wanted is None or new is None or not all(isinstance(size, int) for size in new):
        return ""
    allows_zero = any(a.name == "allowzero" and a.i for a in node.attribute)
    sizes = [
        new[axis] if size == 0 and not allows_zero and axis < len(new) else size for axis, size in enumerate(wanted)
    ]
    fixed = prod(size for size in sizes if size != -1)
    if prod(new) != fixed if -1 not in sizes else fixed == 0 or prod(new) % fixed:
        return f"holds the sizes {wanted}, which do not fit its input of sizes {new}"
    if -1 in wanted[1:] and old and new and isinstance(old[0], int) and wanted[0] == old[0] != new[0]:
        return f"holds the sizes {wanted}, which put all samples of its input of sizes {new} into {wanted[0]}"
    return ""


def _target(node: onnx.NodeProto, values: Mapping[str, onnx.TensorProto]) -> list[int] | None:
    """Return the sizes that a Reshape holds; None if they are computed."""
    attribute = next((list(a.ints) for a in node.attribute if a.name == "shape"), None)  # before version 5
    if attribute is not None or len(node.input) < 2:
        return attribute
    tensor = values.get(node.input[1])
    if tensor is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    try:
        return [int(size) for size in numpy_helper.to_array(tensor).reshape(-1)]
    except Exception:  # a damaged tensor: whoever runs the model says so
        return None


def _fault_of_states(node: onnx.NodeProto, known: Known) -> str:
    """Return how the initial states of a recurrent node contradict the batch size of its input, or ""."""
    x = known.get(node.input[0])
    axis = 0 if any(a.name == "layout" and a.i for a in node.attribute) else 1
    for name in node.input[5:7]:
        state = known.get(name) if name else None
        if x is None or state is None or len(x) != 3 or len(state) != 3:
            continue
        if isinstance(x[axis], int) and isinstance(state[axis], int) and x[axis] != state[axis]:
            return f"has an initial state {name!r} of sizes {state}, which does not fit its input of sizes {x}"
    return ""


# ----- the result -----


def _apply(
    message: onnx.ModelProto, shapes: Mapping[str, Sizes], names: Sequence[str], probed: Sequence[Known]
) -> None:
    graph = message.graph
    try:
        found = inferred(_resized(message, shapes, {}))
    except InferenceError as error:
        raise ShapeError(f"The sizes of the tensors cannot be inferred: {error}") from None
    values = messages.values_with_types(found.graph)
    ranks = {v.name: messages.sizes_of(v.type) for v in graph.output}
    forget_sizes(graph)
    for value in graph.input:
        if value.name in shapes:
            set_sizes(value, shapes[value.name])
    for value in graph.output:
        if value.name in values and values[value.name].HasField("type"):
            value.type.CopyFrom(values[value.name].type)
    computed = {name for node in graph.node for name in node.output} - {v.name for v in graph.output}
    graph.value_info.extend(v for v in found.graph.value_info if v.name in computed)
    for value in (*graph.output, *graph.value_info):
        _fill_in(value, names, probed)
    for value in graph.output:
        rank = ranks[value.name]
        if value.type.HasField("tensor_type") and not value.type.tensor_type.HasField("shape") and rank is not None:
            set_sizes(value, [None] * len(rank))  # a graph's outputs must have a shape


def _fill_in(value: onnx.ValueInfoProto, names: Sequence[str], probed: Sequence[Known]) -> None:
    """Give the sizes that inference with names leaves open those that both probes have."""
    sizes = messages.sizes_of(value.type)
    both = [known.get(value.name) for known in probed]
    if not value.type.HasField("tensor_type") or any(found is None for found in both):
        return
    first, second = both
    assert first is not None
    assert second is not None
    if len(first) != len(second) or (sizes is not None and len(sizes) != len(first)):
        return
    chosen: list[Any] = []
    for axis, pair in enumerate(zip(first, second, strict=True)):
        own = sizes[axis] if sizes is not None else None
        is_named = isinstance(own, str) and not own.startswith("unk__")
        if isinstance(own, int) or is_named:
            chosen.append(own)
        elif pair == _PROBES and len(names) == 1:
            chosen.append(names[0])
        else:
            chosen.append(pair[0] if pair[0] == pair[1] and isinstance(pair[0], int) else own if is_named else None)
    set_sizes(value, chosen)


def _notes(message: onnx.ModelProto, shapes: Mapping[str, Sizes], old: Known, before: Known) -> Iterator[str]:
    replaced = {a for name, new in shapes.items() for a, b in zip(old.get(name) or (), new, strict=False) if a != b}
    for value in messages.fed_inputs(message.graph):
        sizes = messages.sizes_of(value.type)
        if value.name not in shapes and sizes and replaced & {size for size in sizes if isinstance(size, str)}:
            yield f"the input {value.name!r} keeps its sizes, {messages.type_text(value.type)}"
    for value in message.graph.output:
        sizes, own = messages.sizes_of(value.type), before.get(value.name)
        if value.type.HasField("tensor_type") and sizes != [] and not any(sizes or ()):
            yield f"the sizes of the output {value.name!r} are not known any more"
        elif sizes and own and sizes[0] == own[0] and isinstance(own[0], int) and own[0] in replaced:
            yield f"the output {value.name!r} keeps its sizes, {messages.type_text(value.type)}"
