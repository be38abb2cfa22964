"""Run models with onnxruntime: sessions, providers, and a Predictor to embed in a service."""

from graphkit.runtime.predictor import Predictor
from graphkit.runtime.session import Session, TensorInfo, available_providers, installed_runtimes, session_for

__all__ = ["Predictor", "Session", "TensorInfo", "available_providers", "installed_runtimes", "session_for"]
