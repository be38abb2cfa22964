"""Attention layers: multi-head and grouped-query with projections, dot-product and additive without."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

from graphkit import ops, random, regularizers
from graphkit.core.declared import argument, is_positive_int, must, or_none
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class, serialize
from graphkit.layers.activation import Softmax
from graphkit.layers.adaptable import policy_with_inner
from graphkit.layers.core import Dropout, EinsumDense
from graphkit.layers.declared import (
    BiasArguments,
    BuiltInLayer,
    KernelArguments,
    SeedArgument,
    positive,
    weight_arguments,
)
from graphkit.layers.layer import Layer

_HOME = "keras.layers"


# ----- masks -----


def _causal_mask(queries: Any, keys: Any) -> Any:
    """Return a bool mask (1, queries, keys): a query sees the keys up to its own position."""
    return ops.expand_dims(ops.tri(queries, keys, dtype="bool"), 0)


def _window_mask(queries: Any, keys: Any, width: int) -> Any:
    """Return a bool mask (1, queries, keys): a query sees the keys less than `width` positions away, on both sides."""
    rows = ops.reshape(ops.arange(queries, dtype="int32"), (1, queries, 1))
    columns = ops.reshape(ops.arange(keys, dtype="int32"), (1, 1, keys))
    return ops.less(ops.absolute(rows - columns), width)


def _combined(masks: Sequence[Any]) -> Any:
    """Return the logical AND of the masks that are not None; None if there are none."""
    joined = None
    for mask in masks:
        if mask is not None:
            joined = mask if joined is None else ops.logical_and(joined, mask)
    return joined


def _as_bool(mask: Any, axis: int | None = None) -> Any:
    if mask is None:
        return None
    mask = ops.cast(mask, "bool")
    return mask if axis is None else ops.expand_dims(mask, axis)


_sliding_window = must(
    lambda value: value is None or is_positive_int(value),
    "`sliding_window` of layer {owner.name!r} must be `None` or a positive integer. Received: sliding_window={value}",
)


class _Projections:
    """The attributes that `build` creates."""

    _factor: float
    _query_dense: EinsumDense
    _key_dense: EinsumDense
    _gate_dense: EinsumDense
    _value_dense: EinsumDense
    _output_dense: EinsumDense


class HeadArguments(KernelArguments, BiasArguments, SeedArgument, kw_only=True):
    """The arguments that multi-head and grouped-query attention share."""

    dropout: float = argument(default=0.0)
    sliding_window: int | None = argument(default=None, check=_sliding_window)
    flash_attention: bool | None = argument(default=None)
    use_gate: bool = argument(default=False)
    _projection_regularizer: Any = argument(  # of the projections, as in Keras
        default=None, convert=regularizers.get, alias="activity_regularizer"
    )


class _HeadAttention(_Projections, HeadArguments, BuiltInLayer):
    """Base of multi-head and grouped-query attention: four projections, masks, softmax, dropout, a gate.

    Subclasses set `_factor` (1 / sqrt(head size)) and, in `build`, the projections and `_set_attention`.
    """

    supports_masking = True

    def __post_init__(self) -> None:
        if self.flash_attention and self.dropout > 0.0:
            raise InvalidArgumentError(
                "Dropout is not supported when flash attention is enabled. Please set dropout to 0.0 to use flash attention. "
                f"(layer {self.name!r})"
            )

    def _projection(
        self, name: str, equation: str, output_shape: Sequence[Any], bias_axes: str, input_shape: Any, **more: Any
    ) -> EinsumDense:
        made = EinsumDense(
            equation,
            output_shape=tuple(output_shape),
            bias_axes=bias_axes if self.use_bias else None,
            name=name,
            kernel_initializer=_fresh(self.kernel_initializer),
            bias_initializer=_fresh(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self._projection_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            dtype=self.dtype_policy,
            **more,
        )
        made.build(input_shape)
        return made

    def _set_attention(self, rank: int, axes: tuple[int, ...]) -> None:
        """Set the equations and layers for projected tensors (batch, ..., heads, size) of this rank, attending over `axes`."""
        self._scores_equation, self._values_equation = _attention_equations(rank, axes)
        self._scores_rank = rank - 1 + len(axes)
        self._mask_axis = -2 * len(axes) - 1  # the axis of the heads in a mask
        self._softmax = Softmax(axis=tuple(range(-len(axes), 0)), dtype=self.dtype_policy)
        self._dropout_layer = Dropout(rate=self.dropout, dtype=self.dtype_policy, seed=self.seed)

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Return the output, and the attention scores if requested.

        Args:
            query: (batch, T, n).
            value: (batch, S, m).
            key: (batch, S, k); `value` by default.
            query_mask: bool (batch, T).
            value_mask: bool (batch, S).
            key_mask: bool (batch, S).
            attention_mask: bool (batch, T, S), or with an axis of the heads after the batch.
            return_attention_scores: whether to return (output, scores) with scores (batch, heads, T, S).
            training: whether dropout is active.
            use_causal_mask: whether a query sees only the keys up to its own position.

        Raises:
            InvalidArgumentError: the scores are requested together with `flash_attention`.
        """
        key = value if key is None else key
        query_mask = self._query_mask(query, query_mask)
        mask = self._compute_attention_mask(
            query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask
        )
        gate = self._gate_dense(query) if self.use_gate else None
        projected = self._heads(self._query_dense(query), self._key_dense(key), self._value_dense(value))
        output, scores = self._compute_attention(*projected, mask, training, return_attention_scores)
        output = self._output_dense(output if gate is None else output * gate)
        return (output, scores) if return_attention_scores else output

    def _query_mask(self, query: Any, given: Any) -> Any:
        return given

    def _heads(self, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
        return query, key, value

    def _compute_attention_mask(
        self,
        query: Any,
        value: Any,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """Return all masks combined, bool (batch, queries, keys), or None."""
        lengths = ops.shape(query)[1], ops.shape(value)[1]
        return _combined(
            [
                _as_bool(attention_mask),
                _as_bool(query_mask, -1),
                _as_bool(value_mask, -2),
                _as_bool(key_mask, -2),
                _causal_mask(*lengths) if use_causal_mask else None,
                _window_mask(*lengths, self.sliding_window) if self.sliding_window is not None else None,
            ]
        )

    def _compute_attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
    ) -> tuple[Any, Any]:
        """Attend over projected tensors (batch, ..., heads, size); return (output, scores or None). Subclasses may override it."""
        if self.flash_attention and return_attention_scores:
            raise InvalidArgumentError(
                "Returning attention scores is not supported when flash attention is enabled. Please disable flash attention of layer "
                f"{self.name!r} to access attention scores."
            )
        mask = self._mask_with_heads(attention_mask)
        if self.dropout == 0 and not return_attention_scores and len(query.shape) == 4:
            return ops.dot_product_attention(query, key, value, mask=mask, scale=self._factor), None
        scores = self._softmax(ops.einsum(self._scores_equation, query * self._factor, key), mask=mask)
        kept = self._dropout_layer(scores, training=training) if self.dropout > 0 else scores
        return ops.einsum(self._values_equation, kept, value), scores

    def _mask_with_heads(self, mask: Any) -> Any:
        """Return the mask with the rank of the scores: missing axes are added where the heads are."""
        if mask is None:
            return None
        for _ in range(self._scores_rank - len(mask.shape)):
            mask = ops.expand_dims(mask, self._mask_axis)
        return mask

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the query's mask."""
        return previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask

    def get_config(self) -> dict[str, Any]:
        """Return the config; its `dtype` is a map where a projection was quantized."""
        return {**super().get_config(), "dtype": serialize(policy_with_inner(self))}


def _fresh(initializer: Any) -> Any:
    """Return a copy of an initializer, which draws different values unless it has a seed."""
    return (
        type(initializer).from_config(initializer.get_config()) if hasattr(initializer, "get_config") else initializer
    )


def _attention_equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """Return the einsum equations (query, key -> scores) and (scores, value -> output).

    Queries are (batch axes and attention axes in any order, heads, size), scores (batch axes, heads, query axes, key axes).
    """
    query = string.ascii_lowercase[:rank]
    others = string.ascii_lowercase[rank:]
    key = "".join(others[axes.index(i)] if i in axes else letter for i, letter in enumerate(query))
    alone = "".join(letter for i, letter in enumerate(query[:-1]) if i not in axes)
    scores = alone + "".join(query[i] for i in axes) + "".join(key[i] for i in axes)
    return f"{query},{key}->{scores}", f"{scores},{key}->{query}"


def _check_shapes(layer: Layer, value_shape: Any, key_shape: Any) -> None:
    if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
        raise ShapeError(
            f"All dimensions of `value` and `key` of layer {layer.name!r}, except the last one, must be equal. Received: "
            f"value_shape={tuple(value_shape)} and key_shape={tuple(key_shape)}"
        )


_WEIGHTS = weight_arguments("kernel", "bias")


_attention_axes = must(
    lambda value: value is None or isinstance(value, (int, list, tuple)),
    "`attention_axes` of layer {owner.name!r} must be an int, list, or tuple. Received: {value!r}",
)


_output_axes = must(
    lambda value: value is None or isinstance(value, (int, list, tuple)),
    "Invalid `output_shape` of layer {owner.name!r}: {value!r}. It should be an int, a list or a tuple of ints.",
)


def _tuple_or_none(value: Any) -> tuple[int, ...] | None:
    return (value,) if isinstance(value, int) else tuple(value) if value else None


@keras_class(_HOME)
class MultiHeadAttention(_HeadAttention):
    """Multi-head attention (Vaswani et al. 2017, arXiv:1706.03762). Source: keras.layers.MultiHeadAttention.

    query (batch, T, n), value and key (batch, S, m), or with further axes; output (batch, T, n), or (batch, T, *output_shape).

    Args:
        num_heads: the number of heads.
        key_dim: the size of a head for query and key.
        value_dim: the size of a head for value; `key_dim` by default.
        dropout: the dropout rate of the scores during training.
        use_bias: whether the projections have a bias.
        output_shape: the shape of the output after the query axes, an int or a tuple; the query's features by default.
        attention_axes: the axes to attend over; all but batch and features by default.
        sliding_window: a query sees only keys less than this many positions away; None for no limit.
        flash_attention: must not be True together with `dropout`; otherwise it has no effect, since there is one kernel.
        kernel_*, bias_*: initializers, regularizers and constraints of all projections.
        use_gate: whether the heads' outputs are multiplied by a sigmoid of a projection of the query.
        seed: of the dropout.

    Raises:
        InvalidArgumentError: an argument is invalid, or `flash_attention` is combined with `dropout`.
    """

    argument_order = (
        "num_heads key_dim value_dim dropout use_bias output_shape attention_axes sliding_window flash_attention "
        f"{_WEIGHTS} use_gate seed"
    )
    config_order = (
        "num_heads key_dim value_dim dropout use_bias use_gate output_shape attention_axes sliding_window "
        f"{_WEIGHTS} seed"
    )

    num_heads: int = argument(check=positive)
    key_dim: int = argument(check=positive)
    value_dim: Any = argument(default=None, check=or_none(positive))
    _output_shape: Any = argument(
        default=None, check=_output_axes, convert=_tuple_or_none, alias="output_shape", kw_only=True
    )
    attention_axes: Any = argument(default=None, check=_attention_axes, convert=_tuple_or_none, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.value_dim = self.value_dim or self.key_dim
        self._factor = 1.0 / math.sqrt(float(self.key_dim))

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Create the projections of query, key, value and output, and of the gate.

        Raises:
            ShapeError: value and key have different sizes before the last axis.
        """
        key_shape = value_shape if key_shape is None else key_shape
        _check_shapes(self, value_shape, key_shape)
        rank = len(query_shape)
        self._query_dense = self._into_heads("query", query_shape, self.key_dim)
        self._key_dense = self._into_heads("key", key_shape, self.key_dim)
        if self.use_gate:
            self._gate_dense = self._into_heads("gate", query_shape, self.value_dim, activation="sigmoid")
        self._value_dense = self._into_heads("value", value_shape, self.value_dim)
        given = self.attention_axes or tuple(range(1, rank - 1))
        self.attention_axes = tuple(axis % rank for axis in given)
        self._set_attention(rank + 1, self.attention_axes)
        self._output_dense = self._out_of_heads(query_shape)

    def _query_mask(self, query: Any, given: Any) -> Any:
        """Return the mask attached to the query: Keras ignores the argument."""
        return getattr(query, "mask", None)

    def _into_heads(self, name: str, shape: Any, size: int, **more: Any) -> EinsumDense:
        free = string.ascii_lowercase[: len(shape) - 1]
        lengths = [None] * (len(shape) - 2)
        return self._projection(name, f"{free}x,xyz->{free}yz", [*lengths, self.num_heads, size], "yz", shape, **more)

    def _out_of_heads(self, query_shape: Any) -> EinsumDense:
        letters = string.ascii_lowercase
        free = letters[: len(query_shape) - 1]
        made = self._output_shape or (query_shape[-1],)
        last = letters[len(free) : len(free) + len(made)]
        lengths = [None] * (len(query_shape) - 2)
        shape = (*query_shape[:-1], self.num_heads, self.value_dim)
        return self._projection("attention_output", f"{free}yz,yz{last}->{free}{last}", [*lengths, *made], last, shape)

    @property
    def query_dense(self) -> EinsumDense:
        """The projection of the query."""
        return self._query_dense

    @property
    def key_dense(self) -> EinsumDense:
        """The projection of the key."""
        return self._key_dense

    @property
    def value_dense(self) -> EinsumDense:
        """The projection of the value."""
        return self._value_dense

    @property
    def output_dense(self) -> EinsumDense:
        """The projection of the heads' outputs."""
        return self._output_dense


@keras_class(_HOME, "GroupQueryAttention")
class GroupedQueryAttention(_HeadAttention):
    """Attention whose query heads share key and value heads in groups (Ainslie et al. 2023, arXiv:2305.13245).

    query (batch, T, n), value and key (batch, S, n); output (batch, T, n). Source: keras.layers.GroupQueryAttention.

    Args:
        head_dim: the size of a head.
        num_query_heads: the number of query heads, a multiple of `num_key_value_heads`.
        num_key_value_heads: the number of heads of key and value.
        The remaining arguments are those of MultiHeadAttention.

    Raises:
        InvalidArgumentError: as for MultiHeadAttention, or `num_query_heads` is not a multiple of `num_key_value_heads`.
    """

    keras_class_name = "GroupQueryAttention"
    argument_order = (
        "head_dim num_query_heads num_key_value_heads dropout use_bias sliding_window flash_attention "
        f"{_WEIGHTS} use_gate seed"
    )
    config_order = (
        f"head_dim num_query_heads num_key_value_heads use_bias use_gate sliding_window dropout {_WEIGHTS} seed"
    )

    head_dim: int = argument(check=positive)
    num_query_heads: int = argument(check=positive)
    num_key_value_heads: int = argument(check=positive)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_query_heads % self.num_key_value_heads:
            raise InvalidArgumentError(
                f"`num_query_heads` must be divisible by `num_key_value_heads`. Received: {self.num_query_heads} and "
                f"{self.num_key_value_heads} (layer {self.name!r})."
            )
        self._factor = 1.0 / math.sqrt(float(self.head_dim))

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Create the projections of query, key, value and output, and of the gate.

        Raises:
            ShapeError: value and key have different sizes before the last axis.
        """
        key_shape = value_shape if key_shape is None else key_shape
        _check_shapes(self, value_shape, key_shape)
        self._query_dense = self._into_heads("query", query_shape, self.num_query_heads)
        self._key_dense = self._into_heads("key", key_shape, self.num_key_value_heads)
        if self.use_gate:
            self._gate_dense = self._into_heads("gate", query_shape, self.num_query_heads, activation="sigmoid")
        self._value_dense = self._into_heads("value", value_shape, self.num_key_value_heads)
        self._set_attention(4, (1,))
        features = query_shape[-1]
        shape = (None, None, self.num_query_heads, self.head_dim)
        self._output_dense = self._projection("attention_output", "bquh,uhm->bqm", (None, features), "m", shape)

    def _into_heads(self, name: str, shape: Any, heads: int, **more: Any) -> EinsumDense:
        return self._projection(name, "bqm,muh->bquh", (None, heads, self.head_dim), "uh", shape, **more)

    def _heads(self, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
        times = self.num_query_heads // self.num_key_value_heads
        return query, ops.repeat(key, times, axis=2), ops.repeat(value, times, axis=2)


# ----- without projections -----


_score_mode = must(
    lambda value: value in ("dot", "concat"),
    "Invalid value for argument score_mode of layer {owner.name!r}. Expected one of {{'dot', 'concat'}}. "
    "Received: score_mode={value}",
)


@keras_class(_HOME)
class Attention(SeedArgument, BuiltInLayer):
    """Dot-product attention (Luong et al. 2015), called on [query, value] or [query, value, key]. Source: keras.layers.Attention.

    query (batch, T, n), value (batch, S, m), key (batch, S, n), the value by default; output (batch, T, m).

    Args:
        use_scale: whether the scores are multiplied by a learned scalar.
        score_mode: "dot", or "concat": the sum of tanh(query + key) over the features, times a learned scalar.
        dropout: the dropout rate of the scores during training.
        seed: of the dropout.
    """

    supports_masking = True

    use_scale: bool = argument(default=False)
    score_mode: str = argument(default="dot", check=_score_mode, kw_only=True)
    dropout: float = argument(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        if self.dropout > 0:
            self.seed_generator = random.SeedGenerator(self.seed)

    def build(self, input_shape: Any) -> None:
        """Create the learned scalars.

        Raises:
            InvalidArgumentError: the inputs are not a list of 2 or 3 tensors.
        """
        self._check_list("inputs", input_shape)
        self.scale = self.concat_score_weight = None
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(name="concat_score_weight", shape=(), initializer="ones")

    def _check_masks(self, masks: Any) -> None:
        if masks is not None and not isinstance(masks, (list, tuple)):
            raise InvalidArgumentError(
                f"The mask of {type(self).__name__} layer {self.name!r} must be a list, namely [query_mask, value_mask]. "
                f"Received: mask={masks}."
            )
        if masks and len(masks) not in (2, 3):
            raise InvalidArgumentError(
                f"{type(self).__name__} layer {self.name!r} accepts a list of 2 or 3 masks. Received: {len(masks)} masks."
            )

    def _check_list(self, argument: str, given: Any) -> None:
        if not isinstance(given, (list, tuple)) or len(given) not in (2, 3):
            raise InvalidArgumentError(
                f"{type(self).__name__} layer {self.name!r} must be called on a list of {argument}, namely [query, value] or "
                f"[query, value, key]. Received: {argument}={given}."
            )

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        """Return the scores (batch, T, S)."""
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else scores * self.scale
        pairs = _pairs(query, key)
        return self.concat_score_weight * ops.sum(
            ops.tanh(pairs if self.scale is None else self.scale * pairs), axis=-1
        )

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Return the output, and the attention scores if requested.

        Args:
            inputs: [query, value] or [query, value, key].
            mask: [query_mask, value_mask], bool (batch, T) and (batch, S), either of which may be None.
            training: whether dropout is active.
            return_attention_scores: whether to return (output, scores) with scores (batch, T, S).
            use_causal_mask: whether a query sees only the keys up to its own position.

        Raises:
            InvalidArgumentError: `inputs` or `mask` is not a list of 2 or 3.
        """
        self._check_list("inputs", inputs)
        self._check_masks(mask)
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
        scores = self._calculate_scores(query, key)
        lengths = ops.shape(scores)[-2:]
        seen = _combined([_as_bool(value_mask, -2), _causal_mask(*lengths) if use_causal_mask else None])
        if seen is not None:
            scores = ops.where(seen, scores, scores - (65504.0 if scores.dtype == "float16" else 1.0e9))
        weights = ops.softmax(scores, axis=-1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        output = ops.matmul(weights, value)
        if query_mask is not None:
            output = ops.where(_as_bool(query_mask, -1), output, 0.0)
        return (output, weights) if return_attention_scores else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the query's mask.

        Raises:
            InvalidArgumentError: `inputs` or `mask` is not a list of 2 or 3.
        """
        self._check_list("inputs", inputs)
        self._check_masks(mask)
        return mask[0] if mask else None


@keras_class(_HOME)
class AdditiveAttention(Attention):
    """Attention with the sum of scale * tanh(query + key) over the features as scores (Bahdanau et al. 2014).

    Called on [query, value] or [query, value, key]. Source: keras.layers.AdditiveAttention.

    Args:
        use_scale: whether there is a learned scale (n,).
        dropout: the dropout rate of the scores during training.
        seed: of the dropout.
    """

    argument_order = "use_scale dropout seed"

    use_scale: bool = argument(default=True)

    def build(self, input_shape: Any) -> None:
        """Create the scale (n,).

        Raises:
            InvalidArgumentError: the inputs are not a list of 2 or 3 tensors.
        """
        self._check_list("inputs", input_shape)
        self.scale = None
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(input_shape[0][-1],), initializer="glorot_uniform")

    def _calculate_scores(self, query: Any, key: Any) -> Any:
        curve = ops.tanh(_pairs(query, key))
        return ops.sum(curve if self.scale is None else self.scale * curve, axis=-1)


def _pairs(query: Any, key: Any) -> Any:
    """Return query + key for all pairs of positions, (batch, T, S, features)."""
    return ops.expand_dims(query, -2) + ops.expand_dims(key, -3)
