"""Quantizes the layers of a model."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.layers.layer import Layer
from graphkit.quantizers.configs import resolved_config

Filters = str | Sequence[str] | Callable[[Layer], bool] | None


def quantize_layers(model: Layer, mode: Any, config: Any, filters: Filters, type_check: bool) -> None:
    """Quantize every innermost layer that supports it and that the filters select; a warning names each selected layer that does not.

    Args:
        model: The model.
        mode: "int8", "int4" or "float8".
        config: A config instead of `mode` or with further settings.
        filters: A regular expression searched for in the layer's name, several of them, or a function of the layer.
        type_check: If True, layers of user-defined subclasses of the built-in layers are left unchanged, with a warning.

    Raises:
        InvalidArgumentError: The mode is unknown, or a layer is quantized already.
        UnsupportedError: The mode needs calibration samples.
    """
    if filters is not None and not isinstance(filters, (str, list, tuple)) and not callable(filters):
        raise InvalidArgumentError(
            f"The `filters` argument must be a regex string, a list of regex strings, or a callable. Received: {type(filters)}"
        )
    config = resolved_config(mode, config)
    if config.mode in ("gptq", "awq"):
        raise UnsupportedError(
            f"graphkit opens, runs and writes models quantized with {config.mode.upper()}, but does not calibrate them: quantize with "
            'Keras, save, and load the file here; or use the mode "int8" or "int4".'
        )
    for layer in list(model._walk_layers()):
        if layer._layers or not _is_kept(layer, filters):
            continue
        try:
            layer.quantize(config.mode, config=config, type_check=type_check)
        except UnsupportedError as error:
            warnings.warn(str(error), stacklevel=3)


def _is_kept(layer: Layer, filters: Filters) -> bool:
    if filters is None:
        return True
    if callable(filters):
        return bool(filters(layer))
    patterns = [filters] if isinstance(filters, str) else filters
    return any(re.search(pattern, layer.name) for pattern in patterns)
