"""What is read of an HDF5 file: what stands in it, and nothing that it leads to."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc import netc_pb2 as pb
from netc.errors import DataError, SpecError
from netc.formats import hdf5
from netc.formats.caffe_weights import read_state, read_weights
from netc.formats.hdf5 import Hdf5Error

h5py = pytest.importorskip("h5py")
SECRET = np.arange(6, dtype=np.float32)


def external(file: Any, name: str, folder: Path) -> None:
    (folder / "secret").write_bytes(SECRET.tobytes())
    file.create_dataset(name, (6,), "f4", external=[(str(folder / "secret"), 0, 24)])


def virtual(file: Any, name: str, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = SECRET
    layout = h5py.VirtualLayout((6,), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (6,))
    file.create_virtual_dataset(name, layout)


def link(file: Any, name: str, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = SECRET
    file[name] = h5py.ExternalLink(str(folder / "other.h5"), "/x")


def soft(file: Any, name: str, folder: Path) -> None:
    file["elsewhere"] = SECRET
    file[name] = h5py.SoftLink("/elsewhere")


def filtered(file: Any, name: str, folder: Path) -> None:
    """A filter of a number that HDF5 gives away; to read with it would load a library from the plug-ins' folder."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((6,))
    plan.set_filter(30000, h5py.h5z.FLAG_OPTIONAL, ())
    parent, _, last = name.rpartition("/")
    group = file.require_group(parent) if parent else file
    h5py.h5d.create(group.id, last.encode(), h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((6,)), plan)


def huge(file: Any, name: str, folder: Path) -> None:
    file.create_dataset(name, (2**45,), "f4", chunks=(1024,))


def group(file: Any, name: str, folder: Path) -> None:
    file.create_group(name)


def datatype(file: Any, name: str, folder: Path) -> None:
    file[name] = np.dtype("f4")


def text(file: Any, name: str, folder: Path) -> None:
    file[name] = [b"a", b"b"]


def nothing(file: Any, name: str, folder: Path) -> None:
    file[name] = h5py.Empty("f4")


def wide(file: Any, name: str, folder: Path) -> None:
    file[name] = np.ones(6, np.complex128)


ERRORS = {
    external: "are stored in other files",
    virtual: "are stored in other files",
    link: "is a link to another place",
    soft: "is a link to another place",
    filtered: "uses the filter 30000",
    huge: "claims 140,737,488,355,328 bytes; 0 are stored",
    datatype: "is a datatype, not a data set",
    text: "holds no numbers",
    nothing: "holds no numbers",
    wide: "holds no numbers",
}


@pytest.mark.parametrize(
    "make, message", [*ERRORS.items(), (group, "is a group, not a data set")], ids=lambda x: getattr(x, "__name__", "")
)
def test_what_leads_elsewhere_or_is_no_numbers_is_refused_as_data(tmp_path: Path, make: Callable[..., None], message: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file, "data", tmp_path)
    (tmp_path / "list.txt").write_text("a.h5\n")
    layer = pb.LayerParameter(name="d", type="HDF5Data", top=["data"])
    layer.hdf5_data_param.source, layer.hdf5_data_param.batch_size = "list.txt", 1
    with pytest.raises(DataError, match=rf"Cannot read .*a.h5 as HDF5: .*{message}"):
        data.describe(layer, "TRAIN", tmp_path)


@pytest.mark.parametrize("make, message", ERRORS.items(), ids=lambda x: getattr(x, "__name__", ""))
@pytest.mark.parametrize("name", ["data/ip/0", "data/ip/deep/1"])
def test_what_leads_elsewhere_or_is_no_numbers_is_refused_as_weights(
    tmp_path: Path, make: Callable[..., None], message: str, name: str
) -> None:
    with h5py.File(tmp_path / "w.caffemodel.h5", "w") as file:
        file.create_group("data/ip/deep")
        make(file, name, tmp_path)
    with pytest.raises(SpecError, match=rf"w.caffemodel.h5: It is not an HDF5 snapshot of Caffe, or it is damaged: .*{message}"):
        read_weights(str(tmp_path / "w.caffemodel.h5"))


def test_a_group_that_is_a_link(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["data/ip/0"] = SECRET
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["data"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/data")
    with pytest.raises(SpecError, match="'data' in '/' is a link"):
        read_weights(str(tmp_path / "w.h5"))


def test_groups_within_themselves_and_in_two_places(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        inner = file.create_group("data/a")
        inner["again"] = file["data"]
    with pytest.raises(SpecError, match="appears twice, or within itself"):
        read_weights(str(tmp_path / "w.h5"))


@pytest.mark.parametrize("change, message", [
    (lambda f: f.pop("iter"), "'iter' is not one number"),
    (lambda f: f.pop("history"), "there is no group 'history'"),
    (lambda f: f["history"].move("0", "7"), "its history has the blobs 7"),
    (lambda f: (f.pop("learned_net"), f.create_group("learned_net")), "'learned_net' is no text"),
])  # fmt: skip
def test_states_of_a_solver(tmp_path: Path, change: Callable[..., Any], message: str) -> None:
    with h5py.File(tmp_path / "s.solverstate.h5", "w") as file:
        file["iter"], file["current_step"], file["learned_net"] = [3], [0], "x.caffemodel.h5"
        file["history/0"] = SECRET
    assert read_state(str(tmp_path / "s.solverstate.h5")).iteration == 3
    with h5py.File(tmp_path / "s.solverstate.h5", "a") as file:
        change(file)
    with pytest.raises(SpecError, match=message):
        read_state(str(tmp_path / "s.solverstate.h5"))


def test_numbers_of_every_kind_and_packed_ones(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["big"] = SECRET.astype(">f8")
        file["in/side"] = SECRET
        for pack in ("gzip", "lzf"):
            file.create_dataset(pack, data=np.zeros((1000, 100)), compression=pack, shuffle=True, fletcher32=pack == "gzip")
    with hdf5.opened(tmp_path / "a.h5") as reader:
        assert np.array_equal(hdf5.whole(reader.dataset("big")), SECRET) and hdf5.whole(reader.dataset("big")).dtype == np.float64
        assert reader.dataset("in/side").shape == (6,) and reader.dataset("gzip").size == reader.dataset("lzf").size == 100_000
        assert reader.dataset("none") is None and reader.dataset("big/none") is None
        assert [name for name, _ in reader.datasets("in")] == ["side"]


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(500), b"text"])
def test_what_is_no_hdf5(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(Hdf5Error), hdf5.opened(tmp_path / "a.h5"):
        pass


def test_a_pipe_is_told_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.h5")
    with pytest.raises(Hdf5Error, match="it is a pipe, not a file"), hdf5.opened(tmp_path / "a.h5"):
        pass
