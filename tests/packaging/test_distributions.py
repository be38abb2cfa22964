"""The wheel and the source distribution: what they contain, and that an installation from the wheel works far from the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE")
SOURCES = ("graphkit", "converters")
CONVERTERS = "converters/"  # installed as graphkit/converters/
TOUR = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
WITHOUT_OURS = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}


class Distributions(NamedTuple):
    """What was built: the source distribution, the wheel made of it, the wheel made of the checkout."""

    sdist: Path
    wheel: Path
    direct: Path


def run(*command: str | Path, folder: Path) -> str:
    """Run a command in a folder and return what it printed; fail with that where it does not end well."""
    done = subprocess.run(list(map(str, command)), cwd=folder, env=WITHOUT_OURS, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Built from a copy: builds leave folders beside the sources, and take up what earlier ones left."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "checkout"
    copy.mkdir()
    for name in SETTINGS:
        shutil.copy(ROOT / name, copy)
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "direct", copy, folder=folder)
    shutil.rmtree(copy / "build")
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", copy, folder=folder)
    (sdist,), (wheel,) = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    (direct,) = (folder / "direct").glob("*.whl")
    return Distributions(sdist, wheel, direct)


@pytest.fixture(scope="module")
def programs(built: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment that has the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", folder / "venv", folder=folder)
    found = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(found / "python", "-m", "pip", "install", "--quiet", built.wheel, folder=folder)
    run(found / "python", "-m", "pip", "check", folder=folder)
    return found


@pytest.fixture(scope="module")
def demo(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was empty, with what `graphkit demo` wrote into it."""
    folder = tmp_path_factory.mktemp("empty")
    assert "All three agree." in run(programs / "graphkit", "demo", "--epochs", "1", "--out", ".", folder=folder)
    return folder


def source_files() -> set[str]:
    """The files of the checkout's packages, by their path in it."""
    return {
        path.relative_to(ROOT).as_posix()
        for name in SOURCES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def contents(wheel: Path) -> dict[str, int]:
    """Names and checksums of the members of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {member.filename: member.CRC for member in archive.infolist() if not member.is_dir()}


def test_the_metadata_are_those_of_a_package_index(built: Distributions) -> None:
    printed = run(sys.executable, "-m", "twine", "check", "--strict", built.sdist, built.wheel, folder=ROOT)

    assert printed.count("PASSED") == 2


def test_the_wheel_holds_every_package_with_its_data(built: Distributions) -> None:
    installed = {name for name in contents(built.wheel) if ".dist-info/" not in name}

    assert installed == {f"graphkit/{name}" if name.startswith(CONVERTERS) else name for name in source_files()}


def test_the_wheel_holds_typing_marker_data_and_licence(built: Distributions) -> None:
    names = list(contents(built.wheel))

    assert {"graphkit/py.typed", "graphkit/datasets/digits/optdigits.npz", "graphkit/datasets/digits/README.md"} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_source_distribution_holds_what_a_build_needs_and_no_tests(built: Distributions) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    made = {name for name in names if name in ("PKG-INFO", "setup.cfg") or name.startswith("graphkit.egg-info/")}

    assert names - made == source_files() | set(SETTINGS)


def test_the_wheel_of_the_source_distribution_is_that_of_the_checkout(built: Distributions) -> None:
    assert contents(built.wheel) == contents(built.direct)


def test_the_installed_package_is_the_one_that_runs(programs: Path, tmp_path: Path) -> None:
    code = "import graphkit, graphkit.converters.onnx as onnx; print(graphkit.__file__); print(onnx.__file__)"
    places = run(programs / "python", "-c", code, folder=tmp_path).splitlines()

    assert all(Path(place).is_relative_to(programs.parent) for place in places)


COMMANDS = (
    "summary model.keras",
    "plot model.keras -o drawing.html",
    "plot model.keras -o drawing.svg",
    "convert model.keras again.onnx",
    "convert model.keras again.h5",
    "inspect model.keras",
    "inspect model.onnx",
    "doctor",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run_beside_the_demo(command: str, programs: Path, demo: Path) -> None:
    words = command.split()

    assert run(programs / "graphkit", *words, folder=demo).strip()
    assert all((demo / word).is_file() for word in words[2:] if "." in word)


def test_a_script_that_imports_keras_runs(programs: Path, demo: Path) -> None:
    (demo / "script.py").write_text("import keras\nprint(keras.models.load_model('model.keras').name)\n")

    assert run(programs / "graphkit", "run", "script.py", folder=demo) == "digits\n"


@pytest.mark.parametrize(
    ("extra", "use"),
    [
        ("yaml", "models.model_from_json('class_name: Sequential')"),
        ("images", "utils.load_img('a.png')"),
    ],
)
def test_an_extra_that_is_missing_is_named(extra: str, use: str, programs: Path, tmp_path: Path) -> None:
    code = f"import graphkit\ntry:\n    graphkit.{use}\nexcept graphkit.errors.MissingPackageError as error:\n    print(error)"

    assert f"pip install 'graphkit[{extra}]'" in run(programs / "python", "-c", code, folder=tmp_path)


def test_the_tour_of_the_readme_runs(programs: Path, tmp_path: Path) -> None:
    blocks = TOUR.findall((ROOT / "README.md").read_text("utf-8"))
    (tmp_path / "tour.py").write_text("\n".join(blocks), "utf-8")

    assert blocks
    run(programs / "python", "tour.py", folder=tmp_path)
