"""Hashes of strings: FarmHash's 64-bit fingerprint and SipHash-2-4, as TensorFlow's hash buckets have them.

Both are public algorithms: FarmHash (Google, 2014; the "na" variant that `Fingerprint64` is) and SipHash (Aumasson and
Bernstein, 2012).
"""

from __future__ import annotations

from functools import lru_cache

_ALL = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
Pair = tuple[int, int]


def _turned(x: int, by: int) -> int:
    """The bits of x rotated right."""
    return ((x >> by) | (x << (64 - by))) & _ALL


def _shift_mix(x: int) -> int:
    return x ^ (x >> 47)


def _word(data: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _mixed(u: int, v: int, factor: int) -> int:
    """Two words as one."""
    a = _shift_mix(((u ^ v) * factor) & _ALL)
    return (_shift_mix(((v ^ a) * factor) & _ALL) * factor) & _ALL


def _to_16(data: bytes) -> int:
    size = len(data)
    factor = (_K2 + 2 * size) & _ALL
    if size >= 8:
        a, b = (_word(data, 0) + _K2) & _ALL, _word(data, size - 8)
        c = (_turned(b, 37) * factor + a) & _ALL
        d = ((_turned(a, 25) + b) * factor) & _ALL
        return _mixed(c, d, factor)
    if size >= 4:
        return _mixed((size + (_word(data, 0, 4) << 3)) & _ALL, _word(data, size - 4, 4), factor)
    if size == 0:
        return _K2
    y, z = data[0] + (data[size >> 1] << 8), size + (data[-1] << 2)
    return (_shift_mix(((y * _K2) ^ (z * _K0)) & _ALL) * _K2) & _ALL


def _to_32(data: bytes) -> int:
    size = len(data)
    factor = (_K2 + 2 * size) & _ALL
    a, b = (_word(data, 0) * _K1) & _ALL, _word(data, 8)
    c, d = (_word(data, size - 8) * factor) & _ALL, (_word(data, size - 16) * _K2) & _ALL
    first = _turned((a + b) & _ALL, 43) + _turned(c, 30) + d
    return _mixed(first & _ALL, (a + _turned((b + _K2) & _ALL, 18) + c) & _ALL, factor)


def _to_64(data: bytes) -> int:
    size = len(data)
    factor = (_K2 + 2 * size) & _ALL
    a, b = (_word(data, 0) * _K2) & _ALL, _word(data, 8)
    c, d = (_word(data, size - 8) * factor) & _ALL, (_word(data, size - 16) * _K2) & _ALL
    y = (_turned((a + b) & _ALL, 43) + _turned(c, 30) + d) & _ALL
    z = _mixed(y, (a + _turned((b + _K2) & _ALL, 18) + c) & _ALL, factor)
    e, f = (_word(data, 16) * factor) & _ALL, _word(data, 24)
    g, h = ((y + _word(data, size - 32)) * factor) & _ALL, ((z + _word(data, size - 24)) * factor) & _ALL
    first = _turned((e + f) & _ALL, 43) + _turned(g, 30) + h
    return _mixed(first & _ALL, (e + _turned((f + a) & _ALL, 18) + g) & _ALL, factor)


def _weak(words: tuple[int, int, int, int], a: int, b: int) -> Pair:
    w, x, y, z = words
    a = (a + w) & _ALL
    b = _turned((b + a + z) & _ALL, 21)
    c = a
    a = (a + x + y) & _ALL
    return (a + z) & _ALL, (b + _turned(a, 44) + c) & _ALL


def _weak_at(data: bytes, at: int, a: int, b: int) -> Pair:
    return _weak((_word(data, at), _word(data, at + 8), _word(data, at + 16), _word(data, at + 24)), a, b)


def _long(data: bytes) -> int:
    """Blocks of 64 bytes, then the last 64 once more."""
    size, seed = len(data), 81
    x = seed
    y = (seed * _K1 + 113) & _ALL
    z = (_shift_mix((y * _K2 + 113) & _ALL) * _K2) & _ALL
    v: Pair = (0, 0)
    w: Pair = (0, 0)
    x = (x * _K2 + _word(data, 0)) & _ALL
    end = (size - 1) // 64 * 64
    at = 0
    while at != end:
        x = (_turned((x + y + v[0] + _word(data, at + 8)) & _ALL, 37) * _K1) & _ALL
        y = (_turned((y + v[1] + _word(data, at + 48)) & _ALL, 42) * _K1) & _ALL
        x ^= w[1]
        y = (y + v[0] + _word(data, at + 40)) & _ALL
        z = (_turned((z + w[0]) & _ALL, 33) * _K1) & _ALL
        v = _weak_at(data, at, (v[1] * _K1) & _ALL, (x + w[0]) & _ALL)
        w = _weak_at(data, at + 32, (z + w[1]) & _ALL, (y + _word(data, at + 16)) & _ALL)
        z, x = x, z
        at += 64
    factor = (_K1 + ((z & 0xFF) << 1)) & _ALL
    at = size - 64
    w = ((w[0] + ((size - 1) & 63)) & _ALL, w[1])
    v = ((v[0] + w[0]) & _ALL, v[1])
    w = ((w[0] + v[0]) & _ALL, w[1])
    x = (_turned((x + y + v[0] + _word(data, at + 8)) & _ALL, 37) * factor) & _ALL
    y = (_turned((y + v[1] + _word(data, at + 48)) & _ALL, 42) * factor) & _ALL
    x ^= (w[1] * 9) & _ALL
    y = (y + v[0] * 9 + _word(data, at + 40)) & _ALL
    z = (_turned((z + w[0]) & _ALL, 33) * factor) & _ALL
    v = _weak_at(data, at, (v[1] * factor) & _ALL, (x + w[0]) & _ALL)
    w = _weak_at(data, at + 32, (z + w[1]) & _ALL, (y + _word(data, at + 16)) & _ALL)
    z, x = x, z
    first = (_mixed(v[0], w[0], factor) + _shift_mix(y) * _K0 + z) & _ALL
    return _mixed(first, (_mixed(v[1], w[1], factor) + x) & _ALL, factor)


@lru_cache(maxsize=65536)
def fingerprint(data: bytes) -> int:
    """FarmHash's 64-bit fingerprint."""
    size = len(data)
    return _to_16(data) if size <= 16 else _to_32(data) if size <= 32 else _to_64(data) if size <= 64 else _long(data)


@lru_cache(maxsize=65536)
def sip_hash(data: bytes, key: Pair) -> int:
    """SipHash-2-4 under a key of two 64-bit numbers."""
    low, high = (k & _ALL for k in key)
    v = [low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D, low ^ 0x6C7967656E657261, high ^ 0x7465646279746573]

    def rounds(number: int) -> None:
        for _ in range(number):
            v[0] = (v[0] + v[1]) & _ALL
            v[2] = (v[2] + v[3]) & _ALL
            v[1] = _turned(v[1], 51) ^ v[0]
            v[3] = _turned(v[3], 48) ^ v[2]
            v[0] = _turned(v[0], 32)
            v[2] = (v[2] + v[1]) & _ALL
            v[0] = (v[0] + v[3]) & _ALL
            v[1] = _turned(v[1], 47) ^ v[2]
            v[3] = _turned(v[3], 43) ^ v[0]
            v[2] = _turned(v[2], 32)

    whole = len(data) // 8 * 8
    words = [_word(data, at) for at in range(0, whole, 8)]
    for word in [*words, _word(data, whole) | (len(data) & 0xFF) << 56]:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
