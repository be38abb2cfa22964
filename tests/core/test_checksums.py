"""CRC-32C as TensorFlow's files carry it."""

from __future__ import annotations

import pytest

from graphkit.core.checksums import masked_crc32c


@pytest.mark.parametrize(("data", "crc"), [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA)])
def test_checksums_of_the_standard_are_rotated_and_shifted(data: bytes, crc: int) -> None:
    """The checksums are those of RFC 3720."""
    turned = int(f"{crc:032b}"[-15:] + f"{crc:032b}"[:-15], 2)

    assert masked_crc32c(data) == (turned + 0xA282EAD8) % 2**32
