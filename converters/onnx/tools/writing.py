"""Writing of a changed message, with the weights that lie in data files. These are copied from file to file, not loaded."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.external_data_helper import load_external_data_for_tensor

from graphkit.core.errors import SerializationError

from ..document import Document, Weight, document_of
from ..export import STRUCTURE_KEY
from ..files import check_locations, external_tensors, write_model

_OURS = "graphkit."  # starts the keys of metadata that an export writes


def write_changed(
    message: onnx.ModelProto, source: Path, target: Path, overwrite: bool = True, same_structure: bool = False
) -> Path:
    """Write a message that was read from `source`, without its data, and then changed.

    The layers in the metadata of a graphkit export are dropped: they are those of the unchanged graph.

    Args:
        message: the model.
        source: the file that its data files lie beside.
        target: the file to write; it may be `source`.
        overwrite: False raises InvalidArgumentError if `target` exists.
        same_structure: whether the inputs and outputs are the same as before, so that what the metadata say of their nesting holds.

    Raises:
        SerializationError: a data file is missing or too short.
        FileWriteError: the file cannot be written.
    """
    kept = [
        p for p in message.metadata_props if not p.key.startswith(_OURS) or (same_structure and p.key == STRUCTURE_KEY)
    ]
    del message.metadata_props[:]
    message.metadata_props.extend(kept)
    check_locations(message, source)
    outside = [t for t in message.graph.initializer if _is_external(t)]
    mapped = [Weight(_header(tensor), _mapped(tensor, source)) for tensor in outside]
    inside = [t for t in message.graph.initializer if not _is_external(t)]
    del message.graph.initializer[:]
    message.graph.initializer.extend(inside)
    for tensor in external_tensors(message):  # in subgraphs and constants
        load_external_data_for_tensor(tensor, str(source.parent))
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    document = document_of(message)
    document = Document(document.message, [*document.weights, *mapped])
    return write_model(document, target, external_data=True if mapped else None, check=False, overwrite=overwrite)


def _is_external(tensor: onnx.TensorProto) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data) > 0


def _header(tensor: onnx.TensorProto) -> onnx.TensorProto:
    return onnx.TensorProto(
        name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, doc_string=tensor.doc_string
    )


def _mapped(tensor: onnx.TensorProto, source: Path) -> Any:
    """Return the bytes of a tensor in a data file, which the operating system reads when they are written."""
    keys = {entry.key: entry.value for entry in tensor.external_data}
    file = source.parent / keys["location"]
    offset = int(keys.get("offset") or 0)
    length = int(keys["length"]) if keys.get("length") else file.stat().st_size - offset
    if not length:
        return np.zeros(0, np.uint8)
    try:
        with file.open("rb") as opened:
            whole = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise SerializationError(f"{str(source)!r}: the data of {tensor.name!r} cannot be read: {error}") from None
    return np.frombuffer(whole, np.uint8, length, offset)
