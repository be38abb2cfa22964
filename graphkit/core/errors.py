"""All exceptions of graphkit.

    GraphKitError
    ├── InvalidArgumentError (ValueError)       an argument has a value that cannot work
    │   ├── ShapeError                          a tensor's shape does not fit
    │   └── NameConflictError                   two things have the same name
    ├── InvalidTypeError (TypeError, ValueError)  an argument has a type that cannot work; Keras raises either
    │   ├── DTypeError                          a tensor's dtype does not fit
    │   ├── SymbolicValueError                  the values of a symbolic tensor were requested
    │   ├── UnknownArgumentError                a keyword that the constructor does not accept
    │   └── UnknownValueError                   the values of a tensor are needed while a function is traced
    ├── GraphError (ValueError)                 the graph of layers is not well formed
    │   ├── DisconnectedGraphError              an output needs an input that was not given
    │   └── CycleError                          a node depends on itself
    ├── NodeAccessError (AttributeError, ValueError)  "layer output is ill-defined" and similar
    ├── UnknownNameError (KeyError)             a layer, op, class or entry that does not exist
    ├── NotDifferentiableError (ValueError)     a gradient was requested but does not exist
    ├── UnsupportedError (NotImplementedError)  not supported by a layer or mode, here or in Keras
    ├── TapeError (RuntimeError)                a GradientTape is used in a way that it does not allow
    ├── NotCompiledError (RuntimeError, ValueError)  fit or evaluate was called before compile
    ├── NotBuiltError (RuntimeError, ValueError)  the weights were requested before the layer was built
    │   └── MissingWeightError (AttributeError)  one weight was requested by name
    ├── SerializationError (ValueError, TypeError)  a file or config cannot be read or written
    │   ├── FileWriteError (OSError)            a file cannot be written (folder read-only, disk full); the old one is kept
    │   ├── UnknownClassError (TypeError)       a class of the file is not registered
    │   ├── UnsafeCodeError                     the file holds code, which is not run
    │   └── UnsafePathError                     the file names another file or an address, which is not opened
    ├── MissingPackageError (ImportError)       an optional package is not installed; names the extra that provides it
    ├── ExportError (ValueError)                the model cannot be expressed in the target format
    │   └── KnownSizeError (and ShapeError)     an op needs a size that is free in an exported graph
    └── RuntimeSessionError (RuntimeError)      onnxruntime rejected a model or a provider

Each subclasses the builtin that a caller would catch. A message names the place, what was expected, what came, and what to do.
"""

from __future__ import annotations

import re
from typing import Any

_SECOND_STOP = re.compile(r"(?<!\.)([.?!])\.(?=\s|$)")


def one_stop(message: str) -> str:
    """Return a message without the doubled full stop left where one complete sentence was inserted into another."""
    return _SECOND_STOP.sub(r"\1", message)


class GraphKitError(Exception):
    """Base of every exception that graphkit raises deliberately."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # subclasses of ImportError take a `name`
        super().__init__(*(one_stop(arg) if isinstance(arg, str) else arg for arg in args), **kwargs)


class InvalidArgumentError(GraphKitError, ValueError):
    """An argument has a value that cannot work."""


class ShapeError(InvalidArgumentError):
    """A tensor's shape does not fit what an op or a layer expects."""


class UnknownSizeError(ShapeError, TypeError):
    """An op was given the size of a free axis instead of a number."""


class NameConflictError(InvalidArgumentError):
    """Two things that must differ in name do not."""


class InvalidTypeError(GraphKitError, TypeError, ValueError):
    """An argument has a type that cannot work. Also a ValueError, since Keras raises that in many places."""


class DTypeError(InvalidTypeError, InvalidArgumentError):
    """A tensor's dtype does not fit what an op or a layer expects."""


class SymbolicValueError(InvalidTypeError):
    """The values of a symbolic tensor were requested; it has none."""


class UnknownArgumentError(InvalidTypeError):
    """A keyword that a constructor does not accept: a TypeError in Python, a ValueError in Keras."""


class UnknownValueError(InvalidTypeError):
    """The numbers of a tensor are needed (by `if`, `float()`, NumPy, ...) while a function is traced."""


class UnknownValueAttributeError(UnknownValueError, AttributeError):
    """An attribute such as `tensor.numpy` that needs numbers. An AttributeError, so that `hasattr` returns False."""


class ShapeOfValuesError(ShapeError, UnknownValueError):
    """A shape depends on the values of a tensor, which are not known when the program is compiled."""


class GraphError(GraphKitError, ValueError):
    """The graph of layers is not well formed."""


class DisconnectedGraphError(GraphError):
    """An output of a model needs an input that the model was not given."""


class CycleError(GraphError):
    """A node of a graph depends on itself."""


class NodeAccessError(GraphKitError, AttributeError, ValueError):
    """An attribute such as `layer.output` that is not defined for this layer's nodes. Keras raises either of the two."""


class UnknownNameError(GraphKitError, KeyError):
    """A layer, op, class or entry that does not exist."""

    def __str__(self) -> str:  # KeyError would print the repr of its argument
        return str(self.args[0]) if self.args else ""


class NotDifferentiableError(GraphKitError, ValueError):
    """A gradient was requested through an op that has none."""


class TapeError(GraphKitError, RuntimeError):
    """A GradientTape is used in a way that it does not allow, such as a second gradient of a tape that is not persistent."""


class UnsupportedError(GraphKitError, NotImplementedError):
    """Something that a layer or a mode does not support, here or in Keras."""


class NotCompiledError(GraphKitError, RuntimeError, ValueError):
    """Training or evaluation was requested before `compile()`."""


class NotBuiltError(GraphKitError, RuntimeError, ValueError):
    """Weights were requested before the layer was built. Also a ValueError, as in Keras."""


class NoShapeYetError(NotBuiltError, AttributeError):
    """The input or output of an unbuilt model was requested. An AttributeError, so that `hasattr` returns False."""


class MissingWeightError(NotBuiltError, AttributeError):
    """An attribute such as `dense.kernel` that the layer has only once it is built."""


class MissingPackageError(GraphKitError, ImportError):
    """A feature needs an optional package that is not installed."""


class SerializationError(GraphKitError, ValueError, TypeError):
    """A file or a config cannot be read or written. Keras raises ValueError or TypeError."""


class FileWriteError(SerializationError, OSError):
    """A file cannot be written; the previous file is kept intact."""


class UnknownClassError(SerializationError, TypeError):
    """A class named by a file is not registered."""


class UnsafeCodeError(SerializationError):
    """A file holds Python code, which is never run."""


class UnsafePathError(SerializationError):
    """A file names another file, or an address, which is never opened."""


class ExportError(GraphKitError, ValueError):
    """A model cannot be expressed in the target format."""


class OpsetError(ExportError):
    """A model requires a later opset of ONNX than the one asked for.

    Args:
        message: what requires it.
        lowest: the first opset that has it.
    """

    def __init__(self, message: str, lowest: int) -> None:
        super().__init__(message)
        self.lowest = lowest


class KnownSizeError(ShapeError, ExportError):
    """An op computes with the size of a free axis as a number. Graphs for arrays have known sizes; exported ones may not."""


class RuntimeSessionError(GraphKitError, RuntimeError):
    """onnxruntime rejected a model or a provider."""


def located(error: GraphKitError, where: str, name: str | None = None) -> GraphKitError:
    """Return the error with its place prefixed to the message, or the same error if the message names the place already.

    Args:
        error: The error.
        where: The place, such as a file or a layer.
        name: What to look for in the message instead of `where`.
    """
    if (name or where) in str(error):
        return error
    text = f"{where}: {error}"
    try:
        made = type(error)(text)
    except TypeError:  # a user-defined class with another constructor
        made = SerializationError(text)
    made.__cause__, made.__suppress_context__ = error.__cause__, True
    return made.with_traceback(error.__traceback__)


def place_of(error: BaseException) -> str:
    """Return the place in the user's code where an error comes from, as `in train_step(), line 12 of model.py, `."""
    trace, found = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if not str(trace.tb_frame.f_globals.get("__name__", "")).startswith("graphkit"):
            found = f"in {code.co_name}(), line {trace.tb_lineno} of {code.co_filename.rpartition('/')[2]}, "
        trace = trace.tb_next
    return found
