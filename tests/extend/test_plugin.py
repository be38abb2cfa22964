"""A package that is installed beside graphkit adds an op, a layer and formats; a broken one breaks nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.extend.broken import FILES, POINTS
from tests.extend.installing import install, install_plugin, run_checks, run_with


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_plugin(tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def broken_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("broken"), "acmebroken", FILES, POINTS)


def test_an_installed_package_adds_formats_an_op_and_a_layer(site: Path) -> None:
    """What it adds is in `checks_of_plugin.py`."""
    run_checks([site], "checks_of_plugin")


def test_a_broken_package_is_named_in_warnings_and_breaks_nothing_else(site: Path, broken_site: Path) -> None:
    """See `checks_of_broken_plugin.py`; the other package works beside it."""
    run_checks([site, broken_site], "checks_of_broken_plugin")


def test_the_command_line_prints_one_line_for_each_broken_entry_point(broken_site: Path) -> None:
    done = run_with([broken_site], "-m", "graphkit", "doctor")

    warned = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warned) == len([line for line in warned if "of acmebroken" in line]) == 5
    assert "the entry point 'missing' of graphkit.converters cannot be used: ModuleNotFoundError" in done.stdout
    assert done.returncode == 1
    assert "run by onnxruntime     ok" in done.stdout
