"""Weights of a model to and from the table of a file; loading checks everything before it assigns anything."""

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
from graphkit.optimizers import Optimizer
from graphkit.saving.optimizer_state import state_pairs
from graphkit.saving.paths import Stored, own_variables, stored_objects
from graphkit.saving.stores import Array, Entry, Table, flat_names
from graphkit.saving.weight_paths import canonical

NOT_WEIGHTS = ("optimizer", "seed_generator", "metrics", "_metrics", "_loss_tracker", "_compile_metrics")


_structure_only: ContextVar[bool] = ContextVar("graphkit_structure_only", default=False)


@contextmanager
def structure_only() -> Iterator[None]:
    """Open files inside this context without reading the values of their weights; everything else is done as usual."""
    token = _structure_only.set(True)
    try:
        yield
    finally:
        _structure_only.reset(token)


def is_structure_only() -> bool:
    """Whether files are opened for their structure only."""
    return _structure_only.get()


class Assignment(NamedTuple):
    """A variable, and the array of the file that is assigned to it."""

    variable: Any
    entry: Entry


# ----- writing -----


def state_of(model: Layer) -> tuple[dict[str, dict[str, Array]], dict[str, str]]:
    """Return the arrays of a model by group and key, and the names of its objects by group."""
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
    """Whether a class overrides how its weights are read from a file."""
    own = getattr(type(obj), "load_own_variables", None)
    return own is not None and own not in (Layer.load_own_variables, Optimizer.load_own_variables)


# ----- reading -----


def load_state(model: Layer, table: Table, what: str, skip_mismatch: bool = False) -> None:
    """Load weights from a file in Keras 3's layout.

    Args:
        model: a built model or layer.
        table: the arrays of the file.
        what: the file, as messages name it.
        skip_mismatch: skip layers whose weights do not fit, with a warning.

    Raises:
        SerializationError: a weight does not fit; names layer, weight and shapes. No weight has changed then.
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
            assignments.extend([] if wrong else found)
    unclaimed = [p for p in table.entries if p not in claimed and not _is_no_weight(p)]
    if unclaimed and not problems:
        problems.append(
            f"the file has {', '.join(unclaimed[:5])}{', ...' if len(unclaimed) > 5 else ''}, for which the model has no weights"
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
    """Return the arrays of the layer that was the same object when the file was written.

    A layer that is called both inside and outside a nested model is in the config twice, but its weights are stored once.
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
    """Return the error for weights that do not fit; it names the first five problems."""
    shown = "; ".join(problems[:5])
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return SerializationError(
        f"The weights of {what} do not fit the model {model.name!r}: {shown}{more}. No weight was changed."
    )


def warn_of_skipped(model: Layer, what: str, problems: list[str]) -> None:
    """Warn of what `skip_mismatch` skipped."""
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
                f"{where}: the file has no {str(index)!r} for weight {variable.name!r} at {stored.path!r}, but {sorted(group)}"
            )
        elif entry.shape != variable.shape:
            problems.append(
                f"{where}: weight {variable.name!r} has shape {variable.shape}, the file's {entry.path!r} has {entry.shape}"
            )
        else:
            found.append(Assignment(variable, entry))
    return found, problems


def _optimizer_assignments(stored: Stored, table: Table) -> list[Assignment]:
    """Return the assignments of the optimizer's variables whose shapes agree with the file; as in Keras, others are skipped."""
    own = own_variables(stored.obj)
    holds_others = len(own) < len(stored.obj.variables)
    group = table.group(f"{stored.path}/vars")
    if stored.path == "optimizer" and not holds_others:  # the state inside a LossScaleOptimizer fits without it
        group = table.group("optimizer/inner_optimizer/vars") or group
    entries = [group[key] for key in sorted(group, key=_number)]
    pairs = zip(own, entries, strict=False) if holds_others else state_pairs(stored.obj, entries)
    return [Assignment(v, e) for v, e in pairs if e.shape == v.shape]


def _number(key: str) -> tuple[int, str]:
    """Return a sort key: HDF5 lists numbers as strings."""
    return (int(key), key) if key.isdecimal() else (-1, key)


@contextmanager
def taking_state(obj: Any, kind: str) -> Iterator[None]:
    """Turn whatever a layer raises while it loads its state into a SerializationError that names the layer.

    Args:
        obj: the layer.
        kind: what it loads, for the message ("assets").

    Raises:
        SerializationError: the layer raised an error.
    """
    try:
        yield
    except Warning:  # the user has turned warnings into errors
        raise
    except Exception as error:
        cause = error if isinstance(error, GraphKitError) else f"{type(error).__name__}: {error}"
        raise SerializationError(
            f"Layer {getattr(obj, 'name', type(obj).__name__)!r} ({type(obj).__name__}) cannot load its {kind}: {cause}"
        ) from error


def _checked_array(assignment: Assignment) -> Array:
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
    notified: Iterable[Any] = (),
) -> None:
    """Read all arrays, which may fail, and only then assign them. Does nothing inside `structure_only`.

    Args:
        assignments: the variables with their arrays.
        custom: objects that load their own weights, with their arrays by key.
        notified: objects whose `weights_were_loaded()` is called afterwards.

    Raises:
        SerializationError: an array cannot be read, or has a dtype that its variable cannot take.
    """
    if is_structure_only():
        return
    arrays = [(a.variable, _checked_array(a)) for a in assignments]
    stores = [(obj, {key: entry.read() for key, entry in group.items()}) for obj, group in custom or []]
    for variable, array in arrays:
        variable.adopt(array)
    for obj, store in stores:
        with taking_state(obj, "own weights"):
            obj.load_own_variables(store)
    for obj in notified:
        obj.weights_were_loaded()
