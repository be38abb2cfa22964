"""What `compile` was given, in HDF5 files and older archives, read in the terms of Keras 3.

What changed between the versions is in tables. Source: `training_config` of files written by Keras 1.0 to 3.15 and tf.keras 1.13 to 2.21.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from graphkit import losses, metrics, optimizers
from graphkit.core.serialization import is_envelope
from graphkit.core.versions import version_numbers
from graphkit.optimizers.schedules import InverseTimeDecay
from graphkit.saving.compile_settings import BY_SHAPE, Readers

Config = dict[str, Any]

# Names of losses and metrics that Keras 3 knows under another one.
_RENAMED = {
    "cosine_proximity": "cosine_similarity",
    "cosine": "cosine_similarity",
    "huber_loss": "huber",
    "logcosh": "log_cosh",
    "kullback_leibler_divergence": "kl_divergence",
    "kld": "kl_divergence",
    "CosineProximity": "CosineSimilarity",
}
_DROPPED = ("decay", "schedule_decay", "is_legacy_optimizer", "jit_compile", "lr")
_WRAPPED_OPTIMIZERS = ("inner_optimizer", "optimizer")  # of LossScaleOptimizer: here the scale is not needed


def readers_for(version: str) -> Readers:
    """The readers of compile settings that a version of Keras wrote.

    Args:
        version: the file's `keras_version`, "" where it does not give one.
    """
    return Readers(lambda config: optimizer_of(config, version), _one_loss, _one_metric)


# ----- optimizers -----


def optimizer_of(config: Any, version: str) -> Any:
    """The optimizer of an envelope of any Keras. Raises UnknownClassError for what graphkit does not have."""
    if not is_envelope(config) or not isinstance(config["config"], Mapping):
        return optimizers.get(config)
    name, words = str(config["class_name"]), dict(config["config"])
    if name.endswith("LossScaleOptimizer"):
        inner = next((words[key] for key in _WRAPPED_OPTIMIZERS if is_envelope(words.get(key))), None)
        if inner is not None:
            return optimizer_of(inner, version)
    if version_numbers(version) >= (3,):
        return optimizers.get(dict(config))
    made = optimizers.get({**config, "config": _modern_words(name, words, version)})
    if "is_legacy_optimizer" not in words or words["is_legacy_optimizer"]:
        _set_old_ways(made, words)
    return made


def _modern_words(name: str, words: Config, version: str) -> Config:
    """The arguments of an older optimizer as Keras 3 calls them."""
    made = {key: value for key, value in words.items() if key not in _DROPPED}
    if "lr" in words:
        made["learning_rate"] = words["lr"]
    decay = words.get("decay") or 0.0  # learning_rate / (1 + decay * iterations); tf.keras' Nadam means its momentum's
    if decay and not name.endswith("Nadam") and isinstance(made.get("learning_rate"), (int, float)):
        made["learning_rate"] = InverseTimeDecay(made["learning_rate"], decay_steps=1, decay_rate=decay)
    if "clipnorm" in made and is_standalone(version):  # Keras itself took the norm of all gradients together
        made["global_clipnorm"] = made.pop("clipnorm") or None
    if made.get("clipvalue") is not None and (made.get("clipnorm") or made.get("global_clipnorm")):
        _left_out(name, "clipvalue", made.pop("clipvalue"), "Keras 3 clips by norm or by value, not by both")
    if name.endswith("Adagrad") and is_standalone(version):
        made.setdefault("initial_accumulator_value", 0.0)
    return made


def _set_old_ways(optimizer: Any, words: Config) -> None:
    """Formulas of Keras before tf.keras 2.11 that no argument of Keras 3 says."""
    fused = isinstance(optimizer, optimizers.RMSprop) and optimizer.momentum and "centered" in words  # in TensorFlow
    if isinstance(optimizer, (optimizers.RMSprop, optimizers.Adagrad)):
        optimizer.epsilon_outside = not fused
    if isinstance(optimizer, optimizers.Nadam):
        given = words.get("schedule_decay", words.get("decay"))
        optimizer.schedule_decay = 0.004 if given is None else float(given)


def _left_out(name: str, argument: str, value: Any, why: str) -> None:
    warnings.warn(f"Optimizer {name}: {argument}={value!r} of the file is left out: {why}.", stacklevel=2)


def is_standalone(version: str) -> bool:
    """Whether a version is of the package `keras` before it became tf.keras: up to 2.3; no version is Keras 1's."""
    return not version.endswith("-tf") and version_numbers(version) < (2, 4)


# ----- losses and metrics -----


def _one_loss(config: Any) -> Any:
    if isinstance(config, str):
        name = _RENAMED.get(config, config)
        if name not in BY_SHAPE:
            losses.get(name)
        return name
    return losses.get(_without_auto(_function_or_class(config)))


def _without_auto(config: Any) -> Any:
    """TensorFlow's reduction "auto" is the mean, except under its distribution strategies."""
    if not is_envelope(config) or not isinstance(config["config"], Mapping):
        return config
    words = {k: v for k, v in config["config"].items() if k != "axis" or v is not None}
    if words.get("reduction") in ("auto", "none", "sum", "sum_over_batch_size", None):
        words["reduction"] = {"auto": "sum_over_batch_size", None: "sum_over_batch_size"}.get(
            words.get("reduction"), words.get("reduction")
        )
    return {**config, "config": words}


def _function_or_class(config: Any) -> Any:
    """The envelope of a class by Keras 3's name; of a wrapped function, that function's name."""
    if not is_envelope(config):
        return config
    name, words = str(config["class_name"]).split(">")[-1], config["config"]
    if name in ("MeanMetricWrapper", "LossFunctionWrapper", "SumOverBatchSizeMetricWrapper") and "fn" in words:
        return words["fn"]
    return {**config, "class_name": _RENAMED.get(name, name)}


def _one_metric(config: Any) -> Any:
    if isinstance(config, str):
        name = _RENAMED.get(config, config)
        if name not in BY_SHAPE:
            metrics.get(name)
        return name
    found = _function_or_class(config)
    if not isinstance(found, str):
        return metrics.get(found)
    made = metrics.get(_RENAMED.get(found, found))
    if isinstance(made, metrics.Metric):
        made.name = config["config"].get("name") or made.name
    return made
