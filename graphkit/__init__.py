"""graphkit: opens, draws, trains, edits and exports neural networks as graphs.

The names are Keras 3's (`graphkit.layers`, `graphkit.models`, `graphkit.ops`, ...). Every module is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkit import (
        activations,
        applications,
        backend,
        callbacks,
        comparison,
        config,
        constraints,
        datasets,
        distillation,
        distribution,
        dtype_policies,
        engine,
        errors,
        export,
        extend,
        initializers,
        ir,
        layers,
        legacy,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        quantizers,
        random,
        regularizers,
        runtime,
        saving,
        tensorflow,
        tree,
        utils,
        visualization,
        wrappers,
    )
    from graphkit.comparison import diff
    from graphkit.core.names import NameScope as name_scope  # noqa: N813
    from graphkit.differentiate import grad, value_and_grad
    from graphkit.dtype_policies import DTypePolicy, FloatDTypePolicy
    from graphkit.front import convert, load
    from graphkit.functions import function
    from graphkit.graph.operation import Operation
    from graphkit.graph.symbolic import SymbolicTensor as KerasTensor
    from graphkit.initializers import Initializer
    from graphkit.ir.stateless import StatelessScope
    from graphkit.ir.tape import GradientTape
    from graphkit.ir.variable import Variable
    from graphkit.layers.input_layer import Input
    from graphkit.layers.input_spec import InputSpec
    from graphkit.layers.layer import Layer
    from graphkit.losses import Loss
    from graphkit.metrics import Metric
    from graphkit.models import Model, Sequential
    from graphkit.models.function import Function
    from graphkit.optimizers import Optimizer
    from graphkit.quantizers import Quantizer
    from graphkit.regularizers import Regularizer
    from graphkit.saving.inspection import inspect_file as inspect
    from graphkit.scopes import RematScope, SymbolicScope, device, remat

__version__ = "0.1.0"

_NAMES = {
    "DTypePolicy": "graphkit.dtype_policies",
    "FloatDTypePolicy": "graphkit.dtype_policies",
    "Function": "graphkit.models.function",
    "GradientTape": "graphkit.ir.tape",
    "Initializer": "graphkit.initializers",
    "Input": "graphkit.layers.input_layer",
    "InputSpec": "graphkit.layers.input_spec",
    "KerasTensor": ("graphkit.graph.symbolic", "SymbolicTensor"),
    "Layer": "graphkit.layers.layer",
    "Loss": "graphkit.losses",
    "Metric": "graphkit.metrics",
    "Model": "graphkit.models",
    "Operation": "graphkit.graph.operation",
    "Optimizer": "graphkit.optimizers",
    "Quantizer": "graphkit.quantizers",
    "Regularizer": "graphkit.regularizers",
    "RematScope": "graphkit.scopes",
    "Sequential": "graphkit.models",
    "StatelessScope": "graphkit.ir.stateless",
    "SymbolicScope": "graphkit.scopes",
    "Variable": "graphkit.ir.variable",
    "convert": "graphkit.front",
    "device": "graphkit.scopes",
    "diff": "graphkit.comparison",
    "function": "graphkit.functions",
    "grad": "graphkit.differentiate",
    "inspect": ("graphkit.saving.inspection", "inspect_file"),
    "load": "graphkit.front",
    "name_scope": ("graphkit.core.names", "NameScope"),
    "remat": "graphkit.scopes",
    "value_and_grad": "graphkit.differentiate",
}

__all__ = [
    "DTypePolicy",
    "FloatDTypePolicy",
    "Function",
    "GradientTape",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Operation",
    "Optimizer",
    "Quantizer",
    "Regularizer",
    "RematScope",
    "Sequential",
    "StatelessScope",
    "SymbolicScope",
    "Variable",
    "__version__",
    "activations",
    "applications",
    "backend",
    "callbacks",
    "comparison",
    "config",
    "constraints",
    "convert",
    "datasets",
    "device",
    "diff",
    "distillation",
    "distribution",
    "dtype_policies",
    "engine",
    "errors",
    "export",
    "extend",
    "function",
    "grad",
    "graphs",
    "initializers",
    "inspect",
    "ir",
    "layers",
    "legacy",
    "load",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "name_scope",
    "ops",
    "optimizers",
    "preprocessing",
    "quantizers",
    "random",
    "regularizers",
    "remat",
    "runtime",
    "saving",
    "tensorflow",
    "tree",
    "utils",
    "value_and_grad",
    "version",
    "visualization",
    "wrappers",
]


def version() -> str:
    """Return the version of graphkit. Source: keras.version."""
    return __version__


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
