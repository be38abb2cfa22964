"""Compile settings read from a file, leniently: unknown parts are left out, since a model is useful without its metrics."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphkit import losses, metrics, optimizers
from graphkit.core.errors import GraphKitError
from graphkit.core.serialization import is_envelope

Config = dict[str, Any]
BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")  # resolved to a function by the shapes of the first batch


class Readers(NamedTuple):
    """Functions that read the parts of compile settings: each makes an object from its config or name."""

    optimizer: Callable[[Any], Any]
    loss: Callable[[Any], Any]
    metric: Callable[[Any], Any]


def _by_name(get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a reader that validates names and keeps them as names."""

    def read(config: Any) -> Any:
        found = config if config in BY_SHAPE else get(config)
        return config if isinstance(config, str) else found

    return read


KERAS3 = Readers(optimizers.get, _by_name(losses.get), _by_name(metrics.get))


def compile_arguments(training: Mapping[str, Any], readers: Readers = KERAS3) -> Config:
    """Return the arguments of `compile` from a training config; unknown parts are left out with a warning.

    Args:
        training: `training_config` of an HDF5 file, or `compile_config` of an archive.
        readers: how the version of Keras that wrote the file is read.
    """
    config = training.get("optimizer_config") or training.get("optimizer")
    return {
        "optimizer": _tried(lambda: readers.optimizer(config), "optimizer", config),
        "loss": _loss(training.get("loss"), readers.loss),
        "loss_weights": training.get("loss_weights") or None,
        **{key: _metrics(training.get(key), key, readers.metric) for key in ("metrics", "weighted_metrics")},
    }


def compile_leniently(model: Any, training: Mapping[str, Any], readers: Readers = KERAS3) -> None:
    """Compile a model with what `compile_arguments` can read of the file."""
    compile_with(model, training, compile_arguments(training, readers))


def compile_with(model: Any, training: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Compile a model; warn if that fails.

    Args:
        model: the model.
        training: the training config, from which a missing loss or optimizer is named later.
        arguments: what `compile_arguments` read of it.
    """
    try:
        model.compile(**arguments)
        model.compile_state.left_out = _missing(training, arguments)
    except (GraphKitError, TypeError, ValueError) as error:
        warnings.warn(f"The model was loaded but not compiled: {error} Compile it yourself.", stacklevel=2)


def _missing(training: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the file's names of a loss and an optimizer that were left out: without them the model cannot be trained."""
    given = {"loss": training.get("loss"), "optimizer": training.get("optimizer_config") or training.get("optimizer")}
    return {key: _name(config) for key, config in given.items() if config and arguments[key] is None}


def _tried(make: Callable[[], Any], what: str, config: Any) -> Any:
    try:
        return make()
    except (GraphKitError, TypeError, ValueError, KeyError, AttributeError) as error:
        warnings.warn(
            f"The {what} {_name(config)!r} of the file is left out: {error} Pass it to compile() yourself.",
            stacklevel=2,
        )
        return None


def _name(config: Any) -> str:
    """Return what a file calls a loss, a metric or an optimizer; of several, all names."""
    if is_envelope(config):
        of_function = config["class_name"] == "function" and isinstance(config["config"], str)
        return str(config["config"] if of_function else config["class_name"])
    if isinstance(config, Mapping):
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        return ", ".join(_name(one) for one in config if one is not None)[:200]
    return str(config)[:80]


def _loss(config: Any, read: Callable[[Any], Any]) -> Any:
    """Return all losses, or None: without one of them the training would be a different one."""
    return _tried(lambda: _each(config, lambda one: None if one is None else read(one)), "loss", config)


def _each(config: Any, make: Callable[[Any], Any]) -> Any:
    """Apply `make` to each entry of a structure of lists, and of dicts by output."""
    if config is None or isinstance(config, str) or is_envelope(config):
        return make(config)
    if isinstance(config, Mapping):
        return {key: _each(value, make) for key, value in config.items()} or None
    if isinstance(config, (list, tuple)):
        return [_each(value, make) for value in config] or None
    return make(config)


def _metrics(config: Any, what: str, read: Callable[[Any], Any]) -> Any:
    def make(entry: Any) -> Any:
        return _tried(lambda: read(entry), what.removesuffix("s"), entry) if entry is not None else None

    return _without_none(_each(config, make))


def _without_none(made: Any) -> Any:
    """Remove the entries that were left out; lists by output keep their length."""
    if isinstance(made, list) and any(isinstance(entry, list) for entry in made):
        return [_without_none(entry) for entry in made]
    if isinstance(made, list):
        return [entry for entry in made if entry is not None]
    return made
