"""Models: functional graphs, Sequential, cloning."""

from typing import Any

from graphkit.core.deferred import deferred
from graphkit.models.cloning import clone_model
from graphkit.models.functional import Functional
from graphkit.models.model import Model
from graphkit.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def load_model(
    filepath: Any,
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
    placeholders: bool = False,
    **options: Any,
) -> Any:
    """Open a model file of any format. For the arguments and errors see `graphkit.saving.load_model`."""
    return deferred("saving").load_model(filepath, custom_objects, compile, safe_mode, placeholders, **options)


def save_model(model: Any, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
    """Save a model. For the arguments and errors see `graphkit.saving.save_model`."""
    deferred("saving").save_model(model, filepath, overwrite=overwrite, **kwargs)


def model_from_json(json_string: str, custom_objects: Any = None) -> Any:
    """Build a model from its JSON config. For the arguments and errors see `graphkit.saving.model_from_json`."""
    return deferred("model_config").model_from_json(json_string, custom_objects=custom_objects)
