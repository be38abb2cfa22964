"""Models: functional graphs, Sequential, cloning."""

from graphkit.models.cloning import clone_model
from graphkit.models.functional import Functional
from graphkit.models.model import Model
from graphkit.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def load_model(*args: object, **kwargs: object) -> object:
    """Open a model file of any format; see `graphkit.saving.load_model`."""
    from graphkit.core.late import room

    return room("saving").load_model(*args, **kwargs)


def save_model(*args: object, **kwargs: object) -> object:
    """Save a model; see `graphkit.saving.save_model`."""
    from graphkit.core.late import room

    return room("saving").save_model(*args, **kwargs)


def model_from_json(*args: object, **kwargs: object) -> object:
    """A model from its JSON config; see `graphkit.saving.model_from_json`."""
    from graphkit.core.late import room

    return room("saving").model_from_json(*args, **kwargs)
