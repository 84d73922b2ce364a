"""Weights that are given by the name of a published model."""

from collections.abc import Sequence
from pathlib import Path

from netc import zoo
from netc.errors import SnapshotError, ZooError

FILES = (".safetensors", ".caffemodel", ".h5", ".hdf5", ".solverstate")
WEIGHTS = "start.safetensors"


def files_of(weights: Sequence[str]) -> tuple[str, ...]:
    """`weights`, each `FILE` or `FILE,FILE`, with the files of models in place of their names: whole, and signed as NETC_ZOO_KEY asks."""
    return tuple(",".join(_file(name) for name in text.split(",")) for text in weights)


def _file(name: str) -> str:
    if Path(name).suffix in FILES or Path(name).exists() or zoo.model_name(name.partition("@")[0]) != name.partition("@")[0]:
        return name
    try:
        path = zoo.model_folder(name) / WEIGHTS
    except ZooError as error:
        raise SnapshotError(f"{name}: is no file of weights, and no model: {error}") from error
    if not path.is_file():
        raise SnapshotError(f"{path}: is not there; the model has no weights to start from")
    return str(path)
