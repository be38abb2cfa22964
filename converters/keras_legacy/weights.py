"""Weights of Keras 1, Theano and CuDNN converted to Keras 3's layout: gates in one matrix, kernels as (space..., in, out).

The layout of a file's arrays is detected from their names and shapes. Nothing is read here: an `Entry` reads its array later.
Source: the layouts of Keras 1.0 to 2.2, and keras 2's saving of CuDNNLSTM and CuDNNGRU.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphkit.core.versions import version_numbers
from graphkit.layers.convolution import Conv2DTranspose, Conv3DTranspose
from graphkit.layers.layer import Layer
from graphkit.saving.paths import own_variables
from graphkit.saving.stores import Array, Entry


class Dialect(NamedTuple):
    """The layout of all weights of a file."""

    keras1: bool  # kernels of channels_first layers are (out, in, space...), and gates are separate
    flipped: bool  # Theano convolves, all others correlate: the kernels are mirrored
    deviations: bool = (
        False  # up to Keras 1.0.5 BatchNormalization stored standard deviations, and divided by them + epsilon
    )


_KERAS1_NAME = re.compile(
    r"(_(W|b|U|W_\w|U_\w|b_\w|gamma|beta|running_mean|running_std|alphas?|W_carry|b_carry)|(^|/)param_\d+)(_\d+)?(:\d+)?$"
)
_GATE = re.compile(r"_([WUb])_([a-z])(_\d+)?(:\d+)?$")
_WITHOUT_NAME = re.compile(r"param_\d+$")
_GATES = {
    "LSTMCell": ("icfo", "ifco"),
    "ConvLSTMCell": ("icfo", "ifco"),
    "GRUCell": ("zrh", "zrh"),
}  # Keras 1's order in the file, Keras 3's in one matrix
_NO_WEIGHT = re.compile(r"(StateVar|seed_generator_state|state_var)(:\d+)?$")  # the state of random generators
_CONVOLUTIONS = (
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "ConvLSTMCell",
    "Deconvolution2D",
    "FullConv2D",
)
_SHARED = (
    "PReLU",
    "SReLU",
    "ParametricSoftplus",
)  # configs of Keras 1 do not give the axes along which their weights are shared


def dialect_of(
    names: Sequence[str], version: str | None, backend: str | None, config_version: str | None = None
) -> Dialect:
    """Detect the layout of a file.

    The names of Keras 1 show where a file was trained: TensorFlow's variables are "..._W:0", Theano's "..._W".

    Args:
        names: the names of the weights.
        version: the attribute `keras_version`, which files of Keras 1 do not have.
        backend: the attribute `backend`, likewise.
        config_version: the version in the config of the model; "" if it has none, as up to Keras 1.0.3; None without a config.
    """
    own = [n for n in names if _KERAS1_NAME.search(n)]
    keras1 = (
        version_numbers(version) < (2,)
        if version
        else bool(own) and not any("/kernel" in n or "/bias" in n for n in names)
    )
    theano = backend == "theano" if backend else keras1 and bool(own) and not any(n.endswith(":0") for n in own)
    return Dialect(keras1, theano, keras1 and _kept_deviations(config_version))


def _kept_deviations(config_version: str | None) -> bool:
    """Whether the version in a config of Keras 1 is at most 1.0.5. "" is; text without numbers is not."""
    if not config_version:
        return config_version is not None
    return () < version_numbers(config_version) < (1, 0, 6)


def is_no_weight(name: str) -> bool:
    """Whether an array of a file is the state of a random generator."""
    return _NO_WEIGHT.search(name) is not None


def paired(
    layer: Layer, names: Sequence[str], entries: Sequence[Entry], dialect: Dialect
) -> list[tuple[Any, Entry, str]] | str:
    """Pair the weights of a layer (or model) with the arrays of a file.

    A file has first the trainable weights of all layers inside, then the others; those of a frozen layer count as not trainable.

    Args:
        layer: a built layer or model.
        names: the names of the file's arrays, in order.
        entries: the arrays.
        dialect: the layout of the file.

    Returns:
        (weight, array, name) for each weight; or a description of what does not fit.
    """
    first = ""
    for heed_frozen in (True, False):
        found = _pair(layer, names, entries, dialect, heed_frozen)
        if not isinstance(found, str) and all(v.shape == e.shape for v, e, _ in found):
            return found
        first = first or found  # type: ignore[assignment]
    return first


def _pair(
    layer: Layer, names: Sequence[str], entries: Sequence[Entry], dialect: Dialect, heed_frozen: bool
) -> list[tuple[Any, Entry, str]] | str:
    found: list[tuple[Any, Entry, str]] = []
    at = 0
    for leaf, variables, _ in _sections(layer, heed_frozen):
        count, made = modern(leaf, variables, names[at:], entries[at:], dialect)
        if len(made) != len(variables):
            break
        found += [(v, e, names[at + min(i, count - 1)]) for i, (v, e) in enumerate(zip(variables, made, strict=True))]
        at += count
    wanted = [v for _, variables, _ in _sections(layer, heed_frozen) for v in variables]
    if at != len(entries) or len(found) != len(wanted):
        return (
            f"has {len(wanted)} weights {[v.name for v in wanted][:8]}, the file has {len(entries)}: {list(names[:8])}"
        )
    return found


def count_trainable(layer: Layer, names: Sequence[str], entries: Sequence[Entry], dialect: Dialect) -> int:
    """Return how many of a layer's arrays in the file are trained; they come first."""
    at = 0
    for leaf, variables, trained in _sections(layer, heed_frozen=True):
        if trained:
            at += modern(leaf, variables, names[at:], entries[at:], dialect)[0]
    return at


def _sections(layer: Layer, heed_frozen: bool) -> Iterator[tuple[Layer, list[Any], bool]]:
    """Yield (layer, its weights, whether they are trained) for all layers inside, in the order of older files."""
    seen: set[int] = set()
    leaves = [
        (leaf, [v for v in leaf._own_variables if not getattr(v, "is_state", False)]) for leaf in layer._walk_layers()
    ]
    for trainable in (True, False):
        for leaf, own in leaves:
            frozen = heed_frozen and not leaf.trainable
            ordered = [v for v in own if v.trainable] + [v for v in own if not v.trainable]
            chosen = [v for v in ordered if (v.trainable and not frozen) == trainable and id(v) not in seen]
            seen.update(map(id, chosen))
            if chosen:
                yield leaf, chosen, trainable


def modern(
    leaf: Layer, variables: list[Any], names: Sequence[str], entries: Sequence[Entry], dialect: Dialect
) -> tuple[int, list[Entry]]:
    """Convert the arrays of a file to the weights of one layer.

    Args:
        leaf: the layer that owns the weights.
        variables: its weights.
        names: the names of the file's remaining arrays, in order.
        entries: these arrays.
        dialect: the layout of the file.

    Returns:
        How many arrays of the file the layer takes, and its weights converted from them.
    """
    kind = type(leaf).__name__
    if kind in _GATES and len(variables) >= 2:
        gates = _split_gates(leaf, names, entries, dialect)
        if gates is not None:
            return gates
    own = list(entries[: len(variables)])
    if kind in _GATES and len(own) == 3:
        own = _from_cudnn(own, len(_GATES[kind][1]))
    if kind in _CONVOLUTIONS:
        own = [_kernel(leaf, e, dialect) for e in own]
    elif kind.startswith("LocallyConnected") and own:
        own[0] = _local_kernel(leaf, own[0])
    elif kind in ("SeparableConv1D", "SeparableConv2D") and dialect.keras1 and _channels_first(leaf):
        own[:2] = [
            _derived([e], _permuted(e.shape, (2, 3, 1, 0)), lambda a: a[0].transpose(2, 3, 1, 0)) for e in own[:2]
        ]
    elif kind == "Highway":  # up to Keras 1.1 each kernel was followed by its bias
        own = sorted(own, key=lambda e: -len(e.shape))
    elif dialect.deviations and kind == "BatchNormalization":
        epsilon = leaf.epsilon  # type: ignore[attr-defined]
        own = [
            _variance(e, epsilon) if v.name == "moving_variance" else e for e, v in zip(own, variables, strict=False)
        ]
    elif kind in _SHARED:
        own = [_spread(e, v.shape) for e, v in zip(own, variables, strict=False)]
    return len(variables), own


def relayout(layer: Any, arrays: Mapping[str, Entry]) -> Mapping[str, Entry]:
    """Return the arrays of a layer of older Keras in Keras 3's layout; those of other objects unchanged."""
    names = sorted(arrays, key=lambda key: (int(key), key) if key.isdecimal() else (-1, key))
    if not isinstance(layer, Layer) or not all(name.isdecimal() for name in names):
        return arrays
    made = modern(layer, own_variables(layer), names, [arrays[name] for name in names], Dialect(False, False))[1]
    return dict(zip(names, made, strict=True)) if len(made) == len(names) else arrays


def _variance(entry: Entry, epsilon: float) -> Entry:
    """Convert a standard deviation to the variance for which sqrt(variance + epsilon) is deviation + epsilon."""
    return _derived([entry], entry.shape, lambda arrays: (arrays[0] + epsilon) ** 2 - epsilon)


def _spread(entry: Entry, shape: tuple[int, ...]) -> Entry:
    """Broadcast a weight that is shared along some axes, if the config does not give `shared_axes`."""
    shared = len(entry.shape) == len(shape) and all(n in (1, m) for n, m in zip(entry.shape, shape, strict=True))
    if not shared or entry.shape == shape:
        return entry
    return _derived([entry], shape, lambda arrays: np.broadcast_to(arrays[0], shape))


# ----- gates -----


def _split_gates(
    leaf: Layer, names: Sequence[str], entries: Sequence[Entry], dialect: Dialect
) -> tuple[int, list[Entry]] | None:
    """Join Keras 1's W, U and b of each gate; return None if the file has them joined."""
    kind = type(leaf).__name__
    in_file, joined = _GATES[kind]
    count = 3 * len(in_file)
    if len(entries) < count:
        return None
    keys = [_gate_of(name) for name in names[:count]]
    if not any(keys) and all(_WITHOUT_NAME.search(name) for name in names[:count]):  # up to Keras 1.0, in this order
        keys = [(weight, gate) for gate in in_file for weight in "WUb"]
    if sorted(map(str, keys)) != sorted(str((w, g)) for w in "WUb" for g in in_file):
        return None
    convolves = kind in _CONVOLUTIONS
    at = {key: _kernel(leaf, e, dialect) if convolves else e for key, e in zip(keys, entries, strict=False)}
    return count, [_joined([at[weight, gate] for gate in joined]) for weight in "WUb"]


def _gate_of(name: str) -> tuple[str, str] | None:
    match = _GATE.search(name)
    return (match.group(1), match.group(2)) if match else None


def _joined(parts: list[Entry]) -> Entry:
    shape = (*parts[0].shape[:-1], sum(p.shape[-1] for p in parts))
    return _derived(parts, shape, lambda arrays: np.concatenate(arrays, axis=-1))


def _from_cudnn(entries: list[Entry], gates: int) -> list[Entry]:
    """Convert weights of CuDNNLSTM and CuDNNGRU, recognized by a bias for the inputs followed by one for the state."""
    kernel, recurrent, bias = entries
    if len(recurrent.shape) != 2 or bias.shape != (2 * gates * recurrent.shape[0],):
        return entries
    units = recurrent.shape[0]

    def input_kernel(
        arrays: list[Array],
    ) -> Array:  # each gate's (units, in) matrix is stored with the shape (in, units)
        parts = np.split(arrays[0], gates, axis=1)
        return np.concatenate([np.ascontiguousarray(p).reshape(units, -1).T for p in parts], axis=1)

    def state_kernel(arrays: list[Array]) -> Array:
        return np.concatenate([p.T for p in np.split(arrays[0], gates, axis=1)], axis=1)

    made = [_derived([kernel], kernel.shape, input_kernel), _derived([recurrent], recurrent.shape, state_kernel)]
    if gates == 4:
        return [*made, _derived([bias], (gates * units,), lambda arrays: arrays[0].reshape(2, -1).sum(axis=0))]
    return [*made, _derived([bias], (2, gates * units), lambda arrays: arrays[0].reshape(2, -1))]


# ----- kernels -----


def _kernel(leaf: Layer, entry: Entry, dialect: Dialect) -> Entry:
    """Convert the kernel of a convolution; return its bias unchanged."""
    made = entry
    rank = len(entry.shape) - 2
    if rank < 1:
        return entry
    if dialect.keras1 and type(leaf).__name__ == "Conv1D" and rank == 2:
        made = _flat_kernel(leaf, entry)
    elif dialect.keras1:
        transposed = isinstance(leaf, (Conv2DTranspose, Conv3DTranspose))
        space = tuple(range(2, 2 + rank))
        axes = (*space, *((0, 1) if transposed else (1, 0))) if _channels_first(leaf) else None
        if axes is None and transposed:
            axes = (*range(rank), rank + 1, rank)
        if axes is not None:
            made = _derived([entry], _permuted(entry.shape, axes), lambda arrays: arrays[0].transpose(axes))
    if dialect.flipped:
        axes_ = tuple(range(len(made.shape) - 2))
        made = _derived([made], made.shape, lambda arrays: np.flip(arrays[0], axes_))
    return made


def _flat_kernel(leaf: Any, entry: Entry) -> Entry:
    """Convert the kernel of Keras 1's Conv1D, which was a Conv2D: (length, 1, in, out), before 1.1 (out, in, length, 1)."""
    shape = entry.shape
    if shape[0] == leaf.kernel_size[0] and shape[1] == 1 and shape[3] == leaf.filters:
        return _derived([entry], (shape[0], *shape[2:]), lambda arrays: arrays[0][:, 0])
    return _derived([entry], (shape[2], shape[1], shape[0]), lambda arrays: arrays[0].transpose(2, 3, 1, 0)[:, 0])


def _local_kernel(leaf: Any, entry: Entry) -> Entry:
    """Convert a kernel of LocallyConnected to (positions, size of a patch, filters).

    `implementation=2` has one weight for each input and output, most of them unused; 3 has a vector of those that are used, by
    position, filter and position within the patch.
    """
    wanted = leaf.kernel.shape
    if entry.shape == wanted:
        return entry
    if len(entry.shape) == 1 and entry.shape[0] == math.prod(wanted):
        places, patch, filters = wanted
        return _derived([entry], wanted, lambda a: a[0].reshape(places, filters, patch).transpose(0, 2, 1))
    if len(entry.shape) != 2 * (leaf.rank + 1) or _channels_first(leaf):
        return entry

    def used(arrays: list[Array]) -> Array:
        made = np.empty(wanted, arrays[0].dtype)
        for number, place in enumerate(np.ndindex(*leaf._places)):
            window = [slice(p * s, p * s + k) for p, s, k in zip(place, leaf.strides, leaf.kernel_size, strict=True)]
            made[number] = arrays[0][(*window, slice(None), *place)].reshape(wanted[1:])
        return made

    return _derived([entry], wanted, used)


def _channels_first(leaf: Any) -> bool:
    return getattr(leaf, "data_format", None) == "channels_first"


def _permuted(shape: tuple[int, ...], axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(shape[a] for a in axes)


def _derived(sources: list[Entry], shape: tuple[int, ...], convert: Callable[[list[Array]], Array]) -> Entry:
    return Entry(
        sources[0].path,
        shape,
        sum(s.nbytes for s in sources),
        lambda: np.ascontiguousarray(convert([s.read() for s in sources])),
    )
