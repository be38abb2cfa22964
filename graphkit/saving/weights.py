"""Weights of a model to and from the table of a file; loading checks everything before it changes anything."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import GraphKitError, SerializationError
from graphkit.layers.layer import Layer
from graphkit.layers.placeholder import Placeholder, placeholders_in
from graphkit.saving.optimizer_state import state_pairs
from graphkit.saving.paths import Stored, own_variables, stored_objects
from graphkit.saving.stores import Array, Entry, Table, flat_names
from graphkit.saving.weight_paths import canonical

NOT_WEIGHTS = ("optimizer", "seed_generator", "metrics", "_metrics", "_loss_tracker", "_compile_metrics")


_structure_only: ContextVar[bool] = ContextVar("graphkit_structure_only", default=False)


@contextmanager
def structure_only() -> Iterator[None]:
    """Inside, files are opened by the same steps as always, up to the numbers of their weights, which are not read."""
    token = _structure_only.set(True)
    try:
        yield
    finally:
        _structure_only.reset(token)


def is_structure_only() -> bool:
    """Whether only the structure of a file is looked at."""
    return _structure_only.get()


class Assignment(NamedTuple):
    """A variable and the array of the file that it is to take."""

    variable: Any
    entry: Entry


# ----- writing -----


def state_of(model: Layer) -> tuple[dict[str, dict[str, Array]], dict[str, str]]:
    """The arrays of a model by group and key, and the names of the objects by group."""
    arrays: dict[str, dict[str, Array]] = {}
    names: dict[str, str] = {}
    for path, obj in stored_objects(model):
        arrays[path] = _own_state(obj)
        if isinstance(getattr(obj, "name", None), str):
            names[path] = obj.name
    return arrays, names


def arrays_of(model: Layer) -> dict[str, Array]:
    """Return the weights, and the optimizer's state, of a model (or layer) by their paths in Keras 3's files.

    A path is such as "layers/dense/vars/0" or "optimizer/vars/1". The arrays are the model's own: write or copy them at once.
    """
    return flat_names(state_of(model)[0])


def _own_state(obj: Any) -> dict[str, Array]:
    if not hasattr(obj, "save_own_variables"):
        return {str(i): np.asarray(v.array) for i, v in enumerate(own_variables(obj))}
    store: dict[str, Any] = {}
    obj.save_own_variables(store)
    return {key: np.asarray(value) for key, value in store.items()}


def _loads_its_own(obj: Any) -> bool:
    """Whether a class reads its part of a file itself, other than all layers do."""
    own = getattr(type(obj), "load_own_variables", None)
    return own is not None and own is not Layer.load_own_variables


# ----- reading -----


def load_state(model: Layer, table: Table, what: str, skip_mismatch: bool = False) -> None:
    """Take the numbers of a file in Keras 3's layout.

    Raises SerializationError naming layer, weight and shapes; then no weight has changed. `skip_mismatch` leaves what does not
    fit as it is.
    """
    table = canonical(table)
    assignments: list[Assignment] = []
    custom: list[tuple[Any, dict[str, Entry]]] = []
    problems: list[str] = []
    claimed: set[str] = set()
    upgraded = getattr(model, "_upgraded", None)
    stored = [s for s in stored_objects(model) if not isinstance(s.obj, Placeholder)]
    for one in stored:
        group = table.group(_group_of(one)) or _group_of_twin(one, stored, table)
        claimed.update(entry.path for entry in group.values())
        if _loads_its_own(one.obj):
            custom.append((one.obj, group))
        elif one.path.split("/")[0] == "optimizer":
            assignments.extend(_optimizer_assignments(one, table))
        else:
            found, wrong = _assignments(one, group if upgraded is None else upgraded.relayout(one.obj, group))
            problems.extend(wrong)
            assignments.extend(found if not wrong or skip_mismatch else [])
    unclaimed = [p for p in table.entries if p not in claimed and not _is_no_weight(p)]
    if unclaimed and not problems:
        problems.append(
            f"the file has {', '.join(unclaimed[:5])}{', ...' if len(unclaimed) > 5 else ''}, which the model has no place for"
        )
    if problems and not placeholders_in(model):
        if not skip_mismatch:
            raise report(model, what, problems)
        warn_of_skipped(model, what, problems)
    assign(assignments, custom, [s.obj for s in stored if hasattr(s.obj, "weights_were_loaded")])


def load_arrays(model: Layer, arrays: Mapping[str, Array], what: str, skip_mismatch: bool = False) -> None:
    """Give a model (or layer) the weights, and the optimizer's state, that `arrays_of` returned.

    Args:
        model: a built model.
        arrays: by path; they are copied.
        what: the file, as messages name it.
        skip_mismatch: leave weights that do not fit as they are, with a warning.

    Raises:
        SerializationError: a weight does not fit; then none has changed.
    """
    entries = {path: Entry(path, a.shape, a.nbytes, partial(np.array, a)) for path, a in arrays.items()}
    load_state(model, Table(entries, {}), what, skip_mismatch)


def _group_of(stored: Stored) -> str:
    return f"{stored.path}/vars" if stored.path else "vars"


def _group_of_twin(stored: Stored, objects: list[Stored], table: Table) -> dict[str, Entry]:
    """The arrays of the layer that was the same one when the file was written.

    A layer that is called inside a nested model and outside of it stands twice in the config, and once among the weights.
    """
    if not isinstance(stored.obj, Layer) or not own_variables(stored.obj):
        return {}
    config = stored.obj.get_config()
    for other in objects:
        if other.obj is not stored.obj and type(other.obj) is type(stored.obj) and other.obj.get_config() == config:
            return table.group(_group_of(other))
    return {}


def _is_no_weight(path: str) -> bool:
    return any(part in NOT_WEIGHTS for part in path.split("/"))


def report(model: Layer, what: str, problems: list[str]) -> SerializationError:
    """The error for weights that do not fit; it names the first few."""
    shown = "; ".join(problems[:5])
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return SerializationError(
        f"The weights of {what} do not fit the model {model.name!r}: {shown}{more}. No weight was changed."
    )


def warn_of_skipped(model: Layer, what: str, problems: list[str]) -> None:
    """Say what `skip_mismatch` left as it was."""
    shown = "; ".join(problems[:5])
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    warnings.warn(
        f"Skipping loading weights of {what} that do not fit the model {model.name!r}: {shown}{more}.", stacklevel=2
    )


def _assignments(stored: Stored, group: Mapping[str, Entry]) -> tuple[list[Assignment], list[str]]:
    variables = own_variables(stored.obj)
    where = f"{type(stored.obj).__name__} layer {stored.obj.name!r}"
    if len(group) != len(variables):
        named = [v.name for v in variables]
        return [], [
            f"{where} has {len(variables)} weights {named}, the file has {len(group)} at {stored.path or '/'!r}"
        ]
    found, problems = [], []
    for index, variable in enumerate(variables):
        entry = group.get(str(index))
        if entry is None:
            problems.append(
                f"{where}: the file has no number {index} for weight {variable.name!r} at {stored.path!r}, but {sorted(group)}"
            )
        elif entry.shape != variable.shape:
            problems.append(
                f"{where}: weight {variable.name!r} has shape {variable.shape}, the file's {entry.path!r} has {entry.shape}"
            )
        else:
            found.append(Assignment(variable, entry))
    return found, problems


def _optimizer_assignments(stored: Stored, table: Table) -> list[Assignment]:
    """The optimizer's variables, where file and optimizer agree on them; Keras too goes on without them where not."""
    own = own_variables(stored.obj)
    holds_others = len(own) < len(stored.obj.variables)
    group = table.group(f"{stored.path}/vars")
    if stored.path == "optimizer" and not holds_others:  # what a LossScaleOptimizer held may be used without it
        group = table.group("optimizer/inner_optimizer/vars") or group
    entries = [group[key] for key in sorted(group, key=_number)]
    pairs = zip(own, entries, strict=False) if holds_others else state_pairs(stored.obj, entries)
    return [Assignment(v, e) for v, e in pairs if e.shape == v.shape]


def _number(key: str) -> tuple[int, str]:
    """Keys are numbers; HDF5 lists them as text."""
    return (int(key), key) if key.isdecimal() else (-1, key)


@contextmanager
def taking_state(obj: Any, kind: str) -> Iterator[None]:
    """Whatever a layer raises inside while it takes its part of a file, as an error of ours that names it."""
    try:
        yield
    except Warning:  # somebody has made warnings errors
        raise
    except Exception as error:
        said = error if isinstance(error, GraphKitError) else f"{type(error).__name__}: {error}"
        raise SerializationError(
            f"Layer {getattr(obj, 'name', type(obj).__name__)!r} ({type(obj).__name__}) cannot take its {kind}: {said}"
        ) from error


def _numbers_of(assignment: Assignment) -> Array:
    array: Array = assignment.entry.read()
    wanted, found = assignment.variable.dtype, dtypes.of_array(array)
    if found == "string" or (found in dtypes.COMPLEX and wanted not in dtypes.COMPLEX):
        raise SerializationError(
            f"The weight {assignment.variable.path!r} has the dtype {wanted}, the file's {assignment.entry.path!r} {array.dtype}."
        )
    return array


def assign(
    assignments: list[Assignment],
    custom: list[tuple[Any, dict[str, Entry]]] | None = None,
    told: Iterable[Any] = (),
) -> None:
    """Read everything that can fail to be read, then assign, and tell the objects `told`. Nothing at all where no numbers are wanted."""
    if is_structure_only():
        return
    arrays = [(a.variable, _numbers_of(a)) for a in assignments]
    stores = [(obj, {key: entry.read() for key, entry in group.items()}) for obj, group in custom or []]
    for variable, array in arrays:
        variable.adopt(array)
    for obj, store in stores:
        with taking_state(obj, "own weights"):
            obj.load_own_variables(store)
    for obj in told:
        obj.weights_were_loaded()
