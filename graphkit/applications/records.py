"""Records of the catalog: of a family of nets, and of each net."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphkit.applications.pretrained import PublishedFile

Arguments = dict[str, Any]

STANDARD = "include_top weights input_tensor input_shape pooling classes classifier_activation name"


@dataclass(frozen=True)
class Family:
    """What the constructors of a family share.

    Args:
        title: the name of the family.
        builder: from the images, the request and the numbers of a net to its outputs.
        paper: the identifier of the paper at arxiv.org.
        arguments: the arguments of the constructors in their order, separated by spaces.
        smallest: the smallest height and width of images.
        channels_last_only: whether images with the channels first are refused.
        sizes: the sizes of images for which there are weights; empty if there are weights for the default size only.
        alphas: the values of `alpha` for which there are weights.
        any_size: whether the classifier works on images of any size.
        reads_tensor: whether `input_tensor` is compared with `input_shape`, and gives it where that is None.
        one_input: whether the model's input is a tensor, not a list, where `input_tensor` was given.
    """

    title: str
    builder: Callable[..., Any]
    paper: str
    arguments: str = STANDARD
    smallest: int = 32
    channels_last_only: bool = False
    sizes: tuple[int, ...] = ()
    alphas: tuple[float, ...] = ()
    any_size: bool = False
    reads_tensor: bool = False
    one_input: bool = False


@dataclass(frozen=True)
class Net:
    """One constructor.

    Args:
        family: the family.
        size: the height and width of the images it was made for.
        default_name: the default of the argument `name`; None for a name made of `prefix`, `alpha` and the size.
        file: from the arguments, whose `include_top`, `alpha` and `rows` matter, to the file with the published weights.
        numbers: what the builder needs.
        prefix: the first part of an automatic name.
        size_without_top: whether the default size is also used without classifier.
    """

    family: Family
    size: int
    default_name: str | None
    file: Callable[[Arguments], PublishedFile]
    numbers: Mapping[str, Any]
    prefix: str = ""
    size_without_top: bool = False
