"""Tools for ONNX files that work on the message: inspection, extraction of a part, new names, new sizes."""

from .extraction import extract
from .inspection import report_of_message
from .renaming import set_names
from .resizing import set_batch, set_shape

__all__ = ["extract", "report_of_message", "set_batch", "set_names", "set_shape"]
