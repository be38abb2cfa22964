"""Paths of weights in archives of other versions, renamed to those of Keras 3.

- Saved on Windows by some versions: backslashes in the names of groups.
- tf.keras 2.12 and 2.13: `_layer_checkpoint_dependencies` instead of `layers`, and a layer with weights is counted twice, so that the
  numbers of one class have gaps (conv2d, conv2d_2, conv2d_4).
- tf.keras to 2.15: MultiHeadAttention has `_query_dense` where Keras 3 has `query_dense`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from graphkit.saving.stores import Table

_ROOT = "_layer_checkpoint_dependencies"
_PRIVATE = {f"_{name}": name for name in ("query_dense", "key_dense", "value_dense", "output_dense")}
_NUMBERED = re.compile(r"^(.*?)(?:_(\d+))?$")


def canonical(table: Table) -> Table:
    """Return a table with the paths of Keras 3; the table itself if it has them."""
    slashed = {path: path.replace("\\", "/") for path in table.entries}
    numbers = _numbers(slashed.values())
    renamed = {path: _renamed(new, numbers) for path, new in slashed.items()}
    if all(path == new for path, new in renamed.items()):
        return table
    return Table(
        {renamed[path]: entry._replace(path=renamed[path]) for path, entry in table.entries.items()}, table.attributes
    )


def _numbers(paths: Iterable[str]) -> dict[str, str]:
    """Map the paths of layers under 2.12's root to names that are numbered without gaps."""
    found: dict[tuple[str, str], dict[int, str]] = {}
    for path in paths:
        parts = path.split("/")
        for at, part in enumerate(parts[:-1]):
            if part == _ROOT:
                stem, number = _split(parts[at + 1])
                found.setdefault(("/".join(parts[: at + 1]), stem), {})[number] = parts[at + 1]
    return {
        f"{parent}/{names[number]}": f"{stem}_{rank}" if rank else stem
        for (parent, stem), names in found.items()
        for rank, number in enumerate(sorted(names))
    }


def _split(name: str) -> tuple[str, int]:
    match = _NUMBERED.match(name)
    assert match is not None
    return match.group(1), int(match.group(2) or 0)


def _renamed(path: str, numbers: dict[str, str]) -> str:
    parts = path.split("/")
    made: list[str] = []
    for at, part in enumerate(parts):
        new = numbers.get("/".join(parts[: at + 1]), part)
        of_attention = bool(made) and made[-1].startswith(
            "multi_head_attention"
        )  # grouped_query_attention keeps `_query_dense`
        made.append("layers" if new == _ROOT else _PRIVATE.get(new, new) if of_attention else new)
    return "/".join(made)
