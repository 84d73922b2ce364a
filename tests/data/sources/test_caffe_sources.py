"""Caffe's data layers: LMDB, HDF5Data, ImageData, MemoryData, WindowData."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image

from netc import data
from netc import netc_pb2 as pb
from netc.api.net import Net
from netc.commands import test as testing
from netc.compiler.compilation import Compilation
from netc.compiler.lower import lower
from netc.data.bilinear import resize
from netc.data.datum import to_datum
from netc.data.image_database import ImageSet, write_database
from netc.data.sources.image_list import read_list
from netc.data.sources.lmdb import write_datums
from netc.errors import DataError
from netc.graph.ir import Graph
from netc.net.model import TEST
from netc.net.resolve import resolve
from netc.net.variants import deployed
from netc.spec import parse_yaml
from netc.spec.job import load_job
from netc.training.feed import Feeder
from tests.layers.nets import about
from tests.recorded import FOLDER

RNG = np.random.default_rng(0)


def layer(text: str) -> pb.LayerParameter:
    return text_format.Parse(text, pb.LayerParameter(name="d"))


@pytest.fixture
def images(tmp_path: Path) -> np.ndarray:
    """Five images of 6 x 8, a list of them, and their pixels: red, green, blue."""
    pixels = RNG.integers(0, 256, (5, 6, 8, 3)).astype(np.uint8)
    (tmp_path / "folder").mkdir()
    for k, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "folder" / f"an image {k}.png")
    (tmp_path / "list.txt").write_text("".join(f"an image {k}.png {10 * k}\n" for k in range(5)))
    return pixels


LIST = 'type: "ImageData" top: "data" top: "label" image_data_param { source: "list.txt" root_folder: "folder/" batch_size: 2 '


@about("ImageData")
def test_listed_images_are_blue_first_and_wrap_around(images: np.ndarray, tmp_path: Path) -> None:
    opened = data.open(layer(LIST + "}"), "TEST", 0, tmp_path)
    batches = [opened.batch(k) for k in range(3)]
    assert [b[1].tolist() for b in batches] == [[0, 10], [20, 30], [40, 0]]
    np.testing.assert_array_equal(batches[0][0], images[:2].transpose(0, 3, 1, 2)[:, ::-1])
    grey = data.open(layer(LIST + "is_color: false }"), "TEST", 0, tmp_path).batch(0)[0]
    assert grey.shape == (2, 1, 6, 8)
    assert data.open(layer(LIST + "new_height: 3 new_width: 4 } transform_param { crop_size: 3 }"), "TRAIN", 0, tmp_path).batch(0)[
        0
    ].shape == (2, 3, 3, 3)


def test_listed_images_are_shuffled_where_asked(images: np.ndarray, tmp_path: Path) -> None:
    opened = data.open(layer(LIST + "shuffle: true }"), "TRAIN", 0, tmp_path)
    epoch = np.concatenate([opened.batch(k)[1] for k in range(5)])
    assert (
        sorted(epoch[:5]) == [0, 10, 20, 30, 40] and sorted(epoch[5:]) == [0, 10, 20, 30, 40] and epoch[:5].tolist() != epoch[5:].tolist()
    )


def test_a_whole_pass_counts_each_row_once(images: np.ndarray, tmp_path: Path) -> None:
    layers = f"ImageData: {{source: '{tmp_path}/list.txt', root_folder: '{tmp_path}/folder', batch_size: 2}}, Silence: {{bottom: label}}"
    resolved = resolve(parse_yaml(f"layers: [{layers}]"), TEST)
    feeder = Feeder(resolved, Graph("", {n: v[-1] for n, v in lower(resolved).versions.items()}), 0, ".")
    assert [feeder.once(k)["batch/label"].tolist() for k in range(3)] == [[0, 10], [20, 30], [40]]
    assert feeder(2)["batch/label"].tolist() == [40, 0]
    assert deployed(resolved).layers[0].tops == ("data",)


def test_errors_of_a_list(images: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(images[0][:3]).save(tmp_path / "folder" / "an image 1.png")
    with pytest.raises(DataError, match="an image 1.png: It is 3x8, the first image is 6x8. Set `new_height` and `new_width`"):
        data.open(layer(LIST + "}"), "TEST", 0, tmp_path)
    (tmp_path / "list.txt").write_text("a.png 1\nb.png\nc.png x\n")
    with pytest.raises(DataError, match=r"list.txt:2:1: Expected a path, a space and a whole number, got 'b.png'"):
        data.describe(layer(LIST + "}"), "TEST", tmp_path)
    with pytest.raises(DataError, match="Only one of `new_height` and `new_width` is set. Set both or neither"):
        data.describe(layer(LIST + "new_height: 3 }"), "TEST", tmp_path)


@pytest.mark.parametrize("size", [(3, 4), (7, 5), (12, 16), (6, 8), (1, 1)])
def test_resizing_is_that_of_opencv(size: tuple[int, int]) -> None:
    cv2 = pytest.importorskip("cv2")
    image = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    expected = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
    got = resize(image.transpose(2, 0, 1), *size).transpose(1, 2, 0)
    assert np.abs(got.astype(int) - expected).max() <= 1  # OpenCV rounds its weights


def test_a_database_in_memory_and_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lmdb")
    rows = RNG.integers(0, 256, (5, 2, 3, 4)).astype(np.uint8)
    write_datums(tmp_path / "db", ((f"{k:03}".encode(), to_datum(row, k)) for k, row in enumerate(rows)))
    text = 'type: "Data" top: "data" top: "label" data_param { source: "db" backend: LMDB batch_size: 3 }'
    in_memory = data.open(layer(text), "TEST", 0, tmp_path)
    monkeypatch.setattr("netc.data.sources.database.MEMORY", 0)
    on_disk = data.open(layer(text), "TEST", 0, tmp_path)
    for opened in (in_memory, on_disk):
        np.testing.assert_array_equal(opened.batch(1)[0], rows[[3, 4, 0]])
        assert opened.batch(1)[1].tolist() == [3, 4, 0]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "files.txt").write_text("a.h5\n")
    (tmp_path / "a.h5").touch()
    for module in ("lmdb", "h5py"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=r"need h5py: pip install 'netc\[caffe\]'"):
        data.describe(layer('type: "HDF5Data" top: "data" hdf5_data_param { source: "files.txt" batch_size: 1 }'), "TRAIN", tmp_path)
    with pytest.raises(DataError, match=r"To write LMDB databases, install lmdb: pip install 'netc.caffe.'"):
        write_datums(tmp_path / "db", [])


HDF5 = 'type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "files.txt" batch_size: 4 '


@pytest.fixture
def hdf5(tmp_path: Path) -> Any:
    h5py = pytest.importorskip("h5py")
    for k, (first, count) in enumerate([(0, 3), (3, 5)]):
        with h5py.File(tmp_path / f"{k}.h5", "w") as file:
            file["data"] = np.arange(first, first + count, dtype=np.float64)[:, None] * [1, 10]
            file["label"] = np.arange(first, first + count)
    (tmp_path / "files.txt").write_text("0.h5\n1.h5\n")
    return h5py


@about("HDF5Data")
def test_rows_of_several_files(hdf5: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for memory in (2**30, 0):
        monkeypatch.setattr("netc.data.sources.hdf5.MEMORY", memory)
        opened = data.open(layer(HDF5 + "}"), "TRAIN", 0, tmp_path)
        values, labels = opened.batch(1)
        assert labels.tolist() == [4, 5, 6, 7] and labels.dtype == np.int64
        np.testing.assert_array_equal(values, np.arange(4, 8, dtype=np.float32)[:, None] * [1, 10])
        assert opened.batch(2)[1].tolist() == [0, 1, 2, 3]
        shuffled = data.open(layer(HDF5 + "shuffle: true }"), "TRAIN", 0, tmp_path)
        order = np.concatenate([shuffled.batch(k)[1] for k in range(2)])
        assert sorted(order) == list(range(8)) and order.tolist() != list(range(8))


def test_errors_of_hdf5(hdf5: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="HDF5Data cannot have a `transform_param`, as its arrays may have any shape"):
        data.describe(layer(HDF5 + "} transform_param { scale: 2 }"), "TRAIN", tmp_path)
    with pytest.raises(DataError, match="0.h5: There is no data set 'labels'. Did you mean 'label'"):
        data.describe(layer(HDF5.replace('"label"', '"labels"') + "}"), "TRAIN", tmp_path)
    (tmp_path / "files.txt").write_text("no.h5\n")
    with pytest.raises(DataError, match="files.txt:1:1: There is no file or folder 'no.h5'."):
        data.describe(layer(HDF5 + "}"), "TRAIN", tmp_path)


MEMORY = 'type: "MemoryData" top: "data" top: "label" memory_data_param { batch_size: 2 channels: 1 height: 1 width: 1 }'


def test_memory_is_fed_in_turn(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(f'layer {{ name: "d" {MEMORY} }}')
    net = Net(str(tmp_path / "net.prototxt"), phase="TEST")
    net.set_input_arrays(np.arange(4).reshape(4, 1, 1, 1), np.arange(4))
    assert [net.forward()["label"].tolist() for _ in range(3)] == [[0, 1], [2, 3], [0, 1]]
    with pytest.raises(
        DataError, match=r"Expected a multiple of 2 rows of \(1, 1, 1\) with a label each, got \(3, 1, 1, 1\) with 3 labels"
    ):
        net.set_input_arrays(np.zeros((3, 1, 1, 1)), np.zeros(3))
    with pytest.raises(DataError, match="Layer 'd': MemoryData gets its rows from Python. Call Net.set_input_arrays"):
        data.open(layer(MEMORY), "TRAIN", 0)


WINDOWS = """type: "WindowData" top: "data" top: "label" transform_param { crop_size: 4 %s }
window_data_param { source: "windows.txt" batch_size: 4 fg_fraction: 0.25 %s }"""


@pytest.fixture
def windows(images: np.ndarray, tmp_path: Path) -> np.ndarray:
    """Two windows in the first image, an object (class 7) and background."""
    (tmp_path / "windows.txt").write_text(f"# 0\n{tmp_path}/folder/an image 0.png\n3\n6\n8\n2\n7 0.9 2 1 5 4\n3 0.1 0 0 3 3\n")
    image: np.ndarray = images[0]
    return image.transpose(2, 0, 1)[::-1].astype(np.float32)


@about("WindowData")
def test_windows(windows: np.ndarray, tmp_path: Path) -> None:
    """Background first, then objects; a window of the crop's size is the pixels themselves."""
    values, labels = data.open(layer(WINDOWS % ("mean_value: 10 scale: 0.5", "")), "TRAIN", 0, tmp_path).batch(0)
    assert labels.tolist() == [0, 0, 0, 7]
    np.testing.assert_allclose(values[0], (windows[:, :4, :4] - 10) * 0.5)
    np.testing.assert_allclose(values[3], (windows[:, 1:5, 2:6] - 10) * 0.5)
    scaled, _ = data.open(layer(WINDOWS % ("", "scale: 0.5")), "TRAIN", 0, tmp_path).batch(0)
    np.testing.assert_allclose(scaled[0], windows[:, :4, :4] * 0.5)


def test_windows_are_mirrored_in_half_of_the_cases(windows: np.ndarray, tmp_path: Path) -> None:
    opened = data.open(layer(WINDOWS % ("mirror: true", "")), "TRAIN", 0, tmp_path)
    plain = windows[:, 1:5, 2:6]
    kinds = [np.array_equal(opened.batch(k)[0][3], plain) for k in range(40)]
    assert 8 < sum(kinds) < 32
    other = opened.batch(kinds.index(False))[0][3]
    np.testing.assert_array_equal(other, plain[:, :, ::-1])


def test_context_beyond_the_image_is_0(windows: np.ndarray, tmp_path: Path) -> None:
    """One pixel of context on each side of four: the window at the corner of the image has zeros above and left of it."""
    values, _ = data.open(layer(WINDOWS % ("mean_value: 10", "context_pad: 1")), "TRAIN", 0, tmp_path).batch(0)
    assert (values[0][:, 0] == 0).all() and (values[0][:, :, 0] == 0).all() and (values[0][:, 1:, 1:] != 0).any()
    assert (values[3][:, 3] == 0).all() and (values[3][:, :3] != 0).mean() > 0.9  # the other one lies above the lower border


def test_errors_of_windows(windows: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="`crop_size` is missing in transform_param. Add the side of the squares, for example `crop_size: 227`"
    ):
        data.describe(layer((WINDOWS % ("", "")).replace("crop_size: 4", "")), "TRAIN", tmp_path)
    with pytest.raises(DataError, match="windows.txt: There are 0 windows of objects and 2 of background. A batch needs both"):
        data.describe(layer(WINDOWS % ("", "fg_threshold: 0.95 bg_threshold: 0.95")), "TRAIN", tmp_path)
    (tmp_path / "windows.txt").write_text("0\n")
    with pytest.raises(
        DataError,
        match="windows.txt: The image that begins at line 1 .blank lines not counted. is malformed: expected `# number` of an image",
    ):
        data.describe(layer(WINDOWS % ("", "")), "TRAIN", tmp_path)


OUTPUT = """
layers:
  - Data: {source: rows.npz, batch_size: 2}
  - HDF5Output: {bottom: [data, label], file_name: out.h5}
  - Reduction: {bottom: data, operation: SUM}
"""


@about("HDF5Output")
def test_every_batch_of_a_pass_is_written(tmp_path: Path) -> None:
    """Those of Caffe's second batch too; a new pass writes the file anew."""
    h5py = pytest.importorskip("h5py")
    rows = RNG.normal(size=(5, 3)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", data=rows, label=np.arange(5))
    (tmp_path / "net.yaml").write_text(OUTPUT)
    job = load_job(str(tmp_path / "net.yaml"))
    for _ in range(2):
        scores = testing.test_command(Compilation.of(job), "cpu", 1, (), None)
        with h5py.File(tmp_path / "out.h5") as file:
            np.testing.assert_array_equal(file["data"][:, :, 0, 0], rows)
            assert file["label"][:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert scores.keys() == {"reduce1"}


def test_forward_from_python_writes_too(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    if not (FOLDER / "data" / "hdf5_output.h5").is_file():
        pytest.skip(f"no recorded results in {FOLDER}")
    with np.load(FOLDER / "data" / "hdf5_output.npz") as given:
        shapes = [f"{{dim: {list(given[n].shape)}}}" for n in ("in_x", "in_t")]
        net = f"layers: [Input: {{top: [x, t], shape: [{', '.join(shapes)}]}}, HDF5Output: {{bottom: [x, t], file_name: out.h5}}]"
        (tmp_path / "net.yaml").write_text(net)
        Net(str(tmp_path / "net.yaml"), phase="TEST").forward(x=given["in_x"], t=given["in_t"])
    with h5py.File(tmp_path / "out.h5") as got, h5py.File(FOLDER / "data" / "hdf5_output.h5") as expected:
        assert set(got) == set(expected)
        for name in expected:
            assert got[name].shape == expected[name].shape and got[name].dtype == expected[name].dtype
            np.testing.assert_array_equal(got[name][:], expected[name][:])


@pytest.mark.parametrize("label", ["²", "--5", "3000000000", "9" * 5000, "1_0", "1.5"])
def test_a_label_in_a_list_is_a_whole_number_of_32_bits(tmp_path: Path, label: str) -> None:
    (tmp_path / "list.txt").write_text(f"a.png {label}\nb.png -1\n")
    for read in (
        lambda: read_list(tmp_path / "list.txt"),
        lambda: write_database(ImageSet(str(tmp_path), str(tmp_path / "list.txt")), str(tmp_path / "db")),
    ):
        with pytest.raises(DataError, match=r"list.txt:1:1: Expected a path, a space and a whole number") as caught:
            read()
        assert len(caught.value.diagnostics) == 1


@pytest.mark.parametrize("count, window, message", [
    ("-6", "1 0.5 0 0 1 1", "it has -6 windows"),
    ("1", "1 0.5 5 0 1 1", "list.txt: The image that begins at line 1 .blank lines not counted. is malformed: a window is from 5 0 to 1 1"),
    ("1", "1 0.5 -1 0 1 1", "list.txt: The image that begins at line 1 .blank lines not counted. is malformed: a window is from -1 0 to"),
    ("1", "1 0.5 inf 0 1 1", "list.txt: The image that begins at line 1 .blank lines not counted. is malformed: cannot convert float"),
    ("1", "1 0.9 0 0 9 1", "a.png: The image is 2x3, but a window ends at row 1, column 9, counted from 0"),
])  # fmt: skip
def test_windows_that_no_image_has(tmp_path: Path, count: str, window: str, message: str) -> None:
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text(f"# 0\na.png\n3\n2\n3\n{count}\n{window}\n")
    text = 'type: "WindowData" top: "data" top: "label" window_data_param { source: "list.txt" batch_size: 1 fg_fraction: 1 crop_size: 4 }'
    with pytest.raises(DataError, match=message):
        data.open(layer(text), "TRAIN", 0, tmp_path).batch(0)
