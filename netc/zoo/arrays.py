"""The arrays of an .npz file that may come from a stranger: counted before they are unpacked, and never unpickled."""

import io
import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from netc.errors import ZooError

MOST_BYTES = 1 << 29  # of all arrays together, unpacked
MOST_ARRAYS = 10_000


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays by name. ZooError if it is no .npz, holds objects, or is larger than MOST_BYTES when it is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > MOST_BYTES or len(members) > MOST_ARRAYS:
                raise ZooError(f"{path}: unpacks to {total} bytes in {len(members)} arrays; at most {MOST_BYTES} in {MOST_ARRAYS} may be")
            return {member.filename.removesuffix(".npy"): _array(archive, member, path) for member in members}
    except ZooError:
        raise
    except Exception as error:  # a damaged header can fail as zipfile, zlib, tokenize, ast or NumPy like
        raise ZooError(f"{path}: is no .npz file that can be read: {str(error)[:200]}") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> np.ndarray:
    with archive.open(member) as file:
        shape, dtype = _header(file)
        if dtype.hasobject:
            raise ZooError(f"{path}: array {member.filename[:80]!r} holds Python objects, which are never unpickled")
        if prod(shape) * dtype.itemsize > member.file_size:
            raise ZooError(f"{path}: array {member.filename[:80]!r} states {shape}, more than the file has")
    with archive.open(member) as file:
        found: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        return found


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], Any]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of an .npz file, packed, the same for the same arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980, whenever it is made
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
    return buffer.getvalue()
