"""graphkit under Keras' names, in one process: `import keras`, `from tensorflow import keras`, `keras.layers.merge`, ...

`impersonating()` puts a finder first on `sys.meta_path`. It finds `keras`, `tf_keras` and `tensorflow`, so an installed Keras is
never imported. The modules that it creates look names up in graphkit's modules on access. Only `graphkit run` and callers of
`impersonating` do this.
"""

from __future__ import annotations

import difflib
import dis
import os
import runpy
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from graphkit.cli.terminal import complain
from graphkit.core.errors import GraphKitError, NameConflictError

_KERAS_VERSION = "3.15.1"
"""The version of Keras whose names graphkit has; scripts compare it, as in `keras.__version__ >= "3"`."""

_HOMES = (
    "keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "tensorflow.contrib.keras", "tensorflow.compat.v1.keras",
    "tensorflow.compat.v2.keras",
)  # fmt: skip
"""The packages that old and new scripts import Keras from."""

_PREFIXES = ("api._v2.keras.", "api._v1.keras.", "api._v2.", "api.", "_tf_keras.keras.", "src.")
"""Parts of module names that lead to the same modules: `keras.api.layers`, `keras.src.layers`."""

KERAS_MODULES = (
    "activations", "applications", "applications.convnext", "applications.densenet", "applications.efficientnet",
    "applications.efficientnet_v2", "applications.imagenet_utils", "applications.inception_resnet_v2", "applications.inception_v3",
    "applications.mobilenet", "applications.mobilenet_v2", "applications.mobilenet_v3", "applications.nasnet", "applications.resnet",
    "applications.resnet50", "applications.resnet_v2", "applications.vgg16", "applications.vgg19", "applications.xception", "backend",
    "callbacks", "config", "constraints", "datasets", "datasets.boston_housing", "datasets.california_housing", "datasets.cifar10",
    "datasets.cifar100", "datasets.digits", "datasets.fashion_mnist", "datasets.imdb", "datasets.mnist", "datasets.reuters",
    "distillation", "distribution", "dtype_policies", "export", "initializers", "layers", "legacy", "legacy.saving", "losses", "metrics",
    "mixed_precision", "models", "ops", "ops.image", "ops.linalg", "ops.nn", "ops.numpy", "optimizers", "optimizers.legacy",
    "optimizers.schedules", "preprocessing", "preprocessing.image", "preprocessing.sequence", "preprocessing.text", "quantizers",
    "random", "regularizers", "saving", "tree", "utils", "utils.bounding_boxes", "utils.legacy", "visualization", "wrappers",
)  # fmt: skip
"""The public modules of Keras 3, and graphkit's digits; each is the module of graphkit with the same name."""

_LAYERS = ("graphkit.layers",)
_ENGINE = ("graphkit.layers", "graphkit.models", "graphkit")
_UTILS = ("graphkit.utils",)


def _under(parent: str, places: tuple[str, ...], names: str) -> dict[str, tuple[str, ...]]:
    return {f"{parent}.{name}": places for name in names.split()}


_MODULES: dict[str, tuple[str, ...]] = {
    "": ("graphkit",),
    **{name: (f"graphkit.{name}",) for name in KERAS_MODULES},
    "optimizers.schedules": ("graphkit.optimizers.schedules", "graphkit.optimizers"),
    "optimizers.legacy": ("graphkit.optimizers",),
    # Modules of Keras 1 and 2, and of tf.keras.
    "initializations": ("graphkit.initializers",),
    "objectives": ("graphkit.losses",),
    "engine": _ENGINE,
    **_under("engine", _ENGINE, "base_layer functional input_layer input_spec keras_tensor network sequential topology training"),
    **_under(
        "layers", _LAYERS,
        "activation advanced_activations attention convolutional convolutional_recurrent core embeddings experimental "
        "experimental.preprocessing local merge merging noise normalization pooling preprocessing recurrent regularization reshaping "
        "rnn wrappers",
    ),
    "legacy": _LAYERS,
    "legacy.layers": _LAYERS,
    "wrappers.scikit_learn": ("graphkit.wrappers",),
    **_under(
        "optimizers", ("graphkit.optimizers",),
        "adadelta adagrad adam adam_v2 adamax ftrl gradient_descent_v2 nadam optimizer rmsprop rmsprop_v2 sgd",
    ),
    **_under("optimizers.schedules", ("graphkit.optimizers.schedules", "graphkit.optimizers"), "learning_rate_schedule"),
    **_under(
        "utils", _UTILS,
        "all_utils conv_utils data_utils dataset_utils generic_utils image_utils io_utils layer_utils losses_utils np_utils "
        "python_utils tf_utils vis_utils",
    ),
}  # fmt: skip

_RENAMED: dict[tuple[str, str], tuple[str, str]] = {
    ("engine", "Container"): ("graphkit.models", "Model"),
    ("engine", "Network"): ("graphkit.models", "Model"),
    ("engine", "InputSpec"): ("graphkit.layers", "InputSpec"),
    ("models", "Input"): ("graphkit", "Input"),
}
"""Names that graphkit has elsewhere. The key is (first part of the module's name; the name)."""

_TENSORFLOW: dict[str, tuple[str, ...]] = {
    "": ("graphkit",), "data": ("graphkit.utils.dataset",), "data.experimental": ("graphkit.utils.dataset",),
    "experimental.numpy": ("graphkit.ops",), "experimental.numpy.random": ("graphkit.random",), "python": (), "contrib": (),
    "compat.v2": (), "losses": ("graphkit.losses",), "metrics": ("graphkit.metrics",), "optimizers": ("graphkit.optimizers",),
    "optimizers.schedules": ("graphkit.optimizers.schedules",), "initializers": ("graphkit.initializers",),
}  # fmt: skip
"""Modules of TensorFlow whose names come from modules of graphkit; the others are in the table of `graphkit.tensorflow`."""

_TENSORFLOW_NAMES = {
    "": ("GradientTape",),
    "data": (
        "AUTOTUNE",
        "Dataset",
        "INFINITE_CARDINALITY",
        "Iterator",
        "Options",
        "TextLineDataset",
        "UNKNOWN_CARDINALITY",
    ),
    "data.experimental": (
        "AutoShardPolicy",
        "AUTOTUNE",
        "INFINITE_CARDINALITY",
        "UNKNOWN_CARDINALITY",
        "assert_cardinality",
        "cardinality",
    ),
}
"""The names that these modules take over; all public ones where nothing is listed."""

_HINTS = {
    "distribution": "training runs on the CPUs of one machine.",
    "export": "model.export('model.onnx') writes ONNX.",
    "legacy": "keras.saving has today's functions.",
    "estimator": "use the model itself: fit, evaluate, predict.",
    "layers.CuDNNLSTM": "use keras.layers.LSTM.",
    "layers.CuDNNGRU": "use keras.layers.GRU.",
    "preprocessing.image.ImageDataGenerator": "use keras.utils.image_dataset_from_directory, and layers for augmentation such as "
    "keras.layers.RandomFlip.",
    "backend.get_session": "there are no sessions; call models and functions directly.",
    "backend.set_session": "there are no sessions; call models and functions directly.",
    "utils.multi_gpu_model": "training runs on the CPUs of one machine; use the model itself.",
    "experimental": "the parts that became public are in keras itself.",
}
"""What to use instead of names of Keras that are absent; the key is the name without `keras.`, or its first part."""

_CALLABLE = {"layers.merge": "merge"}
"""Modules that can also be called: `keras.layers.merge` was a function in Keras 1 and a module in Keras 2."""


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
            self.__version__ = _KERAS_VERSION if kind == "keras" else _names().VERSION

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return self._public()
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._look_up(name)
        if found is None:
            raise self._missing(name, sys._getframe(1))
        self.__dict__[name] = found[0]
        return found[0]

    def _look_up(self, name: str) -> tuple[Any] | None:
        """Return a tuple of the object behind the name; None if there is none."""
        child = f"{self.__name__}.{name}"
        if _table_entry(child) is not None:
            return (_module(child),)
        path = f"{self._part}.{name}" if self._part else name
        if self._kind == "keras":
            if path in _OWN:
                return (_OWN[path],)
            renamed = _RENAMED.get((self._part.split(".")[0], name))
            if renamed is not None:
                return (getattr(import_module(renamed[0]), renamed[1]),)
        elif path in _names().NAMES:
            return (_names().NAMES[path],)
        elif name not in _TENSORFLOW_NAMES.get(self._part, (name,)):
            return None
        for place in self._places:
            value = getattr(_import_if_there(place), name, None)
            if value is not None and not _is_inner_module(value):
                return (value,)
        return None

    def _public(self) -> list[str]:
        names: set[str] = set()
        for place in self._places:
            module = _import_if_there(place)
            names.update(getattr(module, "__all__", None) or (n for n in dir(module) if not n.startswith("_")))
        prefix = f"{self._part}." if self._part else ""
        if self._kind == "keras":
            names.update(m.removeprefix(prefix).split(".")[0] for m in _MODULES if m.startswith(prefix) and _exists(m))
        else:
            listed = _TENSORFLOW_NAMES.get(self._part)
            names = (names if listed is None else names & set(listed)) | set(_names().names_in(self._part))
            names |= {m.removeprefix(prefix).split(".")[0] for m in _TENSORFLOW if m.startswith(prefix)} | (
                {"keras"} if not prefix else set()
            )
        return sorted(n for n in names if n and not n.startswith("_"))

    def _missing(self, name: str, caller: Any) -> Exception:
        path = f"{self._part}.{name}" if self._part else name
        message = f"graphkit has no {self.__name__}.{name}{_instead(self._kind, path, name, self._public())}"
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


def _names() -> Any:
    """Return the table of TensorFlow's names, which is imported for scripts that use them."""
    return import_module("graphkit.tensorflow")


def _is_inner_module(value: Any) -> bool:
    """Return whether a name leads to a module of graphkit that is no module of Keras, such as `graphkit.ops.texts`."""
    return isinstance(value, ModuleType) and not isinstance(value, _Front) and value.__name__.startswith("graphkit.")


def _instead(kind: str, path: str, name: str, known: Sequence[str]) -> str:
    """Return the end of a message about a missing name: what to use instead, or a name of the same module that is close."""
    hint = _names().hint_for(path) if kind == "tf" else _HINTS.get(path) or _HINTS.get(path.split(".")[0], "")
    close = difflib.get_close_matches(name, known, n=2, cutoff=_CLOSE)
    if close and (not hint or kind == "keras"):
        return f". Did you mean {' or '.join(repr(c) for c in close)}?"
    return f": {hint}" if hint else "."


_CLOSE = 0.8
"""How similar a name must be to be suggested, from 0 to 1; unrelated short names reach 0.7."""


def _exists(part: str) -> bool:
    """Return whether graphkit has a module for this module of Keras."""
    return not part or any(_import_if_there(place) is not None for place in _MODULES[part])


def _keras_part(part: str) -> str | None:
    """Return the name in the table for a module name below Keras, None if there is none."""
    for prefix in _PREFIXES:
        if part == prefix.rstrip("."):
            return ""
        if part.startswith(prefix):
            rest = part.removeprefix(prefix)
            parts = rest.split(".")
            # The modules below `keras.src` changed from version to version; their names are those of the public module above.
            found = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
            return next((p for p in found if p in _MODULES and _exists(p)), None)
    return part if part in _MODULES and _exists(part) else None


def _table_entry(fullname: str) -> tuple[str, str, tuple[str, ...]] | None:
    """Return (kind, part, graphkit's modules) for a module name, None if graphkit does not provide it."""
    for home in _HOMES:
        if fullname == home or fullname.startswith(f"{home}."):
            part = _keras_part(fullname[len(home) + 1 :])
            return None if part is None else ("keras", part, _MODULES[part])
    if fullname.split(".")[0] == "tensorflow":
        part = fullname[len("tensorflow") + 1 :]
        if part in _TENSORFLOW or part in _names().modules():
            places = _TENSORFLOW.get(part, ())
            return ("tf", part, places) if not places or any(map(_import_if_there, places)) else None
    return None


def _module(fullname: str) -> ModuleType:
    """Return a module that graphkit provides; after the end of `impersonating` it is not registered as imported."""
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return import_module(fullname)
    return _front(fullname)


def _front(fullname: str) -> ModuleType:
    entry = _table_entry(fullname)
    if entry is None:
        raise MissingModuleError(f"graphkit has no module {fullname}.", name=fullname)
    kind, part, places = entry
    return _Front(fullname, part, kind, places)


class _Finder(MetaPathFinder, Loader):
    """Finds the modules that graphkit provides; raises MissingModuleError for others below Keras and TensorFlow."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        root = fullname.split(".")[0]
        if root not in _ROOTS:
            _refuse_companion(root, fullname)
            return None
        if _table_entry(fullname) is None:
            raise MissingModuleError(f"graphkit has no module {fullname}{_near_module(fullname)}", name=fullname)
        return ModuleSpec(fullname, self, origin="graphkit", is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _front(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing: names are looked up on access."""


_ROOTS = ("keras", "tf_keras", "tensorflow")


def _near_module(fullname: str) -> str:
    home = next((h for h in sorted(_HOMES, key=len, reverse=True) if fullname.startswith(f"{h}.")), None)
    if home is None:
        path = fullname.removeprefix("tensorflow.")
        return _instead("tf", path, path, sorted({*_names().modules(), *_TENSORFLOW} - {""}))
    path = fullname.removeprefix(f"{home}.")
    hint = _HINTS.get(path) or _HINTS.get(path.split(".")[0], "")
    close = difflib.get_close_matches(path, [m for m in _MODULES if m and _exists(m)], n=2, cutoff=_CLOSE)
    if hint and path.split(".")[0] not in {m for m in _MODULES if _exists(m)}:
        return f": {hint}"
    return f". Did you mean {' or '.join(repr(f'{home}.{name}') for name in close)}?" if close else "."


def _refuse_companion(root: str, fullname: str) -> None:
    """Raise MissingModuleError for a package that builds on Keras or TensorFlow and is not installed."""
    if not root.startswith(("keras_", "tensorflow_")):
        return
    hint = import_module("graphkit.tensorflow.hints").PACKAGES.get(root)
    if hint is not None and PathFinder.find_spec(root) is None:
        raise MissingModuleError(
            f"The package {root} is not installed; graphkit does not provide it: {hint}", name=fullname
        )


def _version() -> str:
    """Return the version of Keras whose names graphkit has. Source: keras.version."""
    return _KERAS_VERSION


def _backend() -> str:
    """Return "tensorflow" if the script asks for it with KERAS_BACKEND, else graphkit's own name. Source: keras.config.backend."""
    asked = os.environ.get("KERAS_BACKEND", "")
    return asked if asked == "tensorflow" else str(import_module("graphkit.backend").backend())


_OWN = {"version": _version, "backend.backend": _backend, "config.backend": _backend}
"""Names that mean something else in a script than in graphkit."""


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
