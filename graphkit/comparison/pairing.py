"""Which layers of two models correspond."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from graphkit.comparison.layers import Entry

Pairs = list[tuple[Entry, Entry]]


def paired(a: Sequence[Entry], b: Sequence[Entry]) -> Pairs:
    """Return the pairs of corresponding layers, in the order of `a`.

    Layers of the same name correspond. If the names are not the same but the layers are, in the same order (`dense_1` and `dense_3`,
    which were numbered automatically), they correspond by their order; otherwise what the names leave over does where possible.
    """
    same_names = {e.key for e in a} == {e.key for e in b}
    if not same_names and [e.signature for e in a] == [e.signature for e in b]:
        return list(zip(a, b, strict=True))
    by_key = {e.key: e for e in b}
    pairs = [(e, by_key[e.key]) for e in a if e.key in by_key]
    taken_a, taken_b = {id(e) for e, _ in pairs}, {id(e) for _, e in pairs}
    rest_a, rest_b = [e for e in a if id(e) not in taken_a], [e for e in b if id(e) not in taken_b]
    pairs += _in_order(rest_a, rest_b)
    order = {id(e): number for number, e in enumerate(a)}
    return sorted(pairs, key=lambda pair: order[id(pair[0])])


def _in_order(a: Sequence[Entry], b: Sequence[Entry]) -> Pairs:
    """Pair the longest runs of layers that are alike."""
    matcher = SequenceMatcher(None, [e.signature for e in a], [e.signature for e in b], autojunk=False)
    return [(a[block.a + i], b[block.b + i]) for block in matcher.get_matching_blocks() for i in range(block.size)]
