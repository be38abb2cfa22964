"""An ONNX model on its way into a file: the message, and apart from it the weights, as the arrays that the model has.

Protobuf copies what it is given, at every step; weights are most of a model. So they never enter a message: they are written
behind it, in the encoding that a message with them would have had.

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
LARGE = 1 << 10  # bytes: weights from this size on stand apart; also ONNX' limit for data in a file of its own
PROTOBUF_LIMIT = 2**31 - 1
_ALIGNMENT = 64  # bytes, of a weight in a data file
_LENGTH_DELIMITED = 2


class Weight(NamedTuple):
    """An initializer without its numbers, and the numbers, in any order of memory."""

    header: onnx.TensorProto
    array: Array

    def payload(self) -> memoryview:
        """The bytes of the numbers; nothing is copied that lies in order already."""
        return np.ascontiguousarray(self.array).reshape(-1).view(np.uint8).data

    def external(self, location: str, offset: int) -> onnx.TensorProto:
        """The initializer as one whose numbers stand in a file of their own."""
        made = onnx.TensorProto()
        made.CopyFrom(self.header)
        made.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", self.array.nbytes)):
            made.external_data.add(key=key, value=str(value))
        return made


class Document(NamedTuple):
    """A model: its message, and the weights that are missing there."""

    message: onnx.ModelProto
    weights: list[Weight]

    @property
    def is_too_large(self) -> bool:
        """Whether it cannot be one file: protobuf ends at 2 GB."""
        size: int = self.message.ByteSize() + sum(w.array.nbytes for w in self.weights)
        return size > PROTOBUF_LIMIT

    def whole(self) -> onnx.ModelProto:
        """The message with the weights in it."""
        for weight in self.weights:
            made = self.message.graph.initializer.add()
            made.CopyFrom(weight.header)
            made.raw_data = weight.payload().tobytes()
        self.weights.clear()
        return self.message

    def for_checking(self) -> onnx.ModelProto:
        """The message with the weights declared as inputs: all that a checker asks about them is dtype and shape."""
        made = onnx.ModelProto()
        made.CopyFrom(self.message)
        made.graph.input.extend(
            helper.make_tensor_value_info(w.header.name, w.header.data_type, list(w.header.dims)) for w in self.weights
        )
        return made

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The bytes of the whole message, one after the other."""
        graph = self.message.graph.SerializeToString()
        fronts = [_front(w) for w in self.weights]
        size = len(graph) + sum(len(f) + w.array.nbytes for f, w in zip(fronts, self.weights, strict=True))
        yield _without_graph(self.message) + _field(onnx.ModelProto.GRAPH_FIELD_NUMBER, size) + graph
        for front, weight in zip(fronts, self.weights, strict=True):
            yield front
            yield weight.payload()

    def serialized(self) -> bytes:
        """The whole message as bytes."""
        return b"".join(self.pieces())

    def write_data(self, write: Callable[[Any], Any]) -> int:
        """Write the weights for a data file; gives a checksum of names and numbers."""
        digest = 0
        for weight, gap in zip(self.weights, self._gaps(), strict=True):
            payload = weight.payload()
            digest = zlib.crc32(payload, zlib.crc32(weight.header.name.encode(), digest))
            write(bytes(gap))
            write(payload)
        return digest

    def pointing_to(self, location: str) -> onnx.ModelProto:
        """The message with the weights as entries that point into a data file."""
        made = onnx.ModelProto()
        made.CopyFrom(self.message)
        offset = 0
        for weight, gap in zip(self.weights, self._gaps(), strict=True):
            offset += gap
            made.graph.initializer.append(weight.external(location, offset))
            offset += weight.array.nbytes
        return made

    def _gaps(self) -> list[int]:
        """The bytes before each weight of a data file that align it."""
        return [0, *(-w.array.nbytes % _ALIGNMENT for w in self.weights[:-1])] if self.weights else []


def document_of(message: onnx.ModelProto) -> Document:
    """A message taken apart; it stays as it is."""
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
    """A weight that stands apart."""
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
    """What stands before a weight's numbers: the field of the initializer, its header, the field of the numbers."""
    header: bytes = weight.header.SerializeToString()
    numbers = _field(onnx.TensorProto.RAW_DATA_FIELD_NUMBER, weight.array.nbytes)
    whole = len(header) + len(numbers) + weight.array.nbytes
    return _field(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, whole) + header + numbers


def _field(number: int, size: int) -> bytes:
    """The start of a field that holds `size` bytes."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(size)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
