"""Functions that are compiled by tracing: tf.function."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial, update_wrapper
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, ref

import numpy as np

from graphkit.core import nest
from graphkit.core.errors import InvalidTypeError, ShapeError, UnknownValueError, place_of
from graphkit.core.stamps import settings_changed
from graphkit.engine.call import CompiledProgram
from graphkit.ir.eager_tensor import eager
from graphkit.ir.primitive import as_array
from graphkit.ir.recording import Recorded, resolved
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, current_trace, trace
from graphkit.ir.variable import Variable

_VALUES = (bool, int, float, complex, str, bytes, type(None))  # arguments that are part of a signature by value
_ARRAYS = (np.ndarray, np.generic, Recorded)
_MANY = 20  # traces of one function, after which it warns once


@dataclass(frozen=True)
class _Place:
    """The place of a tensor among a program's outputs."""

    number: int


class _Compiled(NamedTuple):
    """A function compiled for one signature. `structure` is what it returned, with places instead of tensors."""

    program: CompiledProgram
    structure: Any
    held: list[Any]  # the arguments that the signature knows by their id


class Function:
    """A function that is traced and compiled once for each signature. See `function`.

    Attributes:
        python_function: the function itself.
        runs_eagerly: whether it could not be traced and runs line by line.
    """

    def __init__(
        self, python_function: Callable[..., Any], input_signature: Any = None, owner: ref[Any] | None = None
    ) -> None:
        self.python_function = python_function
        self.input_signature = input_signature
        self._owner = owner  # the object whose method it is
        self._name = getattr(python_function, "__name__", "function")
        self._compiled: dict[Hashable, _Compiled] = {}
        self._bound: WeakKeyDictionary[Any, Function] = WeakKeyDictionary()
        self.runs_eagerly = False
        self._traced = 0
        update_wrapper(self, python_function)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Return the method of an object, which is compiled for that object alone."""
        if instance is None:
            return self
        try:
            known = self._bound.get(instance)
            if known is None:
                known = self._bound[instance] = Function(self.python_function, self.input_signature, ref(instance))
        except TypeError:  # the object cannot be hashed or referred to weakly
            return partial(self, instance)
        return known

    def _plain(self) -> Callable[..., Any]:
        """Return the Python function, bound to its object if it is a method."""
        if self._owner is None:
            return self.python_function
        return self.python_function.__get__(self._owner())  # type: ignore[no-any-return]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function: inside a traced function as it is, otherwise compiled for the arguments' signature."""
        outer = current_trace()
        if outer is not None and (outer.scopes or not outer.is_eager):
            return self._plain()(*args, **kwargs)
        args, kwargs = resolved(self._canonical(args, kwargs))
        if self.runs_eagerly:
            return self._plain()(*nest.map_structure(_as_tensor, args), **nest.map_structure(_as_tensor, kwargs))
        leaves = nest.flatten([args, kwargs])
        arrays = [_as_tensor(leaf) for leaf in leaves if isinstance(leaf, _ARRAYS)]
        try:
            known = self._compiled_for([args, kwargs], leaves, arrays)
            results = known.program(arrays)
        except UnknownValueError as error:
            self._fall_back(error)
            return self(*args, **kwargs)
        return nest.map_structure(
            lambda one: eager(results[one.number]) if isinstance(one, _Place) else one, known.structure
        )

    def experimental_get_tracing_count(self) -> int:
        """Return how often the function was traced. Source: tf.function."""
        return self._traced

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> Any:
        """Return the function itself: it is compiled when it is called."""
        return self

    def _canonical(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """Return the arguments with the signature's dtypes, if there is one."""
        if self.input_signature is None:
            return [args, kwargs]
        wanted = nest.flatten(list(self.input_signature))
        names = list(inspect.signature(self._plain()).parameters)
        ordered = [*args, *(kwargs[name] for name in names[len(args) :] if name in kwargs)]
        given = nest.flatten(ordered)
        if len(given) != len(wanted):
            raise InvalidTypeError(
                f"{self._name} has an input_signature of {len(wanted)} tensors, got {len(given)} arguments."
            )
        made = [self._conformed(value, spec) for value, spec in zip(given, wanted, strict=True)]
        return [tuple(nest.pack(ordered, made)), {}]

    def _conformed(self, value: Any, spec: Any) -> Any:
        made = value if isinstance(value, Recorded) else _as_tensor(np.asarray(value))
        shape = getattr(spec, "shape", None)
        sizes = None if shape is None else tuple(getattr(shape, "as_list", lambda: shape)())
        fits = sizes is None or (
            len(sizes) == made.ndim
            and all(not isinstance(s, int) or s in (-1, n) for s, n in zip(sizes, made.shape, strict=True))
        )
        if not fits:
            raise ShapeError(f"{self._name}: an argument has shape {made.shape}, its input_signature {sizes}.")
        from graphkit import ops

        return ops.cast(made, getattr(spec.dtype, "name", spec.dtype))

    def _compiled_for(self, arguments: list[Any], leaves: Sequence[Any], arrays: Sequence[Any]) -> _Compiled:
        held: list[Any] = []
        key = (
            nest.describe(arguments),
            tuple(_key(leaf, held) for leaf in leaves),
            tuple(arguments[1]),
            settings_changed(),
        )
        known = self._compiled.get(key)
        if known is None:
            known = self._compiled[key] = self._compile(arguments, leaves, arrays, held)
            self._traced += 1
            if self._traced == _MANY:
                warnings.warn(
                    f"{self._name} was traced {_MANY} times, which is slow. Each new shape or dtype of a tensor, and each new value "
                    "of a Python argument, is traced: pass numbers that change as tensors, and batches of one size.",
                    stacklevel=3,
                )
        return known

    def _compile(
        self, arguments: list[Any], leaves: Sequence[Any], arrays: Sequence[Any], held: list[Any]
    ) -> _Compiled:
        structure: Any = None

        def run(*tensors: Any) -> list[Any]:
            nonlocal structure
            rest = iter(tensors)
            given = nest.pack(arguments, [next(rest) if isinstance(leaf, _ARRAYS) else leaf for leaf in leaves])
            outputs: list[Any] = []
            structure = nest.map_structure(partial(_placed, outputs), self._plain()(*given[0], **given[1]))
            return outputs

        program = trace(run, *(TensorSpec.of(a) for a in arrays))
        made = CompiledProgram(program)
        return _Compiled(made, structure, held)

    def _fall_back(self, error: UnknownValueError) -> None:
        self.runs_eagerly = True
        warnings.warn(
            f"{self._name} runs eagerly, line by line, which is several times slower than a compiled function: {place_of(error)}it "
            f"needs the numbers of a tensor while it is traced. {error} TensorFlow rewrites `if`, `for` and `while` over tensors "
            "(AutoGraph); here use ops.cond, ops.scan, ops.fori_loop or ops.while_loop to have it compiled.",
            stacklevel=4,
        )


def function(
    func: Any = None,
    input_signature: Any = None,
    autograph: bool = True,
    jit_compile: Any = None,
    reduce_retracing: bool = False,
    **options: Any,
) -> Any:
    """Compile a function of tensors: it is traced once for each signature, and its program is run after that.

    The signature consists of the shapes and dtypes of tensors and arrays, the values of Python numbers and strings, and the identity
    of other objects. Assignments to variables, updates of optimizers and metrics and random seeds take effect in each call; other
    Python code, such as `print`, runs only when the function is traced. Inside a gradient tape a call is differentiable. A function
    that needs the numbers of a tensor runs eagerly, after one warning. Usable as a decorator, of methods as well.

    Args:
        func: the function; None to use the call as a decorator.
        input_signature: the specs of the tensor arguments, with `shape` and `dtype`: arguments are cast to their dtypes.
        autograph: accepted for compatibility with TensorFlow, ignored: Python control flow is not rewritten.
        jit_compile, reduce_retracing: accepted for compatibility with TensorFlow, ignored.
        **options: accepted for compatibility with TensorFlow, ignored.

    Raises:
        InvalidTypeError: `func` is not callable; in a call, if the arguments do not fit `input_signature`.
        ShapeError: In a call, if a shape does not fit `input_signature`.

    Source: tf.function.
    """
    if func is None:
        return partial(function, input_signature=input_signature)
    if not callable(func):
        raise InvalidTypeError(f"function expects a function, got {type(func).__name__}.")
    return Function(func, input_signature)


def _placed(outputs: list[Any], leaf: Any) -> Any:
    """Note a tensor as an output, and return its place; return anything else unchanged."""
    if isinstance(leaf, Variable):
        leaf = leaf.value
    if not isinstance(leaf, (Tracer, np.ndarray, np.generic)):
        return leaf
    outputs.append(leaf)
    return _Place(len(outputs) - 1)


def _as_tensor(leaf: Any) -> Any:
    """Return an array as an eager tensor, which keeps its values when the array changes."""
    if isinstance(leaf, np.generic) or type(leaf) is np.ndarray:
        return eager(np.array(as_array(leaf)))
    return leaf


def _key(leaf: Any, held: list[Any]) -> Hashable:
    if isinstance(leaf, _ARRAYS):
        return TensorSpec.of(leaf)
    if isinstance(leaf, _VALUES):
        return type(leaf), leaf
    held.append(leaf)
    stamp = getattr(leaf, "stamp", None)
    return id(leaf), stamp() if callable(stamp) else getattr(leaf, "changed", None)


__all__ = ["Function", "function"]
