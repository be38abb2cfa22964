"""Constructors out of declarations: a class says each of its arguments once, as a typed field.

    class Dense(KernelArguments, BiasArguments, BuiltInLayer):
        argument_order = "units activation use_bias kernel_initializer bias_initializer ..."

        units: int = argument(check=positive)
        activation: Any = argument(default=None, convert=activations.get)

The constructor, its signature, the checks and conversions, the attributes and the config follow from that. Type checkers and
editors know the fields as the constructor's arguments (PEP 681).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, dataclass_transform

from graphkit.core.errors import GraphKitError, InvalidArgumentError
from graphkit.core.serialization import serialize

REQUIRED: Any = inspect.Parameter.empty


class Argument(NamedTuple):
    """How one argument is taken, kept and saved; see `argument`."""

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
        default: as the signature shows it; without one the argument must be given.
        check: (object, argument's name, value) -> the value in its normal form; raises what a wrong one deserves.
        convert: value -> what is kept; after `check`.
        save: what is kept -> JSON data for the config.
        alias: its name, if that is not the field's; the field is the attribute that keeps it.
        saved: whether it stands in the config, unless `config_order` says so.
        hidden: taken by name only and not shown by the signature: what older files and scripts say.
        for_base: goes on to the constructor of the undeclared base instead of being kept here.
        init: False: no argument of this class, though one of its base.
        kw_only: for type checkers only: they want it by name. For a group's argument that a class declares anew.
        names_file: a text is the path of a file: taken from a person, refused in a config.
    """
    return Argument(default, check, convert, save, alias, saved, hidden, for_base, init, kw_only, names_file)


def must(
    holds: Callable[[Any], bool], message: str, error: type[GraphKitError] = InvalidArgumentError
) -> Callable[[Any, str, Any], Any]:
    """A check of one value: `error` with `message`, a format over `owner`, `name` and `value`, unless the value holds."""

    def check(owner: Any, name: str, value: Any) -> Any:
        try:
            right = holds(value)
        except TypeError:  # a comparison that the value does not know
            right = False
        if not right:
            raise error(message.format(owner=owner, name=name, value=value))
        return value

    return check


def or_none(check: Callable[[Any, str, Any], Any]) -> Callable[[Any, str, Any], Any]:
    """A check that lets None pass."""
    return lambda owner, name, value: None if value is None else check(owner, name, value)


def is_positive_int(value: Any) -> bool:
    """Whether it is an int above 0, and no bool."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


class Declaration(NamedTuple):
    """What a constructor was made from."""

    arguments: Mapping[str, Argument]  # all that it takes
    order: tuple[str, ...]  # those of its signature
    saved: tuple[str, ...]  # those of the config


@dataclass_transform(eq_default=False, field_specifiers=(argument,))
class Declared:
    """Base of classes whose arguments are declared. Arguments are inherited; a subclass may declare one anew.

    A class that declares arguments or an order of them gets a constructor: it hands on to the next undeclared base what is not
    declared (if `passes_on`), keeps its arguments in attributes of their names, and calls `__post_init__`. A class that writes
    an `__init__` keeps that, and may call the declared one of its base.

    `class Group(Declared, kw_only=True)` is a group of arguments to be shared. They stand behind a class' own unless its
    `argument_order` says otherwise; a type checker wants them by name. Those of `class Group(Declared, init=False)` stand
    before the class' own.
    """

    argument_order: ClassVar[str] = ""  # the signature, if not as declared; inherited arguments left out are hidden
    config_order: ClassVar[str] = ""  # the config, if not as the signature
    passes_on: ClassVar[bool] = False  # whether there are further arguments, which the base's constructor knows
    declaration: ClassVar[Declaration] = Declaration({}, (), ())
    _own_arguments: ClassVar[Mapping[str, Argument]] = {}
    _stands_behind: ClassVar[bool] = False

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
        cls._own_arguments, cls._stands_behind = own, kw_only
        declares = own or "argument_order" in body or "config_order" in body
        if declares and init and not kw_only and "__init__" not in body:
            cls.declaration = _declaration(cls, body.get("argument_order", ""), body.get("config_order", ""))
            cls.__init__ = _constructor(cls)  # type: ignore[method-assign]

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        """What comes first: may change the arguments by name, and the further ones. Nothing by default."""

    def __post_init__(self) -> None:
        """What comes last, with all arguments kept: what several of them must fulfil together. Nothing by default."""

    def _keep_arguments(self, arguments: Mapping[str, Argument], given: Mapping[str, Any]) -> None:
        """Check, convert and set them, in the signature's order."""
        for name, value in given.items():
            known = arguments[name]
            if known.check is not None:
                value = known.check(self, name, value)
            setattr(self, known.attribute, value if known.convert is None else known.convert(value))

    def saved_argument(self, name: str) -> Any:
        """The JSON data of a declared argument."""
        known = self.declaration.arguments[name]
        return known.save(getattr(self, known.attribute))


def declaration_of(cls: Any) -> Declaration | None:
    """What the constructor of a class was made from; None where one was written, also in a subclass of a declared class."""
    made: Declaration | None = getattr(cls.__init__, "declaration", None)
    return made


def _declaration(cls: type[Declared], argument_order: str, config_order: str) -> Declaration:
    """From the arguments of `cls` and its bases; `cls.declaration` is still that of the base."""
    inherited = cls.declaration
    bases: list[type[Declared]] = [base for base in reversed(cls.__mro__) if issubclass(base, Declared)]
    latest = {name: known for base in bases for name, known in base._own_arguments.items()}
    behind = sorted(bases, key=lambda base: base._stands_behind)
    arguments = {name: latest[name] for base in behind for name in base._own_arguments if latest[name].init}
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
        raise InvalidArgumentError(f"{cls.__name__}: {unknown} stand in an order, but are not declared as arguments.")
    given = [name for name in order if arguments[name].default is REQUIRED]
    if given != list(order[: len(given)]):
        raise InvalidArgumentError(
            f"{cls.__name__}: {given} have no default, so they must stand first in {list(order)}."
        )
    unreachable = [name for name, known in arguments.items() if known.default is REQUIRED and name not in order]
    if unreachable:
        raise InvalidArgumentError(
            f"{cls.__name__}: {unreachable} have no default, so they must stand in argument_order."
        )


def _constructor(cls: type[Declared]) -> Callable[..., None]:
    """`cls.__init__` with real parameters, which Python itself binds and complains about; made of a text, as dataclasses does."""
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
