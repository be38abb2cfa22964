"""Programs that gradient tapes record as one equation: they run compiled, and so do their gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphkit.core import dtypes
from graphkit.engine.plan import Plan, compile_program
from graphkit.ir.gradient import vjp
from graphkit.ir.primitive import PRIMITIVES, Primitive, as_array
from graphkit.ir.program import Program, State
from graphkit.ir.simplify import eliminate_dead, simplify
from graphkit.ir.spec import TensorSpec
from graphkit.ir.split import Split
from graphkit.ir.tracing import Tracer, constant, current_trace, replay, trace

Mask = tuple[bool, ...]


class ProgramCall(Primitive):
    """A program as a primitive of recordings. Its inputs are those of the program, then the values of its state.

    A call runs the compiled program, which reads and writes the variables themselves. The gradient is a call as well, so that it
    can be differentiated again. A call made by `with_gradient` also returns what its gradient needs, so that nothing is computed
    twice; other calls are computed again in the backward pass.

    Args:
        program: a program whose sizes are known.
        gradient: its gradient for certain inputs, if that is known.
    """

    __slots__ = ("_gradient", "_gradients", "_plan", "program")

    def __init__(self, program: Program, gradient: _Gradient | None = None) -> None:
        super().__init__("call", self._infer, kernel=_refuse, vjp=self._differentiate)
        self.program = program
        self._gradient = gradient
        self._gradients: dict[Any, _Gradient] = {}
        self._plan: Plan | None = None

    def _infer(self, *specs: TensorSpec) -> tuple[TensorSpec, ...]:
        return tuple(o.spec for o in self.program.outputs)

    def bind(self, *args: Any, **params: Any) -> Any:
        """Record the call under a tape, run it outside of one; in a traced function emit the equations of the program."""
        current = current_trace()
        if current is None or current.is_eager:
            return super().bind(*args, **params)
        return tuple(replay(_pure(self.program), args))

    def evaluate(self, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """Run the compiled program."""
        if self._plan is None or not self._plan.is_current:
            self._plan = compile_program(self.program)
        return tuple(self._plan(*(as_array(a) for a in args[: len(self.program.inputs)])))

    def _differentiate(self, g: Any, out: Any, *inputs: Any) -> list[Any]:
        given = tuple(c is not None for c in g)
        wanted = tuple(
            i for i, x in enumerate(inputs) if isinstance(x, Tracer) and dtypes.is_differentiable(x.spec.dtype)
        )
        rule = self._gradient
        if rule is None or not rule.covers(given, wanted):
            rule = self._gradients.get((given, wanted))
        if rule is None:
            rule = self._gradients[given, wanted] = _recomputed(self.program, given, wanted)
        return rule(g, out, inputs)


class CompiledProgram:
    """A program that runs compiled, and that gradient tapes record as one call.

    Args:
        program: any program whose sizes are known.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._plain = ProgramCall(program)
        self._recorded: dict[tuple[int, ...], ProgramCall] = {}  # by the inputs that a tape differentiates by

    def __call__(self, arrays: Sequence[Any]) -> Sequence[Any]:
        """Return the program's outputs for these inputs: recorded tensors where a tape watches what they depend on."""
        trace = current_trace()
        if trace is None:
            return self._plain.evaluate(arrays, {})  # type: ignore[no-any-return]
        variables = [s.variable for s in self.program.state]
        wanted = [i for i, array in enumerate(arrays) if isinstance(array, Tracer) and array.trace is trace]
        wanted += [i for i, v in enumerate(variables, len(arrays)) if any(tape.watches(v) for tape in trace.tapes)]
        if not wanted:
            return self._plain.evaluate(arrays, {})  # type: ignore[no-any-return]
        call = self._recorded.get(tuple(wanted))
        if call is None:
            shown = [True] * len(self.program.outputs)
            call = self._recorded[tuple(wanted)] = with_gradient(self.program, wanted, shown)
        return call.bind(*arrays, *variables)  # type: ignore[no-any-return]


def with_gradient(program: Program, wanted: Sequence[int], shown: Sequence[bool]) -> ProgramCall:
    """Return a call of a program that keeps what the gradient with respect to some inputs needs.

    Args:
        program: any program whose sizes are known.
        wanted: the indexes of the inputs to differentiate with respect to; those of the state follow the program's inputs.
        shown: whether each output may have a cotangent.
    """
    pure = _pure(program)
    joint, found, given = _joint(pure, wanted, [*shown, *(False for _ in pure.outputs[len(shown) :])])
    count = len(pure.inputs)
    split = Split(joint, count, 0, count, len(pure.outputs))
    position = {v: i for i, v in enumerate(joint.inputs[:count])}
    kept = [v for v in split.leaves if v not in position]
    read = [position[v] for v in split.leaves if v in position]
    outputs, rest = joint.outputs[: len(program.outputs)], joint.outputs[len(program.outputs) : len(pure.outputs)]
    after = iter(rest)
    befores = joint.inputs[len(program.inputs) : count]
    state = [
        State(s.variable, before, next(after) if s.after is not None else None)
        for s, before in zip(program.state, befores, strict=True)
    ]
    forward = Program(joint.inputs[: len(program.inputs)], state, split.forward, [*outputs, *kept])
    ordered = [*(joint.inputs[i] for i in read), *kept, *joint.inputs[count:]]
    backward = eliminate_dead(Program(ordered, (), split.backward, joint.outputs[len(pure.outputs) :]))
    rule = _Gradient(ProgramCall(backward), read, len(program.outputs), len(kept), given, tuple(wanted), found)
    return ProgramCall(forward, rule)


class _Gradient:
    """The gradient of a call: (inputs that it reads, values that were kept, cotangents) -> gradients of the inputs `found`.

    Attributes:
        given: which outputs have a cotangent.
        wanted: the inputs that it was made for.
    """

    def __init__(
        self,
        call: ProgramCall,
        read: Sequence[int],
        outputs: int,
        kept: int,
        given: Sequence[bool],
        wanted: tuple[int, ...],
        found: Sequence[int],
    ) -> None:
        self._call = call
        self._read = read
        self._outputs = outputs
        self._kept = kept
        self._given = given
        self._wanted = wanted
        self._found = found

    def covers(self, given: Mask, wanted: Sequence[int]) -> bool:
        """Whether it holds for cotangents of these outputs, and these inputs."""
        known = [*self._given, *(False for _ in given[len(self._given) :])]
        return set(wanted) <= set(self._wanted) and all(k or not g for k, g in zip(known, given, strict=True))

    def __call__(self, g: Any, out: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return the gradient of each input, or None."""
        shown = zip(self._given, g, out, strict=False)
        cotangents = [_zeros(o) if c is None else c for is_given, c, o in shown if is_given]
        kept = out[self._outputs : self._outputs + self._kept]
        made = self._call.bind(*(inputs[i] for i in self._read), *kept, *cotangents)
        result: list[Any] = [None] * len(inputs)
        for index, gradient in zip(self._found, made, strict=True):
            result[index] = gradient
        return result


def _recomputed(program: Program, given: Mask, wanted: tuple[int, ...]) -> _Gradient:
    """Return the gradient of a program that computes its values again."""
    pure = _pure(program)
    joint, found, given_all = _joint(pure, wanted, [*given, *(False for _ in pure.outputs[len(given) :])])
    backward = eliminate_dead(Program(joint.inputs, (), joint.equations, joint.outputs[len(pure.outputs) :]))
    everything = range(len(pure.inputs))
    return _Gradient(ProgramCall(backward), everything, len(given), 0, given_all[: len(given)], wanted, found)


def _pure(program: Program) -> Program:
    """Return the program with its state as further inputs, and the new values of its state as further outputs."""
    return Program([*program.inputs, *(s.before for s in program.state)], (), program.equations, program.results())


def _joint(program: Program, wanted: Sequence[int], given: Sequence[bool]) -> tuple[Program, list[int], list[bool]]:
    """Return (inputs, cotangents) -> (outputs, gradients), the inputs that have a gradient, and the outputs with a cotangent."""
    count = len(program.inputs)
    given = [g and dtypes.is_differentiable(o.spec.dtype) for g, o in zip(given, program.outputs, strict=True)]
    specs = [v.spec for v in program.inputs] + [o.spec for g, o in zip(given, program.outputs, strict=True) if g]
    found: list[int] = []

    def both(*args: Any) -> list[Any]:
        outputs = replay(program, args[:count])
        rest = iter(args[count:])
        gradients = vjp(outputs, [next(rest) if g else None for g in given], [args[i] for i in wanted])
        found.extend(i for i, gradient in zip(wanted, gradients, strict=True) if gradient is not None)
        return [*outputs, *(gradient for gradient in gradients if gradient is not None)]

    return simplify(trace(both, *specs)), found, given


def _zeros(like: Any) -> Any:
    spec = TensorSpec.of(like)
    return PRIMITIVES["broadcast_to"].bind(constant(0, spec.dtype), shape=spec.shape)


def _refuse(out: Any, *arrays: Any) -> None:
    raise NotImplementedError("a ProgramCall is evaluated by its plan")


__all__ = ["CompiledProgram", "ProgramCall", "with_gradient"]
