"""Calls and settings that Keras 2 accepts but computes differently, or cannot open. Source: tf_keras 2.21, run on the same files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from graphkit.core.errors import SerializationError

_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")  # of a root scope in TensorFlow
_RECURRENT = {"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"}
_ATTENTIONS = {"Attention", "AdditiveAttention"}
# Layers whose outputs have no mask: they do not compute one, or consume it.
_END_MASKS = {
    "Flatten", "Reshape", "Permute", "Conv1D", "Conv2D", "Conv3D", "MaxPooling1D", "AveragePooling1D", "GlobalMaxPooling1D",
    "GlobalAveragePooling1D", "UpSampling1D", "ZeroPadding1D", "Cropping1D", "Dot",
}  # fmt: skip


def check_layer(name: str, config: Mapping[str, Any], where: str) -> None:
    """Raise SerializationError for a setting that Keras 2 cannot open or computes differently; `where` names the layer."""
    own = config.get("name")
    if isinstance(own, str) and not _NAME.fullmatch(own):
        raise SerializationError(
            f"{where} has a name that TensorFlow refuses in Keras 2: use letters, digits and _.\\/>- only."
        )
    if config.get("lora_rank"):
        raise SerializationError(
            f"{where} has LoRA weights, which Keras 2 does not have; call merge_lora() or write .keras."
        )
    if config.get("unroll") and config.get("zero_output_for_mask"):
        raise SerializationError(f"{where} has unroll and zero_output_for_mask, which Keras 2 cannot open together.")


def masked_layers(layers: Mapping[str, Mapping[str, Any]], sources: Mapping[str, set[str]]) -> set[str]:
    """Return the names of layers whose output has a mask in Keras 2.

    Args:
        layers: the entries of the layers by name.
        sources: for each layer, the names of the layers that it reads.
    """
    found: set[str] = set()
    while True:
        more = {
            name
            for name, entry in layers.items()
            if name not in found
            and (_makes_mask(entry) or (entry["class_name"] not in _END_MASKS and sources[name] & found))
        }
        if not more:
            return found
        found |= more


def _makes_mask(entry: Mapping[str, Any]) -> bool:
    """Whether a layer, or one in a nested model, creates a mask."""
    config = entry["config"]
    if entry["class_name"] == "Masking" or (entry["class_name"] == "Embedding" and config.get("mask_zero")):
        return True
    return isinstance(config.get("layers"), list) and any(_makes_mask(inner) for inner in config["layers"])


def check_call(entry: Mapping[str, Any], keywords: Mapping[str, Any], is_masked: bool) -> None:
    """Raise SerializationError for a call that has another meaning in Keras 2.

    Args:
        entry: the layer's entry in the config.
        keywords: the keyword arguments of the call.
        is_masked: whether an input has an implicit mask in Keras 2.
    """
    name, config = str(entry["class_name"]), entry["config"]
    scores = keywords.get("return_attention_scores")
    reason = None
    if keywords.get("training") is True:
        reason = "training=True, which Keras 2 obeys in predict and evaluate too"
    elif name in _ATTENTIONS and scores:
        reason = "return_attention_scores, with which Keras 2 cannot open it"
    elif name in _ATTENTIONS and is_masked and keywords.get("use_causal_mask"):
        reason = "use_causal_mask on a masked sequence, where Keras 2 combines the two masks differently"
    elif (
        name == "MultiHeadAttention" and is_masked and (scores or config.get("dropout") or config.get("attention_axes"))
    ):
        reason = (
            "a masked sequence and scores, dropout or attention_axes, where Keras 2 gives padded queries other results"
        )
    elif name in _RECURRENT and is_masked and keywords.get("initial_state") is not None:
        reason = "initial_state on a masked sequence, where Keras 2 uses the mask and Keras 3 does not"
    if reason is not None:
        raise SerializationError(f"Layer {entry['name']!r} ({name}) is called with {reason}; write .keras.")
