"""Find the file of a model: a path, or a name in a zoo."""

from pathlib import Path

from netc import zoo
from netc.errors import DataError, ZooError
from netc.zoo.names import MANIFEST


def find_model(name: str, source: str | None, key: str | None) -> Path:
    """The path of model.onnx, from a file, a folder or a zoo. Models of remote zoos are downloaded into the cache."""
    path, keys = Path(name), zoo.trusted_keys(key)
    if path.is_file() or (path / "model.onnx").is_file():
        file = path if path.is_file() else path / "model.onnx"
        if keys and (file.parent / MANIFEST).exists():
            zoo.checked_folder(file.parent, keys)
        elif key:
            raise ZooError(f"{file}: is not a published model, but a signature is required")
        return file
    location = source or zoo.default_location()
    if path.suffix == ".onnx":
        raise DataError(f"{path}: There is no such file.")
    if path.is_dir() and (path.parent != Path(".") or not zoo.holds(location, name)):  # a folder of data may have the name of a model
        raise DataError(f"{path}: the folder has no model.onnx")
    folder = zoo.model_folder(name, location, keys)
    if not (folder / "model.onnx").exists():
        raise ZooError(f"{folder}: the model has no model.onnx")
    return folder / "model.onnx"
