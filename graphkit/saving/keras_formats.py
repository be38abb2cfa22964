"""Keras 3's own formats: the `.keras` archive, JSON configs, weights in HDF5, in npz and in several files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from graphkit.core.errors import InvalidArgumentError
from graphkit.saving import formats
from graphkit.saving.formats import Format
from graphkit.saving.source import Source

_BY_NAME = (
    "by_name=True is for HDF5 files of older Keras (model.save('x.h5')); {what} has weights by their place in the model. Leave by_name "
    "out, with skip_mismatch=True if the models differ, or take the layers' weights with get_weights and set_weights."
)


def refuse_by_name(by_name: bool, source: Source) -> None:
    """Raise InvalidArgumentError where weights are to be matched by name in a file that does not hold names."""
    if by_name:
        raise InvalidArgumentError(_BY_NAME.format(what=source.what))


def warn_if_not_in_keras(model: Any, path: Path) -> None:
    """Warn if Keras 3 cannot open the file that was written for it."""
    from graphkit.saving.keras3_differences import warn_of_missing

    warn_of_missing(model, path)


class _ForKeras(Format):
    """A format of whole models that Keras 3 opens."""

    def losses(self, model: Any, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield what Keras 3 does not have."""
        from graphkit.saving.keras3_differences import missing_in_keras

        yield from missing_in_keras(model)

    def notes(self, model: Any, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield what is written in Keras' terms."""
        from graphkit.saving.keras3_differences import written_otherwise

        yield from written_otherwise(model)


class KerasArchive(_ForKeras):
    """The `.keras` archive, zipped or as a folder. Source: keras.saving.save_model (Keras 3)."""

    name = "Keras 3 archive"
    suffixes = (".keras",)
    holds = formats.EVERYTHING
    options: ClassVar[Mapping[str, str]] = {
        "zipped": "False writes a folder instead of a zip archive",
        "weights_format": '"h5" (default) or "npz", of the weights in the archive',
    }

    def recognizes(self, source: Source) -> int:
        """Archives and folders are known by their config.json."""
        return formats.LIKELY if "config.json" in source.members else formats.NO

    def matches(self, path: Path, options: Mapping[str, Any]) -> int:
        """A path of any suffix is meant where a folder is asked for."""
        return super().matches(path, options) or (1 if self.writes_folder(options) else 0)

    def writes_folder(self, options: Mapping[str, Any]) -> bool:
        """Whether the archive is to be a folder."""
        return options.get("zipped") is False

    def load(self, source: Source, *, compile: bool = True, **_: Any) -> Any:
        """Return the model with its weights, compile settings and optimizer state."""
        from graphkit.core.allocation import weights_from_file
        from graphkit.saving.archive import open_archive, open_weights, read_config, read_state, read_version
        from graphkit.saving.model_config import compile_from_file, model_from_config
        from graphkit.saving.weights import is_structure_only

        what = source.what
        with open_archive(source.path) as members:
            config = {**read_version(members, what), **read_config(members, what)}
            with open_weights(members, what, glance=is_structure_only()) as table:
                with weights_from_file(table.nbytes, what):
                    model = model_from_config(config, what)
                if compile and config.get("compile_config"):
                    compile_from_file(model, config)
                read_state(members, table, model, what)
        return model

    def load_weights(self, model: Any, source: Source, *, skip_mismatch: bool = False, by_name: bool = False) -> None:
        """Read the weights, optimizer state and assets of the archive."""
        from graphkit.saving.archive import open_archive, open_weights, read_state

        refuse_by_name(by_name, source)
        with open_archive(source.path) as members, open_weights(members, source.what) as table:
            read_state(members, table, model, source.what, skip_mismatch)

    def save(
        self,
        model: Any,
        path: Path,
        *,
        overwrite: bool = True,
        zipped: bool | None = None,
        weights_format: str = "h5",
        **_: Any,
    ) -> None:
        """Write a zip archive or a folder."""
        from graphkit.saving.archive import WEIGHTS, write_archive
        from graphkit.saving.model_config import model_config

        if weights_format not in WEIGHTS:
            raise InvalidArgumentError(f"weights_format must be one of {list(WEIGHTS)}, got {weights_format!r}.")
        write_archive(path, model_config(model), model, overwrite, weights_format, zipped is not False)
        warn_if_not_in_keras(model, path)

    def inspect(self, source: Source) -> dict[str, Any]:
        """Return layers, optimizer and the number of parameters."""
        from math import prod

        from graphkit.saving.archive import open_archive, open_weights, read_config, read_version
        from graphkit.saving.inspection import optimizer_name, report_of_config

        what = source.what
        with open_archive(source.path) as members:
            config = {**read_version(members, what), **read_config(members, what)}
            with open_weights(members, what, glance=True) as table:
                shapes = [e.shape for p, e in table.entries.items() if not p.startswith("optimizer")]
        return {
            **report_of_config(config, what),
            "optimizer": optimizer_name((config.get("compile_config") or {}).get("optimizer")),
            "parameters": sum(map(prod, shapes)),
        }


class JsonConfig(_ForKeras):
    """The config of a model as JSON text, without its weights. Source: keras.Model.to_json."""

    name = "JSON config"
    suffixes = (".json",)
    holds = frozenset({formats.MODEL, formats.COMPILE})

    def recognizes(self, source: Source) -> int:
        """Any JSON may be one: other formats in JSON are known by their keys."""
        return formats.POSSIBLE if source.is_json else formats.NO

    def load(self, source: Source, *, compile: bool = True, **_: Any) -> Any:
        """Return the model, newly initialized."""
        from graphkit.saving.model_config import model_from_data

        return model_from_data(source.json, source.what, compile)

    def save(self, model: Any, path: Path, *, overwrite: bool = True, **_: Any) -> None:
        """Write the config."""
        from graphkit.core.files import write_text
        from graphkit.saving.model_config import model_to_json

        write_text(path, model_to_json(model), overwrite)
        warn_if_not_in_keras(model, path)

    def inspect(self, source: Source) -> dict[str, Any]:
        """Return the layers."""
        from graphkit.saving.inspection import report_of_config

        needs = ["its weights are in another file: model.load_weights(path)"]
        return {**report_of_config(source.json, source.what), "needs": needs}


class WeightsFormat(Format):
    """A file of weights alone, by their place in the model as Keras 3 lays them out. A subclass opens and writes the table."""

    holds = frozenset({formats.WEIGHTS, formats.STATE})

    def open(self, source: Source) -> AbstractContextManager[Any]:
        """Return a context with the table of the arrays."""
        raise NotImplementedError

    def load_weights(self, model: Any, source: Source, *, skip_mismatch: bool = False, by_name: bool = False) -> None:
        """Read the weights and the optimizer's state."""
        from graphkit.saving.weights import load_state

        refuse_by_name(by_name, source)
        with self.open(source) as table:
            load_state(model, table, source.what, skip_mismatch)

    def inspect(self, source: Source) -> dict[str, Any]:
        """Return the number of parameters."""
        from graphkit.saving.inspection import report_of_weights

        with self.open(source) as table:
            return report_of_weights(table)


class Hdf5Weights(WeightsFormat):
    """`.weights.h5`. Source: keras.Model.save_weights (Keras 3)."""

    name = "weights in HDF5"
    suffixes = (".weights.h5", ".h5", ".hdf5")

    def recognizes(self, source: Source) -> int:
        """Any HDF5 file may be one: files of older Keras are known by their attributes."""
        return formats.POSSIBLE if source.is_hdf5 else formats.NO

    def open(self, source: Source) -> AbstractContextManager[Any]:
        """Return a context with the table of the arrays."""
        from graphkit.saving.stores import open_hdf5

        return open_hdf5(source.path, source.what)

    def load(self, source: Source, **options: Any) -> Any:
        """Refuse: a damaged file as what it is, a complete one as weights without a model."""
        with self.open(source):
            return super().load(source, **options)

    def save(self, model: Any, path: Path, *, overwrite: bool = True, **_: Any) -> None:
        """Write the weights and the optimizer's state."""
        from graphkit.saving.archive import save_weights_file

        save_weights_file(path, model, "h5", overwrite)


class NpzWeights(WeightsFormat):
    """`.npz`: NumPy's archive of arrays."""

    name = "weights in npz"
    suffixes = (".npz",)

    def recognizes(self, source: Source) -> int:
        """A zip archive of arrays only."""
        members = source.members if source.is_zip else ()
        return formats.LIKELY if members and all(name.endswith(".npy") for name in members) else formats.NO

    def open(self, source: Source) -> AbstractContextManager[Any]:
        """Return a context with the table of the arrays."""
        from graphkit.saving.stores import open_npz

        return open_npz(source.path, source.what)

    def save(self, model: Any, path: Path, *, overwrite: bool = True, **_: Any) -> None:
        """Write the weights and the optimizer's state."""
        from graphkit.saving.archive import save_weights_file

        save_weights_file(path, model, "npz", overwrite)


class ShardedWeights(WeightsFormat):
    """Weights in several HDF5 files, with a `.weights.json` as their index. Source: keras.Model.save_weights(max_shard_size=...)."""

    name = "weights in several files"
    suffixes = (".weights.json",)
    options: ClassVar[Mapping[str, str]] = {"max_shard_size": "GiB in one file (default: 5)"}

    def recognizes(self, source: Source) -> int:
        """The index is known by its keys."""
        keys = source.json_keys
        if "class_name" in keys:
            return formats.NO
        is_named = source.is_json and source.path.name.lower().endswith(self.suffixes)
        return formats.LIKELY if "weight_map" in keys or is_named else formats.NO

    def matches(self, path: Path, options: Mapping[str, Any]) -> int:
        """`.weights.h5` is meant too where a size of shards is given."""
        own = super().matches(path, options)
        if own or options.get("max_shard_size") is None or not path.name.lower().endswith(".weights.h5"):
            return own
        return len(".weights.h5") + 1  # before the format of a single file

    def open(self, source: Source) -> AbstractContextManager[Any]:
        """Return a context with the table of the arrays."""
        from graphkit.saving.sharded import open_shards

        return open_shards(source.path, source.what)

    def save(self, model: Any, path: Path, *, overwrite: bool = True, max_shard_size: float = 5.0, **_: Any) -> None:
        """Write the index and the files."""
        from graphkit.saving.sharded import write_shards
        from graphkit.saving.weights import state_of

        write_shards(path.with_suffix(".json"), *state_of(model), max_shard_size, overwrite)


NATIVE = (KerasArchive, JsonConfig, Hdf5Weights, NpzWeights, ShardedWeights)
