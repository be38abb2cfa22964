"""Layout: convolution and pooling in ONNX are channels-first. One pass converts them and pushes the transposes down the graph.

The result of a channels-last operator is kept in channels-first form, together with the permutation that would restore it.
Later equations work on that form where they can (elementwise, reductions, concatenation, padding, slices, reshapes that do not
mix axes); a transpose is written only where one cannot. So transposes that would cancel never appear, and those of weights and
literals are applied at export.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from graphkit.core.dims import Shape, Size
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Atom, Equation, Literal, Program, State, Value
from graphkit.ir.simplify import simplify
from graphkit.ir.spec import TensorSpec
from graphkit.ops import _rules

Axes: TypeAlias = "tuple[int, ...]"
Rule: TypeAlias = "Callable[[_Pass, Equation], bool]"
CHANNELS_LAST = "channels_last"


def to_channels_first(program: Program) -> Program:
    """Return the program with channels-first convolutions and poolings, and only the transposes that are needed."""
    if not any(_is_channels_last(e) for e in program.equations):
        return program
    run = _Pass()
    for value in _image_inputs(program):
        run.keep_first(value)
    for equation in program.equations:
        run.scope = equation.scope
        rule = _rule_of(equation)
        if rule is None or not rule(run, equation):
            run.emit(
                equation.primitive, [run.plain(a) for a in equation.inputs], equation.params, equation.outputs, equation
            )
    state = [State(s.variable, s.before, None if s.after is None else run.plain(s.after)) for s in program.state]
    outputs = [run.plain(o) for o in program.outputs]
    return simplify(Program(program.inputs, state, run.equations, outputs), last=True)


def _image_inputs(program: Program) -> list[Value]:
    """Return the inputs that are only read as images, directly or after elementwise equations.

    They are transposed right away: operations per channel are faster channels-first.
    """
    images: set[Atom] = set()
    others: set[Atom] = set(program.results())
    for equation in reversed(program.equations):
        out = equation.outputs[0]
        if _is_channels_last(equation):
            places: Axes = _SPATIAL[equation.primitive.name]
        elif is_pointwise(equation) and out in images and out not in others:
            places = tuple(i for i, a in enumerate(equation.inputs) if a.spec.rank == out.spec.rank)
        else:
            places = ()
        for index, atom in enumerate(equation.inputs):
            if isinstance(atom, Value):
                (images if index in places else others).add(atom)
    return [v for v in program.inputs if v in images and v not in others]


def _is_channels_last(equation: Equation) -> bool:
    return equation.params.get("data_format") == CHANNELS_LAST and equation.primitive.name in _SPATIAL


def inverse(axes: Axes) -> Axes:
    """Return the inverse permutation."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _permuted(items: Sequence[Any], axes: Axes) -> tuple[Any, ...]:
    return tuple(items[a] for a in axes)


def _to_first(rank: int) -> Axes:
    """Return the permutation that moves the last axis to axis 1."""
    return (0, rank - 1, *range(1, rank - 1))


class _Pass:
    """The new program so far, and the values that are kept in another layout."""

    def __init__(self) -> None:
        self.equations: list[Equation] = []
        self.scope = ""  # of the current equation
        self._kept: dict[Value, tuple[Atom, Axes]] = {}
        self._turned: dict[tuple[Any, Axes], Atom] = {}
        self._plain: dict[Value, Atom] = {}

    def emit(
        self, primitive: Any, inputs: Sequence[Atom], params: Any, outputs: Sequence[Value], like: Equation
    ) -> None:
        """Add an equation in the scope of `like`."""
        self.equations.append(Equation(primitive, tuple(inputs), params, tuple(outputs), like.scope))

    def order(self, atom: Atom) -> Axes | None:
        """Return the permutation from what is kept for a value to the value; None if the value itself is kept."""
        kept = self._kept.get(atom) if isinstance(atom, Value) else None
        return kept[1] if kept is not None else None

    def base(self, atom: Atom) -> Atom:
        """Return the operand that is stored for a value, possibly in another layout."""
        kept = self._kept.get(atom) if isinstance(atom, Value) else None
        return kept[0] if kept is not None else atom

    def keep(self, value: Value, base: Atom, axes: Axes) -> None:
        """Keep `base` for `value`: `value` is `base` transposed by `axes`."""
        self._kept[value] = (base, axes)

    def keep_first(self, value: Value) -> None:
        """Keep `value` channels-first from now on."""
        first = _to_first(value.spec.rank)
        self.keep(value, self._transposed(value, first), inverse(first))

    def plain(self, atom: Atom) -> Atom:
        """Return the value in its own layout."""
        axes = self.order(atom)
        if axes is None:
            return atom
        assert isinstance(atom, Value)
        if atom not in self._plain:
            self._plain[atom] = self._transposed(self.base(atom), axes, atom.name)
        return self._plain[atom]

    def arranged(self, atom: Atom, axes: Axes) -> Atom:
        """Return the operand that, transposed by `axes`, is the value; lower ranks get leading axes of size 1 first."""
        if atom.spec.rank == 0:
            return atom
        if atom.spec.rank < len(axes):
            atom = self._lifted(self.plain(atom), len(axes))
        own = self.order(atom)
        if own == axes:
            return self.base(atom)
        back = inverse(axes)
        if own is not None:
            return self._transposed(self.base(atom), _permuted(own, back))
        return self._transposed(atom, back)

    def _lifted(self, atom: Atom, rank: int) -> Atom:
        shape = (1,) * (rank - atom.spec.rank) + atom.spec.shape
        if isinstance(atom, Literal):
            return Literal(atom.array.reshape([int(s) for s in shape if isinstance(s, int)]))
        return self._made("reshape", atom, {"shape": shape}, shape)

    def _transposed(self, atom: Atom, axes: Axes, name: str = "") -> Atom:
        """Transpose `atom`; with a reshape where only axes of size 1 move."""
        if axes == tuple(range(len(axes))):
            return atom
        if isinstance(atom, Literal):
            return Literal(atom.array.transpose(axes))
        known = self._turned.get((atom, axes))
        if known is None:
            shape = _permuted(atom.spec.shape, axes)
            moved = [a for a in axes if atom.spec.shape[a] != 1]
            kind, params = ("transpose", {"axes": axes}) if moved != sorted(moved) else ("reshape", {"shape": shape})
            known = self._turned[atom, axes] = self._made(kind, atom, params, shape, name)
        return known

    def _made(self, kind: str, atom: Atom, params: dict[str, Any], shape: Shape, name: str = "") -> Value:
        made = Value(TensorSpec(shape, atom.spec.dtype), name)
        self.equations.append(Equation(PRIMITIVES[kind], (atom,), params, (made,), self.scope))
        return made

    def like(self, value: Value, axes: Axes) -> Value:
        """Return a new value which, transposed by `axes`, has the spec of `value`."""
        return Value(TensorSpec(_permuted(value.spec.shape, inverse(axes)), value.spec.dtype), value.name)

    def apply(self, equation: Equation, inputs: Sequence[Atom], axes: Axes, params: Any = None) -> bool:
        """Emit an equation on arranged inputs and keep its outputs in that layout."""
        made = [self.like(v, axes) if v.spec.rank == len(axes) else v for v in equation.outputs]
        self.emit(equation.primitive, inputs, equation.params if params is None else params, made, equation)
        for value, base in zip(equation.outputs, made, strict=True):
            if base is not value:
                self.keep(value, base, axes)
        return True


# ----- convolution and pooling: the origin of channels-first values -----

# primitive -> the indices of the inputs that are images (the others are kernels and biases)
_SPATIAL: dict[str, Axes] = {
    "conv": (0,), "conv_input_grad": (0,), "conv_kernel_grad": (0, 1),
    "max_pool": (0,), "max_pool_grad": (0, 1, 2), "max_pool_pick": (0, 1, 2), "average_pool": (0,), "average_pool_grad": (0,),
}  # fmt: skip


def _spatial(run: _Pass, equation: Equation) -> bool:
    if not _is_channels_last(equation):
        return False
    images = _SPATIAL[equation.primitive.name]
    rank = equation.inputs[0].spec.rank
    back = inverse(_to_first(rank))
    inputs = [
        run.arranged(a, back) if i in images and a.spec.rank == rank else run.plain(a)
        for i, a in enumerate(equation.inputs)
    ]
    params = {**equation.params, "data_format": "channels_first"}
    if equation.primitive.name == "conv_kernel_grad":  # its output is a kernel, not an image
        run.emit(equation.primitive, inputs, params, equation.outputs, equation)
        return True
    return run.apply(equation, inputs, back, params)


# ----- equations that work in any layout -----

_POINTWISE = (_rules.same, _rules.same_as_bool, _rules.broadcast, _rules.broadcast_to_bool)
_POINTWISE_NAMES = ("cast", "clip", "select")


def is_pointwise(equation: Equation) -> bool:
    """Return whether an equation computes each element from the elements at its place."""
    primitive = equation.primitive
    if primitive.name in _POINTWISE_NAMES:
        return True
    return (
        primitive.abstract in _POINTWISE
        and not {"axis", "axes"} & set(equation.params)
        and primitive.name not in _RULES
    )


def _pointwise(run: _Pass, equation: Equation) -> bool:
    rank = equation.outputs[0].spec.rank
    orders = Counter(o for a in equation.inputs if (o := run.order(a)) is not None and a.spec.rank == rank)
    if not orders:
        return False
    axes = orders.most_common(1)[0][0]
    return run.apply(equation, [run.arranged(a, axes) for a in equation.inputs], axes)


def _along(*keys: str) -> Rule:
    """Return the rule for equations whose first input is kept and whose params `keys` name axes."""

    def rule(run: _Pass, equation: Equation) -> bool:
        axes = run.order(equation.inputs[0])
        if axes is None:
            return False
        params = dict(equation.params)
        for key in keys:
            if key in params:
                params[key] = _moved(params[key], axes)
        inputs = [run.arranged(a, axes) if a.spec.rank == len(axes) else run.plain(a) for a in equation.inputs]
        return run.apply(equation, inputs, axes, params)

    return rule


def _moved(axis: Any, axes: Axes) -> Any:
    return axes[axis] if isinstance(axis, int) else tuple(sorted(axes[a] for a in axis))


def _per_axis(*keys: str) -> Rule:
    """Return the rule for equations whose first input is kept and whose params `keys` have an entry for each axis."""

    def rule(run: _Pass, equation: Equation) -> bool:
        axes = run.order(equation.inputs[0])
        if axes is None or any(len(equation.params[k]) != len(axes) for k in keys):
            return False
        back = inverse(axes)
        params = {**equation.params, **{k: _permuted(equation.params[k], back) for k in keys}}
        inputs = [run.base(equation.inputs[0]), *(run.plain(a) for a in equation.inputs[1:])]
        return run.apply(equation, inputs, axes, params)

    return rule


def _reduction(run: _Pass, equation: Equation) -> bool:
    """Reduce over the moved axes; without keepdims the remaining axes keep their relative order."""
    axes = run.order(equation.inputs[0])
    if axes is None:
        return False
    key = "axes" if "axes" in equation.params else "axis"
    gone = equation.params[key] if key == "axes" else (equation.params[key],)
    params = {**equation.params, key: _moved(equation.params[key], axes)}
    if equation.params["keepdims"]:
        return run.apply(equation, [run.base(equation.inputs[0])], axes, params)
    left = [a for i, a in enumerate(axes) if i not in gone]
    order = tuple(sorted(left).index(a) for a in left)
    return run.apply(equation, [run.base(equation.inputs[0])], order, params)


def _resize(run: _Pass, equation: Equation) -> bool:
    """Resize the moved axes; each keeps its size."""
    order = run.order(equation.inputs[0])
    if order is None:
        return False
    params = {**equation.params, "axes": _permuted(order, equation.params["axes"])}
    return run.apply(equation, [run.base(equation.inputs[0])], order, params)


def _concatenate(run: _Pass, equation: Equation) -> bool:
    orders = Counter(o for a in equation.inputs if (o := run.order(a)) is not None)
    if not orders:
        return False
    axes = orders.most_common(1)[0][0]
    params = {"axis": axes[equation.params["axis"]]}
    return run.apply(equation, [run.arranged(a, axes) for a in equation.inputs], axes, params)


def _transpose(run: _Pass, equation: Equation) -> bool:
    """Compose the permutation with the one that is kept."""
    x = equation.inputs[0]
    axes = run.order(x)
    if axes is None:
        return False
    run.keep(equation.outputs[0], run.base(x), _permuted(axes, equation.params["axes"]))
    return True


def segments(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]] | None:
    """Match runs of axes of `old` with runs of axes of `new` that have as many elements.

    Returns:
        Pairs of axes of `old` and axes of `new`, as short as possible; None if the shapes do not match up.
    """
    found: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old):
        mine = [i]
        theirs: list[int] = []
        left: Size = old[i]
        right: Size = 1
        i += 1
        while left != right or not theirs:
            if (not theirs or not _exceeds(right, left)) and j < len(new):
                right, theirs, j = right * new[j], [*theirs, j], j + 1
            elif i < len(old):
                left, mine, i = left * old[i], [*mine, i], i + 1
            else:
                return None
        while (
            j < len(new) and new[j] == 1 and (i == len(old) or old[i] != 1)
        ):  # a new axis of size 1 belongs to the preceding run
            theirs, j = [*theirs, j], j + 1
        found.append((mine, theirs))
    return found if j == len(new) else None


def _exceeds(right: Size, left: Size) -> bool:
    """Return whether the new axes so far hold more elements than the old ones, as far as is known."""
    if isinstance(right, int) and isinstance(left, int):
        return right > left
    return _is_multiple(right, left)


def _is_multiple(a: Size, b: Size) -> bool:
    if isinstance(b, int):
        return a != 1
    return not isinstance(a, int) and a.divided_by(b) is not None


def _reshape(run: _Pass, equation: Equation) -> bool:
    """Reshape what is kept, if the axes that are split or merged are also adjacent in its layout."""
    x = equation.inputs[0]
    axes = run.order(x)
    if axes is None:
        return False
    shape: Shape = equation.params["shape"]
    runs = segments(x.spec.shape, shape)
    if runs is None:
        return False
    placed: list[tuple[int, list[int]]] = []
    for mine, theirs in runs:
        places = [axes[a] for a in mine]
        if places != list(range(places[0], places[0] + len(places))):
            return False
        placed.append((places[0], theirs))
    order = [axis for _, theirs in sorted(placed) for axis in theirs]  # axes of the result, in the kept layout
    kept = tuple(order.index(axis) for axis in range(len(shape)))
    params = {"shape": tuple(shape[axis] for axis in order)}
    made = Value(TensorSpec(params["shape"], x.spec.dtype))
    run.emit(equation.primitive, [run.base(x)], params, [made], equation)
    run.keep(equation.outputs[0], made, kept)
    return True


_RULES: dict[str, Rule] = {
    **dict.fromkeys(_SPATIAL, _spatial),
    **dict.fromkeys(
        ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_mean", "reduce_all", "reduce_any"), _reduction
    ),
    **dict.fromkeys(("argmax", "argmin"), _reduction),
    **dict.fromkeys(("softmax", "log_softmax", "softmax_grad", "log_softmax_grad"), _along("axes")),
    **dict.fromkeys(("cumsum", "cumprod"), _along("axis")),
    **dict.fromkeys(("batch_normalization", "group_normalization", "split_parts"), _along("axis")),
    "concatenate": _concatenate,
    "resize": _resize,
    "resize_grad": _resize,
    "pad": _per_axis("widths"),
    "slice": _per_axis("starts", "stops", "steps"),
    "unslice": _per_axis("starts", "stops", "steps", "shape"),
    "broadcast_to": _per_axis("shape"),
    "transpose": _transpose,
    "reshape": _reshape,
}


def _rule_of(equation: Equation) -> Rule | None:
    return _RULES.get(equation.primitive.name) or (_pointwise if is_pointwise(equation) else None)
