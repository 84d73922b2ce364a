"""Read .npz files from untrusted sources: sizes are checked before arrays are unpacked, and nothing is unpickled."""

import io
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from netc.errors import ZooError

MOST_BYTES = 1 << 29  # all arrays together, unpacked
MOST_ARRAYS = 10_000


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read arrays by name. ZooError if the file is not .npz, contains objects, or unpacks to more than MOST_BYTES."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > MOST_BYTES or len(members) > MOST_ARRAYS:
                raise ZooError(
                    f"{path}: unpacks to {total} bytes in {len(members)} arrays; the limits are {MOST_BYTES} bytes and {MOST_ARRAYS} arrays"
                )
            return {member.filename.removesuffix(".npy"): _array(archive, member, path) for member in members}
    except ZooError:
        raise
    except Exception as error:  # an invalid header can raise any error of zipfile, zlib, tokenize, ast or NumPy
        raise ZooError(f"{path}: cannot be read as an .npz file: {str(error)[:200]}") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> np.ndarray:
    with archive.open(member) as file:
        shape, dtype = _header(file)
        if dtype.hasobject:
            raise ZooError(f"{path}: array {member.filename[:80]!r} contains Python objects; netc never unpickles")
        if prod(shape) * dtype.itemsize > member.file_size:
            raise ZooError(f"{path}: array {member.filename[:80]!r} has shape {shape}, but the file is too short for it")
    with archive.open(member) as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        return array


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], Any]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _plain(array: np.ndarray) -> np.ndarray:
    """An array of texts without Python objects, which need no pickle. Other arrays are unchanged."""
    return array.astype(np.str_) if array.dtype == object else np.asarray(array)


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Encode arrays as a compressed .npz file. Equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # always dated 1980
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, _plain(array), allow_pickle=False)
    return buffer.getvalue()
