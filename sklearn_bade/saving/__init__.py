"""Fitted classifiers as files: saved and loaded without pickle, or exported."""

from ._onnx import export_onnx
from ._save import load, save

__all__ = ["export_onnx", "load", "save"]
