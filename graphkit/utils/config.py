"""A freezable set of named values: keras.utils.Config."""

from __future__ import annotations

import json
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any

from graphkit.core.errors import InvalidArgumentError, NodeAccessError
from graphkit.core.registry import did_you_mean


class Config:
    """A dict whose entries are also attributes, and which can be frozen.

    Changing a frozen config raises InvalidArgumentError. Reading an attribute that does not exist raises NodeAccessError (an
    AttributeError).

    Source: keras.utils.Config.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.__dict__["_config"] = kwargs
        self.__dict__["_frozen"] = False

    @property
    def frozen(self) -> bool:
        """Whether changes raise an error."""
        return bool(self.__dict__["_frozen"])

    def freeze(self) -> None:
        """Make changes raise an error."""
        self.__dict__["_frozen"] = True

    def unfreeze(self) -> None:
        """Allow changes again."""
        self.__dict__["_frozen"] = False

    def _changed(self) -> dict[str, Any]:
        if self.frozen:
            raise InvalidArgumentError(
                "Cannot mutate attribute(s) because the config is frozen. Call unfreeze() first."
            )
        entries: dict[str, Any] = self.__dict__["_config"]
        return entries

    def as_dict(self) -> dict[str, Any]:
        """Return a copy of the entries."""
        return dict(self._config)

    def to_json(self) -> str:
        """Return the entries as JSON."""
        return json.dumps(self._config)

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._config.keys()

    def values(self) -> ValuesView[Any]:
        """Return the values."""
        return self._config.values()

    def items(self) -> ItemsView[str, Any]:
        """Return names and values."""
        return self._config.items()

    def pop(self, *args: Any) -> Any:
        """Remove an entry and return its value, as `dict.pop`."""
        return self._changed().pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several entries, as `dict.update`."""
        self._changed().update(*args, **kwargs)

    def get(self, keyname: str, value: Any = None) -> Any:
        """Return an entry, or `value` if there is none."""
        return self._config.get(keyname, value)

    @property
    def _config(self) -> dict[str, Any]:
        entries: dict[str, Any] = self.__dict__.get("_config", {})
        return entries

    def __getattr__(self, name: str) -> Any:
        if name in self._config:
            return self._config[name]
        raise NodeAccessError(f"Unknown attribute: '{name}'.{did_you_mean(name, self._config)}")

    def __setattr__(self, name: str, value: Any) -> None:
        self._changed()[name] = value

    def __getitem__(self, key: str) -> Any:
        return self._config[key]

    def __setitem__(self, key: str, item: Any) -> None:
        self._changed()[key] = item

    def __delitem__(self, key: str) -> None:
        del self._changed()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._config))

    def __len__(self) -> int:
        return len(self._config)

    def __contains__(self, item: object) -> bool:
        return item in self._config

    def __repr__(self) -> str:
        return f"<Config {self._config}>"
