"""Pack two 4-bit integers into a byte: the first into the low half, the second into the high half."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError
from graphkit.ops._convert import canonical_axis, dtype_name, tensor

_BYTES = ("int8", "uint8")


def _check(dtype: str, given: str, purpose: str, allowed: tuple[str, ...]) -> None:
    if dtype not in _BYTES:
        raise InvalidArgumentError(f"Expected dtype to be 'int8' or 'uint8', but got '{dtype}'.")
    if given not in allowed:
        raise InvalidTypeError(f"Expected {' or '.join(allowed)} tensor for {purpose}, got {given}.")


def pack_int4(arr: Any, axis: int = 0, dtype: str = "int8") -> tuple[Any, tuple[int, ...], int]:
    """Pack pairs of 4-bit integers along an axis, which is zero-padded to an even size.

    Args:
        arr: int8 with values from -8 to 7, or uint8 with values from 0 to 15.
        axis: the axis of the pairs.
        dtype: "int8" or "uint8", the dtype of `arr` and of the bytes.

    Returns:
        (bytes, their shape, the size of `axis` in `arr`).

    Raises:
        InvalidArgumentError: `dtype` is not supported.
        InvalidTypeError: `arr` is not of `dtype`.

    Source: keras.quantizers.pack_int4.
    """
    x = tensor(arr)
    _check(dtype, dtype_name(x), "packing", (dtype,))
    axis = canonical_axis(axis, x.ndim)
    size = x.shape[axis]
    pairs = _in_pairs(ops.pad(x, [[0, size % 2 if a == axis else 0] for a in range(x.ndim)]), axis)
    low, high = (ops.cast(ops.take(pairs, half, axis=axis + 1), "int32") for half in (0, 1))
    packed = ops.bitwise_or(ops.bitwise_and(low, 15), ops.left_shift(ops.bitwise_and(high, 15), 4))
    if dtype == "int8":
        packed = ops.subtract(ops.bitwise_xor(packed, 128), 128)  # sign-extend the byte
    packed = ops.cast(packed, dtype)
    return packed, tuple(packed.shape), size


def _in_pairs(x: Any, axis: int) -> Any:
    shape = tuple(x.shape)
    return ops.reshape(x, (*shape[:axis], shape[axis] // 2, 2, *shape[axis + 1 :]))


def unpack_int4(packed: Any, orig_len: int, axis: int = 0, dtype: str = "int8") -> Any:
    """Invert `pack_int4`.

    Args:
        packed: int8 or uint8 bytes.
        orig_len: the size of `axis` before packing.
        axis: the axis of the pairs.
        dtype: of the result: "int8" for values from -8 to 7, "uint8" for values from 0 to 15.

    Raises:
        InvalidArgumentError: `dtype` is not supported.
        InvalidTypeError: `packed` is neither int8 nor uint8.

    Source: keras.quantizers.unpack_int4.
    """
    x = tensor(packed)
    _check(dtype, dtype_name(x), "unpacking", _BYTES)
    axis = canonical_axis(axis, x.ndim)
    wide = ops.cast(x, "int32")
    high = ops.floor_divide(wide, 16)
    low = ops.subtract(wide, ops.multiply(high, 16))
    if dtype == "int8":
        low = _signed(low)
        high = _signed(high) if dtype_name(x) == "uint8" else high
    elif dtype_name(x) == "int8":
        high = ops.subtract(high, ops.multiply(ops.floor_divide(high, 16), 16))
    halves = ops.stack([low, high], axis=axis + 1)
    shape = tuple(x.shape)
    whole = ops.reshape(halves, (*shape[:axis], 2 * shape[axis], *shape[axis + 1 :]))
    kept = tuple(slice(orig_len) if a == axis else slice(None) for a in range(x.ndim))
    return ops.cast(whole[kept], dtype)


def _signed(nibble: Any) -> Any:
    """Interpret 0..15 as a signed integer: 8..15 become -8..-1."""
    return ops.subtract(nibble, ops.multiply(ops.floor_divide(nibble, 8), 16))
