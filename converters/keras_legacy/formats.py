"""The formats of Keras 0 to 2 and tf.keras: HDF5 files, YAML configs, and older configs in any file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from graphkit.core.errors import InvalidArgumentError, SerializationError
from graphkit.saving import bounds, formats
from graphkit.saving.formats import Format, Upgraded
from graphkit.saving.source import Source

_MARKS = frozenset(
    {"model_config", "layer_names", "layer_names0", "nb_layers"}
)  # attributes that only older files have
_YAML = re.compile(r"(?:---\s*)?(?:backend|class_name|config|keras_version)\s*:", re.ASCII)


class KerasHdf5(Format):
    """Whole models in HDF5: `model.save("x.h5")` of Keras 1 to 3; also their weights alone. Source: keras.saving.save_model."""

    name = "Keras HDF5 file"
    suffixes = (".h5", ".hdf5")
    holds = formats.EVERYTHING
    options: ClassVar[Mapping[str, str]] = {
        "keras_version": "2 for a file that tf.keras and Keras 2 open (default: 3)",
        "include_optimizer": "False leaves out the compile settings and the optimizer's state",
    }

    def recognizes(self, source: Source) -> int:
        """By the attributes that hold the config or the order of the layers."""
        return formats.LIKELY if _MARKS & source.hdf5_attributes else formats.NO

    def load(self, source: Source, *, compile: bool = True, **_: Any) -> Any:
        """Return the model with its weights, compile settings and optimizer state."""
        from .hdf5 import read_legacy_model

        return read_legacy_model(source.path, compile)

    def load_weights(self, model: Any, source: Source, *, skip_mismatch: bool = False, by_name: bool = False) -> None:
        """Read the weights in the order of the file's layers, or by their names."""
        from graphkit.saving.stores import open_hdf5

        from .hdf5 import load_legacy_weights

        with open_hdf5(source.path, source.what) as table:
            load_legacy_weights(model, table, source.what, skip_mismatch, by_name)

    def save(
        self,
        model: Any,
        path: Path,
        *,
        overwrite: bool = True,
        keras_version: int = 3,
        include_optimizer: bool = True,
        **_: Any,
    ) -> None:
        """Write the model as Keras 3 or Keras 2 does."""
        from graphkit.saving.keras_formats import warn_if_not_in_keras

        from .hdf5_writer import write_legacy_model
        from .keras2_writer.models import write_keras2_model

        if keras_version not in (2, 3):
            raise InvalidArgumentError(f"keras_version must be 2 or 3, got {keras_version!r} for {path.name!r}.")
        write = write_keras2_model if keras_version == 2 else write_legacy_model
        write(path, model, overwrite, include_optimizer)
        if keras_version == 3:
            warn_if_not_in_keras(model, path)

    def held(self, options: Mapping[str, Any]) -> frozenset[str]:
        """Return what is left where compile settings are left out."""
        left_out = {formats.COMPILE, formats.STATE} if options.get("include_optimizer") is False else frozenset()
        return self.holds - left_out

    def losses(self, model: Any, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield what Keras 3 does not have; what Keras 2 does not have is refused."""
        from graphkit.saving.keras3_differences import missing_in_keras

        if options.get("keras_version") != 2:
            yield from missing_in_keras(model)

    def notes(self, model: Any, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield what is written in Keras 3's terms."""
        from graphkit.saving.keras3_differences import written_otherwise

        if options.get("keras_version") != 2:
            yield from written_otherwise(model)

    def inspect(self, source: Source) -> dict[str, Any]:
        """Return layers, optimizer and the numbers of parameters."""
        from .inspection import report_of_hdf5

        return report_of_hdf5(source)


class OlderConfig(Format):
    """Configs of Keras 0 to 2 and tf.keras: upgraded wherever they are found, and read from the YAML of `model.to_yaml()`."""

    name = "YAML config"
    suffixes = (".yaml", ".yml")
    holds = frozenset({formats.MODEL, formats.COMPILE})

    def recognizes(self, source: Source) -> int:
        """By the first key of the YAML text."""
        return formats.LIKELY if _looks_like_yaml(source.text_head) else formats.NO

    def load(self, source: Source, *, compile: bool = True, **_: Any) -> Any:
        """Return the model, newly initialized."""
        from graphkit.saving.model_config import model_from_data

        return model_from_data(_parsed(source), source.what, compile)

    def inspect(self, source: Source) -> dict[str, Any]:
        """Return the layers."""
        from graphkit.saving.inspection import report_of_config

        needs = ["its weights are in another file: model.load_weights(path)"]
        return {**report_of_config(_parsed(source), source.what), "needs": needs}

    def parse_text(self, text: str, what: str) -> Any:
        """Return the data of YAML text."""
        return _parsed_text(text, what) if _looks_like_yaml(text[:200]) else None

    def upgrade(self, config: Mapping[str, Any]) -> Upgraded | None:
        """Return a config of Keras 1, Keras 2 or tf.keras in Keras 3's terms."""
        from .config import upgrade

        return upgrade(config)

    def unwrap(self, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the envelope of a model of Keras 0."""
        from .keras0 import in_keras1_words, is_keras0

        return in_keras1_words(config) if is_keras0(config) else None

    def knows_class(self, class_name: str) -> bool:
        """Whether Keras 1, Keras 2 or tf.keras had a layer of this name that Keras 3 lacks."""
        from .config import older_classes

        return class_name in older_classes()


def _looks_like_yaml(text: str) -> bool:
    return _YAML.match(text.lstrip("\ufeff \t\r\n")) is not None


def _parsed(source: Source) -> Any:
    return _parsed_text(bounds.as_text(bounds.read_bytes(source.path, source.what), source.what), source.what)


def _parsed_text(text: str, what: str) -> Any:
    from .yaml_config import parse_yaml

    if len(text) > bounds.MAX_YAML_BYTES:
        raise SerializationError(
            f"{what} has {len(text):,} bytes; a YAML config has at most {bounds.MAX_YAML_BYTES:,}."
        )
    return parse_yaml(text, what)


FORMATS = (KerasHdf5, OlderConfig)
