"""Serialization of objects as JSON configs in Keras 3's envelope. Classes come from a registry; no name in a file is imported.

An envelope is `{"module", "class_name", "config", "registered_name"}`. Source: keras.saving.serialize_keras_object.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from graphkit.core import dtypes
from graphkit.core.deferred import import_classes
from graphkit.core.errors import (
    GraphKitError,
    InvalidArgumentError,
    InvalidTypeError,
    NameConflictError,
    SerializationError,
    UnknownClassError,
    UnsafeCodeError,
    UnsafePathError,
    located,
)
from graphkit.core.names import to_snake_case
from graphkit.core.recording import Recording, our_class, recorded_config
from graphkit.core.registry import did_you_mean
from graphkit.core.stamps import Stamped

T = TypeVar("T", bound=Callable[..., Any])
Source = tuple[str, bool]  # (file being read, for messages; whether the caller trusts it: safe_mode=False)

_BUILTIN: dict[tuple[str, str], Any] = {}  # (module of Keras, or of graphkit for what Keras lacks; class name) -> class
_BY_SNAKE_CASE: dict[tuple[str, str], Any] = {}  # the same by "glorot_uniform" for GlorotUniform
_EARLIER: set[tuple[str, str]] = set()  # keys of _BUILTIN that only older files use: read, never written
_REGISTERED: dict[str, Any] = {}  # "package>name" -> user-defined class or function
_source: ContextVar[Source | None] = ContextVar("graphkit_source_of_config", default=None)
_custom: ContextVar[dict[str, Any] | None] = ContextVar("graphkit_custom_objects", default=None)


OWN = "graphkit"  # the registered package, and the first part of the module, of classes that Keras does not have


def keras_class(module: str, *aliases: str, earlier: Sequence[str] = ()) -> Callable[[T], T]:
    """Register a class of Keras under Keras' public module.

    Args:
        module: The module, such as "keras.layers".
        aliases: Further names that Keras has for the class.
        earlier: Names that only older versions of Keras or graphkit wrote. The class' own name is added if its
            `keras_class_name` differs from it.

    Raises:
        NameConflictError: A name is taken.
    """

    def add(cls: T) -> T:
        own = cls.__name__
        for name in (own, *aliases, *earlier):
            _add(module, name, cls)
        renamed = vars(cls).get("keras_class_name", own) != own
        _EARLIER.update((module, name) for name in (*earlier, *([own] if renamed else [])))
        cls.keras_module = module  # type: ignore[attr-defined]
        return cls

    return add


def graphkit_class(module: str) -> Callable[[T], T]:
    """Register a class that Keras does not have: files name it in "graphkit.<module>", as `graphkit>Name`.

    Earlier files have it in "keras.<module>"; they are read as well.

    Args:
        module: The last part of the module, such as "layers".

    Raises:
        NameConflictError: The name is taken.
    """

    def add(cls: T) -> T:
        name = cls.__name__
        for home in (f"{OWN}.{module}", f"keras.{module}"):
            _add(home, name, cls)
        _EARLIER.add((f"keras.{module}", name))
        cls.keras_module = f"{OWN}.{module}"  # type: ignore[attr-defined]
        cls.keras_registered_name = f"{OWN}>{name}"  # type: ignore[attr-defined]
        return cls

    return add


def _add(module: str, name: str, cls: Any) -> None:
    if (module, name) in _BUILTIN:
        raise NameConflictError(f"{module}.{name} is already registered: {_BUILTIN[module, name]!r}.")
    _BUILTIN[module, name] = cls
    _BY_SNAKE_CASE[module, to_snake_case(name)] = cls


def is_own(entry: Mapping[str, Any]) -> bool:
    """Return whether an envelope names a class of graphkit that Keras does not have."""
    return str(entry.get("registered_name")).startswith(f"{OWN}>")


def classes_of(module: str) -> dict[str, Any]:
    """Return the registered classes of a module ("keras.layers") by every name that files use, aliases and earlier names too."""
    return {name: cls for (home, name), cls in _BUILTIN.items() if home == module}


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """Register a user-defined class or function, so that files that name it can be opened.

    Args:
        package: The part of the registered name before ">".
        name: The part after it; defaults to the name of the class or function.

    Raises:
        InvalidTypeError: A class has no `get_config` method.

    Source: keras.saving.register_keras_serializable.
    """

    def add(obj: T) -> T:
        key = f"{package}>{name or obj.__name__}"
        if inspect.isclass(obj) and not hasattr(obj, "get_config"):
            raise InvalidTypeError(f"Cannot register {obj.__name__}: a serializable class needs a get_config() method.")
        _REGISTERED[key] = obj
        setattr(obj, "_registered_name", key)  # noqa: B010 (a class or a function)
        return obj

    return add


def get_registered_name(obj: Any) -> str:
    """Return the name that a class or function was registered under, else its own name."""
    return str(vars(obj).get("_registered_name", obj.__name__)) if hasattr(obj, "__dict__") else obj.__name__


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """Return the class or function registered under `name`, or None; open scopes and the given tables are searched too."""
    tables = (_custom.get() or {}, custom_objects or {}, _REGISTERED, module_objects or {})
    return next((table[name] for table in tables if name in table), None)


def get_custom_objects() -> dict[str, Any]:
    """Return the registry of custom objects itself, by registered name. Source: keras.saving.get_custom_objects."""
    return _REGISTERED


@contextmanager
def custom_object_scope(custom_objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Make custom objects known inside the block: `{"MyLayer": MyLayer}`. Source: keras.saving.custom_object_scope."""
    token = _custom.set({**(_custom.get() or {}), **(custom_objects or {})})
    try:
        yield
    finally:
        _custom.reset(token)


CustomObjectScope = custom_object_scope


@contextmanager
def reading_from(what: str, safe_mode: bool = True) -> Iterator[None]:
    """Mark that objects inside the block are built from a file; any failure is raised as a graphkit error that names the file.

    Args:
        what: The file, as messages name it.
        safe_mode: If False, a layer may open a vocabulary file that the config names by path, as in Keras. No code is run either way.

    Raises:
        SerializationError: The objects cannot be built.
    """
    if _source.get() is not None:  # a part of a file that is being read
        yield
        return
    token = _source.set((what, not safe_mode))
    try:
        yield
    except GraphKitError as error:
        raise located(error, what) from error.__cause__
    except RecursionError:
        raise SerializationError(f"{what} is nested too deeply.") from None
    except Warning:  # the caller has turned warnings into errors
        raise
    except Exception as error:
        raise SerializationError(
            f"{what} cannot be opened: {type(error).__name__}: {str(error).rstrip('.')}."
        ) from error
    finally:
        _source.reset(token)


def refuse_path(owner: str, argument: str, value: Any) -> None:
    """Refuse a path or address found in a config, unless the caller trusts the file.

    Args:
        owner: The object that would open the path, as messages name it.
        argument: The argument that holds the path.
        value: The path or address.

    Raises:
        UnsafePathError: The file is not trusted.
    """
    _, trusted = _source.get() or ("", False)
    if not trusted:
        raise UnsafePathError(
            f"{owner} would open {value!s:.200} (`{argument}`), which is not part of the file. graphkit opens nothing that a "
            "file names: it could be any file on this machine. If you trust the file, pass safe_mode=False, or create the layer yourself."
        )


def refuse_path_from_file(owner: str, argument: str, value: Any) -> None:
    """Refuse a path as `refuse_path` does, but only while a file is read: a constructor called directly may open it.

    Raises:
        UnsafePathError: A file is being read that is not trusted.
    """
    if _source.get() is not None:
        refuse_path(owner, argument, value)


def custom_object(name: str) -> Any:
    """Return the custom object of this name (with or without package) from the open scopes or the registry, or None."""
    scoped = (_custom.get() or {}).get(name)
    if scoped is not None:
        return scoped
    if name in _REGISTERED:
        return _REGISTERED[name]
    return next((obj for key, obj in _REGISTERED.items() if key.split(">")[-1] == name), None)


def serialize(obj: Any) -> Any:
    """Return `obj` as plain JSON data.

    Raises:
        SerializationError: `obj`, or a part of it, has no JSON form.
    """
    if obj is None or isinstance(obj, (str, bool, int, float)):
        return obj
    if isinstance(obj, np.generic):
        return obj.item()
    if hasattr(type(obj), "as_literal"):  # tensors and variables
        return obj.as_literal()
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}
    if isinstance(obj, (list, tuple)):
        items = [serialize(item) for item in obj]
        return tuple(items) if type(obj) is tuple else items
    if isinstance(obj, Mapping) and not hasattr(obj, "get_config"):
        return {str(key): serialize(value) for key, value in obj.items()}
    if isinstance(obj, slice):
        parts = {"start": serialize(obj.start), "stop": serialize(obj.stop), "step": serialize(obj.step)}
        return {"class_name": "__slice__", "config": parts}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if hasattr(obj, "get_config") and not inspect.isclass(obj):
        return envelope(obj)
    if callable(obj) and not inspect.isclass(obj):
        return _serialize_function(obj)
    kind = f"The class {obj.__name__}" if inspect.isclass(obj) else f"{type(obj).__name__} {obj!r:.80}"
    raise SerializationError(f"{kind} cannot be written as JSON: it is not data, a function, or an object with a get_config().")


def envelope(obj: Any) -> dict[str, Any]:
    """Return the envelope of an object with a `get_config`, or of the object that its `as_saved` returns instead."""
    obj = saved_form(obj)
    cls = type(obj)
    own = "_registered_name" in vars(cls)
    module = getattr(cls, "keras_module", None) if "keras_module" in vars(cls) else None
    made = {
        "module": module or cls.__module__,
        "class_name": vars(cls).get("keras_class_name", cls.__name__),
        "config": serialize(obj.get_config()),  # which may hold objects
        "registered_name": get_registered_name(cls)
        if own
        else vars(cls).get("keras_registered_name", None if module else cls.__name__),
    }
    build_config = obj.get_build_config() if hasattr(obj, "get_build_config") else None
    if build_config is not None:
        made["build_config"] = serialize(build_config)
    return made


def saved_form(obj: Any) -> Any:
    """Return the object that represents `obj` in files: itself, or what its `as_saved` returns (for a Lambda, its graph)."""
    return obj.as_saved() if hasattr(obj, "as_saved") else obj


def _serialize_function(function: Callable[..., Any]) -> Any:
    name = getattr(function, "__name__", "")
    if "_registered_name" in getattr(function, "__dict__", {}):
        return {
            "module": "builtins",
            "class_name": "function",
            "config": get_registered_name(function),
            "registered_name": "function",
        }
    if name == "<lambda>" or not name:
        raise SerializationError(
            "A lambda cannot be written to a file: no code is stored. Name the function and register it with "
            "@graphkit.saving.register_keras_serializable()."
        )
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def is_envelope(config: Any) -> bool:
    """Return whether a JSON value is the envelope of an object."""
    return isinstance(config, Mapping) and "class_name" in config and "config" in config


def _refuse_code(config: Any) -> Any:
    raise UnsafeCodeError(
        'The file holds a Python function as bytecode ("__lambda__"). graphkit never runs code from files. Pass the function under the '
        "name of its layer: custom_objects={name: function}."
    )


_LITERALS: dict[str, Callable[[Any], Any]] = {
    "__numpy__": lambda c: _array(c),
    "__tensor__": lambda c: _array(c),
    "__slice__": lambda c: slice(deserialize(c["start"]), deserialize(c["stop"]), deserialize(c["step"])),
    "__ellipsis__": lambda c: Ellipsis,
    "__lambda__": _refuse_code,
    "__bytes__": lambda c: str(c["value"]).encode("utf-8"),
}


def reads_literal(class_name: str) -> Callable[[T], T]:
    """Register the function that rebuilds the values whose envelopes have this class name, from their config."""

    def add(read: T) -> T:
        _LITERALS[class_name] = read
        return read

    return add


def _array(config: Mapping[str, Any]) -> Any:
    """Return a numeric array. Strings and objects are refused, since they could request any amount of memory."""
    dtype = dtypes.standardize(str(config["dtype"]))
    if dtype == "string":
        raise SerializationError(f"An array in the config has the dtype {config['dtype']!r}, which is not numeric.")
    return np.array(config["value"], dtype=dtypes.to_numpy(dtype))


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Rebuild what `serialize` wrote.

    Args:
        config: JSON data.
        custom_objects: Further classes and functions by the names that the config uses.

    Raises:
        UnknownClassError: A class or function is not registered.
        UnsafeCodeError: The config holds Python bytecode.
        SerializationError: An object cannot be built from its config.
    """
    if custom_objects:
        with custom_object_scope(custom_objects):
            return deserialize(config)
    if isinstance(config, (list, tuple)):
        return type(config)(deserialize(item) for item in config)
    if not isinstance(config, Mapping):
        return config
    if not is_envelope(config):
        return {key: deserialize(value) for key, value in config.items()}
    literal = _LITERALS.get(str(config["class_name"]))
    if literal is not None:
        return literal(config["config"])
    if config["class_name"] == "function":
        return find_function(config["config"])
    try:
        return build_from_config(find_class(config), config)
    except SerializationError as error:
        raise located(error, *place_of(config)) from error.__cause__


def place_of(config: Mapping[str, Any]) -> tuple[str, str]:
    """Return the object of an envelope as messages name it, and the name to look for in a message."""
    inner = config["config"]
    name = config.get("name") or (inner.get("name") if isinstance(inner, Mapping) else None)
    if not isinstance(name, str):
        return str(config["class_name"]), str(config["class_name"])
    kind = str(config.get("module") or "")
    is_other = kind.startswith(("keras.optimizers", "keras.losses", "keras.metrics"))
    where = f"{config['class_name']} {name!r}" if is_other else f"Layer {name!r} ({config['class_name']})"
    return where, repr(name)


def build_from_config(cls: Any, config: Mapping[str, Any]) -> Any:
    """Build an object of a known class from its envelope; weights are created if the envelope has their shapes.

    Raises:
        SerializationError: The config does not fit the class.
    """
    inner = config["config"]
    if not isinstance(inner, Mapping) and not isinstance(inner, list):
        raise SerializationError(f"The config of {config['class_name']} must be an object, got {type(inner).__name__}.")
    try:
        obj = cls.from_config(dict(inner) if isinstance(inner, Mapping) else inner)
    except SerializationError:
        raise
    except (GraphKitError, TypeError, KeyError) as error:
        raise SerializationError(
            f"{place_of(config)[0]} cannot be created from its config: {type(error).__name__}: {error}"
        ) from error
    build_config = config.get("build_config")
    if build_config and hasattr(obj, "build_from_config") and not getattr(obj, "built", False):
        obj.build_from_config(deserialize(build_config))
    return obj


def find_class(config: Mapping[str, Any]) -> Any:
    """Return the class that an envelope names, from the open scopes, the custom registry, or graphkit's own classes.

    Raises:
        UnknownClassError: No such class is registered.
    """
    name, registered = str(config["class_name"]), config.get("registered_name")
    found = (custom_object(str(registered)) if registered else None) or custom_object(name)
    if found is not None:
        return found
    module = str(config.get("module") or "")
    found = _BUILTIN.get((module, name)) or _builtin_by_path(module, name)
    if found is None and import_classes(module):
        found = _BUILTIN.get((module, name))
    if found is not None:
        _check_registered(found, name, registered)
        return found
    raise UnknownClassError(
        f"The file names the class {name!r} (module {module or None!r}, registered as {registered!r}), which graphkit does not have."
        f"{did_you_mean(name, _of_its_kind(module, config))} If it is a custom class, pass "
        f"custom_objects={{{name!r}: YourClass}} or decorate it with @graphkit.saving.register_keras_serializable()."
    )


_OF_LAYERS = ("inbound_nodes", "build_config", "name")  # keys that only the envelopes of layers have


def _of_its_kind(module: str, config: Mapping[str, Any]) -> list[str]:
    """Return the class names that an unknown one may be a misspelling of: those of its module, or all layers for a layer."""
    parts = set(module.split("."))
    homes = {home for home, _ in _BUILTIN if home == module or home.split(".")[-1] in parts - {"keras"}}
    inner = config["config"]
    is_layer = any(key in config for key in _OF_LAYERS) or (isinstance(inner, Mapping) and "trainable" in inner)
    if not homes and (is_layer or not module):
        homes = {"keras.layers"}
    return sorted({name for home, name in _BUILTIN if home in homes})


def _check_registered(cls: Any, name: str, registered: Any) -> None:
    """Raise UnknownClassError where a config refers to a user-defined class that has the name of a built-in one."""
    if isinstance(registered, str) and registered and registered.split(">")[-1] not in (name, cls.__name__):
        raise UnknownClassError(
            f"The file names the class {name!r}, which is built into {cls.__module__.split('.')[0]}, but registered as {registered!r}. "
            f"If it is a custom class, pass custom_objects={{{registered!r}: YourClass}}."
        )


def _builtin_by_path(module: str, name: str) -> Any:
    """Find a class by the paths that Keras itself writes: `keras`, `keras.src.layers.core.dense`, `tf_keras.src...`."""
    if module and module.split(".")[0] not in ("keras", "tf_keras", "tensorflow", "builtins"):
        return None
    if module.startswith(("keras.ops", "keras.src.ops")):
        return None  # an op, which may have the name of a layer
    parts = set(module.split("."))
    candidates = [(home, cls) for (home, n), cls in _BUILTIN.items() if n == name]
    for home, cls in candidates:
        if home.split(".")[-1] in parts:
            return cls
    if not module:  # an entry of `layers` in an HDF5 file; "Identity" is an initializer as well
        candidates = [(home, cls) for home, cls in candidates if home == "keras.layers"] or candidates
    return candidates[0][1] if len(candidates) == 1 else None


def find_function(name: Any) -> Any:
    """Return the custom function that a file names.

    Raises:
        UnknownClassError: It is not registered.
    """
    key = name.get("name") if isinstance(name, Mapping) else name
    found = custom_object(str(key))
    if found is None:
        raise UnknownClassError(
            f"The file names the function {key!r}, which is not registered. Pass custom_objects={{{str(key).split('>')[-1]!r}: function}} "
            "or decorate it with @graphkit.saving.register_keras_serializable()."
        )
    return found


class Configurable(Recording, Stamped):
    """Mixin for classes whose config is their constructor's arguments, stored in attributes of the same names.

    Arguments of user-defined constructors are recorded; arguments that such a constructor cannot take are left out.
    """

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        cls = type(self)
        own, taken = config_names(our_class(cls)), config_names(cls)
        config = {name: serialize(getattr(self, name)) for name in own if name in taken or takes_any(cls)}
        return {**config, **recorded_config(self, config)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Create an object from its config."""
        return cls(**config)


_CONFIG_NAMES: WeakKeyDictionary[Any, tuple[Any, list[str]]] = WeakKeyDictionary()


def config_names(cls: Any) -> list[str]:
    """Return the named arguments of a class' constructor, without those that go through `**kwargs`."""
    constructor, names = _CONFIG_NAMES.get(cls, (None, []))
    if constructor is not cls.__init__:
        parameters = inspect.signature(cls.__init__).parameters.values()
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        names = [p.name for p in parameters if p.name != "self" and p.kind in kinds]
        _CONFIG_NAMES[cls] = cls.__init__, names
    return list(names)


def takes_any(cls: Any) -> bool:
    """Return whether a class' constructor passes arguments of any name to its base."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls.__init__).parameters.values())


def resolve(identifier: Any, module: str, kind: str, functions: Mapping[str, Any] | None = None) -> Any:
    """Return an object for whatever the user gave: None, a name, an envelope or old-style dict, a class, an object.

    Args:
        identifier: What the user gave.
        module: Keras' module of this kind of object, such as "keras.initializers".
        kind: The kind of object, for messages, such as "initializer".
        functions: Names that stand for functions rather than classes (activations).

    Raises:
        InvalidArgumentError: `identifier` has another type.
        UnknownClassError: The name is not registered.
    """
    if identifier is None or (callable(identifier) and not inspect.isclass(identifier)):
        return identifier
    if inspect.isclass(identifier):
        return identifier()
    if isinstance(identifier, str):
        return _resolve_name(identifier, module, kind, functions or {})
    if is_envelope(identifier):
        if "module" in identifier or identifier["class_name"] == "function":
            return deserialize(identifier)
        return _make(_class_by_name(str(identifier["class_name"]), module, kind, {}), identifier["config"])
    if hasattr(identifier, "get_config"):
        return identifier
    raise InvalidArgumentError(f"Could not interpret {kind} identifier: {identifier!r}.")


def _make(cls: Any, config: Any) -> Any:
    return cls.from_config(dict(config)) if hasattr(cls, "from_config") else cls(**config)


def _resolve_name(name: str, module: str, kind: str, functions: Mapping[str, Any]) -> Any:
    found = custom_object(name)
    if found is None:
        found = functions.get(name) or _class_by_name(name, module, kind, functions)
    return found() if inspect.isclass(found) else found


def _class_by_name(name: str, module: str, kind: str, functions: Mapping[str, Any]) -> Any:
    found = (
        custom_object(name)
        or _BUILTIN.get((module, name))
        or _BY_SNAKE_CASE.get((module, name))
        or _BY_SNAKE_CASE.get((module, name.lower()))
    )
    if found is None:
        classes = classes_of(module)
        known = sorted({*classes, *map(to_snake_case, classes), *functions})
        raise UnknownClassError(
            f"Unknown {kind}: {name!r}.{did_you_mean(name, known)} Pass a custom one as an object, or register it "
            "with @graphkit.saving.register_keras_serializable()."
        )
    return found
