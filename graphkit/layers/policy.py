"""The part of a layer that decides dtypes: its policy, and casting inputs to the compute dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import dtype_policies as policies
from graphkit.core import dtypes
from graphkit.core.stamps import Stamped
from graphkit.graph.operation import Operation
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer
from graphkit.ir.variable import Variable, current_autocast
from graphkit.ops._convert import tensor


class TypedOperation(Stamped, Operation):
    """An operation with a dtype policy."""

    autocast: bool
    _dtype_policy: Any
    _path: str | None

    @property
    def dtype_policy(self) -> Any:
        """The value of the constructor's `dtype`: a policy, or a map of policies by path."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._take_policy(policies.get(value))

    def _take_policy(self, policy: Any) -> None:
        """Set the policy; in a map, only the entry of this layer."""
        if self._mapped_path is None:
            self._dtype_policy = policy
        else:
            if self._mapped_path in self._dtype_policy:
                del self._dtype_policy[self._mapped_path]
            self._dtype_policy[self._mapped_path] = policy
            self.mark_changed()

    @property
    def path(self) -> str | None:
        """The names of the enclosing layers and its own, such as "encoder/dense"; None before it is built."""
        return self._path

    @property
    def _mapped_path(self) -> str | None:
        return self._path if isinstance(self._dtype_policy, policies.DTypePolicyMap) else None

    @property
    def own_policy(self) -> policies.DTypePolicy:
        """The policy of this layer alone: with a map, the entry for the layer's path."""
        given = self._dtype_policy
        if isinstance(given, policies.DTypePolicyMap):
            return given.default_policy if self._path is None else given[self._path]
        own: policies.DTypePolicy = given
        return own

    @property
    def quantization_mode(self) -> str | None:
        """The quantization mode of this layer alone: "int8", "int4", "float8", "gptq", "awq", or None."""
        return self.own_policy.quantization_mode

    @property
    def compute_dtype(self) -> str:
        """The dtype that the layer computes in."""
        return self.own_policy.compute_dtype

    @property
    def input_dtype(self) -> str:
        """The dtype that float inputs are cast to: the compute dtype."""
        return self.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights."""
        return self.own_policy.variable_dtype

    @property
    def dtype(self) -> str:
        """The dtype of the weights."""
        return self.variable_dtype

    def _autocast_dtype(self) -> str | None:
        """Return the dtype in which ops see the weights. As in Keras, `autocast=False` matters only inside a layer that casts."""
        compute = self.compute_dtype
        if current_autocast() is None:
            return compute if compute != self.variable_dtype else None
        return compute if self.autocast and dtypes.is_float(compute) else ""

    def _autocast_tensor(self, x: Any) -> Any:
        if isinstance(x, Variable):
            x = x.value
        if not self.autocast or not isinstance(x, (Tracer, np.ndarray)) or not dtypes.is_float(self.compute_dtype):
            return x
        dtype = TensorSpec.of(x).dtype
        if dtype == self.compute_dtype or not dtypes.is_float(dtype):
            return x
        cast = tensor(x, self.compute_dtype)
        if isinstance(x, Tracer):
            cast.mask = x.mask
        return cast

    def _autocast_symbolic(self, x: Any) -> Any:
        floats = dtypes.is_float
        if (
            isinstance(x, SymbolicTensor)
            and self.autocast
            and floats(x.dtype)
            and floats(self.compute_dtype)
            and x.dtype != self.compute_dtype
        ):
            return SymbolicTensor(x.spec.shape, self.compute_dtype, name=x.name)
        return x
