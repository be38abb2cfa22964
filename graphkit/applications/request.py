"""What the caller of a constructor asked for, once it is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """The checked arguments of a constructor.

    Attributes:
        name: the name of the model.
        input_shape: the shape of an image, without the batch axis; an axis may be None.
        weights: None, "imagenet" or a path.
        include_top: whether the classifier is part of the net.
        pooling: None, "avg" or "max", for nets without classifier.
        classes: the number of classes.
        classifier_activation: the activation of the classifier.
        options: the arguments that only this family has (`alpha`, `dropout`, ...).
    """

    name: str
    input_shape: tuple[int | None, ...]
    weights: Any
    include_top: bool
    pooling: str | None
    classes: int
    classifier_activation: Any
    options: dict[str, Any] = field(default_factory=dict)
