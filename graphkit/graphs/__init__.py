"""Surgery on models as queries of their graphs: find, replace, insert, remove, share, cut, merge, rename.

Every function returns a new functional model and leaves the old one as it is. The new model has the same variables as the old one, or
copies of them with `copy=True`.
"""

from graphkit.graphs.adapting import add_lora, freeze, replace_activation, replace_head, resize_input, unfreeze
from graphkit.graphs.assembling import cut, dissolve, merge, rename
from graphkit.graphs.edits import insert_after, insert_before, remove, replace, share
from graphkit.graphs.patterns import Match, chain, find, node

__all__ = [
    "Match",
    "add_lora",
    "chain",
    "cut",
    "dissolve",
    "find",
    "freeze",
    "insert_after",
    "insert_before",
    "merge",
    "node",
    "remove",
    "rename",
    "replace",
    "replace_activation",
    "replace_head",
    "resize_input",
    "share",
    "unfreeze",
]
