"""Constructors generated from declarations: a class declares each of its arguments once, as a typed field.

    class Dense(KernelArguments, BiasArguments, BuiltInLayer):
        argument_order = "units activation use_bias kernel_initializer bias_initializer ..."

        units: int = argument(check=positive)
        activation: Any = argument(default=None, convert=activations.get)

The constructor, its signature, the checks and conversions, the attributes and the config follow from the fields. Type checkers
and editors show the fields as the constructor's arguments (PEP 681).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, dataclass_transform

from graphkit.core.errors import GraphKitError, InvalidArgumentError
from graphkit.core.serialization import serialize

REQUIRED: Any = inspect.Parameter.empty


class Argument(NamedTuple):
    """How one argument is checked, stored and saved; see `argument`."""

    default: Any
    check: Callable[[Any, str, Any], Any] | None
    convert: Callable[[Any], Any] | None
    save: Callable[[Any], Any]
    alias: str | None
    saved: bool
    hidden: bool
    for_base: bool
    init: bool
    kw_only: bool
    names_file: bool
    attribute: str = ""  # the field's name


def argument(
    *,
    default: Any = REQUIRED,
    check: Callable[[Any, str, Any], Any] | None = None,
    convert: Callable[[Any], Any] | None = None,
    save: Callable[[Any], Any] = serialize,
    alias: str | None = None,
    saved: bool = True,
    hidden: bool = False,
    for_base: bool = False,
    init: bool = True,
    kw_only: bool = False,
    names_file: bool = False,
) -> Any:
    """Declare an argument of the constructor.

    Args:
        default: The default in the signature. Without one the argument is required.
        check: A function (object, argument name, value) -> the normalized value; raises for an invalid value.
        convert: A function value -> stored value, applied after `check`.
        save: A function stored value -> JSON data for the config.
        alias: The argument's name, if it differs from the field's. The field is the attribute that stores it.
        saved: Whether the argument is part of the config; `config_order` overrides this.
        hidden: Accepted by keyword only and not shown in the signature: spellings of older files and scripts.
        for_base: Passed to the constructor of the undeclared base instead of being stored here.
        init: False for an argument of the base that this class does not accept.
        kw_only: For type checkers only: keyword-only. For an argument of a group that a class declares again.
        names_file: A string is the path of a file: accepted from a caller, refused in a config.
    """
    return Argument(default, check, convert, save, alias, saved, hidden, for_base, init, kw_only, names_file)


def must(
    holds: Callable[[Any], bool], message: str, error: type[GraphKitError] = InvalidArgumentError
) -> Callable[[Any, str, Any], Any]:
    """Return a check that raises `error` unless `holds(value)`.

    Args:
        holds: The predicate. A TypeError that it raises counts as False.
        message: The text of the error: a format string with the fields `owner`, `name` and `value`.
        error: The class of the error.
    """

    def check(owner: Any, name: str, value: Any) -> Any:
        try:
            right = holds(value)
        except TypeError:  # the value does not support the comparison
            right = False
        if not right:
            raise error(message.format(owner=owner, name=name, value=value))
        return value

    return check


def or_none(check: Callable[[Any, str, Any], Any]) -> Callable[[Any, str, Any], Any]:
    """Return a check that also accepts None."""
    return lambda owner, name, value: None if value is None else check(owner, name, value)


def is_positive_int(value: Any) -> bool:
    """Return whether the value is an int above 0 and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


class Declaration(NamedTuple):
    """The arguments that a generated constructor was made from."""

    arguments: Mapping[str, Argument]  # all that the constructor accepts
    order: tuple[str, ...]  # those in its signature
    saved: tuple[str, ...]  # those in the config


@dataclass_transform(eq_default=False, field_specifiers=(argument,))
class Declared:
    """Base of classes with declared arguments. Arguments are inherited; a subclass may declare one again.

    A class that declares arguments, or their order, gets a constructor. It passes undeclared arguments to the next undeclared base
    (if `passes_on`), stores its arguments in attributes of the same names, and calls `__post_init__`. A class that defines
    `__init__` itself keeps it, and may call the generated constructor of its base.

    `class Group(Declared, kw_only=True)` is a group of shared arguments. They follow a class' own arguments unless its
    `argument_order` specifies another order, and type checkers treat them as keyword-only. The arguments of
    `class Group(Declared, init=False)` precede the class' own.
    """

    argument_order: ClassVar[str] = (
        ""  # the signature, if it differs from the order of declaration; arguments left out are hidden
    )
    config_order: ClassVar[str] = ""  # the config, if it differs from the signature
    passes_on: ClassVar[bool] = False  # whether further arguments are passed to the base's constructor
    declaration: ClassVar[Declaration] = Declaration({}, (), ())
    _own_arguments: ClassVar[Mapping[str, Argument]] = {}
    _follows_own: ClassVar[bool] = False

    def __init_subclass__(cls, *, kw_only: bool = False, init: bool = True, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        body = dict(vars(cls))
        fields = {name: value for name, value in body.items() if isinstance(value, Argument)}
        for name in fields:
            delattr(cls, name)
        own = {
            known.alias or name: known._replace(attribute=name, kw_only=kw_only or known.kw_only)
            for name, known in fields.items()
        }
        cls._own_arguments, cls._follows_own = own, kw_only
        declares = own or "argument_order" in body or "config_order" in body
        if declares and init and not kw_only and "__init__" not in body:
            cls.declaration = _declaration(cls, body.get("argument_order", ""), body.get("config_order", ""))
            cls.__init__ = _constructor(cls)  # type: ignore[method-assign]

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        """Adjust the arguments before they are stored. Does nothing by default.

        Args:
            given: The declared arguments by name; may be changed in place.
            more: The further arguments, which are passed to the base; may be changed in place.
        """

    def __post_init__(self) -> None:
        """Check or derive what depends on several arguments, once all are stored. Does nothing by default."""

    def _keep_arguments(self, arguments: Mapping[str, Argument], given: Mapping[str, Any]) -> None:
        """Check, convert and store the arguments, in the order of the signature."""
        for name, value in given.items():
            known = arguments[name]
            if known.check is not None:
                value = known.check(self, name, value)
            setattr(self, known.attribute, value if known.convert is None else known.convert(value))

    def saved_argument(self, name: str) -> Any:
        """Return the JSON data of a declared argument."""
        known = self.declaration.arguments[name]
        return known.save(getattr(self, known.attribute))


def declaration_of(cls: Any) -> Declaration | None:
    """Return the declaration that a class' constructor was generated from, or None if the constructor is hand-written."""
    made: Declaration | None = getattr(cls.__init__, "declaration", None)
    return made


def _declaration(cls: type[Declared], argument_order: str, config_order: str) -> Declaration:
    """Collect the arguments of `cls` and its bases; `cls.declaration` is still that of the base."""
    inherited = cls.declaration
    bases: list[type[Declared]] = [base for base in reversed(cls.__mro__) if issubclass(base, Declared)]
    latest = {name: known for base in bases for name, known in base._own_arguments.items()}
    shared_last = sorted(bases, key=lambda base: base._follows_own)
    arguments = {name: latest[name] for base in shared_last for name in base._own_arguments if latest[name].init}
    shown_before = {name for name, known in inherited.arguments.items() if not known.hidden}
    new = [name for name, known in arguments.items() if not known.hidden and name not in shown_before]
    kept = [name for name in inherited.order if name in arguments]
    order = tuple(argument_order.split()) or (*kept, *new)
    _check_names(cls, arguments, order, config_order.split())
    saved = tuple(config_order.split()) or tuple(name for name in order if arguments[name].saved)
    return Declaration(arguments, order, saved)


def _check_names(cls: type, arguments: Mapping[str, Argument], order: Sequence[str], saved: Sequence[str]) -> None:
    unknown = [name for name in (*order, *saved) if name not in arguments]
    if unknown:
        raise InvalidArgumentError(f"{cls.__name__}: {unknown} are listed in an order but not declared as arguments.")
    given = [name for name in order if arguments[name].default is REQUIRED]
    if given != list(order[: len(given)]):
        raise InvalidArgumentError(
            f"{cls.__name__}: {given} have no default, so they must come first in {list(order)}."
        )
    unreachable = [name for name, known in arguments.items() if known.default is REQUIRED and name not in order]
    if unreachable:
        raise InvalidArgumentError(
            f"{cls.__name__}: {unreachable} have no default, so they must be listed in argument_order."
        )


def _constructor(cls: type[Declared]) -> Callable[..., None]:
    """Return `cls.__init__` with real parameters, so that Python itself binds and checks them; compiled from text, as in dataclasses."""
    declaration, passes_on = cls.declaration, cls.passes_on
    arguments, order = declaration.arguments, declaration.order
    defaults = {name: known.default for name, known in arguments.items()}
    unshown = {name: default for name, default in defaults.items() if name not in order}
    for_base = [name for name, known in arguments.items() if known.for_base]

    def construct(self: Any, given: dict[str, Any], more: dict[str, Any]) -> None:
        for name, default in unshown.items():
            given[name] = more.pop(name, default)
        self.__pre_init__(given, more)
        super(Declared, self).__init__(**{name: given.pop(name) for name in for_base}, **more)
        self._keep_arguments(arguments, given)
        self.__post_init__()

    parameters = [name if defaults[name] is REQUIRED else f"{name}=_defaults[{name!r}]" for name in order]
    parameters += ["**kwargs"] if passes_on else []
    given = "{" + ", ".join(f"{name!r}: {name}" for name in order) + "}"
    more = "kwargs" if passes_on else "{}"
    scope: dict[str, Any] = {"_defaults": defaults, "_construct": construct}
    exec(f"def __init__({', '.join(['self', *parameters])}): _construct(self, {given}, {more})", scope)
    init = scope["__init__"]
    types = {name: kind for base in reversed(cls.__mro__) for name, kind in inspect.get_annotations(base).items()}
    named = {name: types[arguments[name].attribute] for name in order} | ({"kwargs": "Any"} if passes_on else {})
    init.__annotations__ = {**named, "return": "None"}
    init.__qualname__, init.__module__, init.declaration = f"{cls.__qualname__}.__init__", cls.__module__, declaration
    made: Callable[..., None] = init
    return made
