"""graphkit: opens, draws, trains, changes and hands on neural networks as graphs.

The names are Keras 3's (`graphkit.layers`, `graphkit.models`, `graphkit.ops`, ...). Everything is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkit import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        dtype_policies,
        engine,
        errors,
        initializers,
        ir,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        preprocessing,
        quantizers,
        random,
        regularizers,
        runtime,
        saving,
        tree,
        utils,
        visualization,
    )
    from graphkit.differentiate import value_and_grad
    from graphkit.dtype_policies import DTypePolicy, FloatDTypePolicy
    from graphkit.front import convert, load
    from graphkit.graph.symbolic import SymbolicTensor as KerasTensor
    from graphkit.ir.variable import Variable
    from graphkit.layers.input_layer import Input
    from graphkit.layers.input_spec import InputSpec
    from graphkit.layers.layer import Layer
    from graphkit.models import Model, Sequential
    from graphkit.quantizers import Quantizer

__version__ = "0.1.0"

_NAMES = {
    "DTypePolicy": "graphkit.dtype_policies",
    "FloatDTypePolicy": "graphkit.dtype_policies",
    "Input": "graphkit.layers.input_layer",
    "InputSpec": "graphkit.layers.input_spec",
    "KerasTensor": ("graphkit.graph.symbolic", "SymbolicTensor"),
    "Layer": "graphkit.layers.layer",
    "Model": "graphkit.models",
    "Quantizer": "graphkit.quantizers",
    "Sequential": "graphkit.models",
    "Variable": "graphkit.ir.variable",
    "convert": "graphkit.front",
    "load": "graphkit.front",
    "value_and_grad": "graphkit.differentiate",
}

__all__ = [
    "DTypePolicy",
    "FloatDTypePolicy",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Model",
    "Quantizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "convert",
    "dtype_policies",
    "engine",
    "errors",
    "initializers",
    "ir",
    "layers",
    "load",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "quantizers",
    "random",
    "regularizers",
    "runtime",
    "saving",
    "tree",
    "utils",
    "value_and_grad",
    "visualization",
]


def __getattr__(name: str) -> Any:
    place = _NAMES.get(name)
    if place is None:
        if name not in __all__ or name.startswith("_"):
            raise AttributeError(f"module 'graphkit' has no attribute {name!r}")
        return import_module(f"graphkit.{name}")
    module, attribute = place if isinstance(place, tuple) else (place, name)
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
