"""The arrays of a file's tensors: in the file, or in other files of its folder ("external data")."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path, PurePosixPath

import numpy as np
import onnx
from onnx import helper, numpy_helper

from netc.errors import SpecError
from netc.graph.tensor_type import MOST_VALUES

BITS: dict[int, int] = {onnx.TensorProto.INT4: 4, onnx.TensorProto.UINT4: 4, onnx.TensorProto.FLOAT4E2M1: 4}
FIELDS = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


@dataclass
class External:
    """Reads tensors of a file in `folder`. Without `allowed`, tensors outside the file raise a SpecError."""

    folder: Path
    allowed: bool
    used: set[Path] = field(default_factory=set)

    def files(self) -> tuple[Path, ...]:
        """The other files that hold tensors, by name."""
        return tuple(sorted(self.used))

    def array(self, tensor: onnx.TensorProto) -> Callable[[], np.ndarray]:
        """Return a function that returns the array of `tensor`. SpecError if the data do not have the size that the shape states."""
        size = prod(tensor.dims)
        if tensor.data_type not in helper.get_all_tensor_dtypes() or any(d < 0 for d in tensor.dims) or size > MOST_VALUES:
            raise SpecError(f"The tensor {tensor.name!r} has the type {tensor.data_type} and the shape {list(tensor.dims)}.")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return self._outside(tensor)
        if tensor.HasField("raw_data"):
            _check_length(tensor, len(tensor.raw_data))
        elif size and not any(len(getattr(tensor, f)) for f in FIELDS):
            _check_length(tensor, 0)
        try:
            array = numpy_helper.to_array(tensor)
        except (ValueError, TypeError) as e:
            raise SpecError(f"The data of the tensor {tensor.name!r} do not fit its shape {list(tensor.dims)}.") from e
        return lambda: array

    def _outside(self, tensor: onnx.TensorProto) -> Callable[[], np.ndarray]:
        where = {e.key: e.value for e in tensor.external_data}
        path = self._path(tensor.name, where.get("location", ""))
        try:
            offset = int(where.get("offset", 0))
            length = int(where.get("length", path.stat().st_size - offset))
        except ValueError as e:
            raise SpecError(f"The place of the tensor {tensor.name!r} in {path.name} is no number.") from e
        if offset < 0 or length < 0 or offset + length > path.stat().st_size:
            raise SpecError(f"{path.name} ends before the data of the tensor {tensor.name!r}. It has {path.stat().st_size:,} bytes.")
        _check_length(tensor, length)
        self.used.add(path)
        return partial(_read, path, offset, length, tensor.data_type, tuple(tensor.dims))

    def _path(self, name: str, location: str) -> Path:
        """The file at a location. It must be a regular file inside the folder, and no link leads to it."""
        if not self.allowed:
            raise SpecError(f"The tensor {name!r} is in another file, {location!r}. Expected one file that holds all weights.")
        parts = PurePosixPath(location.replace("\\", "/")).parts
        if not parts or ".." in parts or PurePosixPath(location).is_absolute() or Path(location).is_absolute():
            raise SpecError(f"The tensor {name!r} is in {location!r}, outside the folder of the model.")
        path = self.folder
        for part in parts:
            path = path / part
            if path.is_symlink():
                raise SpecError(f"The tensor {name!r} is in {location!r}, which is a link. Expected a regular file.")
        if not path.is_file():
            raise SpecError(f"There is no file {location!r} beside the model. It holds the tensor {name!r}.")
        return path


def _check_length(tensor: onnx.TensorProto, found: int) -> None:
    """Raise a SpecError unless the data have the bytes that the shape needs."""
    bits = BITS.get(int(tensor.data_type)) or np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize * 8
    wanted = -(-prod(tensor.dims) * bits // 8)
    if found != wanted:
        raise SpecError(f"The tensor {tensor.name!r} has {found:,} bytes. Its shape {list(tensor.dims)} needs {wanted:,}.")


def _read(path: Path, offset: int, length: int, dtype: int, shape: tuple[int, ...]) -> np.ndarray:
    with path.open("rb") as stream:
        stream.seek(offset, os.SEEK_SET)
        data = stream.read(length)
    return numpy_helper.to_array(onnx.TensorProto(data_type=dtype, dims=shape, raw_data=data))
