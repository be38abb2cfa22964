"""What a node of an imported graph computes, as a composite: it stays one equation, so that an export writes the same node again.

Its decomposition is the operator's function of the table. The engine and the gradient expand it.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from graphkit import ops
from graphkit.core import nest
from graphkit.core.errors import SerializationError, UnknownSizeError, UnknownValueError, UnsupportedError
from graphkit.graph.size_expressions import checked, evaluated
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import infer_specs
from graphkit.ops._convert import shape_of

from ..operators import Evaluator
from ..operators.evaluate import standard_domain
from ..operators.sequences import Stacked
from ..operators.sizes import Sizes, object_vector, ratio, sizes

_RANDOM = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli", "Dropout"}
)

Source = (
    Any  # None, ["input", k], ["weight", k], ["sizes", expressions, shape, dtype], ["tensor", message] or ["list", ...]
)


def is_random(node: onnx.NodeProto) -> bool:
    """Return whether a node computes something else each time."""
    return standard_domain(node.domain) == "" and node.op_type in _RANDOM


class NodeComputation:
    """A node with the sources of its inputs.

    Args:
        node: the node.
        sources: where each input of the node comes from: None (left out), ["input", k] (the k-th tensor), ["weight", k] (the k-th
            weight), ["sizes", size expressions, shape, dtype], ["tensor", a constant TensorProto], ["list", ...] of these for a
            sequence, or ["stacked", source] for a sequence of unknown length.
        captured: likewise, what the subgraphs of the node read of the graph around it, by name.
        kept: the positions of the outputs that are returned, among all outputs with sequences spread out.
        opsets: the version of each domain.
        functions: the model's own functions that the subgraphs call.
        weights: the number of weights.
        where: the layer, as messages name it.
        stacked: the positions of the outputs that are sequences of unknown length, kept as one tensor.
        declared: the outputs as the file declares them, if their shapes depend on values.
    """

    def __init__(
        self,
        node: onnx.NodeProto,
        sources: Sequence[Source],
        captured: Mapping[str, Source],
        kept: Sequence[int],
        opsets: Mapping[str, int],
        functions: Sequence[onnx.FunctionProto],
        weights: int,
        where: str,
        stacked: Sequence[int] = (),
        declared: Sequence[TensorSpec] = (),
    ) -> None:
        self.node = node
        self.declared = list(declared)
        self.sources = list(sources)
        self.captured = dict(captured)
        self.kept = list(kept)
        self.opsets = dict(opsets)
        self.functions = list(functions)
        self.weights = weights
        self.where = where
        self.stacked = list(stacked)
        model = onnx.ModelProto(functions=self.functions)
        for domain, version in self.opsets.items():
            model.opset_import.add(domain=domain, version=version)
        self.evaluator = Evaluator(model)
        self._constants: dict[int, Any] = {}

    def __call__(self, *inputs: Any) -> Any:
        """Return the outputs for tensors, followed by weights: a tuple if several are kept."""
        tensors, weights = inputs[: len(inputs) - self.weights], inputs[len(inputs) - self.weights :]
        given, outer = self.values(tensors, weights)
        return self.results(self.evaluator.call(self.node, given, ChainMap(outer)))

    def is_known(self, tensors: Sequence[Any]) -> bool:
        """Return whether the node computes only from the sizes of tensors, and all of them are known."""
        if self.weights:
            return False
        given, outer = self.values(tensors, ())
        return all(isinstance(v, np.ndarray) or v is None for v in nest.flatten([given, list(outer.values())]))

    def values(self, tensors: Sequence[Any], weights: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the values of the node's inputs, and those that its subgraphs capture."""
        given = [self._value(source, tensors, weights) for source in self.sources]
        return given, {name: self._value(source, tensors, weights) for name, source in self.captured.items()}

    def results(self, made: Sequence[Any]) -> Any:
        """Return those of a node's outputs that are kept."""
        made = list(made)
        for place in self.stacked:  # outside of a trace, a loop makes a list
            made[place] = Stacked(ops.stack(made[place])) if isinstance(made[place], list) else made[place]
        leaves = flat_outputs(made)
        has_lists = any(isinstance(output, list) for output in made)
        if len(leaves) <= max(self.kept) or (has_lists and len(leaves) > max(self.kept) + 1):
            raise UnsupportedError(
                f"{self.where} gives {len(leaves)} tensors for these inputs, but gave {max(self.kept) + 1} when the graph was built: the "
                "length of a sequence depends on a size. Give inputs of the sizes that the file declares."
            )
        kept = [_tensor_of(leaves[i]) for i in self.kept]
        return kept[0] if len(kept) == 1 else tuple(kept)

    def sizes_of(self, source: Source, tensors: Sequence[Any]) -> Any:
        """Return the sizes that a source of the kind "sizes" gives for these tensors: an array, or `Sizes`."""
        _, expressions, shape, dtype, *divisors = source
        shapes = [shape_of(tensor) for tensor in tensors]
        found, *under = (
            [evaluated(e, shapes, f"A size of {self.where}") for e in group] for group in (expressions, *divisors)
        )
        if under:
            found = [ratio(n, d) for n, d in zip(found, under[0], strict=True)]
        return sizes(object_vector(found).reshape(shape), dtype)

    def constant(self, source: Source) -> Any:
        """Return the array of a source of the kind "tensor"."""
        known = self._constants.get(id(source))
        if known is None:
            known = self._constants[id(source)] = numpy_helper.to_array(source[1])
        return known

    def _value(self, source: Source, tensors: Sequence[Any], weights: Sequence[Any]) -> Any:
        if source is None:
            return None
        kind, *rest = source
        if kind == "input":
            if rest[0] >= len(tensors):
                raise SerializationError(f"{self.where} expects {rest[0] + 1} or more inputs, got {len(tensors)}.")
            return tensors[rest[0]]
        if kind == "weight":
            return weights[rest[0]]
        if kind == "list":
            return [self._value(part, tensors, weights) for part in rest]
        if kind == "stacked":
            return Stacked(self._value(rest[0], tensors, weights))
        return self.sizes_of(source, tensors) if kind == "sizes" else self.constant(source)


def _tensor_of(leaf: Any) -> Any:
    if isinstance(leaf, Sizes):
        return leaf.as_tensor()
    return leaf.tensor if isinstance(leaf, Stacked) else leaf


def flat_outputs(made: Sequence[Any]) -> list[Any]:
    """Return the outputs of a node with sequences spread out."""
    return list(nest.flatten(list(made)))


def checked_source(source: Any, where: str, tensor: Callable[[Any], onnx.TensorProto]) -> Source:
    """Return a source that may come from a config.

    Args:
        source: the source; a constant may be JSON.
        where: the layer, as messages name it.
        tensor: returns the message of a constant.

    Raises:
        SerializationError: it has none of the forms.
    """
    if source is None:
        return None
    kind, *rest = source if isinstance(source, (list, tuple)) and source else ("",)
    if kind in ("input", "weight") and len(rest) == 1 and type(rest[0]) is int and rest[0] >= 0:
        return [kind, rest[0]]
    if kind == "sizes" and len(rest) in (3, 4) and rest[2] in ("int32", "int64", "float32", "float64"):
        groups = [rest[0], *rest[3:]]
        shape = [int(n) for n in rest[1]]
        if all(isinstance(group, list) and int(np.prod(shape)) == len(group) for group in groups):
            over, *under = [[checked(e, f"A size of {where}") for e in group] for group in groups]
            return ["sizes", over, shape, rest[2], *under]
    if kind == "tensor" and len(rest) == 1:
        return ["tensor", tensor(rest[0])]
    if kind == "list" or (kind == "stacked" and len(rest) == 1):
        return [kind, *(checked_source(part, where, tensor) for part in rest)]
    raise SerializationError(f"{where}: {source!r:.120} describes no input of an ONNX node.")


def _computed(*inputs: Any, computation: NodeComputation) -> Any:
    return computation(*inputs)


def _specs(*specs: TensorSpec, computation: NodeComputation) -> Any:
    """Infer the outputs by the decomposition; where that needs values, they are those that the file declares."""
    try:
        return infer_specs(_computed, specs, {"computation": computation})
    except (UnknownSizeError, UnknownValueError):
        if not computation.declared:
            raise
        return computation.declared[0] if len(computation.declared) == 1 else tuple(computation.declared)


onnx_node_p = primitive("onnx_node", _specs, decomposition=_computed)
