"""Hashes of strings: FarmHash's 64-bit fingerprint and SipHash-2-4, as in TensorFlow's hash buckets.

Both are public algorithms: FarmHash (Google, 2014; the "na" variant, which is `Fingerprint64`) and SipHash (Aumasson and
Bernstein, 2012). They are written with ops that work on all strings at once, so the same code computes on arrays and traces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_ALL = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
BLOCK = 64
"""The bytes of a string are stored in whole blocks of this size, padded with zeros; at least one zero follows each string."""
_PLACES = np.asarray([1, 1 << 8, 1 << 16, 1 << 24], np.int64)


class Word:
    """A 64-bit number for each string, with the operators that hashes need; arithmetic wraps around."""

    __slots__ = ("bits",)

    def __init__(self, bits: Any) -> None:
        self.bits = bits

    def _with(self, function: Callable[[Any, Any], Any], other: Word | int) -> Word:
        return Word(function(self.bits, other.bits if isinstance(other, Word) else _constant(other)))

    def __add__(self, other: Word | int) -> Word:
        from graphkit.ops.elementwise import add

        return self._with(add, other)

    def __mul__(self, other: Word | int) -> Word:
        from graphkit.ops.elementwise import multiply

        return self._with(multiply, other)

    def __xor__(self, other: Word | int) -> Word:
        from graphkit.ops.bitwise import bitwise_xor

        return self._with(bitwise_xor, other)

    def __and__(self, other: Word | int) -> Word:
        from graphkit.ops.bitwise import bitwise_and

        return self._with(bitwise_and, other)

    def __or__(self, other: Word | int) -> Word:
        from graphkit.ops.bitwise import bitwise_or

        return self._with(bitwise_or, other)

    def __rshift__(self, by: int) -> Word:
        from graphkit.ops.bitwise import right_shift

        return self._with(right_shift, by)

    def __lshift__(self, by: int) -> Word:
        from graphkit.ops.bitwise import left_shift

        return self._with(left_shift, by)

    def rotated(self, by: int) -> Word:
        """Rotate the bits right."""
        return (self >> by) | (self << (64 - by))

    def where(self, condition: Any, other: Word) -> Word:
        """Select this number where the condition holds, else `other`."""
        from graphkit.ops.elementwise import where

        return Word(where(condition, self.bits, other.bits))


def _constant(value: int) -> np.ndarray[Any, Any]:
    return np.asarray(value & _ALL, np.uint64)


class Bytes:
    """The bytes of n strings: `data` uint8 (n, blocks * 64), and their number `size` int64 (n,)."""

    def __init__(self, data: Any, size: Any) -> None:
        from graphkit.ops.elementwise import cast

        self.data, self.size = cast(data, "int64"), size
        self.length = Word(cast(size, "uint64"))

    def word(self, at: Any, size: int = 8) -> Word:
        """Return the little-endian number in `size` bytes from `at` (one offset, or one for each string)."""
        from graphkit.ops.indexing import take_along_axis

        if isinstance(at, int):
            return _number(self.data[:, at : at + size])
        first = _at_least(at, 0)
        places = _column(first) + np.arange(size, dtype=np.int64)
        return _number(take_along_axis(self.data, places, axis=1))

    def end(self, before: int, size: int = 8) -> Word:
        """Return the number that begins `before` bytes before the end."""
        return self.word(self.size - np.asarray(before, np.int64), size)

    def words(self, per_part: int) -> Any:
        """Return the bits of all words in order, (parts, n, words per part)."""
        from graphkit.ops.shaping import reshape, shape, transpose

        rows, length = shape(self.data)
        parted = reshape(self.data, (rows, length // (8 * per_part), per_part, 8))
        return transpose(_number(parted).bits, (1, 0, 2))


def _number(octets: Any) -> Word:
    """Combine bytes along the last axis into one number, four at a time: onnxruntime sums int64 exactly only below 2**53."""
    from graphkit.ops.elementwise import cast
    from graphkit.ops.reduction import sum as total

    parts = [octets[..., at : at + 4] for at in range(0, octets.shape[-1], 4)]
    low, *high = (Word(cast(total(p * _PLACES[: p.shape[-1]], axis=-1), "uint64")) for p in parts)
    return low | (high[0] << 32) if high else low


def _column(x: Any) -> Any:
    from graphkit.ops.shaping import expand_dims

    return expand_dims(x, 1)


def _at_least(x: Any, low: int) -> Any:
    from graphkit.ops.elementwise import maximum

    return maximum(x, np.asarray(low, np.int64))


def _long_enough(size: Any, least: int) -> Any:
    from graphkit.ops.elementwise import greater_equal

    return greater_equal(size, np.asarray(least, np.int64))


def _fold(step: Callable[..., Sequence[Word]], carry: Sequence[Word], parts: Any) -> list[Word]:
    """Run `carry = step(carry, part, number)` for each part in order."""
    from graphkit.ops.control import scan
    from graphkit.ops.shaping import arange, shape

    count = shape(parts)[0]
    if isinstance(count, int):
        for number in range(count):
            carry = step(carry, parts[number], np.asarray(number, np.int64))
        return list(carry)

    def body(bits: Any, part: Any) -> Any:
        return [word.bits for word in step([Word(b) for b in bits], *part)], None

    folded, _ = scan(body, [word.bits for word in carry], (parts, arange(count, dtype="int64")))
    return [Word(bits) for bits in folded]


# ----- FarmHash -----


def _shift_mix(x: Word) -> Word:
    return x ^ (x >> 47)


def _mixed(u: Word, v: Word, factor: Word) -> Word:
    """Mix two words into one."""
    a = _shift_mix((u ^ v) * factor)
    return _shift_mix((v ^ a) * factor) * factor


def _factor(text: Bytes) -> Word:
    return text.length * 2 + _K2


def _to_3(text: Bytes) -> Word:
    from graphkit.ops.elementwise import floor_divide

    half = floor_divide(text.size, np.asarray(2, np.int64))
    y = text.word(0, 1) + (text.word(half, 1) << 8)
    z = text.length + (text.end(1, 1) << 2)
    return _shift_mix((y * _K2) ^ (z * _K0)) * _K2


def _to_7(text: Bytes) -> Word:
    return _mixed(text.length + (text.word(0, 4) << 3), text.end(4, 4), _factor(text))


def _to_16(text: Bytes) -> Word:
    factor = _factor(text)
    a, b = text.word(0) + _K2, text.end(8)
    return _mixed(b.rotated(37) * factor + a, (a.rotated(25) + b) * factor, factor)


def _to_32(text: Bytes) -> Word:
    factor = _factor(text)
    a, b = text.word(0) * _K1, text.word(8)
    c, d = text.end(8) * factor, text.end(16) * _K2
    first = (a + b).rotated(43) + c.rotated(30) + d
    return _mixed(first, a + (b + _K2).rotated(18) + c, factor)


def _to_64(text: Bytes) -> Word:
    factor = _factor(text)
    a, b = text.word(0) * _K2, text.word(8)
    c, d = text.end(8) * factor, text.end(16) * _K2
    y = (a + b).rotated(43) + c.rotated(30) + d
    z = _mixed(y, a + (b + _K2).rotated(18) + c, factor)
    e, f = text.word(16) * factor, text.word(24)
    g, h = (y + text.end(32)) * factor, (z + text.end(24)) * factor
    first = (e + f).rotated(43) + g.rotated(30) + h
    return _mixed(first, e + (f + a).rotated(18) + g, factor)


Pair = tuple[Word, Word]


def _weak(words: Sequence[Word], a: Word, b: Word) -> Pair:
    w, x, y, z = words
    a = a + w
    b = (b + a + z).rotated(21)
    c = a
    a = a + x + y
    return a + z, b + a.rotated(44) + c


def _round(state: Sequence[Word], words: Sequence[Word], factor: Word | int, last: bool = False) -> list[Word]:
    """Mix in one block of 64 bytes; in the last one two of the words are multiplied by 9."""
    x, y, z, v0, v1, w0, w1 = state
    x = (x + y + v0 + words[1]).rotated(37) * factor
    y = (y + v1 + words[6]).rotated(42) * factor
    x = x ^ (w1 * 9 if last else w1)
    y = y + (v0 * 9 if last else v0) + words[5]
    z = (z + w0).rotated(33) * factor
    v0, v1 = _weak(words[:4], v1 * factor, x + w0)
    w0, w1 = _weak(words[4:], z + w1, y + words[2])
    return [z, y, x, v0, v1, w0, w1]


def _long(text: Bytes) -> Word:
    """Hash strings of more than 64 bytes: blocks of 64 bytes, then the last 64 bytes again."""
    from graphkit.ops.elementwise import floor_divide, less

    mixed = (((81 * _K1 + 113) & _ALL) * _K2 + 113) & _ALL
    zero = text.length * 0
    y, z = zero + (81 * _K1 + 113), zero + (mixed ^ (mixed >> 47)) * _K2
    start = [text.word(0) + 81 * _K2, y, z, zero, zero, zero, zero]
    whole = floor_divide(text.size - np.asarray(1, np.int64), np.asarray(BLOCK, np.int64))

    def step(state: Sequence[Word], part: Any, number: Any) -> list[Word]:
        words = [Word(part[:, i]) for i in range(8)]
        more = less(number, whole)
        return [new.where(more, old) for new, old in zip(_round(state, words, _K1), state, strict=True)]

    x, y, z, v0, v1, w0, w1 = _fold(step, start, text.words(8))
    factor = ((z & 0xFF) << 1) + _K1
    w0 = w0 + ((text.length + _ALL) & 63)
    v0 = v0 + w0
    w0 = w0 + v0
    ends = [text.end(BLOCK - 8 * i) for i in range(8)]
    x, y, z, v0, v1, w0, w1 = _round([x, y, z, v0, v1, w0, w1], ends, factor, last=True)
    first = _mixed(v0, w0, factor) + _shift_mix(y) * _K0 + z
    return _mixed(first, _mixed(v1, w1, factor) + x, factor)


_BY_SIZE = [(1, _to_3), (4, _to_7), (8, _to_16), (17, _to_32), (33, _to_64), (65, _long)]


def fingerprint(text: Bytes) -> Any:
    """Return FarmHash's 64-bit fingerprint of each string, uint64 (n,)."""
    made = text.length * 0 + _K2
    for least, function in _BY_SIZE:
        if isinstance(text.size, np.ndarray) and not (text.size >= least).any():
            break
        made = function(text).where(_long_enough(text.size, least), made)
    return made.bits


# ----- SipHash -----


def _sip_rounds(v: list[Word], number: int) -> list[Word]:
    a, b, c, d = v
    for _ in range(number):
        a, c = a + b, c + d
        b, d = b.rotated(51) ^ a, d.rotated(48) ^ c
        a = a.rotated(32)
        c, a = c + b, a + d
        b, d = b.rotated(47) ^ c, d.rotated(43) ^ a
        c = c.rotated(32)
    return [a, b, c, d]


def sip_hash(text: Bytes, key: tuple[int, int]) -> Any:
    """Return the SipHash-2-4 of each string under a key of two 64-bit numbers, uint64 (n,)."""
    from graphkit.ops.elementwise import equal, floor_divide, less_equal

    low, high = key
    zero, last = text.length * 0, floor_divide(text.size, np.asarray(8, np.int64))
    starts = (low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D, low ^ 0x6C7967656E657261, high ^ 0x7465646279746573)

    def step(state: Sequence[Word], part: Any, number: Any) -> list[Word]:
        word = Word(part[:, 0])
        word = (word | ((text.length & 0xFF) << 56)).where(equal(number, last), word)
        a, b, c, d = state
        a, b, c, d = _sip_rounds([a, b, c, d ^ word], 2)
        read = less_equal(number, last)
        return [new.where(read, old) for new, old in zip([a ^ word, b, c, d], state, strict=True)]

    a, b, c, d = _fold(step, [zero + s for s in starts], text.words(1))
    a, b, c, d = _sip_rounds([a, b, c ^ 0xFF, d], 4)
    return (a ^ b ^ c ^ d).bits
