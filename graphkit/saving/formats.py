"""The formats of files: what one is, and the registry of all of them.

A format is registered by an entry point of the group `graphkit.converters`, or with `register`. graphkit's own formats and those of
other packages are registered in the same way, and nothing else lists them: loading, saving, conversion, inspection, the command line
and the messages all read this registry.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import EntryPoint, distributions, entry_points
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

from graphkit.core.errors import (
    GraphKitError,
    InvalidArgumentError,
    InvalidTypeError,
    NameConflictError,
    SerializationError,
)
from graphkit.core.file_kinds import other_kind
from graphkit.core.registry import did_you_mean
from graphkit.saving.source import Source

GROUP = "graphkit.converters"
MODEL, WEIGHTS, COMPILE, STATE = "model", "weights", "compile", "state"  # what a file may hold
EVERYTHING = frozenset({MODEL, WEIGHTS, COMPILE, STATE})
CERTAIN, LIKELY, POSSIBLE, NO = 100, 70, 40, 0  # scores of `Format.recognizes`
# Arguments of load, save and convert, and of the command line: options of formats have other names.
RESERVED = frozenset((
    "compile", "custom_objects", "debug", "filepath", "format", "help", "holding", "load_options", "lost", "model", "no_overwrite",
    "overwrite", "path", "placeholders", "safe_mode", "source", "strict", "target", "weights",
))  # fmt: skip


class UnsupportedFormatError(SerializationError, InvalidArgumentError):
    """A format does not support an operation: it holds no model or no weights, or cannot be written."""


class ConverterWarning(UserWarning):
    """A registered format cannot be used. All others work."""


def _unchanged(layer: Any, arrays: Mapping[str, Any]) -> Mapping[str, Any]:
    return arrays


class Upgraded(NamedTuple):
    """A config of other software in Keras 3's terms, and what else holds for its files.

    Args:
        config: the envelope of the model as Keras 3 writes it.
        version: the version that wrote it; "" where the config does not give one.
        scope: makes a context in which the layers are made and called.
        relayout: `(layer, arrays by key) -> arrays by key`, the weights of one layer as Keras 3 lays them out.
        compile_arguments: `(compile config) -> arguments of compile`; what is not understood is left out with a warning.
    """

    config: Mapping[str, Any]
    version: str = ""
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext
    relayout: Callable[[Any, Mapping[str, Any]], Mapping[str, Any]] = _unchanged
    compile_arguments: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None


class Format:
    """A format of files. A subclass sets the attributes and overrides what the format can do; the other methods refuse.

    Attributes:
        name: unique; messages use it.
        suffixes: with their dots, in lower case; they choose the format to write, and are listed in messages. The longest suffix that
            fits a path wins, and between formats that hold a model the one registered first: graphkit's own before others.
        holds: what a file of it holds: any of "model", "weights", "compile" (compile settings), "state" (the optimizer's).
        options: the options of `save` by name, each with one line about it for the help of the command line.
        load_options: likewise of `load`.
        usual_options: those of `load_options` that `graphkit.load` and a conversion to another format give if the caller does not;
            `load_model` gives none.
        is_folder: whether `save` makes a folder.

    An instance should be cheap to make and its module cheap to import: import what reading and writing need inside the methods.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    holds: ClassVar[frozenset[str]] = frozenset()
    options: ClassVar[Mapping[str, str]] = {}
    load_options: ClassVar[Mapping[str, str]] = {}
    usual_options: ClassVar[Mapping[str, Any]] = {}
    is_folder: ClassVar[bool] = False

    def recognizes(self, source: Source) -> int:
        """Return how surely a file is of this format: 0 (it is not) to 100. The format with the highest score loads the file.

        graphkit's own formats score 70 by a mark in the file, and 40 where any file of a kind may be one: a JSON file is a config,
        an HDF5 file holds weights.
        """
        return NO

    def load(
        self,
        source: Source,
        *,
        custom_objects: Mapping[str, Any] | None = None,
        compile: bool = True,
        placeholders: bool = False,
        **options: Any,
    ) -> Any:
        """Return the model of a file.

        Args:
            source: the file or folder.
            custom_objects: classes and functions of the user by the names that the file uses; they are in scope already.
            compile: whether a model that was compiled is compiled again.
            placeholders: whether layers of unknown classes may be placeholders; such a model is not compiled.
            options: those of `load_options`.

        Raises:
            SerializationError: the file is damaged. Any other exception becomes a SerializationError that names the file.
        """
        if MODEL not in self.holds:
            raise UnsupportedFormatError(
                f"{source.what} holds {self.name}, without a model. Make the model first, then model.load_weights(path)."
            )
        raise UnsupportedFormatError(
            f"{source.what} is of the format {self.name}, which graphkit writes but does not read."
        )

    def load_weights(self, model: Any, source: Source, *, skip_mismatch: bool = False, by_name: bool = False) -> None:
        """Give a model (or layer) the weights of a file; nothing changes unless all fit.

        Args:
            model: a built model.
            source: the file or folder.
            skip_mismatch: leave weights that do not fit as they are, with a warning.
            by_name: match layers by name instead of by place.
        """
        lacking = (
            "which holds no weights"
            if WEIGHTS not in self.holds
            else "whose weights cannot be loaded alone: load the model"
        )
        raise UnsupportedFormatError(f"{source.what} is of the format {self.name}, {lacking}.")

    def save(self, model: Any, path: Path, *, overwrite: bool = True, **options: Any) -> None:
        """Write a model, or its weights where the format holds no model.

        Args:
            model: the model.
            path: the file or folder to write, through the writers of `graphkit.core.files`.
            overwrite: False raises InvalidArgumentError where the path is taken.
            options: those of `options`.
        """
        raise UnsupportedFormatError(f"{str(path)!r}: graphkit reads the format {self.name}, but does not write it.")

    def inspect(self, source: Source) -> dict[str, Any]:
        """Return what `graphkit.saving.inspect_file` reports of a file, as far as it can be seen without loading weights.

        Any of its keys, such as "layers", "parameters" and "needs"; `graphkit.extend.report_of_config` makes those of a config.
        """
        return {}

    def upgrade(self, config: Mapping[str, Any]) -> Upgraded | None:
        """Return a model's config in Keras 3's terms if it is in the terms of this format; None leaves it to others."""
        return None

    def unwrap(self, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the envelope (class_name, config) of a model whose config has another form in this format; None leaves it."""
        return None

    def parse_text(self, text: str, what: str) -> Any:
        """Return the data of a config that is given as text in this format; None leaves it to JSON."""
        return None

    def knows_class(self, class_name: str) -> bool:
        """Whether `upgrade` knows layers of this class name, which Keras 3 does not have."""
        return False

    def matches(self, path: Path, options: Mapping[str, Any]) -> int:
        """Return how well a path to write names this format: the length of the longest suffix that fits, or 0."""
        name = path.name.lower()
        return max((len(suffix) for suffix in self.suffixes if name.endswith(suffix)), default=0)

    def writes_folder(self, options: Mapping[str, Any]) -> bool:
        """Whether `save` makes a folder when it is given these options."""
        return self.is_folder

    def held(self, options: Mapping[str, Any]) -> frozenset[str]:
        """Return what a file holds that is written with these options; by default `holds`."""
        return self.holds

    def losses(self, model: Any, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield, in words, what a file of this format does not hold of a model for a reason of its own."""
        yield from ()

    def notes(self, model: Any, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield, in words, what a file of this format expresses in another way, with the same result."""
        yield from ()

    @property
    def is_written(self) -> bool:
        """Whether the format can be written."""
        return type(self).save is not Format.save

    @property
    def is_read(self) -> bool:
        """Whether models, or weights where the format holds no model, can be read."""
        return type(self).load is not Format.load or type(self).load_weights is not Format.load_weights

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.suffixes)})" if self.suffixes else self.name

    def __repr__(self) -> str:
        return f"<Format {self.name}>"


# ----- the registry -----

_formats: dict[str, Format] = {}
_failures: dict[str, str] = {}  # entry points that cannot be imported, with the reason
_is_filled = False
_filling = RLock()  # a second thread waits; an entry point that asks for the formats gets those that are there


def register(format: Format) -> Format:
    """Add a format.

    Raises:
        InvalidArgumentError: it is not an instance of Format, or an attribute is not as `Format` describes it.
        NameConflictError: its name is taken.
    """
    _check_format(format)
    if format.name in _formats:
        raise NameConflictError(
            f"A format named {format.name!r} is registered already: {type(_formats[format.name]).__qualname__}."
        )
    _formats[format.name] = format
    return format


def _check_format(format: Format) -> None:
    if not isinstance(format, Format):
        raise InvalidArgumentError(f"expected an instance of graphkit.extend.Format, got {type(format).__name__}.")
    who = type(format).__qualname__
    if not isinstance(getattr(format, "name", None), str) or not format.name:
        raise InvalidArgumentError(f"{who}: set `name` to the name of the format, a text.")
    suffixes: Any = format.suffixes
    if isinstance(suffixes, str) or any(not s.startswith(".") or s != s.lower() for s in suffixes):
        raise InvalidArgumentError(
            f'{who}: `suffixes` is a tuple of suffixes in lower case, each with its dot, such as (".net",); got {suffixes!r}.'
        )
    if not set(format.holds) <= EVERYTHING:
        raise InvalidArgumentError(f"{who}: `holds` may contain {sorted(EVERYTHING)}, got {sorted(format.holds)}.")
    reserved = sorted({*format.options, *format.load_options} & RESERVED)
    if reserved:
        raise InvalidArgumentError(f"{who}: the option {reserved[0]!r} is an argument of graphkit's own; rename it.")


def unregister(name: str) -> None:
    """Remove a format, for example to register another one of that name."""
    all_formats()
    _formats.pop(name, None)


def all_formats() -> list[Format]:
    """Return all formats. The entry points are imported at the first call; one that fails is named in a warning."""
    global _is_filled
    with _filling:
        if not _is_filled:
            _is_filled = True
            _fill()
        return list(_formats.values())


def _fill() -> None:
    """Register the formats of all entry points, graphkit's own first, before those that `register` was given already."""
    given = list(_formats.values())
    _formats.clear()
    points = sorted(_entry_points(), key=lambda point: (not _is_ours(point), point.name))
    problems = [_registered(point) for point in points if _is_ours(point)]
    if not _formats:
        raise SerializationError(
            "No formats are registered: the metadata of the graphkit distribution is missing. Reinstall graphkit; in a frozen "
            "application, include its metadata (PyInstaller: --copy-metadata graphkit)."
        )
    problems += [_registered_again(format) for format in given]
    problems += [_registered(point) for point in points if not _is_ours(point)]
    for problem in filter(None, problems):  # all formats are registered, even if a filter makes the warning an error
        warnings.warn(problem, ConverterWarning, stacklevel=5)


def _entry_points() -> list[EntryPoint]:
    """Return the entry points of the group, those of every installed metadata of graphkit included.

    Metadata that an earlier installation left in the working directory would otherwise hide the current ones.
    """
    ours = [point for dist in distributions(name="graphkit") for point in dist.entry_points if point.group == GROUP]
    return list({(point.name, point.value): point for point in [*entry_points(group=GROUP), *ours]}.values())


def failed_entry_points() -> dict[str, str]:
    """Return the entry points that could not be used, each with the reason."""
    all_formats()
    return dict(_failures)


def _is_ours(point: EntryPoint) -> bool:
    return point.value.startswith("graphkit.")


def _registered(point: EntryPoint) -> str:
    """Register what an entry point names, and return what is wrong with it, or "". Nothing that it does may hinder the others.

    It is a Format, a class of one, or several; or a module, which is imported for what it registers itself (ops, layers).
    """
    known = dict(_formats)
    try:
        found = point.load()
        if not isinstance(found, ModuleType):
            for format in found if isinstance(found, (list, tuple)) else [found]:
                register(format() if isinstance(format, type) else format)
    except Exception as error:  # anything may be wrong in a package that others wrote
        _formats.clear()
        _formats.update(known)
        name = point.name if point.name not in _failures else f"{point.name} ({point.value})"
        origin = f" of {point.dist.name}" if point.dist is not None else ""
        _failures[name] = f"{type(error).__name__}: {str(error).rstrip('.')}"
        return f"The entry point {point.name!r}{origin} ({point.value}) is left out: {_failures[name]}."
    return ""


def _registered_again(format: Format) -> str:
    """Register a format that was registered before graphkit's own, and return what is wrong with it, or ""."""
    try:
        register(format)
    except NameConflictError as error:
        return f"The format {format.name!r} is left out: {error}"
    return ""


# ----- choosing one -----


def format_of(source: Source) -> Format:
    """Return the format of a file, detected from its content. Raises SerializationError listing the known formats."""
    scores = [(_score(format, source), format) for format in all_formats()]
    score, best = max(scores, key=lambda scored: scored[0])
    if score <= NO:
        raise SerializationError(f"{_refusal(source)} {known_formats()}")
    return best


def _score(format: Format, source: Source) -> float:
    """Return the score that a format gives a file; 0 if it cannot read what it looks at."""
    try:
        score = format.recognizes(source)
        if not isinstance(score, (int, float)):
            raise InvalidTypeError(f"recognizes returned {score!r}, not a number")
    except SerializationError:
        return NO
    except Exception as error:
        _warn_of(format, f"fails to look at {source.what}", error)
        return NO
    return score


def _warn_of(format: Format, does: str, error: Exception) -> None:
    warnings.warn(
        f"The format {format.name!r} {does} and is left out: {type(error).__name__}: {str(error).rstrip('.')}.",
        ConverterWarning,
        stacklevel=5,
    )


def format_for(path: Path, options: Mapping[str, Any], holding: str | None = None) -> Format | None:
    """Return the format that a path to write names by its suffix, or None.

    Args:
        path: the file or folder.
        options: those given for the writer; some choose the format (`zipped`, `max_shard_size`).
        holding: "model" considers only formats that hold a model, "weights" only formats of weights alone.
    """
    candidates = [format for format in all_formats() if format.is_written]
    if holding is not None:
        candidates = [format for format in candidates if (MODEL in format.holds) == (holding == MODEL)]
    found = [(format.matches(path, options), MODEL in format.holds, format) for format in candidates]
    best = max(found, key=lambda scored: scored[:2], default=None)
    return None if best is None or best[0] == 0 else best[2]


def format_named(name: str) -> Format | None:
    """Return the format of a name, in any case of letters, or None."""
    return next((format for format in all_formats() if format.name.lower() == name.lower()), None)


def check_options(format: Format, options: Mapping[str, Any], known: Mapping[str, str], caller: str) -> None:
    """Raise InvalidArgumentError for an option that is not among the `known` ones of a format."""
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InvalidArgumentError(
            f"{caller}: {format.name} has no option {unknown[0]!r}; its options are {list(known)}."
            f"{did_you_mean(unknown[0], known)}"
        )


def upgraded(config: Mapping[str, Any]) -> Upgraded | None:
    """Return a config in Keras 3's terms if a format knows it as one of other software."""
    found: Upgraded | None = _first_answer("upgrade", config)
    return found


def unwrapped_by_format(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the envelope of a model if a format knows the form of its config."""
    found: Mapping[str, Any] | None = _first_answer("unwrap", config)
    return found


def parsed_text(text: str, what: str) -> Any:
    """Return the data of a config in the text format that knows it; None if none does."""
    return _first_answer("parse_text", text, what)


def is_known_class(class_name: str) -> bool:
    """Whether a format knows layers of this class name, which Keras 3 does not have."""
    return bool(_first_answer("knows_class", class_name))


def _first_answer(method: str, *args: Any) -> Any:
    """Return the first answer of a format that is neither None nor False. One of another package that fails is left out."""
    for format in all_formats():
        try:
            answer = getattr(format, method)(*args)
        except GraphKitError:
            raise
        except Exception as error:
            if type(format).__module__.startswith("graphkit."):
                raise
            _warn_of(format, f"fails in {method}", error)
            continue
        if answer is not None and answer is not False:
            return answer
    return None


def known_formats() -> str:
    """Return a sentence that lists the formats which can be read."""
    return f"Known formats: {', '.join(str(format) for format in all_formats() if format.is_read)}."


def written_formats(holding: str | None = None) -> str:
    """Return the list of the formats that can be written, for messages and help texts."""
    chosen = [format for format in all_formats() if format.is_written and format.suffixes]
    if holding is not None:
        chosen = [format for format in chosen if (MODEL in format.holds) == (holding == MODEL)]
    return ", ".join(f"{suffix} ({format.name})" for format in chosen for suffix in format.suffixes)


# ----- what is none of them -----


def _refusal(source: Source) -> str:
    """Return what is known about a file of no known format. Raises SerializationError for a damaged zip archive."""
    if source.is_folder:
        return _refusal_of_folder(source)
    if source.is_zip:
        if any(name.endswith("data.pkl") for name in source.members):
            return f"{source.what} is a PyTorch checkpoint, a pickle that could run code; export the model as ONNX instead."
        return f"{source.what} is a zip file without config.json. It holds {sorted(source.members)[:10]}."
    kind = other_kind(source.head)
    if kind is not None:
        return f"{source.what} is {kind}."
    return f"{source.what} is of no known format: it starts with {source.head[:16]!r}."


def _refusal_of_folder(source: Source) -> str:
    if "saved_model.pb" in source.members:
        return f"{source.what} is a TensorFlow SavedModel; open it with TensorFlow and save it as .keras or ONNX."
    return f"{source.what} is a folder without config.json. It holds {sorted(source.members)[:10]}."
