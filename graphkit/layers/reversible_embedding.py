"""ReversibleEmbedding: a table from tokens to vectors that also leads back, from vectors to logits."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit import ops
from graphkit.core.serialization import keras_class
from graphkit.layers.core import Embedding
from graphkit.layers.table_schemes import TABLES


@keras_class("keras.layers")
class ReversibleEmbedding(Embedding):
    """Embedding; with `reverse=True` its transpose: (batch, ..., output_dim) to logits (batch, ..., input_dim).

    Args:
        tie_weights: the way back uses the same table; else one of its own, (output_dim, input_dim).
        reverse_dtype: what the way back computes in.
        logit_soft_cap: c: logits are c * tanh(logits / c).

    Source: keras.layers.ReversibleEmbedding.
    """

    schemes = TABLES
    weight_names: ClassVar[tuple[str, ...]] = ("_embeddings", "reverse_embeddings")

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: str | None = None,
        logit_soft_cap: float | None = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
            mask_zero,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            quantization_config=quantization_config,
            **kwargs,
        )
        self.tie_weights, self.reverse_dtype, self.logit_soft_cap = tie_weights, reverse_dtype, logit_soft_cap

    @property
    def has_way_back(self) -> bool:  # type: ignore[override]
        """Whether the way back has a table of its own."""
        return not self.tie_weights

    def build(self, input_shape: Any = None) -> None:
        """Make the table, and that of the way back unless it is the same."""
        super().build(input_shape)
        if self.has_way_back and not self.is_quantized:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
            )

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """The rows, or with `reverse` the logits."""
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

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """None: `call` sets the mask of the rows; logits have none."""
        return None
