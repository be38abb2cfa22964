"""ONNX: programs and models written as ONNX, and read back.

The module itself is the converter that the entry-point group "graphkit.converters" names: `export_model`, `load_model`.
"""

from .export import check_free_sizes, export_model, model_to_onnx, program_to_document, program_to_onnx
from .files import is_too_large, write_model
from .reader import load_model

EXTENSIONS = (".onnx",)

# An ONNX file is a protobuf message that begins with field 1, the IR version, and goes on with one of the other fields.
_FIRST_FIELD = 0x08
_NEXT_FIELDS = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72)


def recognizes(head: bytes) -> bool:
    """Whether a file that begins with these bytes looks like ONNX."""
    return len(head) > 2 and head[0] == _FIRST_FIELD and 0 < head[1] < 64 and head[2] in _NEXT_FIELDS


__all__ = [
    "EXTENSIONS", "check_free_sizes", "export_model", "is_too_large", "load_model", "model_to_onnx", "program_to_document",
    "program_to_onnx", "recognizes", "write_model",
]  # fmt: skip
