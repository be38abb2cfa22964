"""Three formats of whole models: a JSON file, a zip archive and a folder.

Each stores the model's config and its arrays. The base class reads and writes models; a format says where the two parts are.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from graphkit.errors import SerializationError
from graphkit.extend import (
    Format,
    Source,
    arrays_of,
    load_arrays,
    model_config,
    model_from_config,
    replacing,
    replacing_folder,
    report_of_config,
    write_text,
)

CONFIG, ARRAYS = "acme.json", "arrays.npz"  # the members of archives and folders
Parts = tuple[Any, Mapping[str, Any]]  # the config, and the arrays by path


def rounded(arrays: Mapping[str, Any], digits: int | None) -> dict[str, Any]:
    """Return arrays rounded to a number of decimals; None leaves them as they are."""
    return {path: array if digits is None else array.round(digits) for path, array in arrays.items()}


class _AcmeFormat(Format):
    """What the three have in common."""

    load_options: ClassVar[Mapping[str, str]] = {
        "digits": "decimals to which the weights are rounded (default: as stored)"
    }

    def parts(self, source: Source) -> Parts:
        """Return what is stored in a file."""
        raise NotImplementedError

    def load(self, source: Source, *, compile: bool = True, digits: int | None = None, **_: Any) -> Any:
        """Return the model with its weights."""
        config, arrays = self.parts(source)
        model = model_from_config(config, source.what, compile)
        load_arrays(model, rounded(arrays, digits), source.what)
        return model

    def load_weights(self, model: Any, source: Source, *, skip_mismatch: bool = False, by_name: bool = False) -> None:
        """Give a model the weights of a file."""
        if by_name:
            raise SerializationError(f"{source.what} has no names of layers: leave by_name out.")
        load_arrays(model, self.parts(source)[1], source.what, skip_mismatch)

    def inspect(self, source: Source) -> dict[str, Any]:
        """Return the layers and the number of parameters."""
        config, arrays = self.parts(source)
        sizes = [array.size for path, array in arrays.items() if not path.startswith("optimizer")]
        return {**report_of_config(config, source.what), "parameters": sum(sizes)}


class AcmeJson(_AcmeFormat):
    """One JSON file, with the weights as lists of numbers."""

    name = "Acme JSON"
    suffixes = (".acme.json", ".acme")
    holds = frozenset({"model", "weights", "compile"})
    options: ClassVar[Mapping[str, str]] = {
        "indent": "spaces by which the JSON is indented (default: one line)",
        "digits": "decimals of the weights (default: all)",
    }

    def recognizes(self, source: Source) -> int:
        """By the key of the version."""
        return 100 if "acme_version" in source.json_keys else 0

    def parts(self, source: Source) -> Parts:
        """Return what is stored in a file."""
        data = source.json
        return data["model"], {path: np.array(a["values"], a["dtype"]) for path, a in data["arrays"].items()}

    def save(
        self,
        model: Any,
        path: Path,
        *,
        overwrite: bool = True,
        indent: int | None = None,
        digits: int | None = None,
        **_: Any,
    ) -> None:
        """Write the file."""
        arrays = {
            key: {"dtype": array.dtype.name, "values": array.tolist()}
            for key, array in rounded(arrays_of(model), digits).items()
            if not key.startswith("optimizer")
        }
        data = {"acme_version": 1, "model": model_config(model), "arrays": arrays}
        write_text(path, json.dumps(data, indent=indent), overwrite)

    def losses(self, model: Any, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield the rounding."""
        if options.get("digits") is not None:
            yield f"decimals of the weights beyond {options['digits']}"


class _TwoMembers(_AcmeFormat):
    """The config and the arrays as members of an archive or folder."""

    def recognizes(self, source: Source) -> int:
        """By the names of the members."""
        is_kind = source.is_folder if self.is_folder else source.is_zip
        return 100 if is_kind and source.members >= {CONFIG, ARRAYS} else 0

    def parts(self, source: Source) -> Parts:
        """Return what is stored in an archive or folder."""
        with np.load(io.BytesIO(source.read(ARRAYS)), allow_pickle=False) as arrays:
            return json.loads(source.read(CONFIG)), dict(arrays)

    def members(self, model: Any) -> dict[str, bytes]:
        """Return what is to be stored of a model."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = arrays_of(model)
        np.savez(buffer, **arrays)
        return {CONFIG: json.dumps(model_config(model)).encode(), ARRAYS: buffer.getvalue()}


class AcmeZip(_TwoMembers):
    """A zip archive, with all that a model has."""

    name = "Acme archive"
    suffixes = (".acmezip",)
    holds = frozenset({"model", "weights", "compile", "state"})
    options: ClassVar[Mapping[str, str]] = {"compressed": "true deflates the members (default: false)"}

    def save(self, model: Any, path: Path, *, overwrite: bool = True, compressed: bool = False, **_: Any) -> None:
        """Write the archive."""
        method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        with replacing(path, overwrite) as part, zipfile.ZipFile(part, "w", method) as archive:
            for name, data in self.members(model).items():
                archive.writestr(name, data)


class AcmeFolder(_TwoMembers):
    """A folder."""

    name = "Acme folder"
    suffixes = (".acmedir",)
    holds = frozenset({"model", "weights", "compile", "state"})
    is_folder = True

    def save(self, model: Any, path: Path, *, overwrite: bool = True, **_: Any) -> None:
        """Write the folder. One that holds other files is not replaced."""
        with replacing_folder(path, overwrite, entries=(CONFIG, ARRAYS)) as folder:
            for name, data in self.members(model).items():
                (folder / name).write_bytes(data)


FORMATS = (AcmeJson, AcmeZip, AcmeFolder)
