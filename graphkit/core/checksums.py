"""CRC-32C (RFC 3720) in the form that TensorFlow's files carry it."""

from __future__ import annotations

from graphkit.core.errors import MissingPackageError

_MASK = 0xA282EAD8


def masked_crc32c(data: bytes) -> int:
    """Return the CRC-32C of some bytes, rotated by 15 bits and with a constant added. Source: TensorFlow's TFRecord format.

    Raises:
        MissingPackageError: google-crc32c is not installed.
    """
    try:
        from google_crc32c import value
    except ImportError:
        raise MissingPackageError(
            "The checksums of TensorBoard's files need google-crc32c, which is not installed: pip install 'graphkit[tensorboard]'."
        ) from None
    crc = int(value(data))
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF
