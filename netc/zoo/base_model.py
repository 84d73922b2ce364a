"""The ONNX file of a published model, as the start of another net."""

from pathlib import Path

from netc.errors import ZooError
from netc.zoo.fetch import model_folder


def base_model(spec: str) -> Path:
    """The path of model.onnx of NAME or NAME@VERSION, verified. A model of a remote zoo is downloaded into the cache."""
    folder = model_folder(spec)
    if not (folder / "model.onnx").is_file():
        raise ZooError(f"{folder}: the model has no model.onnx")
    return folder / "model.onnx"
