"""Writes that fail at any step: the old version is complete, and no temporary files remain."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import callbacks, layers, models
from graphkit.errors import FileWriteError, InvalidArgumentError

Save = Callable[[Any, Path], Any]
Contents = dict[str, tuple[bytes, int]]


def net(seed: int, units: int = 40) -> Any:
    x = layers.Input((40,), name="x")
    return models.Model(
        x, layers.Dense(units, name="head", kernel_initializer=f"{'zeros' if seed == 0 else 'ones'}")(x)
    )


EDITORS: dict[bool, Any] = {}


@pytest.fixture(scope="module", autouse=True)
def editors(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Return the weights of both nets, as file editors."""
    for seed in (0, 1):
        path = tmp_path_factory.mktemp("editors") / "m.weights.h5"
        net(seed).save_weights(path)
        EDITORS[bool(seed)] = graphkit.saving.KerasFileEditor(path)


def edited(model: Any, path: Path) -> None:
    EDITORS[bool(model.get_weights()[0].any())].save(path)


def converted(model: Any, path: Path) -> None:
    graphkit.convert(model, path)


SAVES: dict[str, tuple[str, Save]] = {
    "archive": ("m.keras", lambda m, p: m.save(p)),
    "archive with npz": ("m.keras", lambda m, p: m.save(p, weights_format="npz")),
    "folder": ("m", lambda m, p: m.save(p, zipped=False)),
    "folder with npz": ("m", lambda m, p: m.save(p, zipped=False, weights_format="npz")),
    "HDF5": ("m.h5", lambda m, p: m.save(p)),
    "HDF5 of Keras 2": ("m.hdf5", lambda m, p: m.save(p, keras_version=2)),
    "JSON": ("m.json", lambda m, p: m.save(p)),
    "ONNX": ("m.onnx", lambda m, p: m.save(p)),
    "ONNX with a data file": ("m.onnx", lambda m, p: m.export(p, external_data=True)),
    "weights": ("m.weights.h5", lambda m, p: m.save_weights(p)),
    "npz": ("m.npz", lambda m, p: m.save_weights(p)),
    "safetensors": ("m.safetensors", lambda m, p: m.save_weights(p)),
    "shards": ("m.weights.json", lambda m, p: m.save_weights(p, max_shard_size=1e-6)),
    "editor": ("m.weights.h5", edited),
    "convert": ("m.keras", converted),
    "drawing": ("m.svg", lambda m, p: m.plot(p)),
    "page": ("m.html", lambda m, p: m.plot(p)),
    "dot": ("m.dot", lambda m, p: m.plot(p)),
}


def contents(folder: Path) -> Contents:
    """Return content and mode of all files in a folder."""
    found = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mode) for p in found}


FSYNC = os.fsync


class Failing:
    """Return a function that fails at one of its calls, or from that call on."""

    def __init__(self, real: Callable[..., Any], error: BaseException, at: int, on: bool = False) -> None:
        self.real, self.error, self.at, self.on, self.calls = real, error, at, on, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.real is FSYNC and stat.S_ISDIR(os.fstat(args[0]).st_mode):
            return None  # see test_a_folder_that_cannot_be_flushed
        self.calls += 1
        if self.calls == self.at or (self.on and self.calls > self.at):
            raise self.error
        return self.real(*args, **kwargs)


FULL = OSError(errno.ENOSPC, "No space left on device")
FAILURES = ((FULL, False), (FULL, True), (KeyboardInterrupt(), False))  # the error, and whether later calls also fail
STEPS = {
    "replace": (os, "replace"),
    "fsync": (os, "fsync"),
    "chmod": (os, "chmod"),
    "open": (Path, "open"),
    "write_bytes": (Path, "write_bytes"),
    "savez": (np, "savez"),
}


def fails(save: Callable[[], Any], step: str, failing: Failing, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether saving fails if one call of a step does."""
    owner, attribute = STEPS[step]
    with monkeypatch.context() as patch:
        patch.setattr(owner, attribute, lambda *a, **k: failing(*a, **k))
        try:
            save()
        except FileWriteError as told:
            return "No space left" in str(told)
        except KeyboardInterrupt:
            return True
    return False


@pytest.mark.parametrize("kind", SAVES)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_leaves_the_old_version(
    tmp_path: Path, kind: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, save = SAVES[kind]
    (tmp_path / "old").mkdir()
    save(net(0), tmp_path / "old" / name)
    model, here = net(1), tmp_path / "here"
    for error, on in FAILURES:
        for at in range(1, 12):
            shutil.rmtree(here, ignore_errors=True)
            shutil.copytree(tmp_path / "old", here)
            failing = Failing(getattr(*STEPS[step]), error, at, on)
            if not fails(lambda: save(model, here / name), step, failing, monkeypatch):
                assert failing.calls < at
                break
            assert contents(here) == contents(tmp_path / "old"), (step, at)
            assert leftovers(here) == []


def leftovers(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("kind", SAVES)
def test_a_new_file_that_fails_leaves_nothing(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, save = SAVES[kind]
    monkeypatch.setattr(os, "replace", Failing(os.replace, OSError("disk went away"), 1, on=True))

    with pytest.raises(FileWriteError, match="disk went away"):
        save(net(1), tmp_path / name)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", SAVES)
def test_a_second_save_leaves_only_the_new_version(tmp_path: Path, kind: str) -> None:
    name, save = SAVES[kind]
    save(net(0), tmp_path / name)
    count = len(contents(tmp_path))

    save(net(1), tmp_path / name)

    left = 1 if kind == "shards" else 0  # the first file of the old version, which Keras opens whatever the index says
    assert len(contents(tmp_path)) == count + left
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("kind", ["archive", "HDF5", "weights", "folder", "shards"])
def test_a_disk_that_is_really_full_leaves_the_old_version(tmp_path: Path, kind: str) -> None:
    """Run in a process that may only write small files, as on a full disk."""
    pytest.importorskip("resource")
    name, save = SAVES[kind]
    save(net(0), tmp_path / name)
    before = contents(tmp_path)
    code = (
        "import resource, sys, pathlib\n"
        "from tests.saving.test_failing_writes import SAVES, net\n"
        "from graphkit.errors import FileWriteError\n"
        "m = net(1, 400)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "try:\n"
        "    SAVES[sys.argv[1]][1](m, pathlib.Path(sys.argv[2]))\n"
        "except FileWriteError as error:\n"
        "    sys.stdout.write('told')\n"
        "    sys.stdout.flush()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, kind, str(tmp_path / name)],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False, timeout=120,
    )  # fmt: skip

    assert (done.stdout, done.returncode) == ("told", 0), done.stderr[-1500:]
    assert contents(tmp_path) == before
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("kind", SAVES)
def test_a_folder_that_cannot_be_flushed_holds_the_new_version(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every file system can flush directory entries; the files are complete all the same."""
    name, save = SAVES[kind]
    save(net(0), tmp_path / name)
    before = contents(tmp_path)

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        FSYNC(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    save(net(1), tmp_path / name)

    assert contents(tmp_path).keys() == before.keys() or kind in ("shards", "ONNX with a data file")


# ----- overwrite -----

OVERWRITING: dict[str, Callable[[Any, Path], Any]] = {
    "m.keras": lambda m, p: m.save(p, overwrite=False),
    "m.h5": lambda m, p: m.save(p, overwrite=False),
    "m.hdf5": lambda m, p: m.save(p, overwrite=False, keras_version=2),
    "m.json": lambda m, p: m.save(p, overwrite=False),
    "m.onnx": lambda m, p: m.save(p, overwrite=False),
    "e.onnx": lambda m, p: m.export(p, overwrite=False),
    "m.unknown": lambda m, p: m.save(p, overwrite=False),
    "m.weights.h5": lambda m, p: m.save_weights(p, overwrite=False),
    "m.npz": lambda m, p: m.save_weights(p, overwrite=False),
    "m.safetensors": lambda m, p: m.save_weights(p, overwrite=False),
    "m.weights.json": lambda m, p: m.save_weights(p, overwrite=False),
    "c.keras": lambda m, p: graphkit.convert(m, p, overwrite=False),
    "c.onnx": lambda m, p: graphkit.convert(m, p, overwrite=False),
    "c.weights.h5": lambda m, p: graphkit.convert(m, p, overwrite=False),
    "s.keras": lambda m, p: graphkit.saving.save_model(m, p, overwrite=False),
}


@pytest.mark.parametrize("name", OVERWRITING)
def test_overwrite_false_is_looked_at_before_anything_is_done(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = net(1)
    (tmp_path / name).write_text("precious")
    monkeypatch.setattr(type(model), "get_config", lambda self: pytest.fail("the model was asked for its config"))
    monkeypatch.setattr(type(model), "program", lambda self, **_: pytest.fail("the model was traced"))

    with pytest.raises(InvalidArgumentError, match="exists already and overwrite=False"):
        OVERWRITING[name](model, tmp_path / name)

    assert [data for data, _ in contents(tmp_path).values()] == [b"precious"]


def test_a_folder_is_not_overwritten_either(tmp_path: Path) -> None:
    net(0).save(tmp_path / "m", zipped=False)
    before = contents(tmp_path)

    with pytest.raises(InvalidArgumentError, match="overwrite=False"):
        net(1).save(tmp_path / "m", zipped=False, overwrite=False)

    assert contents(tmp_path) == before


def test_a_dangling_link_is_there_as_well(tmp_path: Path) -> None:
    (tmp_path / "m.keras").symlink_to(tmp_path / "elsewhere.keras")

    with pytest.raises(InvalidArgumentError, match="overwrite=False"):
        net(1).save(tmp_path / "m.keras", overwrite=False)


# ----- targets -----


def test_files_of_others_in_a_folder_are_not_lost(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "thesis.tex").write_text("years of work")

    with pytest.raises(FileWriteError, match=r"holds 'thesis\.tex', which is not part of a saved model"):
        net(1).save(tmp_path / "m", zipped=False)

    assert contents(tmp_path) == {"m/thesis.tex": contents(tmp_path)["m/thesis.tex"]}


@pytest.mark.parametrize("kind", [kind for kind in SAVES if not kind.startswith("folder")])
def test_a_link_is_written_through(tmp_path: Path, kind: str) -> None:
    name, save = SAVES[kind]
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / name).write_text("old")
    (tmp_path / "store" / name).chmod(0o640)
    (tmp_path / name).symlink_to(Path("store") / name)

    save(net(1), tmp_path / name)

    assert (tmp_path / name).is_symlink()
    assert (tmp_path / "store" / name).read_bytes() != b"old"
    assert (tmp_path / "store" / name).stat().st_mode & 0o777 == 0o640


def test_a_link_to_a_folder_is_written_through(tmp_path: Path) -> None:
    net(0).save(tmp_path / "store", zipped=False)
    (tmp_path / "m").symlink_to("store")

    net(1).save(tmp_path / "m", zipped=False)

    assert (tmp_path / "m").is_symlink()
    np.testing.assert_array_equal(graphkit.load(tmp_path / "store").get_weights()[0], np.ones((40, 40)))


def test_what_is_no_place_for_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.keras").mkdir()
    os.mkfifo(tmp_path / "pipe.keras")
    (tmp_path / "loop.keras").symlink_to("loop.keras")
    (tmp_path / "file").write_text("precious")

    for name, message in (
        ("folder.keras", "it is a folder"),
        ("pipe.keras", "not a regular file"),
        ("loop.keras", "points to itself"),
        ("nowhere/m.keras", "does not exist"),
        ("file/m.keras", "does not exist"),
    ):
        with pytest.raises(FileWriteError, match=message):
            net(1).save(tmp_path / name)
    with pytest.raises(InvalidArgumentError, match="not the path of a file"):
        net(1).save(tmp_path / "a\0b.keras")
    with pytest.raises(FileWriteError, match="a file of that name exists"):
        net(1).save(tmp_path / "file", zipped=False)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_that_may_not_be_written_to_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphkit.core import files

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "x")

    monkeypatch.setattr(files.tempfile, "mkdtemp", refuse)
    for name, save in SAVES.values():
        with pytest.raises(FileWriteError, match="Permission denied") as caught:
            save(net(1), tmp_path / name)
        assert caught.value.errno == errno.EACCES


@pytest.mark.skipif(not hasattr(os, "umask"), reason="permissions of POSIX")
def test_new_files_and_folders_get_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        net(1).save(tmp_path / "m.keras")
        net(1).save(tmp_path / "m", zipped=False)
    finally:
        os.umask(before)

    assert (tmp_path / "m.keras").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o750


def test_a_name_of_the_greatest_length_is_written(tmp_path: Path) -> None:
    name = "ü" * 120 + ".keras"

    net(1).save(tmp_path / name)

    assert [p.name for p in tmp_path.iterdir()] == [name]


# ----- sets of files -----


def test_a_data_file_belongs_to_its_model_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each rename, the files on disk form one of the two versions."""
    answers = []
    real, path = os.replace, tmp_path / "m.onnx"
    net(0).export(path, external_data=True)

    def look(source: Any, target: Any) -> None:
        answers.append(float(graphkit.runtime.Predictor(path)(np.ones((1, 40), "float32"))[0, 0]))
        real(source, target)
        answers.append(float(graphkit.runtime.Predictor(path)(np.ones((1, 40), "float32"))[0, 0]))

    monkeypatch.setattr(os, "replace", look)
    net(1).export(path, external_data=True)

    assert answers == [0.0, 0.0, 0.0, 40.0]
    assert len(list(tmp_path.iterdir())) == 2


def test_shards_belong_to_their_index_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, answers, reader = tmp_path / "m.weights.json", [], net(1)
    net(0).save_weights(path, max_shard_size=1e-6)
    real = os.replace

    def look(source: Any, target: Any) -> None:
        real(source, target)
        reader.load_weights(path)
        answers.append(float(reader.get_weights()[0].sum()))

    monkeypatch.setattr(os, "replace", look)
    net(1).save_weights(path, max_shard_size=1e-6)

    assert answers == [0.0, 0.0, 1600.0]
    first = "m_00000.weights.h5"  # for Keras
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "m-2_00000.weights.h5",
        "m-2_00001.weights.h5",
        path.name,
        first,
    ]
    monkeypatch.undo()
    net(0).save_weights(path, max_shard_size=1e-6)
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, first, "m_00001.weights.h5"]


# ----- callbacks -----


def trained(model: Any, *used: Any) -> None:
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 40), "float32"), np.ones((4, 40), "float32"), epochs=2, verbose=0, callbacks=list(used))


@pytest.mark.parametrize("at", range(1, 5))
def test_a_backup_that_fails_leaves_one_to_take_up(tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = callbacks.BackupAndRestore(tmp_path / "kept", double_checkpoint=True, delete_checkpoint=False)
    trained(net(0), backup)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", Failing(os.replace, OSError("disk full"), at))
        with pytest.raises(FileWriteError, match="disk full"):
            trained(net(0), callbacks.BackupAndRestore(tmp_path / "kept", double_checkpoint=True), Stop(at))

    trained(net(0), callbacks.BackupAndRestore(tmp_path / "kept", double_checkpoint=True))

    assert not (tmp_path / "kept").exists()


class Stop(callbacks.Callback):
    """Train for more epochs than a backup has, so that it is written again."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def on_train_begin(self, logs: Any = None) -> None:
        self.model._initial_epoch = 0


def test_a_finished_training_removes_only_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    trained(net(0), callbacks.BackupAndRestore(tmp_path))

    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("make", [callbacks.CSVLogger, callbacks.ModelCheckpoint, callbacks.TensorBoard])
def test_callbacks_tell_where_they_cannot_write(tmp_path: Path, make: Any) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(FileWriteError, match="Cannot write"):
        trained(net(0), make(str(tmp_path / "file" / "x.keras")))
