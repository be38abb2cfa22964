"""Why some of Keras' names are not in graphkit, or refuse to work: a name, module or class -> the reason."""

from __future__ import annotations

_FOREIGN = "wraps code of another framework; the name raises an error that says so"
_DEVICES = "spreads a model over accelerators; graphkit trains on one machine's processors"

_REMAT = (
    "computes values again in the backward pass to save an accelerator's memory; programs here free what is not needed"
)
_STATELESS = "part of the way that JAX runs Keras; programs here have their state as inputs and outputs"

REASONS: dict[str, str] = {
    "applications": "builds known nets whose weights come from a hub; files saved from them open as any other",
    "Function": "the functional models are these functions here: `Model(inputs, outputs)`",
    "RematScope": _REMAT,
    "StatelessScope": _STATELESS,
    "SymbolicScope": _STATELESS,
    "device": _DEVICES,
    "remat": _REMAT,
    "callbacks.OrbaxCheckpoint": "writes checkpoints of JAX programs; the name raises an error that says what to use",
    "datasets": "downloads data sets, some of them as pickled objects, which graphkit does not open; `utils.get_file` fetches files",
    "distribution": _DEVICES,
    "export.ExportArchive": "writes TensorFlow SavedModels; `model.export(path)` writes ONNX",
    "optimizers.legacy": "raise an error that says so, as in Keras 3",
    "wrappers": "wraps models as estimators of scikit-learn, which graphkit does not need",
    "Model.jax_state_sync": _STATELESS,
    "Model.get_state_tree": _STATELESS,
    "Model.set_state_tree": _STATELESS,
    "Model.stateless_compute_loss": _STATELESS,
    "layers.Layer.stateless_call": _STATELESS,
    "metrics.Metric.stateless_reset_state": _STATELESS,
    "metrics.Metric.stateless_result": _STATELESS,
    "metrics.Metric.stateless_update_state": _STATELESS,
    "optimizers.Optimizer.stateless_apply": _STATELESS,
    "layers.Layer.rematerialized_call": _REMAT,
    "layers.TorchModuleWrapper": _FOREIGN,
    "layers.JaxLayer": _FOREIGN,
    "layers.FlaxLayer": _FOREIGN,
    "layers.TFSMLayer": "runs a TensorFlow SavedModel; the name raises an error that says so",
}

# Names that are there with other arguments or defaults, on purpose.
DIFFERENT: dict[str, str] = {
    "Model.export": "ONNX is what is exported by default",
    "layers.Layer.compute_mask": "`previous_mask` may be left out",
}
