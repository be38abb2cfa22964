"""graphkit under Keras' names, in one process: `import keras`, `from tensorflow import keras`, `keras.layers.merge`, ...

`impersonating()` puts a finder first on `sys.meta_path`. It finds `keras`, `tf_keras` and `tensorflow`, so an installed Keras is
never imported. The modules that it creates look names up in graphkit's modules on access. Only `graphkit run` and callers of
`impersonating` do this.
"""

from __future__ import annotations

import dis
import runpy
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from graphkit.cli.terminal import complain
from graphkit.core.errors import GraphKitError, NameConflictError
from graphkit.core.registry import did_you_mean

_KERAS_VERSION = "3.0.0"
_TENSORFLOW_VERSION = "2.16.0"

_HOMES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "tensorflow.contrib.keras")
"""The packages that old and new scripts import Keras from."""

_LAYERS = ("graphkit.layers",)
_ENGINE = ("graphkit.layers", "graphkit.models", "graphkit")
_UTILS = ("graphkit.utils",)

_MODULES: dict[str, tuple[str, ...]] = {
    "": ("graphkit",),
    "activations": ("graphkit.activations",),
    "applications": ("graphkit.applications",),
    **{
        f"applications.{name}": (f"graphkit.applications.{name}",)
        for name in (
            "convnext", "densenet", "efficientnet", "efficientnet_v2", "imagenet_utils", "inception_resnet_v2", "inception_v3",
            "mobilenet", "mobilenet_v2", "mobilenet_v3", "nasnet", "resnet", "resnet50", "resnet_v2", "vgg16", "vgg19", "xception",
        )
    },
    "backend": ("graphkit.backend",),
    "callbacks": ("graphkit.callbacks",),
    "config": ("graphkit.config",),
    "constraints": ("graphkit.constraints",),
    "initializers": ("graphkit.initializers",),
    "initializations": ("graphkit.initializers",),
    "losses": ("graphkit.losses",),
    "objectives": ("graphkit.losses",),
    "metrics": ("graphkit.metrics",),
    "models": ("graphkit.models",),
    "ops": ("graphkit.ops",),
    "optimizers": ("graphkit.optimizers",),
    "optimizers.schedules": ("graphkit.optimizers.schedules", "graphkit.optimizers"),
    "optimizers.legacy": ("graphkit.optimizers",),
    "random": ("graphkit.random",),
    "regularizers": ("graphkit.regularizers",),
    "saving": ("graphkit.saving",),
    "tree": ("graphkit.tree",),
    "engine": _ENGINE,
    "engine.base_layer": _ENGINE,
    "engine.input_layer": _ENGINE,
    "engine.sequential": _ENGINE,
    "engine.topology": _ENGINE,
    "engine.training": _ENGINE,
    "layers": _LAYERS,
    "layers.merge": _LAYERS,
    **{
        f"layers.{name}": _LAYERS
        for name in (
            "advanced_activations", "convolutional", "convolutional_recurrent", "core", "embeddings", "experimental", "local",
            "noise", "normalization", "pooling", "preprocessing", "recurrent", "wrappers",
        )
    },
    "legacy": _LAYERS,
    "legacy.layers": _LAYERS,
    "preprocessing": ("graphkit.preprocessing",),
    "preprocessing.sequence": ("graphkit.preprocessing.sequence",),
    "preprocessing.text": ("graphkit.preprocessing.text",),
    "utils": _UTILS,
    **{f"utils.{name}": _UTILS for name in ("data_utils", "generic_utils", "io_utils", "layer_utils", "np_utils", "vis_utils")},
}  # fmt: skip

_TENSORFLOW: dict[str, tuple[str, ...]] = {
    "": ("graphkit.ops",),
    "math": ("graphkit.ops",),
    "nn": ("graphkit.ops",),
    "linalg": ("graphkit.ops",),
    "image": ("graphkit.ops.image", "graphkit.ops"),
    "strings": ("graphkit.ops.texts",),
    "random": ("graphkit.random",),
    "python": (),
    "contrib": (),
}
"""The part of TensorFlow that scripts use around a Keras model, mapped to graphkit's ops."""

_RENAMED: dict[tuple[str, str], tuple[str, str]] = {
    ("engine", "Container"): ("graphkit.models", "Model"),
    ("engine", "Network"): ("graphkit.models", "Model"),
    ("engine", "InputSpec"): ("graphkit.layers", "InputSpec"),
    ("models", "Input"): ("graphkit", "Input"),
    ("tf", "reduce_sum"): ("graphkit.ops", "sum"),
    ("tf", "reduce_mean"): ("graphkit.ops", "mean"),
    ("tf", "reduce_max"): ("graphkit.ops", "max"),
    ("tf", "reduce_min"): ("graphkit.ops", "min"),
    ("tf", "reduce_prod"): ("graphkit.ops", "prod"),
    ("tf", "reduce_any"): ("graphkit.ops", "any"),
    ("tf", "reduce_all"): ("graphkit.ops", "all"),
    ("tf", "concat"): ("graphkit.ops", "concatenate"),
    ("tf", "pow"): ("graphkit.ops", "power"),
    ("tf", "constant"): ("graphkit.ops", "convert_to_tensor"),
    ("tf", "Variable"): ("graphkit", "Variable"),
    ("tf", "set_seed"): ("graphkit.utils", "set_random_seed"),
}
"""Names that graphkit has elsewhere. The key is (first part of the module's name, or "tf" for TensorFlow; the name)."""

_CALLABLE = {"layers.merge": "merge"}
"""Modules that can also be called: `keras.layers.merge` was a function in Keras 1 and a module in Keras 2."""

_DTYPES = (
    "bfloat16", "bool", "float16", "float32", "float64", "int16", "int32", "int64", "int8", "string", "uint16", "uint32", "uint64", "uint8",
)  # fmt: skip


class MissingNameError(GraphKitError, AttributeError):
    """A script used an attribute of Keras or TensorFlow that graphkit does not have."""


class MissingImportError(GraphKitError, ImportError):
    """A script imported a name from Keras or TensorFlow that graphkit does not have."""


class MissingModuleError(GraphKitError, ModuleNotFoundError):
    """A script imported a module of Keras or TensorFlow that graphkit does not have."""


class _Front(ModuleType):
    """A module with the name of one of Keras or TensorFlow, and the contents of graphkit's.

    Args:
        fullname: the module's name.
        part: the name below Keras or TensorFlow; empty for the package itself.
        kind: "keras" or "tf".
        places: the modules of graphkit to look names up in, in order.
    """

    def __init__(self, fullname: str, part: str, kind: str, places: tuple[str, ...]) -> None:
        super().__init__(fullname, f"{fullname}, provided by graphkit.")
        self.__dict__.update(__path__=[], _part=part, _kind=kind, _places=places)
        if not part:
            self.__version__ = _KERAS_VERSION if kind == "keras" else _TENSORFLOW_VERSION

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return self._public()
        if name.startswith("__"):
            raise AttributeError(name)
        child = f"{self.__name__}.{name}"
        if _table_entry(child) is not None:
            return import_module(child)
        found = self._look_up(name)
        if found is None:
            raise self._missing(name, sys._getframe(1))
        self.__dict__[name] = found[0]
        return found[0]

    def _look_up(self, name: str) -> tuple[Any] | None:
        if self._kind == "tf" and not self._part and name in _DTYPES:
            return (name,)
        renamed = _RENAMED.get((self._part.split(".")[0] if self._kind == "keras" else "tf", name))
        for place in (renamed[0],) if renamed else self._places:
            module = _import_if_there(place)
            value = getattr(module, renamed[1] if renamed else name, None)
            if value is not None:
                return (value,)
        return None

    def _public(self) -> list[str]:
        names: set[str] = set()
        for place in self._places:
            module = _import_if_there(place)
            names.update(getattr(module, "__all__", None) or (n for n in dir(module) if not n.startswith("_")))
        prefix = f"{self._part}." if self._part else ""
        if self._kind == "keras":
            names.update(m.removeprefix(prefix).split(".")[0] for m in _MODULES if m.startswith(prefix))
        return sorted(n for n in names if n and not n.startswith("_"))

    def _missing(self, name: str, caller: Any) -> Exception:
        message = f"graphkit has no {self.__name__}.{name}.{did_you_mean(name, self._public())}"
        if _is_import(caller.f_code, caller.f_lasti):
            return MissingImportError(message, name=self.__name__)
        return MissingNameError(message)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = _CALLABLE.get(self._part)
        if function is None:
            raise TypeError(f"module {self.__name__!r} is not callable")
        return getattr(import_module(self._places[0]), function)(*args, **kwargs)

    def __dir__(self) -> list[str]:
        return self._public()


def _is_import(code: CodeType, at: int) -> bool:
    """Return whether this instruction is `from module import name`, which is expected to raise ImportError, not AttributeError."""
    return 0 <= at < len(code.co_code) and dis.opname[code.co_code[at]] == "IMPORT_FROM"


def _import_if_there(place: str) -> Any:
    try:
        return import_module(place)
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(f"{error.name}.")):
            return None
        raise


def _table_entry(fullname: str) -> tuple[str, str, tuple[str, ...]] | None:
    """Return (kind, part, graphkit's modules) for a module name, None if graphkit does not provide it."""
    for home in _HOMES:
        if fullname == home or fullname.startswith(f"{home}."):
            part = fullname[len(home) + 1 :].removeprefix("api.").removeprefix("_v2.")
            places = _MODULES.get(part)
            return None if places is None else ("keras", part, places)
    if fullname.split(".")[0] == "tensorflow":
        part = fullname[len("tensorflow") + 1 :]
        places = _TENSORFLOW.get(part)
        return None if places is None else ("tf", part, places)
    return None


class _Finder(MetaPathFinder, Loader):
    """Finds the modules that graphkit provides; raises MissingModuleError for others below Keras and TensorFlow."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if fullname.split(".")[0] not in _ROOTS:
            return None
        if _table_entry(fullname) is None:
            known = [f"{h}.{m}" for h in _HOMES for m in _MODULES if m and fullname.startswith(h)]
            raise MissingModuleError(
                f"graphkit has no module {fullname}.{did_you_mean(fullname, known)}", name=fullname
            )
        return ModuleSpec(fullname, self, origin="graphkit", is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        entry = _table_entry(spec.name)
        if entry is None:
            raise MissingModuleError(f"graphkit has no module {spec.name}.", name=spec.name)
        kind, part, places = entry
        return _Front(spec.name, part, kind, places)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing: names are looked up on access."""


_ROOTS = ("keras", "tf_keras", "tensorflow")


@contextmanager
def impersonating() -> Iterator[None]:
    """Make imports of keras, tf_keras and tensorflow return graphkit inside the `with` block.

    Raises:
        NameConflictError: one of them has been imported already; its objects would mix with graphkit's.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):  # active already
        yield
        return
    taken = [name for name in _ROOTS if name in sys.modules]
    if taken:
        raise NameConflictError(
            f"{', '.join(taken)} has been imported in this process already, so graphkit cannot replace it."
        )
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [m for m in sys.modules if m.split(".")[0] in _ROOTS and isinstance(sys.modules[m], _Front)]:
            del sys.modules[name]


def run_script(script: Path, arguments: Sequence[str] = ()) -> int:
    """Run a Python file as `__main__` with graphkit under Keras' names.

    Args:
        script: the file.
        arguments: its command-line arguments.

    Returns:
        The script's exit code; 1 after an exception, whose traceback is printed.

    Raises:
        FileNotFoundError: there is no such file.
        NameConflictError: Keras or TensorFlow has been imported in this process already.
    """
    if not script.is_file():
        raise FileNotFoundError(2, "no such file", str(script))
    argv, path = sys.argv, list(sys.path)
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    try:
        with impersonating():
            return _run(str(script))
    finally:
        sys.argv, sys.path[:] = argv, path


def _run(script: str) -> int:
    try:
        runpy.run_path(script, run_name="__main__")
        return 0
    except SystemExit as stop:
        return _exit_code(stop)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the script failed: print its traceback as Python does
        _show(error, script)
        return 1


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    complain(str(stop.code))
    return 1


def _show(error: BaseException, script: str) -> None:
    """Print the traceback, starting in the script."""
    start = error.__traceback__
    while start is not None and start.tb_frame.f_code.co_filename != script:
        start = start.tb_next
    traceback.print_exception(type(error), error, start)
