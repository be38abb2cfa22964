"""Lifting: Keras' layers found in programs of primitives, whichever format they were read from.

`find` compares a program with patterns, which are data (`recipes.py` and the modules by family), and returns calls of Keras'
layers. `build` makes a functional model of them; what no pattern covers becomes Keras' ops.
"""

from graphkit.lifting.building import Block, Lifted, build
from graphkit.lifting.calls import LayerSpec, LiftedCall, NotExactError, WeightFunction
from graphkit.lifting.finder import Findings, find

__all__ = ["Block", "Findings", "LayerSpec", "Lifted", "LiftedCall", "NotExactError", "WeightFunction", "build", "find"]
