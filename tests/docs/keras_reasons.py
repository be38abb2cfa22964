"""Why some of Keras' names are not in graphkit, or refuse to work: a name, module or class -> the reason."""

from __future__ import annotations

_FOREIGN = "wraps code of another framework; the name raises an error that says so"
_DEVICES = "spreads a model over accelerators; graphkit trains on one machine's processors"

REASONS: dict[str, str] = {
    "applications": "builds known nets whose weights come from a hub; files saved from them open as any other",
    "distribution": _DEVICES,
    "layers.TorchModuleWrapper": _FOREIGN,
    "layers.JaxLayer": _FOREIGN,
    "layers.FlaxLayer": _FOREIGN,
    "layers.TFSMLayer": "runs a TensorFlow SavedModel; the name raises an error that says so",
}

# Names that are there with other arguments or defaults, on purpose.
DIFFERENT: dict[str, str] = {}
