"""Floating-point operations of an ONNX graph, from the sizes of its tensors.

A multiplication and an addition count as two. Products of matrices, convolutions, recurrent layers and attention are counted exactly;
elementwise operators and normalizations count one for each element of the result, poolings and reductions one for each element that
they read. What only moves or looks up values counts nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple, TypeAlias

import onnx

from .inference import InferenceError, forget_sizes, inferred, set_sizes, skeleton
from .messages import DOMAINS, fed_inputs, shown_operator, sizes_of, values_with_types

Shape: TypeAlias = "tuple[int, ...]"
Count: TypeAlias = "Callable[[onnx.NodeProto, Sequence[Shape | None], Sequence[Shape]], int]"


class Flops(NamedTuple):
    """The floating-point operations of a graph.

    Attributes:
        total: their number, without those of operators in `not_counted`.
        sizes: the sizes that were assumed, by the name of the axis or "input[axis]" where it has none.
        not_counted: how many nodes of each operator were left out, because the sizes of their tensors are not known.
    """

    total: int
    sizes: dict[str, int]
    not_counted: dict[str, int]


def flops(message: onnx.ModelProto, sizes: Mapping[str, int] | None = None) -> Flops:
    """Count the floating-point operations of a graph.

    Args:
        message: the model; its weights need no data.
        sizes: sizes of axes by name; the others are taken as 1.

    Raises:
        InferenceError: the sizes contradict each other.
    """
    made = skeleton(message)
    if made.functions:
        made = _inlined(made)
    forget_sizes(made.graph)
    taken: dict[str, int] = {}
    for value in fed_inputs(made.graph):
        own = sizes_of(value.type)
        if own is not None:
            set_sizes(value, [_size(value.name, axis, size, sizes or {}, taken) for axis, size in enumerate(own)])
    known = {name: sizes_of(v.type) for name, v in values_with_types(inferred(made).graph).items()}
    count, left_out = 0, Counter[str]()
    for node in made.graph.node:
        added = _of_node(node, known)
        if added is None:
            left_out[shown_operator(node)] += 1
        else:
            count += added
    return Flops(count, taken, dict(left_out))


def _inlined(message: onnx.ModelProto) -> onnx.ModelProto:
    from onnx import inliner

    try:
        return inliner.inline_local_functions(message)
    except Exception as error:
        raise InferenceError(" ".join(str(error).split())) from error


def _size(name: str, axis: int, size: Any, given: Mapping[str, int], taken: dict[str, int]) -> int:
    if isinstance(size, int):
        return size
    key = size or f"{name}[{axis}]"
    return taken.setdefault(key, given.get(key, 1))


def _of_node(node: onnx.NodeProto, known: Mapping[str, list[Any] | None]) -> int | None:
    """Return the operations of a node; None if they are not known."""
    domain = DOMAINS.get(node.domain, node.domain)
    if domain == "" and node.op_type in _FREE:
        return 0
    made = [_ints(known.get(name)) for name in node.output if name]
    read = [_ints(known.get(name)) if name else None for name in node.input]
    if domain != "" or node.op_type in _UNKNOWN or None in made:
        return None
    rule: Count = _RULES.get(node.op_type, _each_output)
    try:
        return int(rule(node, read, made))  # type: ignore[arg-type]
    except (TypeError, IndexError, ValueError):  # an input whose sizes are not known, or an invalid node
        return None


def _ints(sizes: list[Any] | None) -> Shape | None:
    known = sizes is not None and all(isinstance(size, int) for size in sizes)
    return tuple(sizes) if known and sizes is not None else None


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    found = next((a for a in node.attribute if a.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)


def _each_output(node: onnx.NodeProto, read: Sequence[Any], made: Sequence[Shape]) -> int:
    return int(prod(made[0]))


def _each_input(node: onnx.NodeProto, read: Sequence[Any], made: Sequence[Shape]) -> int:
    return int(prod(read[0]))


def _pooling(node: onnx.NodeProto, read: Sequence[Any], made: Sequence[Shape]) -> int:
    return prod(made[0]) * int(prod(_attribute(node, "kernel_shape", ())))


def _convolution(kernel: int, transposed: bool = False) -> Count:
    def count(node: onnx.NodeProto, read: Sequence[Any], made: Sequence[Shape]) -> int:
        has_bias = node.op_type in ("Conv", "ConvTranspose") and len(read) > 2 and read[2] is not None
        bias = prod(made[0]) if has_bias else 0
        return 2 * int(prod(read[0] if transposed else made[0]) * prod(read[kernel][1:])) + bias

    return count


def _product(second: int) -> Count:
    def count(node: onnx.NodeProto, read: Sequence[Any], made: Sequence[Shape]) -> int:
        return 2 * prod(made[0]) * int(read[0][-1])

    return count


def _gemm(node: onnx.NodeProto, read: Sequence[Any], made: Sequence[Shape]) -> int:
    inner = read[0][0] if _attribute(node, "transA", 0) else read[0][1]
    bias = prod(made[0]) if len(read) > 2 and read[2] is not None else 0
    return 2 * prod(made[0]) * int(inner) + bias


def _einsum(node: onnx.NodeProto, read: Sequence[Any], made: Sequence[Shape]) -> int:
    equation = _attribute(node, "equation", b"").decode().replace(" ", "")
    if "." in equation:
        raise ValueError("an ellipsis")
    terms = equation.split("->")[0].split(",")
    sizes = {
        label: size for term, shape in zip(terms, read, strict=True) for label, size in zip(term, shape, strict=True)
    }
    return max(len(terms), 1) * int(prod(sizes.values()))


def _recurrent(node: onnx.NodeProto, read: Sequence[Any], made: Sequence[Shape]) -> int:
    steps, batch = read[0][:2]
    return 2 * int(steps) * int(batch) * int(prod(read[1]) + prod(read[2]))


def _attention(node: onnx.NodeProto, read: Sequence[Any], made: Sequence[Shape]) -> int:
    keys = read[1][-2] + (read[4][-2] if len(read) > 4 and read[4] is not None else 0)
    return 2 * int(keys) * int(prod(read[0]) + prod(made[0]))


_MOVING = (
    "Cast CastLike Compress Concat ConcatFromSequence Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Gather GatherElements "
    "GatherND Identity NonZero OneHot Optional OptionalGetElement OptionalHasElement Pad Range Reshape ReverseSequence ScatterElements "
    "ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength Shape Size Slice SpaceToDepth Split "
    "SplitToSequence Squeeze Tile Transpose Trilu Unsqueeze Where StringNormalizer BitCast CenterCropPad Col2Im Dropout"
)
# How often their subgraphs run is not known, or how much they compute depends on the values.
_NOT_KNOWN = (
    "If Loop Scan SequenceMap DFT STFT Det DeformConv GridSample MaxRoiPool NonMaxSuppression Resize RoiAlign TfIdfVectorizer Unique "
    "Upsample"
)
_FREE, _UNKNOWN = frozenset(_MOVING.split()), frozenset(_NOT_KNOWN.split())
_REDUCTIONS = (
    "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare ArgMax ArgMin "
    "GlobalAveragePool GlobalMaxPool GlobalLpPool CumSum TopK"
)
_RULES: dict[str, Count] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _convolution(1, transposed=True),
    "MatMul": _product(1),
    "MatMulInteger": _product(1),
    "QLinearMatMul": _product(3),
    "Gemm": _gemm,
    "Einsum": _einsum,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
    "Attention": _attention,
    **dict.fromkeys(("AveragePool", "MaxPool", "LpPool"), _pooling),
    **dict.fromkeys(_REDUCTIONS.split(), _each_input),
}
