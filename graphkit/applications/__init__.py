"""Known nets for images, with Keras' names of layers and weights. Source: keras.applications.

`ResNet50(weights=None)` has random weights, `ResNet50(weights="resnet50.weights.h5")` those of a file, and
`ResNet50(weights="imagenet")` those that Keras publishes, if its file is in Keras' cache already: nothing is downloaded. Keras'
submodules are here too: `from graphkit.applications.resnet50 import ResNet50, preprocess_input, decode_predictions`.
"""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType
from typing import Any

from graphkit.applications import imagenet_utils
from graphkit.applications.catalog import NETS, SUBMODULES
from graphkit.applications.constructors import constructor
from graphkit.applications.pretrained import MissingFileError

__all__ = [*sorted(NETS), "MissingFileError", "imagenet_utils", *SUBMODULES]


@cache
def _constructor(name: str) -> Any:
    return constructor(name, NETS[name])


def __getattr__(name: str) -> Any:
    if name not in NETS:
        raise AttributeError(f"module 'graphkit.applications' has no attribute {name!r}")
    return _constructor(name)


def __dir__() -> list[str]:
    return __all__


def _preprocess(mode: str | None) -> Any:
    """Return the function `preprocess_input` of a submodule."""

    def preprocess_input(x: Any, data_format: str | None = None) -> Any:
        """Return the images as the nets of this module expect them; see `imagenet_utils.preprocess_input`.

        Args:
            x: images (height, width, 3) or (batch, height, width, 3), with values from 0 to 255.
            data_format: "channels_last" or "channels_first"; by default the global setting.
        """
        return x if mode is None else imagenet_utils.preprocess_input(x, data_format=data_format, mode=mode)

    return preprocess_input


class _Submodule(ModuleType):
    """One of Keras' submodules, `keras.applications.resnet50` and so on, filled from the catalog."""

    def __init__(self, name: str, nets: tuple[str, ...], mode: str | None) -> None:
        super().__init__(f"{__name__}.{name}", f"Source: keras.applications.{name}.")
        self.preprocess_input = _preprocess(mode)
        self.decode_predictions = imagenet_utils.decode_predictions
        self.__all__ = [*nets, "decode_predictions", "preprocess_input"]
        for net in nets:
            setattr(self, net, _constructor(net))


for _name, (_nets, _mode) in SUBMODULES.items():
    _module = _Submodule(_name, _nets, _mode)
    sys.modules[_module.__name__] = _module
    globals()[_name] = _module
