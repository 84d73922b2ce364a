"""One opener for images: what is one, how it is turned, what becomes of its pixels, and that nothing else opens any."""

import ast
import io
import os
import socket
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netc import data
from netc.caffe.io import load_image
from netc.commands.export import export_onnx
from netc.compiler.compilation import Compilation
from netc.data import LeftOut, read_image
from netc.data.datum import to_pixels
from netc.data.image_database import ImageSet, write_database
from netc.data.pixels import read_header
from netc.data.sources import image_folder
from netc.data.sources.lmdb import datums
from netc.errors import DataError
from netc.netc_pb2 import Datum, LayerParameter
from netc.predict.model import Model
from netc.spec.job import load_job
from tests.conftest import ROOT
from tests.data.layers import data_layer

UPRIGHT = (np.random.default_rng(0).integers(0, 2, (4, 6, 3)) * 255).astype(np.uint8).repeat(8, 0).repeat(8, 1)
STORED = {  # how a camera keeps what is upright, by the orientation that it writes
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: UPRIGHT.transpose(1, 0, 2)[::-1],
    7: UPRIGHT.transpose(1, 0, 2)[::-1, ::-1],
    8: UPRIGHT.transpose(1, 0, 2)[:, ::-1],
}
LOSSLESS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}


def photo(path: Path, orientation: int, kind: str = "JPEG") -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(STORED.get(orientation, UPRIGHT)).save(path, kind, exif=exif, **LOSSLESS.get(kind, {}))
    return path


def png(colour: int, depth: int, width: int, height: int, rows: bytes, *after: tuple[bytes, bytes]) -> bytes:
    """A PNG by its parts; `after` are chunks that follow its pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + b"".join(chunk(*a) for a in after) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", sorted(STORED))
def test_each_orientation_is_turned_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    path = photo(tmp_path / "i", orientation, kind)
    found, header = read_image(path, 0), read_header(path)
    assert found.shape == (3, header.height, header.width) == (3, 32, 48)
    assert np.abs(found.transpose(1, 2, 0).astype(int) - UPRIGHT).max() <= (3 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_is_none_counts_as_upright(tmp_path: Path, orientation: int) -> None:
    assert np.array_equal(read_image(photo(tmp_path / "i", orientation, "PNG"), 3).transpose(1, 2, 0), UPRIGHT)


def test_exif_after_the_pixels_and_exif_that_is_damaged(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    rows = b"".join(b"\0" + row.tobytes() for row in STORED[6])
    (tmp_path / "late.png").write_bytes(png(2, 8, 32, 48, rows, (b"eXIf", exif.tobytes()[6:])))
    assert read_header(tmp_path / "late.png").width == 48
    assert np.array_equal(read_image(tmp_path / "late.png", 3).transpose(1, 2, 0), UPRIGHT)
    content = photo(tmp_path / "i", 6).read_bytes()
    at = content.index(b"Exif\0\0") + 6
    (tmp_path / "i").write_bytes(content[: at + 4] + b"\xff\xff\xff\x7f" + content[at + 8 :])
    assert read_image(tmp_path / "i", 3).shape == (3, 48, 32)  # as it is stored


def test_a_photo_is_the_same_wherever_it_is_opened(tmp_path: Path) -> None:
    """A folder, a list, windows, databases of pixels and of files, pycaffe's loader, a program that predicts."""
    expected = read_image(photo(tmp_path / "one.jpg", 1), 3)
    for orientation in STORED:
        base = tmp_path / str(orientation)
        (base / "p" / "a").mkdir(parents=True)
        path = photo(base / "p" / "a" / "x.jpg", orientation)

        def same(pixels: np.ndarray, blue_first: bool = False) -> None:
            assert pixels.shape == expected.shape, orientation  # noqa: B023
            assert np.abs(pixels.astype(int) - (expected[::-1] if blue_first else expected)).max() <= 4, orientation  # noqa: B023

        layer = data_layer("p", 1)
        assert data.describe(layer, "TRAIN", base).tops[0].shape == (3, 32, 48)
        same(data.open(layer, "TRAIN", 0, base).batch(0)[0][0])
        (base / "list.txt").write_text("p/a/x.jpg 0\n")
        listed = LayerParameter(name="d", type="ImageData", top=["data", "label"])
        listed.image_data_param.source, listed.image_data_param.batch_size = "list.txt", 1
        same(data.open(listed, "TRAIN", 0, base).batch(0)[0][0], blue_first=True)
        same(load_image(str(path)).transpose(2, 0, 1) * 255)
        same(to_pixels(Datum(data=path.read_bytes(), encoded=True), "d"), blue_first=True)


def test_databases_keep_a_photo_upright(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    expected = read_image(photo(tmp_path / "one.jpg", 1), 3)
    for encoded in (False, True):
        for orientation in STORED:
            photo(tmp_path / f"{orientation}.jpg", orientation)
        (tmp_path / "list.txt").write_text("".join(f"{o}.jpg 0\n" for o in STORED))
        write_database(ImageSet(str(tmp_path), str(tmp_path / "list.txt"), encoded=encoded), str(tmp_path / f"db{encoded}"))
        found = [to_pixels(datum, "d") for _, datum in datums(tmp_path / f"db{encoded}")]
        assert len(found) == 8 and all(np.abs(f[::-1].astype(int) - expected).max() <= 4 for f in found)


def test_a_photo_is_classified_alike(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(
        "layers:\n  - Input: {shape: {dim: [1, 3, 32, 48]}}\n  - Pooling: {pool: AVE, kernel_size: 16, stride: 16}\n"
        "  - Power: {scale: 0.02}\n  - Flatten\n  - Softmax\n"
    )
    export_onnx(Compilation.of(load_job(str(tmp_path / "net.yaml"))), (), str(tmp_path / "model.onnx"))
    model = Model(tmp_path / "model.onnx")
    found = [model.predict([str(photo(tmp_path / "i.jpg", orientation))])[0] for orientation in STORED]
    scores = np.array([next(iter(prediction.outputs.values())) for prediction in found])
    assert len({prediction.best[0][0] for prediction in found}) == 1 and np.abs(scores - scores[0]).max() < 0.02


def test_content_chooses_among_the_formats_alone(tmp_path: Path) -> None:
    """An EPS named .png would start Ghostscript; what is a JPEG may be called .png."""
    (tmp_path / "x.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(DataError, match=r"x.png. it is not an image in one of the formats BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP"):
        read_image(tmp_path / "x.png", 3)
    for kind in ("PCX", "TGA", "ICO", "PDF", "JPEG2000"):
        Image.fromarray(UPRIGHT).save(tmp_path / "y.png", kind)
        with pytest.raises(DataError, match="not an image in one of the formats"):
            read_header(tmp_path / "y.png")
    assert read_image(photo(tmp_path / "z.png", 1), 3).shape == (3, 32, 48)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [
    saved(Image.fromarray(np.full((2, 2), 1000, np.uint16)), "PNG"),
    saved(Image.fromarray(np.full((2, 2), 1000, np.uint16)), "TIFF"),
    saved(Image.fromarray(np.full((2, 2), 0.5, np.float32)), "TIFF"),
    saved(Image.fromarray(np.full((2, 2), 70000, np.int32)), "TIFF"),
    png(0, 16, 2, 1, bytes(5)),
    png(2, 16, 2, 1, bytes(13)),
    png(4, 16, 2, 1, bytes(9)),
    png(6, 16, 2, 1, bytes(17)),
    b"P5 1 1 65535\n" + bytes(2),
    b"P6 1 1 65535\n" + bytes(6),
], ids=["I;16 PNG", "I;16 TIFF", "F", "I", "grey PNG", "RGB PNG", "grey and alpha PNG", "RGBA PNG", "PGM", "PPM"])  # fmt: skip
def test_more_than_eight_bits_are_refused_everywhere(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p" / "a").mkdir(parents=True)
    (tmp_path / "p" / "a" / "deep.png").write_bytes(content)
    message = r"more than 8 bits per channel .* Convert it to 8 bits"
    for transform in ("", "resize_height: 2 resize_width: 2 force_color: true"):
        with pytest.raises(DataError, match=message):
            data.open(data_layer("p", 1, transform=transform), "TRAIN", 0, tmp_path)
    for read in (lambda: read_header(tmp_path / "p" / "a" / "deep.png"), lambda: to_pixels(Datum(data=content, encoded=True), "key 7")):
        with pytest.raises(DataError, match=message):
            read()


@pytest.mark.parametrize("image, expected", [
    (Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"), [[0, 255]]),
    (Image.fromarray(np.array([[[9, 0]]], np.uint8), "LA"), [[9]]),
    (Image.fromarray(np.array([[[9, 8, 7, 0]]], np.uint8)), [[[9]], [[8]], [[7]]]),
    (Image.fromarray(np.array([[[9, 8, 7]]], np.uint8)).quantize(2), [[[9]], [[8]], [[7]]]),
], ids=["1", "LA", "RGBA", "P"])  # fmt: skip
def test_one_rule_for_each_kind_of_pixel(image: Image.Image, expected: list[list[int | list[int]]]) -> None:
    content = saved(image, "PNG")
    assert np.array_equal(read_image(content, 0, place="x")[0 if image.mode in ("1", "LA") else slice(None)], expected)
    assert np.array_equal(read_image(content, 3, place="x")[0], expected if image.mode in ("1", "LA") else expected[0])


def test_cmyk_becomes_colour() -> None:
    found = read_image(saved(Image.new("CMYK", (2, 2), (0, 255, 255, 0)), "TIFF"), 0, place="x")
    assert found[:, 0, 0].tolist() == [255, 0, 0]


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    left, frames = LeftOut(), [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    palette = Image.new("P", (2, 2))
    palette.putpalette([1, 2, 3, 4, 5, 6])
    for name, content in {
        "a.png": saved(Image.new("RGBA", (2, 2)), "PNG"),
        "b.png": saved(palette, "PNG", transparency=bytes([0, 128])),
        "c.gif": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "d.tif": saved(frames[0], "TIFF", save_all=True, append_images=frames[1:]),
        "e.png": saved(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "f.webp": saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True),
        "g.png": saved(frames[0], "PNG"),
    }.items():
        (tmp_path / name).write_bytes(content)
        found = read_image(tmp_path / name, 3, left_out=left)
        assert name < "c" or found[:, 0, 0].tolist() == [255, 0, 0]
    first, second = left.notes()
    assert first == f"2 images have an alpha channel, which is dropped: hidden pixels become visible (such as {tmp_path}/a.png)"
    assert second == f"4 images have several frames, of which only the first is used (such as {tmp_path}/c.gif)"


def test_bombs_and_cut_files(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png(0, 8, 60000, 60000, b""))
    (tmp_path / "large.png").write_bytes(png(0, 8, 12000, 9000, b"\0"))  # Pillow warns of it: a photo of 108 million pixels is none
    (tmp_path / "cut.jpg").write_bytes(photo(tmp_path / "i", 1).read_bytes()[:-300])
    with pytest.raises(
        DataError,
        match="bomb.png: Image size .3600000000 pixels. exceeds limit of 178956970 pixels, ",
    ):
        read_header(tmp_path / "bomb.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_header(tmp_path / "large.png").width == 12000
    for name in ("large.png", "cut.jpg"):
        with pytest.raises(DataError, match=f"Cannot decode .*{name}: (?i:.*truncated)"):
            read_image(tmp_path / name, 3)


def test_the_limit_is_netcs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "bomb.png").write_bytes(png(0, 8, 60000, 60000, b""))
    with pytest.raises(DataError, match="bomb.png: it has 60,000 x 60,000 pixels. The limit is 178,956,970 pixels"):
        read_header(tmp_path / "bomb.png")


def test_what_is_no_file_is_told_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "p" / "a"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()  # a deeper folder, which may hold images
    (folder / "device.png").symlink_to("/dev/zero")
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(str(folder / "s.png"))
    except OSError:
        (folder / "s.png").symlink_to("/dev/zero")  # the path is too long for a socket
    with pytest.raises(DataError) as caught:
        data.open(data_layer("p"), "TRAIN", 0, tmp_path)
    listening.close()
    assert str(caught.value).count("not a file") == 3 and "pipe.png: it is a pipe, not a file" in str(caught.value)


def test_mutated_images_are_read_or_refused() -> None:
    random = np.random.default_rng(0)
    whole = [
        saved(Image.fromarray(UPRIGHT), kind, **LOSSLESS.get(kind, {})) for kind in ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
    ]
    refused = 0
    for k in range(700):
        content = bytearray(whole[k % len(whole)])
        for at in random.integers(0, min(len(content), 400), 3):
            content[at] = random.integers(256)
        try:
            read_image(bytes(content[: random.integers(len(content))] if k % 5 == 0 else content), 3, place="x")
        except DataError as e:
            assert str(e).startswith("Cannot decode x")
            refused += 1
    assert 100 < refused < 700


def test_nothing_else_opens_images_or_hdf5() -> None:
    """The rules hold because there is one way in. (The report and the noise of JPEG open what they have drawn themselves.)"""
    allowed = {
        ("Image", "open"): {"data/pixels.py", "report/curves.py", "data/detection/noise.py"},
        ("h5py", "File"): {"formats/hdf5.py"},
        ("lmdb", "open"): set(),
    }
    for path in (ROOT / "netc").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in allowed:
                assert str(path.relative_to(ROOT / "netc")) in allowed[node.value.id, node.attr], f"{path}:{node.lineno}"


def test_images_too_many_for_memory_are_noted_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p" / "a").mkdir(parents=True)
    for k in range(3):
        Image.new("RGBA", (2, 2)).save(tmp_path / "p" / "a" / f"{k}.png")
    monkeypatch.setattr(image_folder, "MEMORY", 1)
    source = data.open(data_layer("p", 2, shuffle=False), "TRAIN", 0, tmp_path)
    assert source.notes() == []
    source.batch(0)
    assert source.notes()[0].startswith("2 images have an alpha channel")
