"""Every layer, put through one protocol in graphkit and in real Keras: the answers are the same but for the differences listed here.

Keras runs on its NumPy backend, which compiles nothing, in the interpreter of `keras_python()`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.interop.test_real_keras import keras_python

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("keras_layers_sweep.py")

# (case, aspect, reason): regular expressions of what may differ.
KNOWN = [
    (r".*", r"(mixed_float16|bfloat16)", "Keras on NumPy has no bfloat16 in many ops, and its specs forget the policy in some layers"),
    (r"\d+ (LSTM|GRU|SimpleRNN) .*stateful", r"default|inference|training", "the first state comes from initial weights, which are random"),
    (r"\d+ (Dense|Embedding) .*lora_alpha", r".*", "Keras ignores the constructor's lora_alpha in these two layers"),
    (r"\d+ (EinsumDense|Bidirectional|MultiHeadAttention|Pipeline|RNN|SpectralNormalization) ", r"output shape|output spec|symbolic.*",
     "graphkit knows sizes that Keras leaves open, or Keras' static shape is not that of its outputs"),
    (r"\d+ (ContrastLimitedAdaptiveHistogramEqualization|Equalization|MaxNumBoundingBoxes|Resizing) .*bytes", r"output spec|symbolic",
     "Keras' static dtype is not that of its outputs"),
    (r"\d+ RandomBrightness .*bytes", r".*", "graphkit computes in floats: Keras adds to bytes, which overflow"),
    (r"\d+ RandomSaturation .*bytes", r"call", "graphkit converts bytes to floats, Keras refuses them"),
    (r"\d+ (RandomCrop|RandomElasticTransform) .*\(6, 8, 3\)", r"symbolic", "a single image of unknown height has no static result"),
    (r"\d+ ContrastLimitedAdaptiveHistogramEqualization .*\(6, 8, 3\)", r"symbolic", "an image of unknown height has no static result"),
    (r"\d+ SimpleRNN .*activity_regularizer", r"config|losses", "Keras ignores SimpleRNN's activity_regularizer"),
    (r"\d+ (Softmax|RMSNormalization) .*axis", r"call", "Keras on NumPy cannot run these axes"),
    (r"\d+ BatchNormalization .*renorm", r"config", "Keras writes an empty dict for renorm_clipping=None"),
    (r"\d+ Bidirectional ", r"mask", "Keras returns one mask for several outputs"),
    (r"\d+ (Lambda|Layer) ", r".*", "code is never stored or run, and the base class itself is not saved"),
    (r"wrong \d+ LSTM .*time_major", r"refused", "files and scripts of Keras 2 use it"),
    (r"wrong .*", r"refused", None),
]  # fmt: skip
# Wrong arguments that graphkit refuses and Keras accepts, or refuses with another class by accident.
REFUSED_HERE = re.compile(r"raises .*(ValueError|TypeError)")


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the protocol in both packages."""
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    folder = tmp_path_factory.mktemp("sweep")
    found = []
    for package, interpreter in (("keras", python), ("graphkit", sys.executable)):
        target = folder / f"{package}.json"
        environment = {**os.environ, "KERAS_BACKEND": "numpy", "CUDA_VISIBLE_DEVICES": ""}
        subprocess.run([interpreter, str(SCRIPT), package, str(target)], check=True, capture_output=True, env=environment)
        found.append(json.loads(target.read_text()))
    return found[0], found[1]


def test_layers_answer_like_those_of_keras(answers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    keras, ours = answers
    assert set(keras) == set(ours)
    compared, different = 0, []
    for case, aspects in keras.items():
        for aspect, wanted in aspects.items():
            if aspect.startswith("~") or "requires TensorFlow" in str(aspects.get(f"~{aspect}")):
                continue
            compared += 1
            made = ours[case].get(aspect, "missing")
            if not _close(made, wanted) and not _known(case, aspect, made):
                different.append(f"{case}\n  {aspect}: Keras {wanted!s:.200}, graphkit {made!s:.200}")
    print(f"{compared} aspects compared")
    assert not different, "\n".join(different)


def _known(case: str, aspect: str, made: Any) -> bool:
    for of_case, of_aspect, reason in KNOWN:
        if re.match(of_case, case) and re.fullmatch(of_aspect, aspect):
            return reason is not None or bool(REFUSED_HERE.match(str(made)))
    return False


def _close(made: Any, wanted: Any) -> bool:
    """Return whether two answers agree: numbers to 0.2 %, and exceptions in one of their builtin classes."""
    if isinstance(made, bool) or isinstance(wanted, bool):
        return made is wanted
    if isinstance(made, (int, float)) and isinstance(wanted, (int, float)):
        return made == wanted or abs(made - wanted) <= 2e-3 + 2e-3 * abs(wanted) or (made != made and wanted != wanted)
    if isinstance(made, list) and isinstance(wanted, list):
        return len(made) == len(wanted) and all(map(_close, made, wanted))
    if isinstance(made, dict) and isinstance(wanted, dict):
        return set(made) == set(wanted) and all(_close(made[k], wanted[k]) for k in made)
    if str(made).startswith("raises ") and str(wanted).startswith("raises "):
        return bool(set(made[7:].split("|")) & set(wanted[7:].split("|")))
    return bool(made == wanted)
