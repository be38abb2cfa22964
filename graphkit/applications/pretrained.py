"""The files with Keras' published weights: looked for in Keras' usual cache, checked, and never downloaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from graphkit.core.errors import GraphKitError, InvalidArgumentError
from graphkit.utils.files import hash_of


class MissingFileError(GraphKitError, FileNotFoundError):
    """A file that Keras publishes is not in the cache, and graphkit does not download it."""


@dataclass(frozen=True)
class PublishedFile:
    """A file that Keras publishes.

    Args:
        name: its name in the cache.
        url: where Keras publishes it.
        digest: its MD5 or SHA-256 hash, by its length; None where Keras checks none.
    """

    name: str
    url: str
    digest: str | None = None

    def find(self, what: str) -> Path:
        """Return the path of the file in the folder `models` of `$KERAS_HOME`, by default `~/.keras`.

        Args:
            what: what the file holds, for messages.

        Raises:
            MissingFileError: it is not there (a FileNotFoundError).
            InvalidArgumentError: its hash is another one.
        """
        home = os.path.expanduser(os.environ.get("KERAS_HOME", os.path.join("~", ".keras")))
        path = Path(home) / "models" / self.name
        if not path.is_file():
            raise MissingFileError(
                f"{what}: there is no file {path}. graphkit downloads nothing by itself. Download {self.url} ({self._described()}) "
                f"and save it as {path}, or set KERAS_HOME to the folder that has models/{self.name}."
            )
        if self.digest is not None and (found := hash_of(path, "auto", self.digest)) != self.digest:
            raise InvalidArgumentError(
                f"{what}: {path} is not the file that Keras publishes: expected {self._described()}, got {found}. Download "
                f"{self.url} again, or pass the path of the file to use it as it is."
            )
        return path

    def _described(self) -> str:
        if self.digest is None:
            return "Keras publishes no hash of it"
        return f"{'SHA-256' if len(self.digest) == 64 else 'MD5'} {self.digest}"
