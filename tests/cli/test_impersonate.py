"""`graphkit run`: graphkit under Keras' names, in one process only."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import graphkit
from graphkit.cli import main
from graphkit.cli.impersonate import _MODULES, impersonating
from graphkit.errors import GraphKitError, NameConflictError

ROOT = Path(__file__).resolve().parents[2]


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    with impersonating():
        exec(code, names)
    return names


@pytest.mark.parametrize(
    "statement",
    [
        "from keras.layers import Dense",
        "from keras.layers.core import Dense",
        "from tensorflow.keras.layers import Dense",
        "from tf_keras.layers import Dense",
        "from tensorflow.python.keras.layers import Dense",
        "import keras; Dense = keras.layers.Dense",
        "import keras.layers as L; Dense = L.Dense",
        "import tensorflow as tf; Dense = tf.keras.layers.Dense",
        "from tensorflow import keras; Dense = keras.layers.Dense",
        "from keras.layers import *",
    ],
)
def test_every_way_to_a_layer_leads_to_ours(statement: str) -> None:
    assert run(statement)["Dense"] is graphkit.layers.Dense


@pytest.mark.parametrize("name", [m for m in _MODULES if m])
def test_every_module_of_the_table_can_be_imported(name: str) -> None:
    with impersonating():
        assert dir(importlib.import_module(f"keras.{name}"))


def keras_names() -> list[str]:
    """The public names of Keras 3.15.1, by their paths."""
    modules = json.loads((ROOT / "fixtures" / "keras_names.json").read_text(encoding="utf-8"))["modules"]
    return [f"{module}.{name}".strip(".") for module, names in modules.items() for name in names]


# Names of Keras that scripts cannot import, and why; each is also a row of docs/keras-coverage.md.
ABSENT: dict[str, str] = {}


def test_every_public_name_of_keras_is_reached_by_its_path() -> None:
    missing = []
    with impersonating():
        for path in keras_names():
            module, _, name = f"keras.{path}".rpartition(".")
            try:
                getattr(importlib.import_module(module), name)
            except (ImportError, AttributeError):
                missing.append(path)

    assert sorted(missing) == sorted(ABSENT)


@pytest.mark.parametrize(
    "statement",
    [
        "import keras.ops.image as found",
        "from keras.preprocessing.image import load_img as found",
        "from tensorflow.keras.preprocessing.image import load_img as found",
        "from keras.src.layers import Dense as found",
        "from keras.src.layers.core.dense import Dense as found",
        "from keras.api.layers import Dense as found",
        "from keras.api._v2.keras.layers import Dense as found",
        "from tensorflow.python.keras.layers.core import Dense as found",
        "from keras.layers.experimental.preprocessing import Rescaling as found",
        "from keras.engine.functional import Functional as found",
        "from keras.optimizers.adam import Adam as found",
        "from keras.optimizers.schedules import ExponentialDecay as found",
        "from tensorflow.compat.v1.keras.layers import Dense as found",
        "import tensorflow as tf; found = tf.keras.layers.Dense",
        "import tensorflow as tf; found = tf.losses.MeanSquaredError",
        "import tensorflow as tf; found = tf.experimental.numpy.concatenate",
        "import tensorflow as tf; found = tf.data.AUTOTUNE",
        "import tensorflow as tf; found = tf.data.Dataset",
        "import tensorflow.experimental.numpy as tnp; found = tnp.random.uniform",
        "from tensorflow.math import reduce_sum as found",
        "from tensorflow.io import gfile as found",
        "import tensorflow.compat.v1 as tf; found = tf.reduce_sum if hasattr(tf, 'reduce_sum') else tf.square",
    ],
)
def test_every_form_of_import_works(statement: str) -> None:
    assert run(statement)["found"] is not None


def test_the_versions_are_those_whose_names_these_are() -> None:
    names = run(
        "import keras, tensorflow as tf\nfound = (keras.__version__, keras.version(), tf.__version__, tf.version.VERSION)"
    )

    assert names["found"] == ("3.15.1", "3.15.1", "2.21.0", "2.21.0")


@pytest.mark.parametrize(("asked", "given"), [("tensorflow", "tensorflow"), ("jax", "numpy"), ("", "numpy")])
def test_a_script_may_ask_for_the_backend(asked: str, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", asked)

    assert run("import keras\nfound = (keras.backend.backend(), keras.config.backend())")["found"] == (given, given)


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("from keras import backend as found", "graphkit.backend"),
        ("import keras.backend as found", "graphkit.backend"),
    ],
)
def test_the_backend_has_its_functions(statement: str, wanted: str) -> None:
    assert run(statement)["found"].exp is importlib.import_module(wanted).exp


@pytest.mark.parametrize(
    ("statement", "place", "name"),
    [
        ("from keras.utils.np_utils import to_categorical as found", "graphkit.utils", "to_categorical"),
        ("from keras.engine.topology import Layer as found", "graphkit.layers", "Layer"),
        ("from keras.engine import InputSpec as found", "graphkit.layers", "InputSpec"),
        ("from keras.engine.topology import Container as found", "graphkit.models", "Model"),
        ("from keras.models import Input as found", "graphkit", "Input"),
        ("from keras.preprocessing.sequence import pad_sequences as found", "graphkit.utils", "pad_sequences"),
        ("from keras.layers.merge import add as found", "graphkit.layers", "add"),
        ("from keras.objectives import mean_squared_error as found", "graphkit.losses", "mean_squared_error"),
        ("import tensorflow as tf; found = tf.GradientTape", "graphkit", "GradientTape"),
    ],
)
def test_older_names_lead_to_todays(statement: str, place: str, name: str) -> None:
    assert run(statement)["found"] is getattr(importlib.import_module(place), name)


def test_merge_is_a_module_and_a_function() -> None:
    with pytest.warns(UserWarning, match="The `Merge` layer is deprecated"):
        names = run(
            "import keras.layers.merge\n"
            "from keras.layers import Input, merge\n"
            "out = merge([Input((2,)), Input((2,))], mode='sum')\n"
        )
    assert names["out"].shape == (None, 2)


def test_an_installed_keras_does_not_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text("raise SystemError('the real one')\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert run("import keras; Dense = keras.layers.Dense")["Dense"] is graphkit.layers.Dense


def test_nothing_is_left_behind() -> None:
    finders = list(sys.meta_path)
    run("import keras.layers, tensorflow as tf, tf_keras")

    assert sys.meta_path == finders
    assert not {"keras", "keras.layers", "tensorflow", "tf_keras"} & set(sys.modules)


def test_modules_go_on_working_after_the_block() -> None:
    names = run("import keras, tensorflow as tf")

    assert names["keras"].layers.Dense is graphkit.layers.Dense
    assert names["tf"].keras.layers.Dense is graphkit.layers.Dense
    assert names["tf"].math.reduce_sum([1, 2]) == 3
    assert "keras" not in sys.modules


def test_a_keras_that_is_there_already_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", sys)
    with pytest.raises(NameConflictError, match="keras has been imported in this process already"), impersonating():
        pass


@pytest.mark.parametrize(
    ("statement", "kind", "message"),
    [
        (
            "from keras.layers import Densse",
            ImportError,
            r"graphkit has no keras\.layers\.Densse\. Did you mean 'Dense'",
        ),
        (
            "import keras; keras.layers.Densse",
            AttributeError,
            r"graphkit has no keras\.layers\.Densse\. Did you mean 'Dense'",
        ),
        (
            "import keras.layerz",
            ModuleNotFoundError,
            r"graphkit has no module keras\.layerz\. Did you mean 'keras\.layers'",
        ),
        (
            "from tensorflow import estimator",
            ImportError,
            r"graphkit has no tensorflow\.estimator: use keras\.Model with",
        ),
        ("import tensorflow.lite", ModuleNotFoundError, r"graphkit has no module tensorflow\.lite: write ONNX"),
        ("import tensorflow as tf; tf.lite.TFLiteConverter", AttributeError, r"no tensorflow\.lite: write ONNX"),
        (
            "import tensorflow as tf; tf.data.TFRecordDataset",
            AttributeError,
            r"tensorflow\.data\.TFRecordDataset: files of",
        ),
        (
            "import tensorflow as tf; tf.saved_model.save",
            AttributeError,
            r"no tensorflow\.saved_model: use model\.export",
        ),
        (
            "import tensorflow as tf; tf.train.Checkpoint",
            AttributeError,
            r"no tensorflow\.train: save a model with model\.save",
        ),
        (
            "import tensorflow as tf; tf.compat.v1.Session",
            AttributeError,
            r"no tensorflow\.compat\.v1\.Session: .*TensorFlow 1",
        ),
        (
            "import tensorflow as tf; tf.reduce_sun",
            AttributeError,
            r"no tensorflow\.reduce_sun\. Did you mean 'reduce_sum'",
        ),
        (
            "from keras.preprocessing.image import ImageDataGenerator",
            ImportError,
            r"ImageDataGenerator: use keras\.utils\.image_dataset",
        ),
        ("import tensorflow.python.ops", ModuleNotFoundError, r"tensorflow\.python holds TensorFlow's own machinery"),
        ("import keras_cv", ModuleNotFoundError, r"The package keras_cv is not installed; .* keras\.layers has layers"),
        ("import tensorflow as tf; tf.dataa", AttributeError, r"no tensorflow\.dataa\. Did you mean 'data'\?"),
        (
            "import tensorflow_datasets",
            ModuleNotFoundError,
            r"tensorflow_datasets is not installed; .* keras\.datasets",
        ),
        ("import keras; keras.utils.multi_gpu_model", AttributeError, r"multi_gpu_model: training runs on the CPUs"),
    ],
)
def test_what_is_missing_is_named_with_what_comes_nearest(statement: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        run(statement)
    assert isinstance(caught.value, GraphKitError)


@pytest.mark.parametrize(
    "statement",
    [
        "import keras.nonsense",
        "import tensorflow.keras.nonsense",
        "import tensorflow as tf; tf.stacc",
        "import tensorflow as tf; tf.tan2h3",
    ],
)
def test_unrelated_names_are_not_suggested(statement: str) -> None:
    with pytest.raises(GraphKitError) as caught:
        run(statement)
    assert "losses" not in str(caught.value)
    assert "dstack" not in str(caught.value)


def test_scripts_may_ask_whether_a_name_is_there() -> None:
    names = run(
        "import keras\n"
        "there = hasattr(keras.layers, 'NoSuchLayer')\n"
        "try:\n    from keras.layers import NoSuchLayer\nexcept ImportError:\n    tried = True\n"
    )

    assert names["there"] is False
    assert names["tried"] is True


# ----- scripts -----


def script(folder: Path, code: str) -> Path:
    path = folder / "script.py"
    path.write_text(code)
    return path


def test_a_script_gets_its_arguments_and_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "beside_me.py").write_text("WORD = 'found'\n")
    path = script(
        tmp_path,
        "import sys, keras\nfrom beside_me import WORD\nprint(__name__, WORD, sys.argv[1:], keras.__version__[0])\n",
    )

    assert main(["run", str(path), "--epochs", "3"]) == 0
    assert capsys.readouterr().out == "__main__ found ['--epochs', '3'] 3\n"
    sys.modules.pop("beside_me", None)


@pytest.mark.parametrize(
    ("code", "wanted"), [("raise SystemExit", 0), ("import sys; sys.exit(7)", 7), ("import sys; sys.exit('bad')", 1)]
)
def test_a_script_sets_the_exit_code(code: str, wanted: int, tmp_path: Path) -> None:
    assert main(["run", str(script(tmp_path, code))]) == wanted


def test_a_failing_script_shows_its_own_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(tmp_path, "import keras\nkeras.layers.Dense(-1)\n")

    assert main(["run", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'Traceback (most recent call last):\n  File "{path}", line 2')
    assert "InvalidArgumentError" in error
    assert "runpy" not in error
