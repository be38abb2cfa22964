"""ONNX: programs and models written as ONNX, and read back.

The module itself is the converter that the entry-point group "graphkit.converters" names: `export_model`, `load_model`.
"""

from .export import (
    check_free_sizes,
    check_has_graph,
    export_model,
    model_to_onnx,
    output_names,
    program_to_document,
    program_to_onnx,
    program_with_weights_fed,
)
from .files import is_too_large, read_message, write_model
from .reader import load_model
from .relayout import apply_steps

EXTENSIONS = (".onnx",)

# An ONNX file is a protobuf message that begins with field 1, the IR version, and goes on with one of the other fields.
_FIRST_FIELD = 0x08
_NEXT_FIELDS = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72)


def recognizes(head: bytes) -> bool:
    """Whether a file that begins with these bytes looks like ONNX."""
    return len(head) > 2 and head[0] == _FIRST_FIELD and 0 < head[1] < 64 and head[2] in _NEXT_FIELDS


__all__ = [
    "EXTENSIONS", "apply_steps", "check_free_sizes", "check_has_graph", "export_model", "is_too_large", "load_model", "model_to_onnx",
    "output_names", "program_to_document", "program_to_onnx", "program_with_weights_fed", "read_message", "recognizes", "write_model",
]  # fmt: skip
