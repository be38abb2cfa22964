"""The format of TensorFlow.js layers models."""

from __future__ import annotations

from typing import Any

from graphkit.saving import formats
from graphkit.saving.formats import Format
from graphkit.saving.source import Source


class TensorFlowJsLayersModel(Format):
    """A `model.json` with shards of weights beside it. Source: the format's published description."""

    name = "TensorFlow.js layers model"
    holds = frozenset({formats.MODEL, formats.WEIGHTS})

    def recognizes(self, source: Source) -> int:
        """By the keys of the JSON."""
        return formats.LIKELY if {"modelTopology", "weightsManifest"} & source.json_keys else formats.NO

    def load(self, source: Source, **_: Any) -> Any:
        """Return the model with its weights."""
        from .layers_model import read_layers_model

        return read_layers_model(source)

    def inspect(self, source: Source) -> dict[str, Any]:
        """Return layers, the number of parameters, and the shards that are missing."""
        from graphkit.saving.inspection import report_of_config

        from .layers_model import missing_shards, parameters, topology

        what = source.what
        report = report_of_config(topology(source.json, what), what)
        manifest = source.json.get("weightsManifest")
        missing = missing_shards(source.path, manifest, what)
        lacking = [f"the file {name!r}, which holds weights, beside it" for name in missing]
        return {**report, "parameters": parameters(manifest, what), "lacking": lacking}
