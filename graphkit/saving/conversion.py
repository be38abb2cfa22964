"""One format into another: which formats can be written, what each of them holds, and what a model loses in it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from graphkit.core.errors import InvalidArgumentError, SerializationError
from graphkit.core.files import check_target
from graphkit.saving.keras3_differences import NotInKerasWarning, missing_in_keras, optimizer_differences


class Target(NamedTuple):
    """A format to write: what its files hold (layers, weights, compile settings, the optimizer's state), and which options it takes."""

    suffix: str
    name: str
    holds: frozenset[str]
    options: tuple[str, ...] = ()
    weights_alone: bool = False


_ALL = frozenset({"model", "weights", "compile", "state"})
_WEIGHTS = frozenset({"weights", "state"})
TARGETS = (  # the longer suffix first
    Target(".weights.h5", "Keras 3 weights", _WEIGHTS, weights_alone=True),
    Target(".weights.json", "sharded Keras 3 weights", _WEIGHTS, ("max_shard_size",), weights_alone=True),
    Target(".keras", "Keras 3 archive", _ALL, ("zipped", "weights_format")),
    Target(".hdf5", "Keras HDF5 file", _ALL, ("keras_version", "include_optimizer")),
    Target(".h5", "Keras HDF5 file", _ALL, ("keras_version", "include_optimizer")),
    Target(".json", "JSON config", frozenset({"model", "compile"})),
    Target(".onnx", "ONNX", frozenset({"model", "weights"}), ("opset", "external_data", "keep_bfloat16")),
    Target(".npz", "NumPy weights", _WEIGHTS, weights_alone=True),
    Target(".safetensors", "safetensors weights", _WEIGHTS, weights_alone=True),
)


class LossyConversionError(SerializationError):
    """The target cannot hold all that the source has, and `strict` was asked for. No file is written."""


def target_of(path: Any, zipped: bool | None = None) -> Target:
    """The format that a path's suffix names. Raises InvalidArgumentError listing all."""
    name = Path(path).name.lower()
    if zipped is False:
        name = ".keras"
    for target in TARGETS:
        if name.endswith(target.suffix):
            return target
    known = ", ".join(f"{t.suffix} ({t.name})" for t in TARGETS)
    raise InvalidArgumentError(
        f"The suffix of {str(path)!r} names no format that graphkit writes; known are {known}, and a folder with zipped=False."
    )


def convert(
    source: Any,
    target: Any,
    custom_objects: Mapping[str, Any] | None = None,
    weights: Any = None,
    strict: bool = False,
    lost: list[str] | None = None,
    overwrite: bool = True,
    **options: Any,
) -> Any:
    """Open `source`, write it as `target`, and give the model.

    Args:
        source: a file of any format, or a model.
        target: the file to write; its suffix names the format.
        weights: a file of weights for a source without (JSON).
        strict: raise LossyConversionError, and write nothing, where anything is lost.
        lost: a list that takes, in words, what the target does not hold of the source.
        overwrite: False raises InvalidArgumentError where the target is there.
        options: what the writer takes: `opset` (ONNX), `keras_version` (HDF5), `zipped`, `max_shard_size`, ...

    Raises InvalidArgumentError for an unknown suffix or option.
    """
    kind = target_of(target, options.get("zipped"))
    unknown = sorted(set(options) - set(kind.options))
    if unknown:
        raise InvalidArgumentError(
            f"convert: {kind.name} takes no option {unknown[0]!r}; its options are {list(kind.options)}."
        )
    check_target(target, overwrite, folder=options.get("zipped") is False)
    model, found = _opened(source, custom_objects, weights, kind)
    found += losses(model, kind, options)
    if strict and found:
        raise LossyConversionError(f"{str(target)!r} ({kind.name}) was not written: {'; '.join(found)}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotInKerasWarning)  # `found` says it
        if kind.weights_alone:
            model.save_weights(target, overwrite=overwrite, **options)
        else:
            model.save(target, overwrite=overwrite, **options)
    if lost is not None:
        lost += found
    return model


def _opened(source: Any, custom_objects: Any, weights: Any, kind: Target) -> tuple[Any, list[str]]:
    from graphkit.saving import formats
    from graphkit.saving.front import load_model

    if hasattr(source, "to_json"):
        model, bare = source, False
    else:
        model = load_model(source, custom_objects)
        bare = formats.kind_of(Path(source)) is formats.JSON
    if weights is not None:
        model.load_weights(weights)
    elif bare and "weights" in kind.holds:
        return model, ["the source has no weights: those written are newly initialised"]
    return model, []


def losses(model: Any, kind: Target, options: Mapping[str, Any] | None = None) -> list[str]:
    """What files of a format do not hold of a model, in words."""
    return [said for check in _CHECKS for said in check(model, kind, options or {})]


def _parts(model: Any, kind: Target, options: Mapping[str, Any]) -> Iterator[str]:
    if "model" not in kind.holds:
        yield "the layers and their connections: only weights are written"
    if "weights" not in kind.holds and model.weights:
        yield f"the weights ({model.count_params():,} numbers): write them beside it with save_weights"
    if model.compiled is None:
        return
    if "compile" not in kind.holds or options.get("include_optimizer") is False:
        yield "what compile was given (optimizer, loss, metrics)"
    if model.optimizer is None or not model.optimizer.built:
        return
    if "state" not in kind.holds or options.get("include_optimizer") is False:
        yield f"the state of the optimizer {model.optimizer.name!r}"


def _old_ways(model: Any, kind: Target, options: Mapping[str, Any]) -> Iterator[str]:
    if "compile" in kind.holds:
        yield from optimizer_differences(model)


def _not_in_keras(model: Any, kind: Target, options: Mapping[str, Any]) -> Iterator[str]:
    if "model" in kind.holds and kind.suffix != ".onnx" and options.get("keras_version") != 2:
        yield from missing_in_keras(model)


_CHECKS: tuple[Callable[[Any, Target, Mapping[str, Any]], Iterator[str]], ...] = (_parts, _old_ways, _not_in_keras)
