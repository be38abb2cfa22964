"""Unknown axes: integers known by name only, and polynomials of them.

A `Dim` is an integer polynomial over atoms; an atom is a name (`batch`), a floor division (`(time - 1) // 2`) or the larger of two
sizes. Equal expressions compare equal under `==` and `hash`, so shapes with unknown axes compare like shapes without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from graphkit.core.errors import UnknownSizeError

Size: TypeAlias = "int | Dim"
Shape: TypeAlias = "tuple[Size, ...]"

# An atom is a name, ("//", dividend, divisor) or ("max", size, size); a monomial a sorted tuple of atoms; a polynomial
# {monomial: coefficient}.
_Atom: TypeAlias = "str | tuple[str, Dim, Size]"
_Monomial: TypeAlias = "tuple[_Atom, ...]"


class Dim:
    """A size that is not known yet: `Dim.named("batch")`, or an expression of such sizes with `+ - * //`."""

    __slots__ = ("_hash", "_terms")

    def __init__(self, terms: Mapping[_Monomial, int]) -> None:
        self._terms: dict[_Monomial, int] = {m: c for m, c in terms.items() if c}
        self._hash = hash(frozenset(self._terms.items()))

    @staticmethod
    def named(name: str) -> Dim:
        """Return the unknown size with this name."""
        return Dim({(name,): 1})

    @staticmethod
    def _simplest(terms: Mapping[_Monomial, int]) -> Size:
        dim = Dim(terms)
        if not dim._terms:
            return 0
        if set(dim._terms) == {()}:
            return dim._terms[()]
        return dim

    @staticmethod
    def _terms_of(value: Size) -> dict[_Monomial, int]:
        return value._terms if isinstance(value, Dim) else {(): int(value)}

    def __add__(self, other: Size) -> Size:
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        terms = dict(self._terms)
        for monomial, coefficient in Dim._terms_of(other).items():
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Dim._simplest(terms)

    __radd__ = __add__

    def __neg__(self) -> Size:
        return Dim._simplest({m: -c for m, c in self._terms.items()})

    def __sub__(self, other: Size) -> Size:
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        return self + -other

    def __rsub__(self, other: int) -> Size:
        return -self + other

    def __mul__(self, other: Size) -> Size:
        if not isinstance(other, (int, Dim)):
            return NotImplemented
        terms: dict[_Monomial, int] = {}
        for m1, c1 in self._terms.items():
            for m2, c2 in Dim._terms_of(other).items():
                monomial = tuple(sorted(m1 + m2, key=_atom_key))
                terms[monomial] = terms.get(monomial, 0) + c1 * c2
        return Dim._simplest(terms)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: Size) -> Size:
        if isinstance(divisor, Dim):
            quotient = self.divided_by(divisor)
            if quotient is None:
                raise TypeError(f"Cannot divide the unknown size {self} by the unknown size {divisor}.")
            return quotient
        if divisor == 1:
            return self
        # Terms that are multiples of the divisor leave the floor division: (4*n + m + 1) // 4 == n + (m + 1) // 4.
        outside = {m: c // divisor for m, c in self._terms.items() if c % divisor == 0}
        inside = {m: c for m, c in self._terms.items() if c % divisor}
        rest = Dim._simplest(inside)
        if isinstance(rest, int):
            outside[()] = outside.get((), 0) + rest // divisor
        else:
            outside[(("//", rest, divisor),)] = 1
        return Dim._simplest(outside)

    def divided_by(self, other: Dim) -> Size | None:
        """Return self / other if that is exact and `other` is a single term, else None."""
        if self == other:
            return 1
        if len(other._terms) != 1:
            return None
        (monomial, coefficient), terms = next(iter(other._terms.items())), {}
        for m, c in self._terms.items():
            left = list(m)
            if c % coefficient or any(left.count(a) < monomial.count(a) for a in monomial):
                return None
            for atom in monomial:
                left.remove(atom)
            terms[tuple(left)] = c // coefficient
        return Dim._simplest(terms)

    def _no_number(self, *_: object) -> NoReturn:
        raise UnknownSizeError(
            f"The size {self} of a free axis is not known while the graph is built: it cannot be compared, iterated over or converted. "
            "Use ops on it, or give the axis a fixed size."
        )

    if not TYPE_CHECKING:  # else type checkers would accept a Dim as a number
        __lt__ = __le__ = __gt__ = __ge__ = __index__ = __int__ = __float__ = _no_number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self._terms == other._terms

    def __hash__(self) -> int:
        return self._hash

    def evaluate(self, sizes: Mapping[str, Size]) -> Size:
        """Return the size with the given names replaced by their sizes; other names stay."""
        total: Size = 0
        for monomial, coefficient in self._terms.items():
            product: Size = coefficient
            for atom in monomial:
                product = product * _evaluate_atom(atom, sizes)
            total = total + product
        return total

    def names(self) -> set[str]:
        """Return the names that this size depends on."""
        found: set[str] = set()
        for monomial in self._terms:
            for atom in monomial:
                found |= {atom} if isinstance(atom, str) else atom[1].names() | names_of(atom[2])
        return found

    def products(self) -> list[tuple[list[Dim], int]]:
        """Return the sum's terms: the sizes that each multiplies, and its coefficient."""
        return [([Dim({(atom,): 1}) for atom in monomial], count) for monomial, count in self._terms.items()]

    def is_name(self) -> bool:
        """Return whether this is a single name, not an expression of names."""
        return len(self._terms) == 1 and self._terms.get(next(iter(self._terms))) == 1 and self._bare() is not None

    def _bare(self) -> str | None:
        (monomial,) = self._terms
        return monomial[0] if len(monomial) == 1 and isinstance(monomial[0], str) else None

    def terms(self) -> list[tuple[int, _Monomial]]:
        """Return (coefficient, atoms) of each term; an atom is a name, ("//", dividend, divisor) or ("max", size, size)."""
        return [(c, m) for m, c in self._terms.items()]

    def __str__(self) -> str:
        parts: list[str] = []
        for monomial, coefficient in sorted(self._terms.items(), key=lambda t: (-len(t[0]), str(t[0]))):
            factors = [_atom_str(atom) for atom in monomial]
            if not factors or abs(coefficient) != 1:
                factors.insert(0, str(abs(coefficient)))
            sign = "-" if coefficient < 0 else "+" if parts else ""
            parts.append(f"{sign} {'*'.join(factors)}" if parts else f"{sign}{'*'.join(factors)}")
        return " ".join(parts)

    def __repr__(self) -> str:
        return f"Dim({self})"


def _atom_key(atom: _Atom) -> str:
    return atom if isinstance(atom, str) else _atom_str(atom)


def _atom_str(atom: _Atom) -> str:
    if isinstance(atom, str):
        return atom
    return f"max({atom[1]}, {atom[2]})" if atom[0] == "max" else f"(({atom[1]}) // {atom[2]})"


def _evaluate_atom(atom: _Atom, sizes: Mapping[str, Size]) -> Size:
    if isinstance(atom, str):
        return sizes.get(atom, Dim.named(atom))
    first, second = size_evaluate(atom[1], sizes), size_evaluate(atom[2], sizes)
    if atom[0] == "max":
        return largest(first, second)
    assert isinstance(second, int)  # divisors are known
    return first // second


def names_of(size: Size) -> set[str]:
    """Return the names that a size depends on; an int depends on none."""
    return size.names() if isinstance(size, Dim) else set()


def largest(a: Size, b: Size) -> Size:
    """Return the larger of two sizes, which are not negative."""
    gap = a - b
    if isinstance(gap, int):
        return a if gap >= 0 else b
    signs = {coefficient > 0 for coefficient, _ in gap.terms()}
    if len(signs) == 1:  # a sum of sizes, or the opposite of one
        return a if signs == {True} else b
    first, second = sorted((a, b), key=lambda size: (isinstance(size, int), str(size)))  # max(a, b) == max(b, a)
    assert isinstance(first, Dim)
    return Dim({(("max", first, second),): 1})


def size_evaluate(size: Size, sizes: Mapping[str, Size]) -> Size:
    """Return `size` with the given names replaced by their sizes; an int is returned unchanged."""
    return size.evaluate(sizes) if isinstance(size, Dim) else size


def is_static(shape: Shape) -> bool:
    """Return whether every axis of a shape is a known integer."""
    return not any(isinstance(size, Dim) for size in shape)


def public_shape(shape: Shape) -> tuple[int | None, ...]:
    """Return the shape as Keras shows it, with None for unknown sizes."""
    return tuple(None if isinstance(size, Dim) else size for size in shape)


def product(shape: Shape) -> Size:
    """Return the number of elements of a shape."""
    total: Size = 1
    for size in shape:
        total = total * size
    return total


def static_size(shape: Shape) -> int:
    """Return the number of elements of a shape whose sizes are all known.

    Raises:
        TypeError: A size is unknown.
    """
    total = product(shape)
    if isinstance(total, Dim):
        raise TypeError(f"The shape {shape} has unknown sizes.")
    return total
