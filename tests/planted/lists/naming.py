"""Names in files: those of Keras, graphkit's own, and what is written in Keras' terms."""

from __future__ import annotations

from tests.planted.defect import in_file

DEFECTS = [
    *in_file(
        "graphkit/core/serialization.py",
        ("own names: nothing is graphkit's own", 'return str(entry.get("registered_name")).startswith(f"{OWN}>")', 'return str(entry.get("registered_name")).startswith(f"{OWN}.")'),
        tests=("tests/saving/test_own_names.py", "tests/layers/test_own_layers.py"),
    ),
    *in_file(
        "graphkit/activations.py",
        ("hard_sigmoid of Keras 2: another slope in the layers", '        ("Rescaling", {"scale": 0.2, "offset": 0.5}),', '        ("Rescaling", {"scale": 1 / 6, "offset": 0.5}),'),
        ("hard_sigmoid of Keras 2: any model of two layers is taken for it", "    return all(config.get(key) == value for key, value in arguments.items())", "    return True"),
        ("hard_sigmoid of Keras 2: the layers compute in float32", "    if any(activation is function for function in _AS_LAYERS):\n        return _as_layers(activation, compute_dtype)", "    if any(activation is function for function in _AS_LAYERS):\n        return _as_layers(activation, None)"),
        tests=("tests/saving/test_own_names.py",),
    ),
    *in_file(
        "graphkit/models/config.py",
        ("ops: a size that is not known is written as None", "[-1 if size is None else size for size in shape]", "list(shape)"),
        tests=("tests/layers/test_lambda.py",),
    ),
    *in_file(
        "graphkit/layers/graph_form.py",
        ("Lambda: its ops are named on from the session's", "    with call_context(training=False), counted_anew():", "    with call_context(training=False):"),
    ),
    *in_file(
        "graphkit/saving/keras3_differences.py",
        ("save: own layers are not told", "            if is_own(value):", "            if False:"),
        ("save: older optimizers are not told", "    for lost in optimizer_differences(model):", "    for lost in ():"),
    ),
]  # fmt: skip
