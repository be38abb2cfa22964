"""Primitives: the operations that programs are made of. One record each, complete or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.registry import Registry
from graphkit.ir.spec import TensorSpec

Array = np.ndarray[Any, Any]
PRIMITIVES: Registry[Primitive] = Registry("primitive")


class Primitive:
    """One operation: its rule for shapes and dtypes, its NumPy kernel, its VJP or why it has none.

    Args:
        name: unique; the ONNX lowering is found by it.
        abstract: `(*specs, **params) -> TensorSpec` or a tuple of them for several outputs. Sizes may be `Dim`s. It raises
            ShapeError or DTypeError for what cannot be.
        kernel: `(out, *arrays, **params) -> None` writes the result into `out`, an array (a tuple of arrays for several
            outputs) of the inferred spec. Inputs may be strided views; they must not be changed.
        prepare: `(out, *arrays, **params) -> thunk`, for kernels with work that needs doing once only for given buffers;
            the engine calls it when it compiles, and the thunk at each step. Replaces `kernel`.
        workspace: `(specs, params) -> [TensorSpec, ...]` scratch arrays, handed to the kernel as `workspace=[...]`.
        view: `(array, **params) -> array | None` instead of a kernel: the result is a view of the first input (None: it
            cannot be one for these strides, then the kernel copies).
        vjp: `(g, out, *inputs, **params) -> [cotangent, ...]`, one for each input: a tensor, None (no gradient), or a
            function without arguments that makes it, called only when it is wanted. Written with ops, so it traces. The
            gradient transform sums over broadcast axes. With several outputs `g` and `out` are tuples; entries of `g` are
            None where nothing depends on that output.
        nondiff: the reason why there is no VJP.
        decomposition: `(*inputs, **params) -> outputs` written with ops: makes this a composite, which a reader may know
            whole and otherwise expands. Its abstract rule and VJP follow from it unless they are given.
        inplace: indexes of inputs whose buffer may also be the output's (same shape and dtype).
        sums: whether the kernel adds up: half floats are then computed in float32 and rounded once, as JAX and BLAS do.
    """

    __slots__ = (
        "abstract", "decomposition", "inplace", "kernel", "name", "nondiff", "prepare", "sums", "view", "vjp", "workspace",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        abstract: Callable[..., Any] | None,
        *,
        kernel: Callable[..., None] | None = None,
        prepare: Callable[..., Callable[[], Any]] | None = None,
        workspace: Callable[..., list[TensorSpec]] | None = None,
        view: Callable[..., Array | None] | None = None,
        vjp: Callable[..., Sequence[Any]] | None = None,
        nondiff: str | None = None,
        decomposition: Callable[..., Any] | None = None,
        inplace: tuple[int, ...] = (),
        sums: bool = False,
    ) -> None:
        self.name = name
        self.abstract = abstract
        self.kernel = kernel
        self.prepare = prepare
        self.workspace = workspace
        self.view = view
        self.vjp = vjp
        self.nondiff = nondiff
        self.decomposition = decomposition
        self.inplace = inplace
        self.sums = sums
        self._verify()

    def _verify(self) -> None:
        if self.abstract is None and self.decomposition is None:
            raise InvalidArgumentError(f"Primitive {self.name!r} needs an abstract rule or a decomposition.")
        if self.kernel is None and self.prepare is None and self.decomposition is None:
            raise InvalidArgumentError(f"Primitive {self.name!r} needs a kernel or a decomposition.")
        if self.vjp is not None and self.nondiff is not None:
            raise InvalidArgumentError(f"Primitive {self.name!r} has a VJP and a reason for having none.")
        if self.vjp is None and self.nondiff is None and self.decomposition is None:
            raise InvalidArgumentError(
                f"Primitive {self.name!r} needs a VJP, or `nondiff` with the reason for having none."
            )

    @property
    def is_composite(self) -> bool:
        """Whether it can be said by other primitives."""
        return self.decomposition is not None

    @property
    def has_kernel(self) -> bool:
        """Whether the engine can run it as it is."""
        return self.kernel is not None or self.prepare is not None

    def infer(self, specs: Sequence[TensorSpec], params: Mapping[str, Any]) -> tuple[TensorSpec, ...]:
        """The specs of the outputs."""
        result = self.infer_raw(specs, params)
        return result if isinstance(result, tuple) else (result,)

    def infer_raw(self, specs: Sequence[TensorSpec], params: Mapping[str, Any]) -> Any:
        """The spec of the output, or a tuple of specs where there are several outputs."""
        if self.abstract is not None:
            return self.abstract(*specs, **params)
        from graphkit.ir.tracing import infer_specs

        return infer_specs(self.decomposition, specs, params)

    def bind(self, *args: Any, **params: Any) -> Any:
        """Apply it: an equation while tracing, numbers otherwise."""
        from graphkit.ir.tracing import current_trace, is_traced, params_unknown

        trace = current_trace()
        if trace is not None and (is_traced(args) or params_unknown(params)):
            return trace.emit(self, args, params)
        return self.evaluate(args, params)

    def evaluate(self, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """The result on arrays, at once."""
        arrays = [as_array(a) for a in args]
        if self.view is not None:
            seen = self.view(arrays[0], **params)
            if seen is not None:
                return seen if arrays[0] is args[0] else seen.copy()  # of a variable, whose storage changes in place
        if not self.has_kernel:
            assert self.decomposition is not None
            return self.decomposition(*arrays, **params)
        specs = [TensorSpec.of(a) for a in arrays]
        made = self.infer_raw(specs, params)
        out = tuple(empty(s) for s in made) if isinstance(made, tuple) else empty(made)
        run = self.thunk(out, arrays, params, [empty(s) for s in self.scratch(specs, params)])
        with np.errstate(all="ignore"):  # infinities and NaN are results like any other
            run()
        return out

    def scratch(self, specs: Sequence[TensorSpec], params: Mapping[str, Any]) -> list[TensorSpec]:
        """The scratch arrays that the kernel wants for these inputs."""
        wide = self._widened(specs)
        if wide is None:
            return self._own_scratch(specs, params)
        pairs = [*zip(specs, wide, strict=True), *zip(self.infer(specs, params), self.infer(wide, params), strict=True)]
        return [*self._own_scratch(wide, params), *(w for s, w in pairs if s.dtype != w.dtype)]

    def _own_scratch(self, specs: Sequence[TensorSpec], params: Mapping[str, Any]) -> list[TensorSpec]:
        return self.workspace(specs, params) if self.workspace is not None else []

    def _widened(self, specs: Sequence[TensorSpec]) -> list[TensorSpec] | None:
        """Half floats as float32, for a kernel that adds up; None where nothing changes."""
        if not self.sums or not any(s.dtype in dtypes.HALF for s in specs):
            return None
        return [TensorSpec(s.shape, "float32") if s.dtype in dtypes.HALF else s for s in specs]

    def thunk(
        self, out: Any, arrays: Sequence[Array], params: Mapping[str, Any], scratch: list[Array]
    ) -> Callable[[], Any]:
        """A function without arguments that computes from these buffers into these buffers; without elements it does nothing."""
        outs = out if isinstance(out, tuple) else (out,)
        if outs and not any(o.size for o in outs):
            return _nothing
        wide = self._widened([TensorSpec.of(a) for a in arrays])
        if wide is None:
            return self._bound(out, arrays, params, scratch)
        own = len(self._own_scratch(wide, params))
        rest = iter(scratch[own:])
        inputs = [next(rest) if w.dtype != dtypes.of_array(a) else a for w, a in zip(wide, arrays, strict=True)]
        results = [
            next(rest) if s.dtype != dtypes.of_array(o) else o
            for s, o in zip(self.infer(wide, params), outs, strict=True)
        ]
        run = self._bound(tuple(results) if isinstance(out, tuple) else results[0], inputs, params, scratch[:own])
        before = [(to, come) for to, come in zip(inputs, arrays, strict=True) if to is not come]
        after = [(to, come) for to, come in zip(outs, results, strict=True) if to is not come]

        def rounded() -> None:
            for to, come in before:
                np.copyto(to, come)
            run()
            for to, come in after:
                np.copyto(to, come, casting="unsafe")

        return rounded

    def _bound(
        self, out: Any, arrays: Sequence[Array], params: Mapping[str, Any], scratch: list[Array]
    ) -> Callable[[], Any]:
        extra = {"workspace": scratch} if self.workspace is not None else {}
        if self.prepare is not None:
            return self.prepare(out, *arrays, **params, **extra)
        return partial(self._kernel(), out, *arrays, **params, **extra)

    def _kernel(self) -> Callable[..., None]:
        if self.kernel is None:
            raise InvalidArgumentError(f"Primitive {self.name!r} has no kernel; expand it before it is run.")
        return self.kernel

    def __repr__(self) -> str:
        return f"<Primitive {self.name}>"


def _nothing() -> None:
    """What there is to compute where no output has elements."""


def primitive(name: str, abstract: Callable[..., Any] | None = None, **parts: Any) -> Primitive:
    """Make and register a primitive; `Primitive` says what the parts are. Raises if a part is missing or the name taken."""
    return PRIMITIVES.add(name, Primitive(name, abstract, **parts))


def as_array(value: Any) -> Array:
    """Anything array-like as an array; variables without a copy."""
    if type(value) is np.ndarray:
        return value
    array = getattr(value, "array", None)
    if isinstance(array, np.ndarray):
        return array
    made = np.asarray(value)
    return made if made.dtype.kind not in "US" else made.astype(object)


def empty(spec: TensorSpec) -> Array:
    """An uninitialised array of this spec."""
    return np.empty(spec.shape, dtypes.to_numpy(spec.dtype))
