"""Build an ONNX graph: ordered nodes, unique readable names, deduplicated constants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graphkit.core import dtypes
from graphkit.core.dims import Shape, Size, is_static
from graphkit.ir.program import Equation
from graphkit.ir.spec import TensorSpec

from .document import LARGE, Weight, weight_of
from .element_types import (
    NAMES_OF_TYPES,
    RESULT_DTYPES,
    RESULT_LIKE_INPUT,
    TYPED_INPUTS,
    computing_dtype,
    element_type,
)
from .registry import Target, check_operator

if TYPE_CHECKING:
    from graphkit.ir.variable import Variable

    from .relayout import Step

Array: TypeAlias = "np.ndarray[Any, Any]"


class Operand:
    """An input of a lowering: a name in the graph, its spec, and its values if they are known.

    The initializer is created, or `make` called, only when `name` is first read, so a value that ends up in an attribute
    adds nothing to the graph.

    Args:
        builder: the graph that reads the operand.
        spec: its shape and dtype.
        name: its name in the graph, if it has one already.
        array: its values, for literals and for weights that the program does not change.
        variable: the weight that `array` comes from.
        steps: the layout steps (see `relayout`) that lead from the weight to `array`.
        make: adds the nodes that compute the operand and returns its name.
        fill: the value of every element, for constant tensors that are not materialized.
    """

    __slots__ = ("_builder", "_make", "_name", "array", "fill", "spec", "steps", "variable")

    def __init__(
        self,
        builder: GraphBuilder,
        spec: TensorSpec,
        name: str | None = None,
        array: Array | None = None,
        variable: Variable | None = None,
        steps: tuple[Step, ...] = (),
        make: Callable[[], str] | None = None,
        fill: float | None = None,
    ) -> None:
        self._builder = builder
        self._name = name
        self.spec = spec
        self.array = array
        self.variable = variable
        self.steps = steps
        self.fill = fill
        self._make = make

    @property
    def name(self) -> str:
        """The name in the graph, created on first use."""
        if self._name is None:
            if self.array is None:
                assert self._make is not None
                self._name = self._make()
            elif self.variable is not None:
                self._name = self._builder.weight(self.variable, self.steps, self.array)
            else:
                self._name = self._builder.constant(self.array)
        return self._name

    @property
    def shape(self) -> Shape:
        """The shape."""
        return self.spec.shape

    @property
    def rank(self) -> int:
        """The number of axes."""
        return self.spec.rank

    @property
    def dtype(self) -> str:
        """The dtype, by its Keras name."""
        return self.spec.dtype

    @property
    def is_zero(self) -> bool:
        """Whether every element is known to be zero."""
        literal = (
            self.array is not None
            and self.variable is None
            and self.array.dtype.kind in "fiub"
            and not self.array.any()
        )
        return literal or self.fill == 0

    @property
    def number(self) -> float | None:
        """The value of a literal with one element, else None."""
        literal = self.array if self.variable is None else None
        return (
            float(literal.item())
            if literal is not None and literal.size == 1 and literal.dtype.kind in "fiub"
            else None
        )


Input: TypeAlias = "Operand | str | None"


class Names:
    """Hands out each name once."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}

    def unique(self, wanted: str) -> str:
        """Return `wanted`, or `wanted_1`, `wanted_2`, ... if that name is in use."""
        name = wanted
        while name in self._used:
            self._used[wanted] += 1
            name = f"{wanted}_{self._used[wanted]}"
        self._used[name] = 0
        return name


class GraphBuilder:
    """A graph under construction. A child builds the body of a loop or branch and shares names and constants with its root.

    Args:
        target: the opset to write, and how.
        parent: the builder of the enclosing graph.
    """

    def __init__(self, target: Target, parent: GraphBuilder | None = None) -> None:
        self.target = target
        self.parent = parent
        self.root: GraphBuilder = parent.root if parent is not None else self
        self.nodes: list[onnx.NodeProto] = []
        self.equation: Equation | None = None
        if parent is None:
            self.names = Names()
            self.dtypes: dict[str, str] = {}
            self.initializers: dict[str, onnx.TensorProto | Weight] = {}
            self.weights: dict[str, tuple[Variable, tuple[Step, ...]]] = {}
            self.dim_sources: dict[str, tuple[str, int]] = {}
            self.sizes: dict[Any, str] = {}
            self.reshaped: dict[str, tuple[Input, Shape]] = {}  # output of a Reshape -> its input and that one's shape
            self.turned: dict[str, tuple[str, tuple[int, ...]]] = {}  # output of a Transpose -> its input and axes
            self._constants: dict[Any, str] = {}
            self._weight_names: dict[Any, str] = {}

    def child(self) -> GraphBuilder:
        """Return a builder for a body inside this graph."""
        made = GraphBuilder(self.target, self)
        made.equation = self.equation
        return made

    @property
    def opset(self) -> int:
        """The opset to write."""
        return self.target.opset

    # ----- the current equation -----

    @property
    def scope(self) -> str:
        """The path of the layer that the current equation belongs to."""
        return self.equation.scope if self.equation is not None else ""

    @property
    def result(self) -> TensorSpec:
        """The spec of the current equation's first output."""
        assert self.equation is not None
        return self.equation.outputs[0].spec

    # ----- nodes -----

    def op(self, op_type: str, *inputs: Input, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """Add a node and return the name of its output, or a tuple of names.

        Where onnxruntime has no kernel for the dtype, casts are added around the node.

        Args:
            op_type: the ONNX operator.
            *inputs: operands or names; None omits an optional input.
            outputs: the number of outputs.
            domain: the operator's domain; empty for standard ONNX.
            **attributes: the node's attributes; those that are None are omitted.
        """
        names = [self.name_of(i) for i in inputs]
        while names and not names[-1]:
            names.pop()
        if op_type == "Cast":
            return self._node(op_type, names, 1, domain, attributes, NAMES_OF_TYPES[attributes["to"]])
        own = self._own_dtype(op_type, names)
        wanted = computing_dtype(op_type, own) if own is not None else None
        if wanted is None or wanted == own:
            return self._node(
                op_type, names, outputs, domain, attributes, self._result_dtype(op_type, names, attributes)
            )
        return self._computed_in(op_type, names, outputs, attributes, str(own), wanted)

    def _own_dtype(self, op_type: str, names: Sequence[str]) -> str | None:
        typed = TYPED_INPUTS.get(op_type, (0,))
        return self.root.dtypes.get(names[typed[0]]) if names and len(names) > typed[0] else None

    def _computed_in(
        self, op_type: str, names: Sequence[str], outputs: int, attributes: Any, own: str, wanted: str
    ) -> Any:
        """Add the node with casts around it, for a dtype that onnxruntime has no kernel for."""
        typed = TYPED_INPUTS.get(op_type, range(len(names)))
        cast = [
            self.cast(n, wanted) if n and i in typed and self.root.dtypes.get(n) == own else n
            for i, n in enumerate(names)
        ]
        made = self._node(op_type, cast, outputs, "", attributes, self._result_dtype(op_type, cast, attributes))
        if RESULT_DTYPES.get(op_type) is not None:
            return made
        first = made if isinstance(made, str) else made[0]
        back = self.cast(first, own)
        if isinstance(made, str):
            return back
        others = (m if op_type in ("TopK", "MaxPool") else self.cast(m, own) for m in made[1:])
        return (back, *others)

    def _result_dtype(self, op_type: str, names: Sequence[str], attributes: dict[str, Any]) -> str | None:
        if op_type in ("If", "Loop", "Scan"):
            return None  # only the equation knows it
        if op_type in RESULT_DTYPES:
            return RESULT_DTYPES[op_type]
        if "dtype" in attributes:
            return NAMES_OF_TYPES[attributes["dtype"]]
        if op_type == "ConstantOfShape":
            return NAMES_OF_TYPES[attributes["value"].data_type]
        source = RESULT_LIKE_INPUT.get(op_type, 0)
        return self.root.dtypes.get(names[source]) if len(names) > source else None

    def _node(
        self,
        op_type: str,
        names: Sequence[str],
        outputs: int,
        domain: str,
        attributes: dict[str, Any],
        dtype: str | None,
    ) -> Any:
        node_name = self.root.names.unique(f"{self.scope}/{op_type}" if self.scope else op_type)
        made = [self.root.names.unique(f"{node_name}:{i}") for i in range(outputs)]
        given = {k: v for k, v in attributes.items() if v is not None}
        if not domain:
            check_operator(op_type, given, self.opset)
        self.nodes.append(helper.make_node(op_type, list(names), made, name=node_name, domain=domain or None, **given))
        if dtype is not None:
            self.root.dtypes.update(dict.fromkeys(made, dtype))
            if op_type in ("TopK", "MaxPool") and outputs == 2:
                self.root.dtypes[made[1]] = "int64"
        return made[0] if outputs == 1 else tuple(made)

    def name_of(self, value: Input) -> str:
        """Return the name of an operand; an empty string for an omitted input."""
        if value is None:
            return ""
        if isinstance(value, Operand):
            self.root.dtypes.setdefault(value.name, value.dtype)
            return value.name
        return value

    def dtype_of(self, value: Input) -> str:
        """Return the dtype of an operand or name."""
        if isinstance(value, Operand):
            return value.dtype
        return self.root.dtypes[str(value)]

    def cast(self, value: Input, dtype: str) -> str:
        """Return the name of `value` in another dtype, with a Cast if its dtype differs."""
        name = self.name_of(value)
        if self.root.dtypes.get(name) == dtype:
            return name
        made: str = self.op("Cast", name, to=element_type(dtype))
        return made

    # ----- constants and weights -----

    def constant(self, array: Any, dtype: str | None = None) -> str:
        """Return the name of an initializer with these values; equal constants share one."""
        made = np.asarray(array, None if dtype is None else dtypes.to_numpy(dtype))
        name_of_dtype = dtypes.of_array(made)
        key = (name_of_dtype, made.shape, _content(made))
        known = self.root._constants.get(key)
        if known is not None:
            return known
        name = self.root.names.unique(_constant_name(made, name_of_dtype))
        self.root._constants[key] = name
        self._initializer(name, made, name_of_dtype)
        return name

    def _initializer(self, name: str, array: Array, dtype: str) -> None:
        apart = array.nbytes >= LARGE and dtype != "string"
        made = weight_of(name, array, element_type(dtype)) if apart else to_tensor(array, dtype, name)
        self.root.initializers[name] = made
        self.root.dtypes[name] = dtype

    def like(self, value: Input, number: Any) -> str:
        """Return the name of a scalar constant with the dtype of `value`."""
        return self.constant(number, self.dtype_of(value))

    def ints(self, numbers: Iterable[int]) -> str:
        """Return the name of a constant int64 vector: axes, a shape, indices."""
        return self.constant(np.array(list(numbers), np.int64))

    def weight(self, variable: Variable, steps: tuple[Step, ...], array: Array) -> str:
        """Return the name of the initializer for a weight in the layout that `steps` give; one per layout.

        Args:
            variable: the weight.
            steps: the layout steps that lead from the weight's array to `array`.
            array: the values to write.
        """
        key = (id(variable), steps)
        known = self.root._weight_names.get(key)
        if known is None:
            known = self.root._weight_names[key] = self.root.names.unique(variable.path)
            self._initializer(known, array, variable.dtype)
            self.root.weights.setdefault(known, (variable, steps))
        return known

    def prune(self, outputs: Iterable[str]) -> None:
        """Remove the nodes and initializers that none of `outputs` depends on."""
        needed = set(outputs)
        kept: list[onnx.NodeProto] = []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                _drop_unread_outputs(node, needed)
                kept.append(node)
                needed |= names_read(node)
        self.nodes = kept[::-1]
        self.initializers = {name: tensor for name, tensor in self.initializers.items() if name in needed}
        self.weights = {name: entry for name, entry in self.weights.items() if name in needed}

    # ----- sizes and shapes -----

    def shape(self, sizes: Sequence[Size]) -> str:
        """Return a shape as an int64 vector, computed from the graph's inputs where sizes are unknown."""
        from .dims import shape_vector

        return shape_vector(self, sizes)

    def reshape(self, value: Input, old: Shape, new: Shape) -> Any:
        """Reshape `value` from shape `old` to shape `new`."""
        from .dims import reshape_target

        if old == new:
            return value
        if isinstance(value, Operand) and value.array is not None and is_static(new):
            return self.relayout(value, ("reshape", new))
        before = self.root.reshaped.get(self.name_of(value))
        if before is not None:
            return self.reshape(before[0], before[1], new)
        target, allow_zero = reshape_target(self, old, new)
        # Without it (before opset 14), a size that is 0 only at run time gives an error, never another shape.
        needed = allow_zero and (self.opset >= 14 or any(size == 0 for size in new))
        made: str = self.op("Reshape", value, target, allowzero=1 if needed else None)
        self.root.reshaped[made] = value, old
        return made

    def size_of(self, name: str, axis: int) -> str:
        """Return the size of an axis as an int64 vector of one element."""
        if self.opset >= 15:
            made: str = self.op("Shape", name, start=axis, end=axis + 1)
        else:
            made = self.op("Slice", self.op("Shape", name), self.ints([axis]), self.ints([axis + 1]))
        return made

    def squeeze(self, value: Input, *axes: int) -> str:
        """Remove these axes of size 1."""
        made: str = self.op("Squeeze", value, self.ints(axes))
        return made

    def unsqueeze(self, value: Input, *axes: int) -> str:
        """Insert axes of size 1."""
        made: str = self.op("Unsqueeze", value, self.ints(axes))
        return made

    def transpose(self, value: Input, axes: Sequence[int]) -> Any:
        """Permute the axes of `value`."""
        return self.relayout(value, ("transpose", tuple(axes)))

    def relayout(self, value: Input, *steps: Step) -> Any:
        """Apply layout `steps` to `value`: at export for weights and literals, by nodes otherwise."""
        from .relayout import apply_steps, emit_steps

        if not isinstance(value, Operand) or value.array is None:
            return emit_steps(self, value, steps)
        array = apply_steps(value.array, steps)
        spec = TensorSpec(array.shape, value.dtype)
        return Operand(self, spec, array=array, variable=value.variable, steps=(*value.steps, *steps))


def _drop_unread_outputs(node: onnx.NodeProto, needed: set[str]) -> None:
    """Omit the outputs of a recurrent operator that nothing reads."""
    if node.op_type in ("LSTM", "GRU", "RNN"):
        kept = [name if name in needed else "" for name in node.output]
        while kept and not kept[-1]:
            kept.pop()
        del node.output[:]
        node.output.extend(kept)


def names_read(node: onnx.NodeProto) -> set[str]:
    """Return the names that a node reads, including those read by its subgraphs."""
    names = set(node.input)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            names.update(*(names_read(inner) for inner in attribute.g.node), (o.name for o in attribute.g.output))
    return names


def to_tensor(array: Array, dtype: str, name: str) -> onnx.TensorProto:
    """Return an array as a TensorProto. Strings are stored as UTF-8."""
    if dtype == "string":
        texts: Any = [t if isinstance(t, bytes) else str(t).encode() for t in array.ravel()]
        return helper.make_tensor(name, onnx.TensorProto.STRING, array.shape, texts)
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def _content(array: Array) -> Any:
    """Return a key for the values of an array: the values themselves, or a digest of larger arrays."""
    if array.dtype.hasobject:
        return tuple(array.ravel().tolist())
    return (
        array.tobytes() if array.nbytes <= 1 << 12 else hashlib.blake2b(np.ascontiguousarray(array).tobytes()).digest()
    )


def _constant_name(array: Array, dtype: str) -> str:
    """Return a name that describes the value, or else the shape, of a constant."""
    if array.size == 1 and array.ndim == 0 and dtype != "string":
        return f"const/{dtype}/{array.item()}"
    if array.ndim == 1 and array.size <= 6 and array.dtype.kind in "iu":
        return f"const/{dtype}/[{','.join(map(str, array.tolist()))}]"
    return f"const/{dtype}/{'x'.join(map(str, array.shape)) or 'scalar'}"


def value_info(name: str, spec: TensorSpec) -> onnx.ValueInfoProto:
    """Return the declaration of an input or output; unknown sizes become `dim_param`."""
    shape = [size if isinstance(size, int) else str(size) for size in spec.shape]
    return helper.make_tensor_value_info(name, element_type(spec.dtype), shape)


def known_shape(shape: Shape) -> tuple[int, ...] | None:
    """Return the shape as ints, or None if a size is unknown."""
    return tuple(int(s) for s in shape if isinstance(s, int)) if is_static(shape) else None
