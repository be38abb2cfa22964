"""Open Keras 2 files with tf_keras, run them, and write the outputs. Argument: a JSON file of jobs.

A job: {"id", "model": file, "inputs": npz, "names": names of the inputs where the model takes a flat dict or null, "out": npz}.
The last line printed is a JSON object, for each id `ok` or the error.
"""

import json
import os
import sys

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf
import tf_keras


def run(job):
    """Return the outputs of one model as float64."""
    tf_keras.backend.clear_session()
    model = tf_keras.models.load_model(job["model"], compile=False)
    with np.load(job["inputs"]) as table:
        inputs = [tf.constant(table[f"in_{i}"]) for i in range(len(table.files))]
    given = dict(zip(job["names"], inputs, strict=False)) if job["names"] else inputs if len(inputs) != 1 else inputs[0]
    outputs = tf.nest.flatten(model(given))
    np.savez(job["out"], **{f"out_{i}": tf.cast(x, "float64").numpy() for i, x in enumerate(outputs)})
    return "ok"


def main():
    """Print the result of each job."""
    verdicts = {}
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    for job in jobs:
        try:
            verdicts[job["id"]] = run(job)
        except Exception as error:
            verdicts[job["id"]] = f"{type(error).__name__}: {error}"
    print(json.dumps(verdicts))


main()
