"""Making the constructors of keras.applications: a family gives their arguments and their builder, a row of the catalog the rest."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from typing import Any

from graphkit.applications.images import arranged, check_tensor, check_width, image_shape, images, parts_of
from graphkit.applications.records import Arguments, Family, Net
from graphkit.applications.request import Request
from graphkit.core.errors import InvalidArgumentError, UnknownArgumentError
from graphkit.core.layout import image_data_format
from graphkit.models.functional import Functional

_COMMON: Arguments = {
    "include_top": True, "weights": "imagenet", "input_tensor": None, "input_shape": None, "pooling": None, "classes": 1000,
    "classifier_activation": "softmax", "name": None,
}  # fmt: skip
_OWN: Arguments = {
    "alpha": 1.0, "depth_multiplier": 1, "dropout": 0.001, "dropout_rate": 0.2, "minimalistic": False,
    "include_preprocessing": True,
}  # fmt: skip


def constructor(title: str, net: Net) -> Callable[..., Functional]:
    """Return the constructor of a net."""
    defaults = {**_COMMON, **_OWN, "name": net.default_name}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=defaults[name])
        for name in net.family.arguments.split()
    ]
    signature = inspect.Signature(parameters)

    def construct(*args: Any, **kwargs: Any) -> Functional:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise UnknownArgumentError(f"{title}: {error}. It accepts {', '.join(signature.parameters)}.") from None
        given.apply_defaults()
        return _constructed(title, net, dict(given.arguments))

    construct.__name__ = construct.__qualname__ = title
    construct.__module__ = __name__.rpartition(".")[0]
    construct.__doc__ = _description(title, net)
    construct.__signature__ = signature  # type: ignore[attr-defined]
    return construct


def _constructed(title: str, net: Net, given: Arguments) -> Functional:
    family, weights = net.family, given["weights"]
    _check_choice(title, net, given)
    shape = _shape(net, given)
    if family.sizes:
        given["rows"] = _checked_size(net, given, shape)
    options = {name: value for name, value in given.items() if name not in _COMMON}
    request = Request(
        name=_name(net, given),
        input_shape=shape,
        weights=weights,
        include_top=bool(given["include_top"]),
        pooling=given["pooling"],
        classes=given["classes"],
        classifier_activation=given["classifier_activation"],
        options=options,
    )
    x, inputs = images(given["input_tensor"], shape)
    outputs = family.builder(x, request, **net.numbers)
    inputs = inputs[0] if family.one_input and isinstance(inputs, list) else inputs
    model = Functional(inputs, outputs, name=request.name)
    if weights is not None:
        path = net.file(given).find(f"{title}(weights='imagenet')") if weights == "imagenet" else weights
        model.load_weights(path)
    return model


def _check_choice(title: str, net: Net, given: Arguments) -> None:
    weights = given["weights"]
    if net.family.channels_last_only and image_data_format() == "channels_first":
        raise InvalidArgumentError(
            f"{net.family.title} does not support the `channels_first` image data format. Switch to `channels_last` with "
            'graphkit.config.set_image_data_format("channels_last").'
        )
    if weights not in (None, "imagenet") and not os.path.exists(weights):
        raise InvalidArgumentError(
            f"{title}: The `weights` argument should be either `None` (random initialization), `imagenet` (pre-training on "
            f"ImageNet), or the path to the weights file to be loaded.  Received: weights={weights}"
        )
    if weights == "imagenet" and given["include_top"] and given["classes"] != 1000:
        raise InvalidArgumentError(
            f'{title}: If using `weights="imagenet"` with `include_top=True`, `classes` should be 1000.  '
            f"Received classes={given['classes']}"
        )


def _shape(net: Net, given: Arguments) -> tuple[int | None, ...]:
    """Return the shape of an image."""
    family, shape, tensor = net.family, given["input_shape"], given["input_tensor"]
    if family.reads_tensor:
        check_width(tensor, shape)
    if family.any_size:
        return _free_shape(family, shape, tensor)
    if shape is None and net.size_without_top and not given["include_top"]:
        shape = (net.size, net.size, 3)
    default = net.size
    if family.sizes:
        default = _default_size(net, shape, tensor)
    needs_size, weights = bool(given["include_top"]), given["weights"]
    return image_shape(shape, default=default, smallest=family.smallest, needs_size=needs_size, weights=weights)


def _free_shape(family: Family, shape: Any, tensor: Any) -> tuple[int | None, ...]:
    """Return the shape of an image for a net whose classifier works on any size."""
    if shape is None and tensor is not None:
        check_tensor(tensor)
        shape = tuple(tensor.shape)[1:]
    wanted: tuple[int | None, ...] = arranged(None, None, 3) if shape is None else tuple(shape)
    rows, columns, _ = parts_of(wanted)
    if rows and columns and min(rows, columns) < family.smallest:
        least = family.smallest
        raise InvalidArgumentError(f"Input size must be at least {least}x{least}; Received `input_shape={wanted}`")
    return wanted


def _default_size(net: Net, shape: Any, tensor: Any) -> int:
    """Return the size of the images for which weights are looked up: that of the images if they are square and there are any."""
    if shape is None and tensor is not None and net.family.reads_tensor:
        check_tensor(tensor)
        shape = tuple(tensor.shape)[1:]
    if shape is None:
        return net.size
    rows, columns, _ = parts_of(tuple(shape))
    return rows if rows is not None and rows == columns and rows in net.family.sizes else net.size


def _checked_size(net: Net, given: Arguments, shape: tuple[int | None, ...]) -> int | None:
    """Return the number of rows for the name and the file; check that there are weights for the arguments."""
    family = net.family
    rows, columns, _ = parts_of(shape)
    if given["weights"] != "imagenet":
        return rows
    if given.get("depth_multiplier", 1) != 1:
        raise InvalidArgumentError(
            "If imagenet weights are being loaded, depth multiplier must be 1.  "
            f"Received depth_multiplier={given['depth_multiplier']}"
        )
    alphas = family.alphas if not given.get("minimalistic") else (1.0,)
    if given["alpha"] not in alphas:
        listed = ", ".join(f"`{alpha}`" for alpha in alphas)
        raise InvalidArgumentError(
            f"If imagenet weights are being loaded, alpha must be one of {listed} only.  Received alpha={given['alpha']}"
        )
    if rows == columns and rows in family.sizes:
        return rows
    warnings.warn(
        f"`input_shape` is undefined or non-square, or `rows` is not in {list(family.sizes)}. "
        "Weights for input shape (224, 224) will be loaded as the default.",
        stacklevel=4,
    )
    return 224


def _name(net: Net, given: Arguments) -> Any:
    if given["name"] is None and net.prefix:
        return f"{net.prefix}_{given['alpha']:0.2f}_{given['rows']}"
    return given["name"]


def _description(title: str, net: Net) -> str:
    family = net.family
    own = [name for name in family.arguments.split() if name in _OWN]
    extra = f" Its own arguments are {', '.join(own)}." if own else ""
    return (
        f"Return the net {title}, for images of {net.size} x {net.size} pixels (arXiv:{family.paper}).{extra}\n\n"
        "The arguments are those of Keras; see the page of graphkit.applications.\n\n"
        f"Source: keras.applications.{title}."
    )
