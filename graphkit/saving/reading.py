"""Weights from a file of any layout into a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphkit.core.errors import InvalidArgumentError
from graphkit.saving.stores import open_table
from graphkit.saving.weights import load_state


def read_weights(model: Any, path: Path, skip_mismatch: bool = False, by_name: bool = False) -> None:
    """Give a model the weights of a file: Keras 3's layout (HDF5, npz, a `.keras` archive) or older Keras' HDF5."""
    what = repr(str(path))
    if path.is_dir() or _is_archive(path):
        from graphkit.saving.archive import open_archive, open_weights, read_state

        _refuse_by_name(by_name, what)
        with open_archive(path) as members, open_weights(members, what) as table:
            read_state(members, table, model, what, skip_mismatch)
        return
    with open_table(path, what) as table:
        if _is_legacy(table):
            from graphkit.converters.keras_legacy.hdf5 import load_legacy_weights

            load_legacy_weights(model, table, what, skip_mismatch, by_name)
        else:
            _refuse_by_name(by_name, what)
            load_state(model, table, what, skip_mismatch)


def _refuse_by_name(by_name: bool, what: str) -> None:
    if by_name:
        raise InvalidArgumentError(
            f"by_name=True is for HDF5 files of older Keras (model.save('x.h5')); {what} has weights by their place in the model. Leave "
            "by_name out, with skip_mismatch=True if the models differ, or take the layers' weights with get_weights and set_weights."
        )


def _is_archive(path: Path) -> bool:
    import zipfile

    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "config.json" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False  # whoever reads it says what is wrong


def _is_legacy(table: Any) -> bool:
    return any(
        key in table.attributes.get(group, {})
        for group in ("", "model_weights")
        for key in ("layer_names", "layer_names0", "nb_layers")
    )
