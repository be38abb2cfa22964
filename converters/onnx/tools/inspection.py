"""What an ONNX file holds, without its data files, and whether graphkit can run and train it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from graphkit.core.errors import GraphKitError
from graphkit.saving.sibling_files import place_beside
from graphkit.saving.source import Source

from ..export import CONFIG_KEY
from ..files import external_tensors, read_structure
from ..operators.table import find
from . import messages
from .flops import flops
from .inference import InferenceError

Report = dict[str, Any]
_MOST_NODES, _MOST_BYTES = 5_000, 1 << 28  # of a file that is imported to see what its nodes become


def report_of_message(source: Source) -> Report:
    """Return what `inspect_file` reports of an ONNX file. Its data files are not opened.

    Raises:
        SerializationError: the file is not an ONNX model.
    """
    with messages.naming_damaged(source.path):
        return _report(source)


def _report(source: Source) -> Report:
    message = read_structure(source.path)
    found = Inspection(message, source.path)
    details = found.details()
    problems = found.problems()
    is_own = any(p.key == CONFIG_KEY for p in message.metadata_props)
    is_tried = not problems and not is_own and found.is_small(details)
    details["lifting"], faults = _imported(source.path, details) if is_tried else (None, [])
    return {
        "model": {"class": "ONNX graph", "name": message.graph.name},
        "layers": found.layers(),
        "parameters": found.parameters,
        "problems": [*problems, *faults],
        "is_tried": is_own and not details["data_files"],  # others are tried here, if they are not too large
        "was_tried": is_tried or (is_own and not details["data_files"]),
        "onnx": details,
    }


def _imported(path: Path, details: Report) -> tuple[Report | None, list[str]]:
    """Return what the nodes become when they are lifted, and why the file cannot be imported; add what cannot be trained."""
    from ..imports.lifted import lift
    from ..reader import load_model
    from .learning import not_learned

    try:
        model = load_model(path)
        details["not_trainable"].update(not_learned(model))
        lifted: Any = lift(model)
        report = lifted.import_report
    except GraphKitError as error:
        return None, [str(error)]
    made = {"nodes": report.nodes, "layers": dict(report.layers), "ops": dict(report.ops), "is_whole": report.is_whole}
    return {**made, "kept": dict(report.kept), "refused": dict(report.refused)}, []


class Inspection:
    """What there is to see of one message.

    Args:
        message: the model; its external weights need not be loaded.
        path: where it lies.
    """

    def __init__(self, message: onnx.ModelProto, path: Path) -> None:
        self.message, self.path = message, path
        self.functions = {(messages.domain_of(f), f.name) for f in message.functions}
        self.opsets = {messages.domain_of(o): o.version for o in message.opset_import}
        self.nodes = list(messages.all_nodes(message))
        inside = [node for f in message.functions for node in messages.function_nodes(f)]
        self.tensors = list(messages.initializers(message))
        self.tensors += [tensor for _, tensor in messages.constants([*self.nodes, *inside])]
        self.inner_nodes = inside

    @property
    def parameters(self) -> int:
        """The number of elements of all floating-point weights and constants."""
        return sum(_elements(t) for t in self.tensors if messages.is_floating(t.data_type))

    def layers(self) -> list[Report]:
        """Return the nodes of the graph, each with the number of elements of the weights that it reads."""
        own = {t.name: t for t in self.message.graph.initializer}
        return [
            {
                "name": node.name or next(filter(None, node.output), f"node {number}"),
                "class": messages.shown_operator(node),
                "parameters": sum(_elements(own[n]) for n in node.input if n in own),
            }
            for number, node in enumerate(self.message.graph.node)
        ]

    def details(self) -> Report:
        """Return what only ONNX files have."""
        message, graph = self.message, self.message.graph
        return {
            "ir_version": message.ir_version,
            "opsets": {messages.shown_domain(d): v for d, v in self.opsets.items()},
            "producer": f"{message.producer_name} {message.producer_version}".strip() or None,
            "inputs": {v.name: messages.type_text(v.type) for v in messages.fed_inputs(graph)},
            "outputs": {v.name: messages.type_text(v.type) for v in graph.output},
            "weights": self._weights(),
            "data_files": self._data_files(),
            "flops": self._flops(),
            "operators": self._operators(),
            "functions": [f"{messages.shown_domain(messages.domain_of(f))}.{f.name}" for f in message.functions],
            "unknown_operators": self._unknown(),
            "not_trainable": self._not_trainable(),
            "metadata": sorted(p.key for p in message.metadata_props),
        }

    def _weights(self) -> Report:
        by_type: dict[str, Report] = {}
        for tensor in self.tensors:
            entry = by_type.setdefault(messages.type_name(tensor.data_type), {"tensors": 0, "elements": 0, "bytes": 0})
            entry["tensors"] += 1
            entry["elements"] += _elements(tensor)
            entry["bytes"] += messages.size_in_bytes(tensor)
        return {"bytes": sum(e["bytes"] for e in by_type.values()), "by_type": by_type}

    def _data_files(self) -> Report:
        """Return the data files with the bytes that the file refers to in each."""
        found: Counter[str] = Counter()
        for tensor in external_tensors(self.message):
            keys = {entry.key: entry.value for entry in tensor.external_data}
            length = keys.get("length") or ""
            found[keys.get("location", "")] += int(length) if length.isdecimal() else messages.size_in_bytes(tensor)
        return dict(found)

    def _flops(self) -> Report:
        try:
            found = flops(self.message)
        except InferenceError as error:
            return {"count": None, "problem": str(error)}
        return {"count": found.total, "sizes": found.sizes, "not_counted": found.not_counted}

    def _operators(self) -> Report:
        counted: dict[str, Counter[str]] = {}
        for node in (*self.nodes, *self.inner_nodes):
            counted.setdefault(messages.shown_domain(messages.domain_of(node)), Counter())[node.op_type] += 1
        return {domain: dict(c.most_common()) for domain, c in sorted(counted.items())}

    def _unknown(self) -> Report:
        """Return the operators that graphkit does not have, each with the reason."""
        found: Report = {}
        for node in (*self.nodes, *self.inner_nodes):
            domain = messages.domain_of(node)
            if (domain, node.op_type) in self.functions or messages.shown_operator(node) in found:
                continue
            reason = self._why_unknown(domain, node.op_type)
            if reason:
                found[messages.shown_operator(node)] = reason
        return found

    def _why_unknown(self, domain: str, name: str) -> str:
        if domain not in self.opsets:
            return f"the file imports no version of the domain {messages.shown_domain(domain)!r}"
        try:
            schema: Any = onnx.defs.get_schema(name, self.opsets[domain], domain)
            if schema.has_function or schema.has_context_dependent_function:
                return ""  # defined by other operators
        except onnx.defs.SchemaError:
            pass
        try:
            find(domain, name, self.opsets[domain])
        except GraphKitError as error:
            return str(error)
        return ""

    def _not_trainable(self) -> Report:
        """Return, for each reason, the weights that cannot be trained."""
        found: dict[str, list[str]] = {}
        for tensor in messages.initializers(self.message):
            if not messages.is_floating(tensor.data_type):
                found.setdefault(f"of type {messages.type_name(tensor.data_type)}", []).append(tensor.name)
        return found

    def is_small(self, details: Report) -> bool:
        """Return whether the file is small enough to be imported, which takes time for each node and looks at the weights."""
        return len(self.nodes) <= _MOST_NODES and details["weights"]["bytes"] <= _MOST_BYTES

    # ----- what is wrong -----

    def problems(self) -> list[str]:
        """Return what is wrong with the file, in words."""
        return [*self._bad_tensors(), *self._bad_data_files(), *self._bad_names()]

    def _bad_tensors(self) -> Iterator[str]:
        for tensor in self.tensors:
            name = f"The weight {tensor.name!r}"
            if any(size < 0 for size in tensor.dims):
                yield f"{name} has a negative size: {list(tensor.dims)}."
            elif messages.bits_of(tensor.data_type) is None:
                yield f"{name} is of the unknown {messages.type_name(tensor.data_type)}."
            elif tensor.HasField("raw_data") and len(tensor.raw_data) != messages.size_in_bytes(tensor):
                yield (
                    f"{name} of shape {list(tensor.dims)} and type {messages.type_name(tensor.data_type)} needs "
                    f"{messages.size_in_bytes(tensor):,} bytes of data, got {len(tensor.raw_data):,}."
                )

    def _bad_data_files(self) -> Iterator[str]:
        ends: dict[str, int] = {}
        for tensor in external_tensors(self.message):
            keys = {entry.key: entry.value for entry in tensor.external_data}
            offset, length = keys.get("offset") or "0", keys.get("length") or str(messages.size_in_bytes(tensor))
            if not (offset.isdecimal() and length.isdecimal()):
                yield f"The weight {tensor.name!r} has the offset {offset!r} and the length {length!r}, which are not numbers."
                continue
            place = keys.get("location", "")
            ends[place] = max(ends.get(place, 0), int(offset) + int(length))
        for place, end in ends.items():
            try:
                file = place_beside(self.path, place, repr(str(self.path)), folders=True)
            except GraphKitError as error:
                yield str(error)
                continue
            if not file.is_file():
                yield f"The data file {place!r} is missing; it must be beside the model."
            elif file.stat().st_size < end:
                yield f"The data file {place!r} has {file.stat().st_size:,} bytes, but the weights end at {end:,}: it is truncated."

    def _bad_names(self) -> Iterator[str]:
        """Yield the names that nothing computes; at most 20."""
        known = messages.own_names(self.message.graph)
        lacking = [(n, name) for n in self.message.graph.node for name in sorted(messages.names_read(n) - known)]
        for node, name in lacking[:20]:
            yield f"Node {node.name!r} ({node.op_type}) reads {name!r}, which nothing computes."
        for value in self.message.graph.output:
            if value.name not in known:
                yield f"The output {value.name!r} is computed by no node."


def _elements(tensor: onnx.TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= max(size, 0)
    return count
