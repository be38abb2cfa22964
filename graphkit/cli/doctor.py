"""`graphkit doctor`: list what is installed, report known problems, and run a short end-to-end test."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

from graphkit.cli.terminal import say

_PACKAGES = (
    "numpy",
    "networkx",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "h5py",
    "rich",
    "google-crc32c",
    "threadpoolctl",
    "ml_dtypes",
)
_EITHER = {"onnxruntime": ("onnxruntime-gpu",), "onnxruntime-gpu": ("onnxruntime",)}  # one of them is enough
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def examine() -> int:
    """Print the report and return the exit code: 1 if a problem was found, else 0."""
    from graphkit import __version__

    say(f"graphkit {__version__}")
    problems: list[str] = []
    for title, lines in _PARTS.items():
        say(f"\n{title}")
        try:
            for name, value, problem in lines():
                say(f"  {name:<22} {value}")
                if problem:
                    problems.append(problem)
        except Exception as error:  # a failure is reported as a problem, and the report continues
            problems.append(f"{title}: {type(error).__name__}: {error}")
    say("\nself test")
    for name, check in _checks():
        started = time.perf_counter()
        try:
            result = check()
            say(f"  {name:<22} ok, {result} ({time.perf_counter() - started:.2f} s)")
        except Exception as error:  # as above
            say(f"  {name:<22} FAILED")
            problems.append(f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
            break
    say()
    for problem in problems:
        say(f"! {problem}")
    say(f"{len(problems)} problem{'s' if len(problems) != 1 else ''} found." if problems else "No problems found.")
    return 1 if problems else 0


Line = tuple[str, str, str]  # name, value, problem (empty if there is none)


def _system() -> Iterator[Line]:
    from graphkit.core.threads import num_threads

    yield "python", f"{platform.python_version()} ({sys.executable})", ""
    yield "platform", platform.platform(), ""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield "cores", f"{usable} usable of {os.cpu_count()}", ""
    yield "graphkit's threads", str(num_threads()), ""
    yield "BLAS", _blas(), ""
    for name in _THREAD_VARIABLES:
        if name in os.environ:
            yield name, os.environ[name], ""


def _blas() -> str:
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    blas = (config or {}).get("Build Dependencies", {}).get("blas", {})
    from graphkit.core import threads

    known = threads.blas_threads()
    count = ", threads not known" if known is None else f", {known} thread{'s' if known != 1 else ''}"
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip() + count


def _packages() -> Iterator[Line]:
    for name in _PACKAGES:
        version = _version(name)
        if version is not None:
            yield name, version, ""
        elif not any(_version(other) for other in _EITHER.get(name, ())):
            yield name, "not installed", f"{name} is not installed: pip install {name}"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _runtime() -> Iterator[Line]:
    from graphkit.runtime import available_providers, installed_runtimes

    found = installed_runtimes()
    problem = ""
    if len(found) > 1:
        problem = (
            f"{' and '.join(found)} are installed together and overwrite each other's files, so it is undefined which one is "
            "imported. Uninstall both, then install one."
        )
    yield "distributions", ", ".join(found) or "none", problem
    yield "providers", ", ".join(available_providers()), ""


def _formats() -> Iterator[Line]:
    from graphkit.saving import formats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", formats.ConverterWarning)  # the failures are findings below
        found, failed = formats.all_formats(), formats.failed_entry_points()
    for format in found:
        does = " and ".join(word for word, can in (("read", format.is_read), ("written", format.is_written)) if can)
        yield format.name, f"{does} ({type(format).__module__})", ""
    for name, reason in failed.items():
        yield name, "FAILED", f"the entry point {name!r} of {formats.GROUP} cannot be used: {reason}"


def _drawing() -> Iterator[Line]:
    yield ".svg, .html", "built in", ""
    program = shutil.which("dot")
    yield (
        ".png, .pdf (Graphviz)",
        program or "not installed: `dot` is not on the PATH; only needed for .png and .pdf",
        "",
    )


_PARTS: dict[str, Callable[[], Iterator[Line]]] = {
    "system": _system,
    "packages": _packages,
    "onnxruntime": _runtime,
    "formats": _formats,
    "drawing": _drawing,
}


def _checks() -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield the checks: train, export and run a model of two layers on 32 rows."""
    state: dict[str, Any] = {}

    def train() -> str:
        import numpy as np

        from graphkit import layers
        from graphkit.models import Model

        inputs = layers.Input((4,), name="doctor_input")
        hidden = layers.Dense(8, activation="tanh")(inputs)
        model = Model(inputs, layers.Dense(1, activation="sigmoid")(hidden))
        model.compile(optimizer="adam", loss="binary_crossentropy")
        x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
        y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")
        losses = model.fit(x, y, epochs=3, batch_size=8, verbose=0).history["loss"]
        if not losses[-1] < losses[0]:
            raise ArithmeticError(f"the loss does not fall: {losses}")
        state.update(model=model, x=x)
        return f"loss {losses[0]:.3f} to {losses[-1]:.3f}"

    def export() -> str:
        from graphkit.runtime import Predictor

        state["predictor"] = Predictor(state["model"])
        return str(state["predictor"].providers[0])

    def agree() -> str:
        import numpy as np

        difference = float(np.max(np.abs(np.asarray(state["model"](state["x"])) - state["predictor"](state["x"]))))
        if not difference < 1e-5:
            raise ArithmeticError(f"graphkit and onnxruntime differ by {difference:.2g}")
        return f"difference {difference:.1e}"

    yield "train", train
    yield "export to ONNX", export
    yield "run by onnxruntime", agree
