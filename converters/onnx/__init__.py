"""ONNX: programs and models written as ONNX, and read back.

The module itself is the converter that the entry-point group "graphkit.converters" names: `export_model`, `load_model`.
"""

from graphkit.converters.onnx.export import export_model, model_to_onnx, program_to_onnx
from graphkit.converters.onnx.files import is_too_large, write_model
from graphkit.converters.onnx.reader import load_model

EXTENSIONS = (".onnx",)

__all__ = ["EXTENSIONS", "export_model", "is_too_large", "load_model", "model_to_onnx", "program_to_onnx", "write_model"]
