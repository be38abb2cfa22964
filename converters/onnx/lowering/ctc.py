"""Decoding of label sequences."""

from __future__ import annotations

from ..registry import limitation

limitation(
    "it keeps a growing set of label sequences; decode the exported logits outside of the model, or greedily",
    "ctc_beam_search",
)
