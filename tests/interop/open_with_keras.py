"""Open models with real Keras 3, run them, and write the outputs. Argument: a JSON file of jobs.

A job: {"model": file, "kind": "keras" or "json", "inputs": npz, "structure": nest of names, "weights": npz or null, "out": npz}.
"""

import json
import os
import sys
import traceback
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")
warnings.filterwarnings("ignore")
import numpy as np  # noqa: E402


def pack(structure, leaves):
    """Pack leaves into the structure; dict keys are sorted."""
    if isinstance(structure, dict):
        return {key: pack(structure[key], leaves) for key in sorted(structure)}
    if isinstance(structure, list):
        return [pack(item, leaves) for item in structure]
    return next(leaves)


def flatten(structure):
    """Return the leaves of a structure; dict keys are sorted."""
    if isinstance(structure, dict):
        return [x for key in sorted(structure) for x in flatten(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [x for item in structure for x in flatten(item)]
    return [structure]


def storable(array):
    """Convert bfloat16, which NumPy's files lack, to float32, which represents it exactly."""
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def run(job):
    """Return the outputs, and the optimizer's variables of a compiled model."""
    import keras

    keras.utils.clear_session(free_memory=False)
    if job["kind"] == "json":
        with open(job["model"]) as file:
            model = keras.models.model_from_json(file.read())
    else:
        model = keras.models.load_model(job["model"])
    if job.get("weights"):
        with np.load(job["weights"]) as table:
            model.set_weights([table[f"w_{i}"] for i in range(len(table.files))])
    with np.load(job["inputs"]) as table:
        inputs = pack(job["structure"], iter([table[f"in_{i}"] for i in range(len(table.files))]))
    results = {f"out_{i}": storable(np.asarray(x)) for i, x in enumerate(flatten(model(inputs)))}
    if getattr(model, "optimizer", None) is not None and job["kind"] == "keras":
        results.update({f"opt_{i}": np.asarray(v) for i, v in enumerate(model.optimizer.variables)})
    np.savez(job["out"], **results)


def main():
    """Print one line per job: `ok` or the error."""
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    verdicts = {}
    for job in jobs:
        try:
            run(job)
            verdicts[job["id"]] = "ok"
        except Exception as error:
            verdicts[job["id"]] = f"{type(error).__name__}: {error}\n{traceback.format_exc()[-1500:]}"
    with open(sys.argv[2], "w") as file:
        json.dump(verdicts, file)


main()
