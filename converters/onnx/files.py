"""ONNX messages written to disk: beside the target and renamed over it; weights over 2 GB in a file of their own."""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path

import onnx
from onnx.external_data_helper import (
    convert_model_to_external_data,
    load_external_data_for_model,
    write_external_data_tensors,
)

from graphkit.core.errors import ExportError, SerializationError

PROTOBUF_LIMIT = 2**31 - 1
_ROOM = 1 << 24  # for what is not weights, when the size is estimated


def write_model(message: onnx.ModelProto, path: Path, *, external_data: bool | None = None, check: bool = True) -> Path:
    """Write a message to `path`; a crash leaves the old file whole. Raises ExportError for what the checker refuses."""
    apart = is_too_large(message) if external_data is None else external_data
    if not path.parent.is_dir():
        raise ExportError(f"Cannot write {str(path)!r}: the folder {str(path.parent)!r} does not exist.")
    if not apart and check:
        check_model(message)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        beside = Path(folder) / path.name
        data = _put_weights_apart(message, path.name) if apart else None
        if data is not None:
            write_external_data_tensors(message, folder)
            if not (Path(folder) / data).exists():
                (Path(folder) / data).touch()
        beside.write_bytes(message.SerializeToString())
        if apart and check:
            check_model(beside)
        if data is not None:
            os.replace(Path(folder) / data, path.parent / data)
        os.replace(beside, path)
    _remove_stale_data(path, data)
    return path


def check_model(message: onnx.ModelProto | Path) -> None:
    """Raise ExportError with the checker's words for a model that is not valid, or whose shapes contradict themselves."""
    try:
        onnx.checker.check_model(message if isinstance(message, onnx.ModelProto) else str(message), full_check=True)
    except Exception as error:
        raise ExportError(
            f"onnx.checker refuses the exported model; this is a defect of graphkit, please report it: {error}"
        ) from error


def is_too_large(message: onnx.ModelProto) -> bool:
    """Whether a message cannot be one file: protobuf ends at 2 GB."""
    return sum(len(t.raw_data) for t in message.graph.initializer) > PROTOBUF_LIMIT - _ROOM


def _put_weights_apart(message: onnx.ModelProto, name: str) -> str:
    """Point the weights to a file whose name follows from their numbers, so that an older model keeps its own."""
    digest = 0
    for tensor in message.graph.initializer:
        digest = zlib.crc32(tensor.raw_data, zlib.crc32(tensor.name.encode(), digest))
    data = f"{name}.{digest:08x}.data"
    convert_model_to_external_data(message, location=data, size_threshold=1024)
    return data


def _remove_stale_data(path: Path, kept: str | None) -> None:
    for old in path.parent.glob(f"{path.name}.????????.data"):
        if old.name != kept and all(c in "0123456789abcdef" for c in old.name[-13:-5]):
            old.unlink(missing_ok=True)


def read_message(path: Path) -> onnx.ModelProto:
    """A message with its external weights. Raises SerializationError for what is no ONNX model, or lacks a part."""
    try:
        message = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise SerializationError(f"{str(path)!r} is no ONNX model: {error}") from error
    if not message.HasField("graph"):
        raise SerializationError(f"{str(path)!r} is no ONNX model: it holds no graph.")
    try:
        load_external_data_for_model(message, str(path.parent))
    except Exception as error:
        raise SerializationError(f"The weights beside {str(path)!r} cannot be read: {error}") from error
    return message
