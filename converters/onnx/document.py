"""An ONNX model that is about to be written: the message, and separately the weights, as the model's own arrays.

Protobuf copies whatever is assigned to a message, at every step, and weights are most of a model. So they are never put into a
message: they are written after it, in the encoding that a message containing them would have had.

Source of the encoding: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import onnx
from onnx import helper

Array: TypeAlias = "np.ndarray[Any, Any]"
LARGE = 1 << 10  # bytes: larger weights are kept out of the message; also ONNX' threshold for external data
PROTOBUF_LIMIT = 2**31 - 1  # bytes
_ALIGNMENT = 64  # bytes: of each weight in a data file
_LENGTH_DELIMITED = 2


class Weight(NamedTuple):
    """An initializer without its data, and the data, in any memory order."""

    header: onnx.TensorProto
    array: Array

    def payload(self) -> memoryview:
        """Return the data as bytes; contiguous arrays are not copied."""
        return np.ascontiguousarray(self.array).reshape(-1).view(np.uint8).data

    def external(self, location: str, offset: int) -> onnx.TensorProto:
        """Return the initializer with its data as external data.

        Args:
            location: the name of the data file, relative to the model.
            offset: where the data starts in it, in bytes.
        """
        made = onnx.TensorProto()
        made.CopyFrom(self.header)
        made.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", self.array.nbytes)):
            made.external_data.add(key=key, value=str(value))
        return made


class Document(NamedTuple):
    """A model: its message, and the weights that the message lacks."""

    message: onnx.ModelProto
    weights: list[Weight]

    @property
    def is_too_large(self) -> bool:
        """Whether it exceeds protobuf's limit of 2 GB, and so cannot be a single file."""
        size: int = self.message.ByteSize() + sum(w.array.nbytes for w in self.weights)
        return size > PROTOBUF_LIMIT

    def whole(self) -> onnx.ModelProto:
        """Move the weights into the message and return it; this document has none afterwards."""
        for weight in self.weights:
            made = self.message.graph.initializer.add()
            made.CopyFrom(weight.header)
            made.raw_data = weight.payload().tobytes()
        self.weights.clear()
        return self.message

    def for_checking(self) -> onnx.ModelProto:
        """Return the message with the weights declared as inputs: the checker needs only their dtypes and shapes."""
        made = onnx.ModelProto()
        made.CopyFrom(self.message)
        made.graph.input.extend(
            helper.make_tensor_value_info(w.header.name, w.header.data_type, list(w.header.dims)) for w in self.weights
        )
        return made

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Yield the bytes of the complete message, piece by piece."""
        graph = self.message.graph.SerializeToString()
        fronts = [_front(w) for w in self.weights]
        size = len(graph) + sum(len(f) + w.array.nbytes for f, w in zip(fronts, self.weights, strict=True))
        yield _without_graph(self.message) + field_start(onnx.ModelProto.GRAPH_FIELD_NUMBER, size) + graph
        for front, weight in zip(fronts, self.weights, strict=True):
            yield front
            yield weight.payload()

    def serialized(self) -> bytes:
        """Return the complete message as bytes."""
        return b"".join(self.pieces())

    def write_data(self, write: Callable[[Any], Any]) -> int:
        """Write the weights to a data file and return a CRC-32 of their names and data.

        Args:
            write: takes the next bytes of the file.
        """
        digest = 0
        for weight, gap in zip(self.weights, self._gaps(), strict=True):
            payload = weight.payload()
            digest = zlib.crc32(payload, zlib.crc32(weight.header.name.encode(), digest))
            write(bytes(gap))
            write(payload)
        return digest

    def pointing_to(self, location: str) -> onnx.ModelProto:
        """Return the message with the weights as initializers that point into the data file `location`."""
        made = onnx.ModelProto()
        made.CopyFrom(self.message)
        offset = 0
        for weight, gap in zip(self.weights, self._gaps(), strict=True):
            offset += gap
            made.graph.initializer.append(weight.external(location, offset))
            offset += weight.array.nbytes
        return made

    def _gaps(self) -> list[int]:
        """Return the padding in bytes before each weight of a data file that aligns it."""
        return [0, *(-w.array.nbytes % _ALIGNMENT for w in self.weights[:-1])] if self.weights else []


def document_of(message: onnx.ModelProto) -> Document:
    """Split a message into a document. The message itself is unchanged."""
    rest = onnx.ModelProto()
    rest.CopyFrom(message)
    small, weights = [], []
    for tensor in rest.graph.initializer:
        if len(tensor.raw_data) < LARGE:
            small.append(tensor)
            continue
        numbers = np.frombuffer(tensor.raw_data, np.uint8)
        tensor.ClearField("raw_data")
        weights.append(Weight(tensor, numbers))
    kept = [_copy(t) for t in small]
    weights = [Weight(_copy(w.header), w.array) for w in weights]
    del rest.graph.initializer[:]
    rest.graph.initializer.extend(kept)
    return Document(rest, weights)


def _copy(tensor: onnx.TensorProto) -> onnx.TensorProto:
    made = onnx.TensorProto()
    made.CopyFrom(tensor)
    return made


def weight_of(name: str, array: Array, data_type: int) -> Weight:
    """Return a weight whose data is kept out of the message.

    Args:
        name: of the initializer.
        array: the data.
        data_type: the element type, a `TensorProto.DataType`.
    """
    return Weight(onnx.TensorProto(name=name, data_type=data_type, dims=array.shape), array)


# ----- the encoding -----


def _without_graph(message: onnx.ModelProto) -> bytes:
    shell = onnx.ModelProto()
    for field, value in message.ListFields():
        if field.name == "graph":
            continue
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            getattr(shell, field.name).extend(value)
        else:
            setattr(shell, field.name, value)
    made: bytes = shell.SerializeToString()
    return made


def _front(weight: Weight) -> bytes:
    """Return what precedes a weight's data: the initializer's field, its header, the field of the data."""
    header: bytes = weight.header.SerializeToString()
    numbers = field_start(onnx.TensorProto.RAW_DATA_FIELD_NUMBER, weight.array.nbytes)
    whole = len(header) + len(numbers) + weight.array.nbytes
    return field_start(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, whole) + header + numbers


def field_start(number: int, size: int) -> bytes:
    """Return the start of a length-delimited field of `size` bytes."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(size)


def _varint(number: int) -> bytes:
    """Encode an integer in seven bits per byte, lowest first; the top bit marks that more bytes follow."""
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
