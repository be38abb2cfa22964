"""Connectionist temporal classification: the loss of unaligned label sequences, and decoding.

Source: Graves et al., 2006.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ops._convert import dtype_name, promote, shape_of
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import same_sizes, show
from graphkit.ops.arithmetic import logaddexp
from graphkit.ops.control import scan
from graphkit.ops.elementwise import (
    add,
    cast,
    equal,
    greater_equal,
    less,
    logical_or,
    multiply,
    negative,
    subtract,
    where,
)
from graphkit.ops.indexing import argsort, one_hot, take_along_axis
from graphkit.ops.probabilities import log_softmax
from graphkit.ops.reduction import argmax
from graphkit.ops.reduction import max as reduce_max
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import arange, broadcast_to, concatenate, expand_dims, pad, swapaxes, zeros_like

__all__ = ["ctc_decode", "ctc_loss"]

_NEVER = -1e5  # Keras' log of probability 0


def _added(phi: Any, scores: Any) -> Any:
    """Add `scores` (logarithms of probabilities) to all but the first column of `phi`."""
    return concatenate([phi[:, :1], logaddexp(phi[:, 1:], scores)], axis=-1)


@operation("CTCLoss", "nn", tensors="target output target_length output_length")
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """Compute the negative log probability of each row's labels, (batch,).

    Args:
        target: label numbers (batch, labels).
        output: logits (batch, time, classes).
        target_length: the number of labels of each row that count, (batch,).
        output_length: the number of time steps of each row that count, (batch,).
        mask_index: the class of the blank.

    Raises:
        ShapeError: if `target` or `output` has another rank, or they have different batch sizes.

    Source: keras.ops.ctc_loss.
    """
    target = cast(target, "int32")
    output, _ = promote(output, np.float32(0), to_float=True)
    if target.ndim != 2 or output.ndim != 3 or not same_sizes(shape_of(target)[:1], shape_of(output)[:1]):
        raise ShapeError(
            "ctc_loss expects a target (batch, labels) and an output (batch, time, classes), got shapes "
            f"{show(shape_of(target))} and {show(shape_of(output))}."
        )
    dtype, labels = dtype_name(output), shape_of(target)[1]
    scores = log_softmax(output)
    blank = scores[:, :, mask_index : mask_index + 1]
    places = broadcast_to(expand_dims(target, 1), (*shape_of(output)[:2], labels))
    known = less(places, shape_of(output)[2])  # a padding label beyond the classes adds nothing
    emit = where(known, take_along_axis(scores, where(known, places, 0), axis=-1), 0.0)
    repeats = pad(cast(equal(target[:, :-1], target[:, 1:]), dtype), [(0, 0), (0, 1)])
    never = add(multiply(zeros_like(cast(target, dtype)), 0), _NEVER)
    first_phi = concatenate([multiply(never[:, :1], 0), never], axis=-1)
    padded = greater_equal(arange(shape_of(output)[1]), expand_dims(cast(output_length, "int32"), -1))

    def step(state: Any, x: Any) -> Any:
        phi, emitted = state
        score, blank_score, is_padding = x
        moved = _added(phi, add(emitted, multiply(repeats, _NEVER)))
        next_emitted = logaddexp(add(moved[:, :-1], score), add(emitted, score))
        stay = multiply(subtract(1.0, repeats), _NEVER)
        next_phi = _added(add(moved, blank_score), add(add(emitted, blank_score), stay))
        is_padding = expand_dims(is_padding, -1)
        return (where(is_padding, phi, next_phi), where(is_padding, emitted, next_emitted)), None

    xs = (swapaxes(emit, 0, 1), swapaxes(blank, 0, 1), swapaxes(padded, 0, 1))
    (phi, emitted), _ = scan(step, (first_phi, never), xs)
    count = (
        one_hot(cast(target_length, "int32"), labels + 1, dtype=dtype)
        if isinstance(labels, int)
        else cast(equal(arange(labels + 1), expand_dims(cast(target_length, "int32"), -1)), dtype)
    )
    return negative(reduce_sum(multiply(_added(phi, emitted), count), axis=-1))


# ----- decoding -----


def _greedy(scores: Any, lengths: Any, merge_repeated: bool, mask_index: int) -> tuple[Any, Any]:
    """Take the best class of each step, without blanks and repetitions; -1 pads the end."""
    steps = shape_of(scores)[1]
    is_padding = greater_equal(arange(steps), expand_dims(lengths, -1))
    best = where(is_padding, mask_index, argmax(scores, axis=-1))
    total = reduce_sum(where(is_padding, 0.0, reduce_max(scores, axis=-1)), axis=1)
    empty = equal(best, mask_index)
    if merge_repeated:
        repeats = pad(cast(equal(best[:, 1:], best[:, :-1]), "int32"), [(0, 0), (1, 0)])
        empty = logical_or(empty, cast(repeats, "bool"))
    order = argsort(where(empty, steps, broadcast_to(arange(steps), shape_of(best))), axis=-1)
    labels = take_along_axis(where(empty, -1, best), order, axis=-1)
    return expand_dims(labels, 0), expand_dims(negative(total), -1)


def _beam_abstract(scores: TensorSpec, lengths: TensorSpec, top_paths: int, **_: int) -> tuple[TensorSpec, TensorSpec]:
    batch, steps = scores.shape[:2]
    return TensorSpec((top_paths, batch, steps), "int32"), TensorSpec((batch, top_paths), scores.dtype)


def _beam_kernel(out: Any, scores: Any, lengths: Any, beam_width: int, top_paths: int, mask_index: int) -> None:
    paths, totals = out
    paths[...], totals[...] = -1, -np.inf
    for row, (steps, length) in enumerate(zip(scores, lengths, strict=True)):
        beams = _beams(steps[: max(int(length), 1)].astype(np.float64), beam_width, mask_index)
        for rank, (path, total) in enumerate(beams[:top_paths]):
            paths[rank, row, : len(path)] = path
            totals[row, rank] = total


Beam = tuple[tuple[int, ...], float]


def _beams(steps: Any, width: int, blank: int) -> list[Beam]:
    """Return the best label sequences and the logs of their probabilities, best first; ties are ordered by label."""
    # labels -> log probabilities of ending with the last label, and with a blank
    state: dict[tuple[int, ...], tuple[float, float]] = {(): (-np.inf, 0.0)}
    for row in steps:
        grown: dict[tuple[int, ...], list[float]] = {}

        def join(
            path: tuple[int, ...], place: int, score: float, grown: dict[tuple[int, ...], list[float]] = grown
        ) -> None:
            pair = grown.setdefault(path, [-np.inf, -np.inf])
            pair[place] = float(np.logaddexp(pair[place], score))

        for path, (own, masked) in state.items():
            join(path, 1, float(np.logaddexp(own, masked)) + row[blank])
            for label, score in enumerate(row):
                if label == blank:
                    continue
                if path and path[-1] == label:
                    join(path, 0, own + score)
                    join((*path, label), 0, masked + score)
                else:
                    join((*path, label), 0, float(np.logaddexp(own, masked)) + score)
        best = sorted(grown.items(), key=lambda item: (-np.logaddexp(item[1][0], item[1][1]), item[0]))[:width]
        state = {path: (pair[0], pair[1]) for path, pair in best}
    totals = [(path, float(np.logaddexp(pair[0], pair[1]))) for path, pair in state.items()]
    return sorted(totals, key=lambda item: (-item[1], item[0]))


ctc_beam_search_p = primitive(
    "ctc_beam_search",
    _beam_abstract,
    kernel=_beam_kernel,
    nondiff="the choice of a label sequence is a step function; train with ops.ctc_loss",
)


@operation("CTCDecode", "nn", tensors="inputs sequence_lengths")
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Any, Any]:
    """Decode logits into label sequences.

    Args:
        inputs: logits (batch, time, classes).
        sequence_lengths: the number of time steps of each row that count, (batch,).
        strategy: "greedy" takes the best class of each step; "beam_search" follows the `beam_width` best sequences.
        beam_width: the number of sequences that beam search follows.
        top_paths: the number of paths that beam search returns.
        merge_repeated: whether the greedy strategy merges repeated labels.
        mask_index: the class of the blank.

    Returns:
        Label sequences (paths, batch, time), int32, padded with -1, and their scores: (batch, 1), the negative sum
        of the best logits, for "greedy"; (batch, paths), log probabilities, for "beam_search".

    Raises:
        InvalidArgumentError: `strategy` is neither.

    Source: keras.ops.ctc_decode.
    """
    scores, _ = promote(inputs, np.float32(0), to_float=True)
    lengths = cast(sequence_lengths, "int32")
    if strategy == "greedy":
        return _greedy(scores, lengths, merge_repeated, int(mask_index))
    if strategy != "beam_search":
        raise InvalidArgumentError(f"Invalid strategy {strategy}. Supported values are 'greedy' and 'beam_search'.")
    paths, totals = ctc_beam_search_p.bind(
        log_softmax(scores), lengths, beam_width=int(beam_width), top_paths=int(top_paths), mask_index=int(mask_index)
    )
    return paths, totals
