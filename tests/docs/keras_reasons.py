"""Why some of Keras' names are not in graphkit, or raise an error: a name, module or class -> the reason."""

from __future__ import annotations

_FOREIGN = "wraps code of another framework; using it raises an error that says so"

_REMAT = "recomputes values in the backward pass to save memory of an accelerator; programs here free what is no longer needed"
_STATELESS = "specific to Keras on JAX; programs here have their state as inputs and outputs"

_RAGGED = "ragged tensors exist in TensorFlow only"

REASONS: dict[str, str] = {
    "StatelessScope": _STATELESS,
    "callbacks.OrbaxCheckpoint": "writes checkpoints of JAX programs; using it raises an error that names what to use",
    "datasets": "downloads data sets, some of them pickled, and graphkit does not open pickles; `utils.get_file` downloads files",
    **{
        f"distribution.{cls}.{name}": "describes shards on several devices; there is one device here"
        for cls in ("DataParallel", "ModelParallel")
        for name in (
            "data_shard_id", "distribute_tf_dataset", "get_data_layout", "get_tensor_layout", "get_variable_layout",
            "num_model_replicas", "num_processes",
        )
    },
    "distribution.DeviceMesh.backend_mesh": "an object of JAX or TensorFlow",
    "distribution.TensorLayout.backend_layout": "an object of JAX or TensorFlow",
    "export.ExportArchive": "writes TensorFlow SavedModels; `model.export(path)` writes ONNX",
    "optimizers.legacy": "using one raises an error that says so, as in Keras 3",
    "Model.jax_state_sync": _STATELESS,
    "Model.get_state_tree": _STATELESS,
    "Model.set_state_tree": _STATELESS,
    "Model.compute_loss_and_updates": _STATELESS,
    "Model.stateless_compute_loss": _STATELESS,
    "layers.Layer.stateless_call": _STATELESS,
    "metrics.Metric.stateless_reset_state": _STATELESS,
    "metrics.Metric.stateless_result": _STATELESS,
    "metrics.Metric.stateless_update_state": _STATELESS,
    "optimizers.Optimizer.stateless_apply": _STATELESS,
    "layers.Layer.rematerialized_call": _REMAT,
    "KerasTensor.ragged_rank": _RAGGED,
    "KerasTensor.row_splits_dtype": _RAGGED,
    "Operation.quantized_call": "belongs to layers, which have it",
    "Operation.rematerialized_call": _REMAT,
    "callbacks.TensorBoard.summary": "is TensorFlow's module `tf.summary`; the event files are written without it",
    "layers.TorchModuleWrapper": _FOREIGN,
    "layers.JaxLayer": _FOREIGN,
    "layers.FlaxLayer": _FOREIGN,
    "layers.TFSMLayer": "runs a TensorFlow SavedModel; using it raises an error that says so",
}

# Names that have other arguments or defaults on purpose.
DIFFERENT: dict[str, str] = {
    "utils.plot_model": "no file is written unless one is named; the drawing is returned",
    "Model.export": "ONNX is the default format",
    "layers.Layer.compute_mask": "`previous_mask` is optional",
}
