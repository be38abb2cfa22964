"""An op, a layer and three file formats for graphkit."""

from acmenet.layers import SoftLimit
from acmenet.ops import soft_limit

__all__ = ["SoftLimit", "soft_limit"]
