"""Registering formats and lowerings: what is refused, what comes first, and what formats get by default."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import Input, Model, extend, layers
from graphkit.converters.onnx import registry
from graphkit.errors import InvalidArgumentError, NameConflictError, SerializationError, UnsafePathError
from graphkit.saving import formats, inspect_file
from graphkit.saving.source import Source
from tests.registries import isolate


@pytest.fixture(autouse=True)
def _registries_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch)


class WeightsInFolder(extend.Format):
    """A format of weights alone, as a folder."""

    name = "weights in a folder"
    suffixes = (".dir",)
    holds = frozenset({"weights"})
    is_folder = True

    def recognizes(self, source: Source) -> int:
        return 100 if "index" in source.members else 0

    def load_weights(self, model: Any, source: Source, *, skip_mismatch: bool = False, by_name: bool = False) -> None:
        arrays = json.loads(source.read("index"))
        extend.load_arrays(model, {p: np.array(a, "float32") for p, a in arrays.items()}, source.what, skip_mismatch)

    def save(self, model: Any, path: Path, *, overwrite: bool = True, **_: Any) -> None:
        with extend.replacing_folder(path, overwrite, entries=("index",)) as folder:
            arrays = {p: a.tolist() for p, a in extend.arrays_of(model).items()}
            (folder / "index").write_text(json.dumps(arrays))


def net() -> Any:
    x = Input((3,))
    return Model(x, layers.Dense(2, name="d")(x))


# ----- what is refused -----


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"name": ""}, "set `name`"),
        ({"name": None}, "set `name`"),
        ({"suffixes": ".net"}, "is a tuple of suffixes"),
        ({"suffixes": ("net",)}, "is a tuple of suffixes"),
        ({"suffixes": (".Net",)}, "is a tuple of suffixes"),
        ({"holds": frozenset({"layers"})}, "`holds` may contain"),
        ({"options": {"overwrite": "x"}}, "the option 'overwrite' is an argument of graphkit's own"),
        ({"load_options": {"compile": "x"}}, "the option 'compile' is an argument of graphkit's own"),
    ],
)
def test_a_format_that_is_not_well_formed_is_refused(attributes: dict[str, Any], complaint: str) -> None:
    made = type("Made", (extend.Format,), {"name": "made", **attributes})

    with pytest.raises(InvalidArgumentError, match=f"Made: .*{complaint}"):
        extend.register_format(made())


def test_a_name_is_given_once_and_can_be_freed() -> None:
    extend.register_format(WeightsInFolder())

    with pytest.raises(NameConflictError, match="'weights in a folder' is registered already: WeightsInFolder"):
        extend.register_format(WeightsInFolder())
    extend.unregister_format("weights in a folder")
    extend.register_format(WeightsInFolder())


@pytest.mark.parametrize("package", ["keras", "graphkit", "tensorflow.ops"])
def test_an_op_needs_a_package_of_its_own(package: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is reserved"):
        extend.op("Op", package)


# ----- what comes first -----


def test_graphkit_s_own_formats_are_registered_before_one_that_took_their_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    early = type("Early", (extend.Format,), {"name": "ONNX"})()
    monkeypatch.setattr(formats, "_formats", {})
    monkeypatch.setattr(formats, "_is_filled", False)
    extend.register_format(early)

    with pytest.warns(extend.ConverterWarning, match="'ONNX' is left out: .* registered already: Onnx"):
        found = formats.all_formats()

    assert early not in found
    assert {"ONNX", "Keras 3 archive"} <= {format.name for format in found}


def test_lowerings_of_other_packages_are_registered_after_graphkit_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_waiting", [])

    def foreign(b: Any, x: Any) -> Any: ...

    def own(b: Any, x: Any) -> Any: ...

    own.__module__ = "graphkit.converters.onnx.lowering.made"
    extend.lowering("test_a", when=lambda equation: True)(foreign)
    extend.lowering("test_b")(foreign)
    extend.lowering("test_a", "test_b")(own)
    with pytest.warns(extend.ConverterWarning, match="left out: Primitive 'test_b' already has a lowering"):
        registry.register_waiting()

    assert [low.function for low in registry.LOWERINGS["test_a"].lowerings] == [own, foreign]
    assert [low.function for low in registry.LOWERINGS["test_b"].lowerings] == [own]
    extend.lowering("test_c")(foreign)
    assert [low.function for low in registry.LOWERINGS["test_c"].lowerings] == [foreign]


# ----- what formats get -----


def test_a_format_of_weights_alone_is_written_by_save_weights(tmp_path: Path) -> None:
    extend.register_format(WeightsInFolder())
    model, other = net(), net()

    for _ in range(2):  # the second replaces the folder
        model.save_weights(tmp_path / "w.dir")
    other.load_weights(tmp_path / "w.dir")

    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
    with pytest.raises(SerializationError, match="without a model"):
        graphkit.load(tmp_path / "w.dir")
    with pytest.raises(InvalidArgumentError):
        model.save_weights(tmp_path / "w.dir", overwrite=False)
    report = inspect_file(tmp_path / "w.dir")
    assert report["problems"] == []
    assert report["needs"] == ["the model that these weights belong to: build it, then call model.load_weights(path)"]


def test_arrays_that_were_loaded_are_the_model_s_own() -> None:
    model, other = net(), net()
    extend.load_arrays(other, extend.arrays_of(model), "the arrays")

    before = model.get_weights()[0].copy()
    other.compile("sgd", "mse")
    other.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))

    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_members_of_folders_are_read_from_the_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "a" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "a" / "inner").mkdir()
    (tmp_path / "a" / "inner" / "x").write_bytes(b"1")
    source = Source(tmp_path / "a")

    assert source.read("inner/x") == b"1"
    for name in ("../secret", "link", str(tmp_path / "secret")):
        with pytest.raises(UnsafePathError):
            source.read(name)
    with pytest.raises(SerializationError, match="'absent'"):
        source.read("absent")


def test_an_exported_format_is_chosen_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"one of \[.*'ONNX'.*\], got 'tf_saved_model'"):
        net().export(tmp_path / "m", format="tf_saved_model")

    net().export(tmp_path / "m", format="Keras 3 archive")

    assert inspect_file(tmp_path / "m")["format"] == "Keras 3 archive"


def test_threads_that_ask_at_the_same_time_see_all_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_formats", {})
    monkeypatch.setattr(formats, "_is_filled", False)
    fill = formats._fill

    def slowly() -> None:
        time.sleep(0.05)
        fill()

    monkeypatch.setattr(formats, "_fill", slowly)
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: len(formats.all_formats()), range(4)))

    assert len(set(counts)) == 1
    assert counts[0] >= 10


def test_outdated_metadata_in_the_working_directory_hide_no_format(tmp_path: Path) -> None:
    folder = tmp_path / "graphkit.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: graphkit\nVersion: 0.0.1\n")
    (folder / "entry_points.txt").write_text("[graphkit.converters]\nonnx = graphkit.converters.onnx\n")
    code = "from graphkit.saving import formats; print(len(formats.all_formats()))"

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert int(done.stdout) >= 10
