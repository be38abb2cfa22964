"""Primitives: the operations that programs consist of. Each is one record; an incomplete one is rejected."""

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
    """One operation: its shape and dtype rule, its NumPy kernel, and its VJP or the reason why it has none.

    Args:
        name: unique; the ONNX lowering is looked up by it.
        abstract: `(*specs, **params) -> TensorSpec`, or a tuple of specs for several outputs. Sizes may be `Dim`s. Raises
            ShapeError or DTypeError for inputs that do not fit.
        kernel: `(out, *arrays, **params) -> None` writes the result into `out`, an array of the inferred spec (a tuple of
            arrays for several outputs). Inputs may be strided views and must not be changed.
        prepare: `(out, *arrays, **params) -> thunk`, for kernels with work that is done once for given buffers; the engine
            calls it when it compiles, and the thunk at each step. Replaces `kernel`.
        workspace: `(specs, params) -> [TensorSpec, ...]`, the scratch arrays, which the kernel gets as `workspace=[...]`.
        view: `(array, **params) -> array | None`, tried before the kernel: a view of the first input that is the result,
            or None if the strides do not allow one; then the kernel copies.
        vjp: `(g, out, *inputs, **params) -> [cotangent, ...]`, one for each input: a tensor, None (no gradient), or a
            function without arguments that computes it, called only if it is needed. Written with ops, so it traces. The
            gradient transform sums over broadcast axes. With several outputs `g` and `out` are tuples; entries of `g` are
            None if nothing depends on that output.
        nondiff: the reason why there is no VJP.
        decomposition: `(*inputs, **params) -> outputs`, written with ops. Makes this a composite: the engine or an exporter handles it as
            one operation or expands it. If it has no abstract rule or VJP, those of the decomposition apply.
        inplace: the indexes of inputs whose buffer may also be the output's (same shape and dtype).
        sums: whether the kernel accumulates sums; half floats are then computed in float32 and rounded once, as in JAX
            and BLAS.

    Raises:
        InvalidArgumentError: If a part is missing, or `vjp` and `nondiff` are both given.
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
        """Whether it can be expanded into other primitives."""
        return self.decomposition is not None

    @property
    def has_kernel(self) -> bool:
        """Whether the engine can run it without expanding it."""
        return self.kernel is not None or self.prepare is not None

    def infer(self, specs: Sequence[TensorSpec], params: Mapping[str, Any]) -> tuple[TensorSpec, ...]:
        """Infer the specs of the outputs, always as a tuple."""
        result = self.infer_raw(specs, params)
        return result if isinstance(result, tuple) else (result,)

    def infer_raw(self, specs: Sequence[TensorSpec], params: Mapping[str, Any]) -> Any:
        """Infer the spec of the output, or a tuple of specs for several outputs."""
        if self.abstract is not None:
            return self.abstract(*specs, **params)
        from graphkit.ir.tracing import infer_specs

        return infer_specs(self.decomposition, specs, params)

    def bind(self, *args: Any, **params: Any) -> Any:
        """Apply it: emit an equation while tracing, otherwise compute immediately."""
        from graphkit.ir.tracing import current_trace, is_traced, params_unknown

        trace = current_trace()
        if trace is not None and (is_traced(args) or params_unknown(params)):
            return trace.emit(self, args, params)
        return self.evaluate(args, params)

    def evaluate(self, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """Compute the result on arrays."""
        arrays = [as_array(a) for a in args]
        if self.view is not None:
            seen = self.view(arrays[0], **params)
            if seen is not None:
                return seen if arrays[0] is args[0] else seen.copy()  # a variable's array changes in place
        if not self.has_kernel:
            assert self.decomposition is not None
            return self.decomposition(*arrays, **params)
        specs = [TensorSpec.of(a) for a in arrays]
        made = self.infer_raw(specs, params)
        out = tuple(empty(s) for s in made) if isinstance(made, tuple) else empty(made)
        run = self.thunk(out, arrays, params, [empty(s) for s in self.scratch(specs, params)])
        with np.errstate(all="ignore"):  # infinities and NaN are ordinary results
            run()
        return out

    def scratch(self, specs: Sequence[TensorSpec], params: Mapping[str, Any]) -> list[TensorSpec]:
        """Return the specs of the scratch arrays that the kernel needs for these inputs."""
        wide = self._widened(specs)
        if wide is None:
            return self._own_scratch(specs, params)
        pairs = [*zip(specs, wide, strict=True), *zip(self.infer(specs, params), self.infer(wide, params), strict=True)]
        return [*self._own_scratch(wide, params), *(w for s, w in pairs if s.dtype != w.dtype)]

    def _own_scratch(self, specs: Sequence[TensorSpec], params: Mapping[str, Any]) -> list[TensorSpec]:
        return self.workspace(specs, params) if self.workspace is not None else []

    def _widened(self, specs: Sequence[TensorSpec]) -> list[TensorSpec] | None:
        """Return the specs with half floats as float32, for a kernel with `sums`; None if nothing changes."""
        if not self.sums or not any(s.dtype in dtypes.HALF for s in specs):
            return None
        return [TensorSpec(s.shape, "float32") if s.dtype in dtypes.HALF else s for s in specs]

    def thunk(
        self, out: Any, arrays: Sequence[Array], params: Mapping[str, Any], scratch: list[Array]
    ) -> Callable[[], Any]:
        """Bind the kernel to its buffers: return a function without arguments, which does nothing if `out` is empty."""
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
        before = [(target, source) for target, source in zip(inputs, arrays, strict=True) if target is not source]
        after = [(target, source) for target, source in zip(outs, results, strict=True) if target is not source]

        def rounded() -> None:
            for target, source in before:
                np.copyto(target, source)
            run()
            for target, source in after:
                np.copyto(target, source, casting="unsafe")

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
            raise InvalidArgumentError(f"Primitive {self.name!r} has no kernel; expand it before running it.")
        return self.kernel

    def __repr__(self) -> str:
        return f"<Primitive {self.name}>"


def _nothing() -> None:
    """Do nothing: the thunk if no output has elements."""


def primitive(name: str, abstract: Callable[..., Any] | None = None, **parts: Any) -> Primitive:
    """Create and register a primitive.

    Args:
        name: unique among all primitives.
        abstract: the shape and dtype rule; may be left out for a composite.
        parts: the other arguments of `Primitive`.

    Raises:
        InvalidArgumentError: If a part is missing.
        NameConflictError: If the name is already in use.
    """
    return PRIMITIVES.add(name, Primitive(name, abstract, **parts))


def as_array(value: Any) -> Array:
    """Convert anything array-like to an array; variables are not copied, strings become objects."""
    if type(value) is np.ndarray:
        return value
    array = getattr(value, "array", None)
    if isinstance(array, np.ndarray):
        return array
    made = np.asarray(value)
    return made if made.dtype.kind not in "US" else made.astype(object)


def empty(spec: TensorSpec) -> Array:
    """Allocate an uninitialized array of this spec."""
    return np.empty(spec.shape, dtypes.to_numpy(spec.dtype))
