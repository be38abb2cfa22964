"""Splitting a program of values and their gradients into a forward and a backward part."""

from __future__ import annotations

from collections.abc import Sequence

from graphkit.ir.program import Atom, Equation, Program, Value


class Split:
    """Which equations of a joint program of values and gradients run forward, which backward, and which values pass between them.

    What depends on constants alone, or is a view, is recomputed rather than kept.

    Args:
        joint: (inputs, cotangents) -> (outputs, gradients).
        inputs: the number of inputs that are no cotangents.
        carries: the number of first inputs that the forward part changes from step to step.
        stop: the index of the first input that is the same in each step of a loop; `inputs` outside of loops.
        outputs: the number of outputs that are no gradients.

    Attributes:
        forward, backward: the equations.
        leaves: the values that the backward part reads and does not compute.
    """

    def __init__(self, joint: Program, inputs: int, carries: int, stop: int, outputs: int) -> None:
        self.makers = {v: e for e in joint.equations for v in e.outputs}
        tainted = set(joint.inputs[inputs:])
        invariant = set(joint.inputs[stop:inputs])
        late: set[int] = set()
        self.forward: list[Equation] = []
        for number, equation in enumerate(joint.equations):
            values = [a for a in equation.inputs if isinstance(a, Value)]
            if any(v in tainted for v in values):
                tainted.update(equation.outputs)
                late.add(number)
                continue
            self.forward.append(equation)
            if all(v in invariant for v in values):
                invariant.update(equation.outputs)
        self._again: set[int] = set()
        self._invariant = invariant
        self.leaves: list[Value] = []
        for equation in (joint.equations[i] for i in sorted(late)):
            self._need(equation.inputs, tainted)
        self._need(joint.outputs[outputs:], tainted)
        self.backward = [e for i, e in enumerate(joint.equations) if i in late or id(e) in self._again]

    def _need(self, atoms: Sequence[Atom], tainted: set[Value]) -> None:
        for atom in atoms:
            if not isinstance(atom, Value) or atom in tainted or atom in self.leaves:
                continue
            maker = self.makers.get(atom)
            if maker is not None and (atom in self._invariant or maker.primitive.view is not None):
                self._again.add(id(maker))
                self._need(maker.inputs, tainted)
            else:
                self.leaves.append(atom)
