"""Comparison of two models: which layers, configs and weights differ, and where their numbers part."""

from graphkit.comparison.compare import diff
from graphkit.comparison.report import Difference, LayerNumbers, WeightDifference

__all__ = ["Difference", "LayerNumbers", "WeightDifference", "diff"]
