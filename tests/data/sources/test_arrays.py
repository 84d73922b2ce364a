"""Arrays on disk."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.data import TopSpec
from netc.data.sources import arrays
from netc.errors import DataError
from tests.data.layers import columns_of, data_layer


def test_npz_tops_go_by_name(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(5, 3)), np.arange(5, dtype=np.uint8)
    np.savez_compressed(tmp_path / "a.npz", y=y, x=x, other=np.zeros(2))
    layer = data_layer("a.npz", 5, ["x", "y"], shuffle=False)
    description = data.describe(layer, "TRAIN", tmp_path)
    assert description.tops == (TopSpec("float32", (3,)), TopSpec("int64", ())) and description.rows == 5
    got = data.open(layer, "TRAIN", 0, tmp_path).batch(0)
    assert np.array_equal(got[0], x.astype(np.float32)) and got[1].dtype == np.int64 and got[1].tolist() == y.tolist()


@pytest.mark.parametrize(
    "dtype, shape, top",
    [
        ("uint8", (4, 1, 2, 2), "float32"),
        ("float64", (4,), "float32"),
        ("bool", (4, 2), "float32"),
        ("int32", (4, 7), "int64"),
        ("uint8", (4,), "int64"),
        ("int64", (4,), "int64"),
    ],
)
def test_dtypes_of_tops(tmp_path: Path, dtype: str, shape: tuple[Any, ...], top: str) -> None:
    np.savez(tmp_path / "a.npz", data=np.ones(shape, dtype), label=np.zeros(4))
    layer = data_layer("a.npz")
    assert data.describe(layer, "TRAIN", tmp_path).tops == (TopSpec(top, shape[1:]), TopSpec("float32", ()))
    assert [str(b.dtype) for b in data.open(layer, "TRAIN", 0, tmp_path).batch(0)] == [top, "float32"]


def test_npy_is_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(12, dtype=np.float32).reshape(6, 2))
    opened = data.open(data_layer("a.npy", 4, ["data"], shuffle=False), "TRAIN", 0, tmp_path)
    assert isinstance(columns_of(opened)[0].base, np.memmap)
    values = opened.batch(1)[0]
    assert type(values) is np.ndarray and values.tolist() == [[8, 9], [10, 11], [0, 1], [2, 3]]


def test_test_source(tmp_path: Path) -> None:
    for name, value in (("train", 1), ("test", 2)):
        np.savez(tmp_path / f"{name}.npz", data=np.full((3, 2), value), label=np.arange(3))
    layer = data_layer("train.npz", test_source="test.npz")
    assert [data.open(layer, p, 0, tmp_path).batch(0)[0].max() for p in ("TRAIN", "TEST")] == [1, 2]
    np.savez(tmp_path / "test.npz", data=np.zeros((3, 4), int), label=np.arange(3))
    with pytest.raises(
        DataError,
        match=r"test.npz: Its rows are .TopSpec.dtype='int64', shape=.4,., rows=0, batch_axis=0, input=False, classes=0, mean=.., std=",
    ):
        data.describe(layer, "TEST", tmp_path)


@pytest.mark.parametrize(
    "arrays, message",
    [
        (
            {"dta": np.zeros(2), "label": np.zeros(2)},
            r"a.npz: There is no array 'data'. The arrays must have the names of the tops of the layer. Did you mean 'dta'",
        ),
        ({"data": np.zeros((2, 2)), "label": np.zeros(3)}, "a.npz: The arrays have different numbers of rows: data 2, label 3"),
        ({"data": np.array(["a"]), "label": np.float32(1)}, "(?s)'data' is text of shape .*'label' is float32 of shape"),
        ({"data": np.array([{}]), "label": np.zeros(1)}, "'data' is Python objects"),
    ],
)
def test_errors_of_npz(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        data.describe(data_layer("a.npz"), "TRAIN", tmp_path)


def test_errors_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK not quite")
    (tmp_path / "a.npy").write_bytes(b"nothing")
    np.save(tmp_path / "b.npy", np.zeros(3))
    for layer, message in (
        (data_layer("a.npz"), "not an .npz file"),
        (data_layer("a.npy"), "not an .npy file"),
        (data_layer("b.npy"), "b.npy: There is one array, but the layer has 2 tops. Use an .npz file"),
    ):
        with pytest.raises(DataError, match=message):
            data.describe(layer, "TRAIN", tmp_path)


def test_validation_source(tmp_path: Path) -> None:
    """Rows that choose the best model; without them those for testing do."""
    for name, count in (("train", 3), ("validation", 2), ("test", 1)):
        np.savez(tmp_path / f"{name}.npz", data=np.full((count, 2), count, np.float32), label=np.arange(count))
    layer = data_layer("train.npz", test_source="test.npz", validation_source="validation.npz")
    rows = {phase: data.open(layer, phase, 0, tmp_path).rows for phase in ("TRAIN", "VALIDATION", "TEST")}
    assert rows == {"TRAIN": 3, "VALIDATION": 2, "TEST": 1} and data.describe(layer, "TRAIN", tmp_path).has_validation
    layer.data_param.ClearField("validation_source")
    assert data.open(layer, "VALIDATION", 0, tmp_path).rows == 1 and not data.describe(layer, "TRAIN", tmp_path).has_validation


def test_files_that_were_cut_off(tmp_path: Path) -> None:
    """Found before anything is loaded: a map of such a file would end the process."""
    np.save(tmp_path / "a.npy", np.zeros((50, 4), np.float32))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-10])
    with pytest.raises(
        DataError,
        match=r"a.npy: It is not an .npy file, or it is damaged: it is truncated. float32 of shape .50, 4. needs 928 bytes, the file has",
    ):
        data.describe(data_layer("a.npy", tops=["data"]), "TRAIN", tmp_path)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("data.npy", whole[:-10])
    with pytest.raises(
        DataError,
        match=r"a.npz: It is not an .npz file, or it is damaged: it is truncated. float32 of shape .50, 4. needs 928 bytes, the file has",
    ):
        data.describe(data_layer("a.npz", tops=["data"]), "TRAIN", tmp_path)
    np.savez(tmp_path / "a.npz", data=np.zeros((50, 4)))
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-10])
    with pytest.raises(DataError, match="a.npz: It is not an .npz file, or it is damaged: File is not a zip file"):
        data.describe(data_layer("a.npz", tops=["data"]), "TRAIN", tmp_path)
    np.savez(tmp_path / "a.npz", data=np.arange(20000.0))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[100_000] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match="a.npz: It is not an .npz file, or it is damaged: Bad CRC-32 for file 'data.npy'"):
        data.open(data_layer("a.npz", tops=["data"]), "TRAIN", 0, tmp_path)


def damaged(kind: str) -> bytes:
    """The bytes of a damaged .npz or .npy file."""
    buffer = io.BytesIO()
    if kind.startswith("npy"):
        np.save(buffer, np.zeros((4, 2), np.float32))
    else:
        np.savez_compressed(buffer, data=np.random.default_rng(0).normal(size=(400, 2)), label=np.zeros(400, int))
    content = bytearray(buffer.getvalue())
    header = content.index(b"descr") if b"descr" in content else 0
    if kind == "npz zlib":
        content[200:300] = b"\xff" * 100
    elif kind == "npz encrypted":
        for start in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
            content[start] |= 1
    elif kind == "npz method":
        for start in (content.index(b"PK\x03\x04") + 8, content.index(b"PK\x01\x02") + 10):
            content[start] = 77
    elif kind == "npz end":
        content = content[:-30]
    elif kind == "npy token":
        content[header : header + 5] = b"'''((("[:5]
    elif kind == "npy dtype":
        content = bytearray(content.replace(b"<f4", b"<q9"))
    elif kind == "npy negative":
        content = bytearray(content.replace(b"(4, 2)", b"(-4,2)"))
    elif kind == "npy huge":
        content = bytearray(content.replace(b"(4, 2), }    ", b"(4, 2" + b"0" * 7 + b")"))
    elif kind == "npy version":
        content[6] = 9
    elif kind == "npy cut":
        content = content[:20]
    return bytes(content)


@pytest.mark.parametrize(
    "kind",
    ["npz zlib", "npz encrypted", "npz method", "npz end", "npy token", "npy dtype", "npy negative", "npy huge", "npy version", "npy cut"],
)
def test_damaged_files_are_one_sentence(tmp_path: Path, kind: str) -> None:
    suffix = kind[:3]
    (tmp_path / f"a.{suffix}").write_bytes(damaged(kind))
    layer = data_layer(f"a.{suffix}", 1, ["data", "label"] if suffix == "npz" else ["data"])
    with pytest.raises(DataError, match=rf"a\.{suffix}") as caught:
        data.open(layer, "TRAIN", 0, tmp_path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "array, said",
    [
        (np.zeros((4, 0)), "a.npy: Array 'data' has the shape .4, 0.. Its rows contain no values"),
        (np.float32(1), r"a.npy: Array 'data' is float32 of shape ... Expected real numbers with at least one axis, the rows"),
        (np.zeros(4, "M8[s]"), "is dates of shape"),
        (np.zeros(4, "S3"), "is bytes of text of shape"),
        (np.zeros(4, [("a", "f4")]), "is records of shape"),
        (np.zeros(4, np.complex64), "is complex64 of shape"),
    ],
)
def test_arrays_that_are_no_rows_of_numbers(tmp_path: Path, array: np.ndarray | np.float32, said: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=said):
        data.describe(data_layer("a.npy", 1, ["data"]), "TRAIN", tmp_path)


def test_whole_numbers_beyond_int64(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=np.zeros((2, 2)), label=np.array([1, 2**63], np.uint64))
    with pytest.raises(DataError, match="a.npz: array 'label' contains 9223372036854775808, which is outside of int64"):
        data.open(data_layer("a.npz"), "TRAIN", 0, tmp_path)


def test_another_byte_order(tmp_path: Path) -> None:
    rows = np.arange(6.0).reshape(3, 2)
    for name, order in (("little", "<"), ("big", ">")):
        np.savez(tmp_path / f"{name}.npz", data=rows.astype(f"{order}f4"), label=np.arange(3).astype(f"{order}i8"))
    for name in ("little", "big"):
        x, y = data.open(data_layer(f"{name}.npz", 3, shuffle=False), "TRAIN", 0, tmp_path).batch(0)
        assert x.tolist() == rows.tolist() and y.tolist() == [0, 1, 2] and x.dtype.isnative and y.dtype.isnative


def test_labels_that_are_text(tmp_path: Path) -> None:
    np.savez(tmp_path / "train.npz", data=np.zeros((3, 2)), label=np.array(["2115", "02115", "x"]))
    np.savez(tmp_path / "test.npz", data=np.zeros((2, 2)), label=np.array(["x", "2115"]))
    layer = data_layer("train.npz", 3, shuffle=False, test_source="test.npz", test_batch_size=2)
    assert data.describe(layer, "TRAIN", tmp_path).classes == ("02115", "2115", "x")
    assert data.open(layer, "TRAIN", 0, tmp_path).batch(0)[1].tolist() == [1, 0, 2]
    assert data.open(layer, "TEST", 0, tmp_path).batch(0)[1].tolist() == [2, 1]
    np.savez(tmp_path / "test.npz", data=np.zeros((2, 2)), label=np.array(["x", "y"]))
    with pytest.raises(
        DataError, match="test.npz: array 'label': Row 1 is 'y', which is not a class .1 rows are wrong.. Known names: 02115, 2115, x"
    ):
        data.open(layer, "TEST", 0, tmp_path)


def test_images_with_their_channels_last(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    np.savez(tmp_path / "a.npz", data=images, label=np.arange(4))
    layer = data_layer("a.npz", 4, shuffle=False, channels_last=True)
    assert data.describe(layer, "TRAIN", tmp_path).tops[0].shape == (3, 5, 6)
    np.testing.assert_array_equal(data.open(layer, "TRAIN", 0, tmp_path).batch(0)[0], images.transpose(0, 3, 1, 2))
    np.savez(tmp_path / "a.npz", data=images.reshape(4, -1), label=np.arange(4))
    with pytest.raises(DataError, match="a.npz: `channels_last` is for rows of height x width x channels, but array 'data' is 4x90"):
        data.describe(layer, "TRAIN", tmp_path)


@pytest.mark.parametrize(
    "shape, last",
    [
        ((32, 32, 3), True),
        ((28, 28, 1), True),
        ((9, 8, 4), True),
        ((3, 32, 32), False),
        ((1, 8, 8), False),
        ((3, 8, 3), None),
        ((8, 9), False),
    ],
)
def test_which_axis_the_channels_are(shape: tuple[Any, ...], last: bool | None) -> None:
    assert arrays.seems_channels_last(shape) is last
