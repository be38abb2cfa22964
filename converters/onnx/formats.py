"""The ONNX format: export of models, and import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from graphkit.core.file_kinds import not_binary
from graphkit.saving import formats
from graphkit.saving.formats import Format
from graphkit.saving.source import Source

# An ONNX file is a protobuf message that begins with field 1, the IR version, and continues with one of the other fields.
_FIRST_FIELD = 0x08
_NEXT_FIELDS = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72)


def recognizes(head: bytes) -> bool:
    """Return whether a file that begins with these bytes looks like ONNX."""
    return len(head) > 2 and head[0] == _FIRST_FIELD and 0 < head[1] < 64 and head[2] in _NEXT_FIELDS


class Onnx(Format):
    """An ONNX model. Source: https://onnx.ai/onnx/repo-docs/IR.html."""

    name = "ONNX"
    suffixes = (".onnx",)
    holds = frozenset({formats.MODEL, formats.WEIGHTS})
    options: ClassVar[Mapping[str, str]] = {
        "opset": "13 to 28 (default: 21, or a later one that an imported graph has)",
        "training": "True writes the forward pass of training",
        "external_data": "True puts the weights into a separate file (default: only above 2 GB)",
        "check": "True also runs the file and compares its outputs with the engine's; False skips onnx.checker",
        "optimize": "True, or batch_normalization, constants: fold them into weights; the file then lacks the layers' config",
        "dtype": "float16 or bfloat16: store large weights in this dtype",
        "quantize": "dynamic, or a .npz file of inputs to calibrate with: 8-bit weights",
        "standard_operators": "True writes operators of the standard that onnxruntime runs more slowly than others",
        "keep_bfloat16": "True keeps inputs and outputs in bfloat16",
    }

    usual_options: ClassVar[Mapping[str, Any]] = {"lift": True}
    load_options: ClassVar[Mapping[str, str]] = {
        "lift": "True makes Keras' layers of the nodes where they compute exactly the same (default of load and convert), False one "
        "layer of each node (default of load_model)",
        "data_format": "channels_last puts the channels of lifted images last, in inputs and outputs too (default: channels_first)",
        "trainable": "names of the initializers to train, as patterns; True or False for all of them (default: all float tensors)",
    }

    def recognizes(self, source: Source) -> int:
        """Score a file by the first fields of the message, or by the suffix if other fields come first."""
        if recognizes(source.head):
            return formats.LIKELY
        is_named = source.suffix in self.suffixes and not source.is_folder and not source.is_hdf5
        return formats.POSSIBLE if is_named and not_binary(source.head) is None else formats.NO

    def load(
        self,
        source: Source,
        *,
        custom_objects: Mapping[str, Any] | None = None,
        trainable: Any = None,
        lift: bool = False,
        data_format: str = "channels_first",
        **_: Any,
    ) -> Any:
        """Return the layers that the file was exported from, or those that its nodes make, with their weights."""
        from .reader import load_model

        return load_model(source.path, custom_objects, trainable, lift, data_format)

    def inspect(self, source: Source) -> dict[str, Any]:
        """Return opsets, inputs, outputs, operators, weights, and what cannot be run or trained."""
        from .tools.inspection import report_of_message

        return report_of_message(source)

    def save(self, model: Any, path: Path, *, overwrite: bool = True, **options: Any) -> None:
        """Export the model."""
        from .export import export_model

        export_model(model, path, overwrite=overwrite, **options)

    def losses(self, model: Any, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield what an optimized or quantized file cannot hold."""
        if options.get("quantize") is not None:
            yield "the layers and the weights as floats: quantize writes a graph of 8-bit operators"
        elif options.get("optimize"):
            yield "the layers, where optimize folds weights: the file then holds a graph of nodes"

    def notes(self, model: Any, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield how storing weights in fewer bits changed the outputs."""
        if options.get("quantize") is not None:
            from .quantize import last_report

            report = last_report(model)
            yield from report.lines() if report is not None else ()
