"""The exceptions of graphkit, all of them.

    GraphKitError
    ├── InvalidArgumentError (ValueError)       an argument has a value that cannot work
    │   ├── ShapeError                          a tensor's shape does not fit
    │   └── NameConflictError                   two things of one name
    ├── InvalidTypeError (TypeError)            an argument has a type that cannot work
    │   ├── DTypeError (and ValueError)         a tensor's dtype does not fit
    │   └── UnknownArgumentError (and ValueError)  a keyword that the constructor does not know
    ├── GraphError (ValueError)                 the graph of layers is not well formed
    │   ├── DisconnectedGraphError              an output needs an input that was not given
    │   └── CycleError                          a node depends on itself
    ├── NodeAccessError (AttributeError)        "layer output is ill-defined", and its like
    ├── UnknownNameError (KeyError)             a layer, op, class or file that is not there
    ├── NotDifferentiableError (ValueError)     a gradient was asked for where none exists
    ├── UnsupportedError (NotImplementedError)  a layer or mode that cannot do this, in Keras neither
    ├── NotCompiledError (RuntimeError)         fit, evaluate before compile
    ├── NotBuiltError (RuntimeError)            weights asked for before the layer has them
    │   └── MissingWeightError (AttributeError)  by the name of one weight
    ├── SerializationError (ValueError)         a file or config cannot be read or written
    │   ├── FileWriteError (OSError)            a file cannot be written (folder read-only, disk full); the old one is whole
    │   ├── UnknownClassError                   a class of the file is not registered
    │   ├── UnsafeCodeError                     the file holds code; it is not run
    │   └── UnsafePathError                     the file names another file or an address; it is not opened
    ├── MissingPackageError (ImportError)       what is asked for needs a package that is not installed; names the extra that brings it
    ├── ExportError (ValueError)                the model cannot be said in the target format
    └── RuntimeSessionError (RuntimeError)      onnxruntime refused a model or a provider

Each subclasses the builtin that a caller would catch. A message says where, what was wanted, what came, and what to do.
"""

from __future__ import annotations

import re
from typing import Any

_SECOND_STOP = re.compile(r"(?<!\.)([.?!])\.(?=\s|$)")


def one_stop(message: str) -> str:
    """A message without the second full stop that it has where another message, a sentence of its own, was put into it."""
    return _SECOND_STOP.sub(r"\1", message)


class GraphKitError(Exception):
    """Base of every exception that graphkit raises on purpose."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # ImportError takes a name
        super().__init__(*(one_stop(arg) if isinstance(arg, str) else arg for arg in args), **kwargs)


class InvalidArgumentError(GraphKitError, ValueError):
    """An argument has a value that cannot work."""


class ShapeError(InvalidArgumentError):
    """A tensor's shape does not fit what an op or a layer wants."""


class UnknownSizeError(ShapeError, TypeError):
    """An op was given the size of a free axis where it needs a number."""


class NameConflictError(InvalidArgumentError):
    """Two things that must differ in name do not."""


class InvalidTypeError(GraphKitError, TypeError):
    """An argument has a type that cannot work."""


class DTypeError(InvalidTypeError, InvalidArgumentError):
    """A tensor's dtype does not fit what an op or a layer wants; Keras raises a ValueError for some of them, a TypeError for others."""


class UnknownArgumentError(InvalidTypeError, ValueError):
    """A keyword argument that a constructor does not know: a TypeError in Python, a ValueError in Keras."""


class GraphError(GraphKitError, ValueError):
    """The graph of layers is not well formed."""


class DisconnectedGraphError(GraphError):
    """An output of a model needs an input that the model was not given."""


class CycleError(GraphError):
    """A node of a graph depends on itself."""


class NodeAccessError(GraphKitError, AttributeError):
    """An attribute such as `layer.output` that is not defined for this layer's nodes."""


class UnknownNameError(GraphKitError, KeyError):
    """A layer, op, class or entry that is not there."""

    def __str__(self) -> str:  # KeyError would print the repr of its argument
        return str(self.args[0]) if self.args else ""


class NotDifferentiableError(GraphKitError, ValueError):
    """A gradient was asked for through an op that has none."""


class UnsupportedError(GraphKitError, NotImplementedError):
    """Something that a layer or a mode cannot do, here as in Keras."""


class NotCompiledError(GraphKitError, RuntimeError):
    """Training or evaluation was asked for before `compile()`."""


class NotBuiltError(GraphKitError, RuntimeError):
    """Weights were asked for before the layer has any."""


class NoShapeYetError(NotBuiltError, AttributeError):
    """An unbuilt model was asked for its input or output: `hasattr` says that there is none."""


class MissingWeightError(NotBuiltError, AttributeError):
    """An attribute such as `dense.kernel` that the layer has only when it is built."""


class MissingPackageError(GraphKitError, ImportError):
    """What is asked for needs an optional package that is not installed."""


class SerializationError(GraphKitError, ValueError):
    """A file or a config cannot be read or written."""


class FileWriteError(SerializationError, OSError):
    """A file cannot be written; what stood in its place before is whole."""


class UnknownClassError(SerializationError):
    """A class named by a file is not registered here."""


class UnsafeCodeError(SerializationError):
    """A file holds Python code, which is never run."""


class UnsafePathError(SerializationError):
    """A file names another file, or an address, which is never opened."""


class ExportError(GraphKitError, ValueError):
    """A model cannot be said in the target format."""


class RuntimeSessionError(GraphKitError, RuntimeError):
    """onnxruntime refused a model or a provider."""


def located(error: GraphKitError, where: str, name: str | None = None) -> GraphKitError:
    """The error with the place in front of its message; the same error where the message has the place's name already."""
    if (name or where) in str(error):
        return error
    text = f"{where}: {error}"
    try:
        made = type(error)(text)
    except TypeError:  # a class of a user's with arguments of its own
        made = SerializationError(text)
    made.__cause__, made.__suppress_context__ = error.__cause__, True
    return made.with_traceback(error.__traceback__)
