"""ReversibleEmbedding: an embedding table that also maps vectors back to logits."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit import ops
from graphkit.core.declared import argument
from graphkit.core.serialization import keras_class
from graphkit.layers.adaptable import ADAPTER
from graphkit.layers.core import Embedding
from graphkit.layers.table_schemes import TABLES


@keras_class("keras.layers")
class ReversibleEmbedding(Embedding):
    """An Embedding that, called with `reverse=True`, maps (batch, ..., output_dim) to logits (batch, ..., input_dim).

    Args:
        tie_weights: whether the reverse projection uses the transposed table, or a separate one (output_dim, input_dim).
        reverse_dtype: the dtype of the reverse projection; the compute dtype by default.
        logit_soft_cap: a limit c of the logits, which become c * tanh(logits / c); None for no limit.
        The remaining arguments are those of `Embedding`.

    Source: keras.layers.ReversibleEmbedding.
    """

    schemes = TABLES
    weight_names: ClassVar[tuple[str, ...]] = ("_embeddings", "reverse_embeddings")

    _own = "reverse_dtype logit_soft_cap"
    argument_order = f"input_dim output_dim tie_weights {Embedding._order} {_own}"
    config_order = f"{Embedding.config_order.removesuffix(ADAPTER)} tie_weights {_own} {ADAPTER}"

    tie_weights: bool = argument(default=True)
    reverse_dtype: str | None = argument(default=None, kw_only=True)
    logit_soft_cap: float | None = argument(default=None, kw_only=True)

    @property
    def has_reverse_table(self) -> bool:  # type: ignore[override]
        """Whether the reverse projection has a separate table."""
        return not self.tie_weights

    def build(self, input_shape: Any = None) -> None:
        """Create the table, and the reverse table unless the weights are tied."""
        super().build(input_shape)
        if self.has_reverse_table and not self.is_quantized:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
            )

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """Return the rows for integers (batch, ...), or with `reverse` the logits for vectors (batch, ..., output_dim)."""
        if not reverse:
            rows = super().call(inputs)
            if self.mask_zero:
                rows.mask = ops.not_equal(inputs, 0)
            return rows
        scheme = self.scheme
        logits = self._logits(inputs) if scheme is None else scheme.logits(self, inputs)
        cap = self.logit_soft_cap
        return logits if cap is None else ops.tanh(logits / cap) * cap

    def _logits(self, inputs: Any) -> Any:
        table = ops.transpose(self.embeddings) if self.tie_weights else self.reverse_embeddings
        if self.reverse_dtype is not None:
            inputs, table = ops.cast(inputs, self.reverse_dtype), ops.cast(table, self.reverse_dtype)
        return ops.matmul(inputs, table)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return None: `call` sets the mask of the rows; logits have none."""
        return None
