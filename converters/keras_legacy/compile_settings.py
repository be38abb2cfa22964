"""Compile settings in HDF5 files and older archives, translated to Keras 3.

Differences between versions are in tables. Source: `training_config` of files written by Keras 1.0 to 3.15 and tf.keras 1.13 to 2.21.
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

# Losses and metrics that have another name in Keras 3.
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
_WRAPPED_OPTIMIZERS = ("inner_optimizer", "optimizer")  # of LossScaleOptimizer, which is not needed here


def readers_for(version: str) -> Readers:
    """Return the readers for compile settings that a version of Keras wrote.

    Args:
        version: the file's `keras_version`, "" where it does not give one.
    """
    return Readers(lambda config: optimizer_of(config, version), _one_loss, _one_metric)


# ----- optimizers -----


def optimizer_of(config: Any, version: str) -> Any:
    """Return the optimizer of an envelope of any Keras.

    Args:
        config: the envelope, or a name.
        version: the file's `keras_version`, "" where it does not give one.

    Raises:
        UnknownClassError: graphkit does not have the optimizer.
    """
    if not is_envelope(config) or not isinstance(config["config"], Mapping):
        return optimizers.get(config)
    name, arguments = str(config["class_name"]), dict(config["config"])
    if name.endswith("LossScaleOptimizer"):
        inner = next((arguments[key] for key in _WRAPPED_OPTIMIZERS if is_envelope(arguments.get(key))), None)
        if inner is not None:
            return optimizer_of(inner, version)
    if version_numbers(version) >= (3,):
        return optimizers.get(dict(config))
    made = optimizers.get({**config, "config": _modern_arguments(name, arguments, version)})
    if "is_legacy_optimizer" not in arguments or arguments["is_legacy_optimizer"]:
        _set_older_formulas(made, arguments)
    return made


def _modern_arguments(name: str, arguments: Config, version: str) -> Config:
    """Translate the arguments of an older optimizer to those of Keras 3."""
    made = {key: value for key, value in arguments.items() if key not in _DROPPED}
    if "lr" in arguments:
        made["learning_rate"] = arguments["lr"]
    decay = (
        arguments.get("decay") or 0.0
    )  # learning_rate / (1 + decay * iterations); in tf.keras' Nadam it is the momentum's
    if decay and not name.endswith("Nadam") and isinstance(made.get("learning_rate"), (int, float)):
        made["learning_rate"] = InverseTimeDecay(made["learning_rate"], decay_steps=1, decay_rate=decay)
    if "clipnorm" in made and is_standalone(version):  # the package `keras` took the norm of all gradients together
        made["global_clipnorm"] = made.pop("clipnorm") or None
    if made.get("clipvalue") is not None and (made.get("clipnorm") or made.get("global_clipnorm")):
        _left_out(name, "clipvalue", made.pop("clipvalue"), "Keras 3 clips by norm or by value, not by both")
    if name.endswith("Adagrad") and is_standalone(version):
        made.setdefault("initial_accumulator_value", 0.0)
    return made


def _set_older_formulas(optimizer: Any, arguments: Config) -> None:
    """Set formulas of Keras before tf.keras 2.11 for which Keras 3 has no argument."""
    fused = isinstance(optimizer, optimizers.RMSprop) and optimizer.momentum and "centered" in arguments  # TensorFlow's
    if isinstance(optimizer, (optimizers.RMSprop, optimizers.Adagrad)):
        optimizer.epsilon_outside = not fused
    if isinstance(optimizer, optimizers.Nadam):
        given = arguments.get("schedule_decay", arguments.get("decay"))
        optimizer.schedule_decay = 0.004 if given is None else float(given)


def _left_out(name: str, argument: str, value: Any, why: str) -> None:
    warnings.warn(f"Optimizer {name}: {argument}={value!r} of the file is left out: {why}.", stacklevel=2)


def is_standalone(version: str) -> bool:
    """Whether a version is of the separate package `keras`, up to 2.3. Files without a version are of Keras 1."""
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
    """Replace TensorFlow's reduction "auto", which is the mean except under distribution strategies."""
    if not is_envelope(config) or not isinstance(config["config"], Mapping):
        return config
    arguments = {k: v for k, v in config["config"].items() if k != "axis" or v is not None}
    if arguments.get("reduction") in ("auto", "none", "sum", "sum_over_batch_size", None):
        arguments["reduction"] = {"auto": "sum_over_batch_size", None: "sum_over_batch_size"}.get(
            arguments.get("reduction"), arguments.get("reduction")
        )
    return {**config, "config": arguments}


def _function_or_class(config: Any) -> Any:
    """Return an envelope with Keras 3's class name; for a wrapped function, the function's name."""
    if not is_envelope(config):
        return config
    name, arguments = str(config["class_name"]).split(">")[-1], config["config"]
    if name in ("MeanMetricWrapper", "LossFunctionWrapper", "SumOverBatchSizeMetricWrapper") and "fn" in arguments:
        return arguments["fn"]
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
