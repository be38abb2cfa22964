"""Builds wheels of small packages and installs them into a folder, as pip does for users."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = Path(__file__).with_name("plugin")


def install_plugin(folder: Path) -> Path:
    """Build the wheel of `plugin/` and install it; return the folder to put on the path."""
    about = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    files = {
        path.relative_to(PLUGIN).as_posix(): path.read_bytes() for path in sorted((PLUGIN / "acmenet").glob("*.py"))
    }
    points = about["entry-points"]["graphkit.converters"]
    return install(folder, about["name"], files, points)


def install(folder: Path, name: str, files: Mapping[str, bytes], points: Mapping[str, str]) -> Path:
    """Install a package.

    Args:
        folder: an empty folder for the wheel and the installation.
        name: the name of the distribution.
        files: its modules by path.
        points: its entry points of the group `graphkit.converters`.
    """
    wheel, site = _wheel(folder, name, files, points), folder / "site"
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
        environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        subprocess.run([*command, str(wheel)], check=True, env=environment)
    else:  # an environment without pip: a wheel of pure Python is installed by unpacking it
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return site


def _wheel(folder: Path, name: str, files: Mapping[str, bytes], points: Mapping[str, str]) -> Path:
    info = f"{name}-1.0.dist-info"
    lines = ["[graphkit.converters]", *(f"{key} = {value}" for key, value in points.items())]
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "\n".join(lines).encode(),
    }
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]).encode()
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return wheel


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def run_with(sites: list[Path], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these folders on its path, and the repository as its working folder."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sites))}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def run_checks(sites: list[Path], module: str) -> None:
    """Run the checks of a module of this folder in a process of its own. Raises AssertionError with its report if one fails."""
    done = run_with(sites, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", f"tests/extend/{module}.py")
    if done.returncode != 0:
        raise AssertionError(f"{done.stdout}\n{done.stderr}")
