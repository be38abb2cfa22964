"""Overlap losses (Dice, Tversky), and a loss for pairs of embeddings (Circle)."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument
from graphkit.core.serialization import keras_class
from graphkit.losses.loss import HOME, FunctionLoss, dtype_of, like, set_mask
from graphkit.ops._convert import shape_of, tensor


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Any:
    """Return 1 - 2 * overlap / (sum of both areas), over `axis` (all axes by default). Source: keras.losses.dice."""
    y_true, y_pred = like(y_true, y_pred)
    overlap = ops.multiply(ops.sum(ops.multiply(y_true, y_pred), axis=axis), 2.0)
    areas = ops.add(ops.add(ops.sum(y_true, axis=axis), ops.sum(y_pred, axis=axis)), dtypes.epsilon())
    return ops.subtract(1.0, ops.true_divide(overlap, areas))


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Any:
    """Return 1 - overlap / (overlap + alpha * missed + beta * false), over `axis`.

    Args:
        y_true: Targets between 0 and 1.
        y_pred: Probabilities.
        alpha: The weight of missed pixels (false negatives).
        beta: The weight of false pixels (false positives).
        axis: The axes to sum over; all by default.

    Source: keras.losses.tversky.
    """
    y_true, y_pred = like(y_true, y_pred)
    overlap = ops.sum(ops.multiply(y_true, y_pred), axis=axis)
    missed = ops.sum(ops.multiply(ops.subtract(1.0, y_pred), y_true), axis=axis)
    wrong = ops.sum(ops.multiply(y_pred, ops.subtract(1.0, y_true)), axis=axis)
    whole = ops.add(ops.add(overlap, ops.multiply(missed, alpha)), ops.multiply(wrong, beta))
    return ops.subtract(1.0, ops.true_divide(overlap, ops.add(whole, dtypes.epsilon())))


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Any:
    """Return the circle loss of normalized embeddings.

    Args:
        y_true: Labels, of shape (batch,) or (batch, 1).
        y_pred: Normalized embeddings, of shape (batch, features).
        ref_labels: The labels of `ref_embeddings`.
        ref_embeddings: Normalized embeddings to compare with; `y_pred` itself by default.
        remove_diagonal: Whether to leave out pairs on the diagonal, of a sample with itself.
        gamma: The scale of the similarities.
        margin: The relaxation of the decision boundary.

    Returns:
        The loss of each sample, of shape (batch,).

    Source: keras.losses.circle.
    """
    y_pred, y_true = tensor(y_pred), ops.cast(y_true, "int32")
    others = y_pred if ref_embeddings is None else tensor(ref_embeddings)
    labels = y_true if ref_labels is None else ops.cast(ref_labels, "int32")
    distance = ops.maximum(ops.subtract(1.0, ops.matmul(y_pred, ops.transpose(others))), 0.0)
    alike, unlike = _pair_masks(y_true, labels, remove_diagonal)
    dtype = dtype_of(distance)
    near = ops.maximum(ops.multiply(ops.add(distance, margin), ops.cast(alike, dtype)), 0.0)
    far = ops.maximum(ops.multiply(ops.subtract(1.0 + margin, distance), ops.cast(unlike, dtype)), 0.0)
    near_part = ops.multiply(ops.multiply(near, ops.subtract(margin, distance)), -gamma)
    far_part = ops.multiply(ops.multiply(far, ops.subtract(1.0 - margin, distance)), gamma)
    low = float("-inf")
    values = ops.softplus(
        ops.add(
            ops.logsumexp(ops.where(alike, near_part, low), axis=1),
            ops.logsumexp(ops.where(unlike, far_part, low), axis=1),
        )
    )
    return set_mask(values, ops.greater(values, 0))


def _pair_masks(labels: Any, others: Any, remove_diagonal: bool) -> tuple[Any, Any]:
    """Return the masks of pairs with equal and with different labels; pairs on the diagonal can be left out of the first."""
    rows, columns = ops.reshape(labels, (-1, 1)), ops.reshape(others, (1, -1))
    alike = ops.equal(rows, columns)
    unlike = ops.logical_not(alike)
    if remove_diagonal:
        count, width = shape_of(rows)[0], shape_of(columns)[1]
        diagonal = ops.equal(ops.reshape(ops.arange(count), (-1, 1)), ops.reshape(ops.arange(width), (1, -1)))
        alike = ops.logical_and(alike, ops.logical_not(diagonal))
    return alike, unlike


@keras_class(HOME)
class Dice(FunctionLoss):
    """The loss `dice`, reduced over the batch. Source: keras.losses.Dice."""

    function, default_name = staticmethod(dice), "dice"

    argument_order = "reduction name axis dtype"
    axis: Any = argument(default=None)


@keras_class(HOME)
class Tversky(FunctionLoss):
    """The loss `tversky`, reduced over the batch. Source: keras.losses.Tversky."""

    function, default_name = staticmethod(tversky), "tversky"

    argument_order = "alpha beta reduction name axis dtype"
    alpha: float = argument(default=0.5)
    beta: float = argument(default=0.5)
    axis: Any = argument(default=None)


@keras_class(HOME)
class Circle(FunctionLoss):
    """The loss `circle`, reduced over the batch. Source: keras.losses.Circle."""

    function, default_name = staticmethod(circle), "circle"

    argument_order = "gamma margin remove_diagonal reduction name dtype"
    gamma: float = argument(default=80.0)
    margin: float = argument(default=0.4)
    remove_diagonal: bool = argument(default=True)

    def own_mask(self, y_true: Any, values: Any) -> Any:
        """Return the mask of the samples that are part of a pair."""
        return ops.greater(values, 0)
