"""CRC-32C (RFC 3720) in the form that TensorFlow's files store."""

from __future__ import annotations

_MASK = 0xA282EAD8


def masked_crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes, rotated by 15 bits and with a constant added. Source: TensorFlow's TFRecord format."""
    from google_crc32c import value

    crc = int(value(data))
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF
