"""What kind of file it is, told by its content and not by its name."""

from __future__ import annotations

import zipfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

from graphkit.converters.safetensors.tensors import looks_like_safetensors
from graphkit.converters.tensorflowjs.layers_model import is_layers_model
from graphkit.core.errors import SerializationError
from graphkit.core.file_kinds import is_text, other_kind
from graphkit.saving.sharded import is_index
from graphkit.saving.stores import HDF5_MAGIC, has_user_block
from graphkit.saving.unwrap import looks_like_yaml


class Kind(NamedTuple):
    """A format, and the function that reads it: "module:function", called as `read(path)`, or with `compile=` where it `compiles`."""

    name: str
    reader: str
    compiles: bool = False


KERAS = Kind("Keras 3 archive", "graphkit.saving.front:read_keras_archive", compiles=True)
HDF5 = Kind("Keras HDF5 file", "graphkit.converters.keras_legacy.hdf5:read_legacy_model", compiles=True)
JSON = Kind("JSON or YAML config", "graphkit.saving.front:read_json", compiles=True)
TENSORFLOWJS = Kind("TensorFlow.js layers model", "graphkit.converters.tensorflowjs.layers_model:read_layers_model")
_NO_MODEL = "graphkit.saving.formats:refuse_weights"
SAFETENSORS = Kind("weights without a model (safetensors)", _NO_MODEL)
SHARDS = Kind("weights without a model (several files)", _NO_MODEL)
NPZ = Kind("weights without a model (npz)", _NO_MODEL)
WEIGHTS = (SAFETENSORS, SHARDS, NPZ)


def kind_of(path: Path) -> Kind:
    """The format of a file or folder. Raises SerializationError listing the known ones."""
    if path.is_dir():
        return _kind_of_folder(path)
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(HDF5_MAGIC):
        return HDF5
    if head.startswith(b"PK"):
        return _kind_of_zip(path)
    if has_user_block(path):
        return HDF5
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b'"', b"["):
        return TENSORFLOWJS if is_layers_model(head) else SHARDS if is_index(head) else JSON
    if looks_like_safetensors(head):
        return SAFETENSORS
    other = other_kind(head)
    if other is not None:
        raise SerializationError(f"{str(path)!r} is {other}. {_known()}")
    if looks_like_yaml(head[:200].decode("utf-8", "replace")):
        return JSON
    return _by_converters(path, head) or _refuse(path, head)


def refuse_weights(path: Path) -> Any:
    """Raise SerializationError: a file of weights alone is no model."""
    raise SerializationError(
        f"{str(path)!r} holds {kind_of(path).name}. Make the model first, then model.load_weights(path)."
    )


def _kind_of_folder(path: Path) -> Kind:
    if (path / "config.json").is_file():
        return KERAS
    if (path / "saved_model.pb").is_file():
        raise SerializationError(
            f"{str(path)!r} is a TensorFlow SavedModel; open it with TensorFlow and save it as .keras or ONNX."
        )
    held = sorted(child.name for child in path.iterdir())
    raise SerializationError(f"{str(path)!r} is a folder without config.json. {_known()} It holds {held[:10]}.")


def _kind_of_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise SerializationError(f"{str(path)!r} is not a readable zip file: {error}.") from None
    if "config.json" in names:
        return KERAS
    if any(name.endswith("data.pkl") for name in names):
        raise SerializationError(
            f"{str(path)!r} is a PyTorch checkpoint, a pickle that could run code; export the model as ONNX instead."
        )
    if names and all(name.endswith(".npy") for name in names):
        return NPZ
    raise SerializationError(
        f"{str(path)!r} is a zip file without config.json. {_known()} It holds {sorted(names)[:10]}."
    )


def _by_converters(path: Path, head: bytes) -> Kind | None:
    """A converter that recognises the first bytes, or failing that the suffix."""
    found = entry_points(group="graphkit.converters")
    loaded = [(point, point.load()) for point in found]
    for point, module in loaded:
        if hasattr(module, "recognizes") and module.recognizes(head):
            return Kind(point.name, f"{module.__name__}:load_model")
    if is_text(head):
        return None
    for point, module in loaded:
        if path.suffix.lower() in getattr(module, "EXTENSIONS", ()) and hasattr(module, "load_model"):
            return Kind(point.name, f"{module.__name__}:load_model")
    return None


def _refuse(path: Path, head: bytes) -> Kind:
    raise SerializationError(f"{str(path)!r} is of no known format: it starts with {head[:16]!r}. {_known()}")


def _known() -> str:
    others = sorted(point.name for point in entry_points(group="graphkit.converters"))
    named = [f"{KERAS.name} (.keras, also unpacked)", HDF5.name, JSON.name, TENSORFLOWJS.name, *others]
    return f"Known are {', '.join(named)}."
