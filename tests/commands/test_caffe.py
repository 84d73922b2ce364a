"""Commands that Caffe's users know: what they write, and how they fail."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc import netc_pb2 as pb
from netc.spec import load
from tests.recorded import FOLDER, index
from tests.small_nets import netc, write_small

SIAMESE = """\
layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 2 dim: 4 } } }
layer { name: "x" type: "InnerProduct" bottom: "a" top: "x" param { name: "w" } inner_product_param { num_output: 3 bias_term: false } }
layer { name: "y" type: "InnerProduct" bottom: "b" top: "y" param { name: "w" } inner_product_param { num_output: 3 bias_term: false } }
layer { name: "r" type: "ReLU" bottom: "x" top: "x" }
layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "y" top: "l" }
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures with a list of them, one of which is none."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for k in range(4):
        Image.fromarray(random.integers(0, 255, (6, 5 + (k == 3), 3), np.uint8)).save(folder / f"a {k}.png")
    (folder / "broken.png").write_bytes(b"none")
    (folder / "list.txt").write_text("a 0.png 7\na 1.png 1\nbroken.png 2\n\na 2.png -3\n")
    return folder


def test_a_database_of_images_and_its_mean(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("lmdb", reason="databases need lmdb: pip install netc[caffe]")
    from netc.data.datum import to_pixels
    from netc.data.sources.lmdb import datums

    result = netc("data", "convert-imageset", photos, photos / "list.txt", tmp_path / "db")
    assert result.exit_code == 0 and result.stdout == f"{tmp_path / 'db'} is written: 3 images\n"
    assert result.stderr.startswith(f"skipped Cannot decode {photos / 'broken.png'}: ")
    found = dict(datums(tmp_path / "db"))
    assert [(k, d.label) for k, d in found.items()] == [(b"00000000_a 0.png", 7), (b"00000001_a 1.png", 1), (b"00000003_a 2.png", -3)]
    pictures = [np.asarray(Image.open(photos / f"a {k}.png")) for k in range(3)]
    first = to_pixels(found[b"00000000_a 0.png"], "")
    np.testing.assert_array_equal(first, pictures[0][:, :, ::-1].transpose(2, 0, 1))
    result = netc("data", "mean", tmp_path / "db", tmp_path / "mean.binaryproto")
    mean = np.mean(pictures, 0)[:, :, ::-1].transpose(2, 0, 1)
    assert [float(v) for v in re.findall(r"channel \[\d\]: (\S+)", result.stdout)] == pytest.approx(mean.mean((1, 2)), rel=1e-5)
    blob = pb.BlobProto.FromString((tmp_path / "mean.binaryproto").read_bytes())
    np.testing.assert_allclose(np.reshape(blob.data, (blob.channels, blob.height, blob.width)), mean, rtol=1e-6)


def test_encoded_gray_resized_and_shuffled(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("lmdb", reason="databases need lmdb: pip install netc[caffe]")
    from netc.data.datum import to_pixels
    from netc.data.sources.lmdb import datums

    base = ("data", "convert-imageset", photos, photos / "list.txt")
    assert netc(*base, tmp_path / "e", "--encoded").exit_code == netc(*base, tmp_path / "p").exit_code == 0
    encoded, plain = (dict(datums(tmp_path / n)) for n in "ep")
    for key, datum in encoded.items():
        assert datum.encoded
        np.testing.assert_array_equal(to_pixels(datum, ""), to_pixels(plain[key], ""))
    assert netc(*base, tmp_path / "g", "--gray", "--resize-width", 3, "--resize-height", 2, "--shuffle").exit_code == 0
    gray = dict(datums(tmp_path / "g"))
    assert {(d.channels, d.height, d.width) for d in gray.values()} == {(1, 2, 3)}
    assert sorted(k[9:] for k in gray) == sorted(k[9:] for k in plain) and list(gray) != list(plain)
    result = netc(*base, tmp_path / "g")
    assert result.exit_code == 2 and "It exists already. Choose a path that does not exist." in result.stderr


def test_wrong_listings_and_sizes(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("lmdb", reason="databases need lmdb: pip install netc[caffe]")
    (tmp_path / "l.txt").write_text("a.png\nb.png one\n")
    result = netc("data", "convert-imageset", photos, tmp_path / "l.txt", tmp_path / "db")
    assert result.exit_code == 2
    assert "l.txt:1:1: Expected a path, a space and a whole number, got 'a.png'" in result.stderr and "l.txt:2:" in result.stderr
    (tmp_path / "l.txt").write_text("a 0.png 0\na 3.png 0\n")
    result = netc("data", "convert-imageset", photos, tmp_path / "l.txt", tmp_path / "db", "--check-size")
    assert result.exit_code == 2 and "a 3.png: It is (3, 6, 6), the first image is (3, 6, 5)" in result.stderr
    assert not (tmp_path / "db").exists()
    result = netc("data", "mean", tmp_path / "db")
    assert result.exit_code == 2 and "db: There is no such file or folder" in result.stderr


@pytest.mark.skipif(not index("data"), reason=f"no recorded results in {FOLDER}")
def test_the_recorded_mean_byte_for_byte(tmp_path: Path) -> None:
    pytest.importorskip("lmdb", reason="databases need lmdb: pip install netc[caffe]")
    assert netc("data", "mean", FOLDER / "data" / "color_lmdb", tmp_path / "m.binaryproto").exit_code == 0
    assert (tmp_path / "m.binaryproto").read_bytes() == (FOLDER / "data" / "mean.binaryproto").read_bytes()


@pytest.mark.parametrize("cases", [index("upgrade")])
def test_upgrade(cases: list[dict[str, str]], tmp_path: Path) -> None:
    if not cases:
        pytest.skip(f"no recorded results in {FOLDER}")
    for case in cases:
        before, after = (FOLDER / "upgrade" / case[k] for k in ("before", "after"))
        kind = pb.SolverParameter if "solver" in before.name else pb.NetParameter
        for suffix in {after.suffix, ".prototxt"}:
            assert netc("upgrade", before, tmp_path / f"new{suffix}").exit_code == 0
            assert load(tmp_path / f"new{suffix}", kind).message == load(after, kind).message
    result = netc("upgrade", before, tmp_path / "new.json")
    assert result.exit_code == 2 and "The suffix '.json' is unknown. Use one of .prototxt" in result.stderr


def test_features_of_a_test_set(tmp_path: Path) -> None:
    path = write_small(tmp_path)
    assert netc("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo", "--set", "solver.max_iter=2").exit_code == 0
    weights = next((tmp_path / "runs").glob("*/1/snapshots/iter_*.safetensors"))
    layers = [layer.name for layer in load(path).message.layer]
    name = next(n for n in layers if n.startswith("ip"))
    base = ("extract-features", path, "--weights", weights, "--blobs")
    result = netc(*base, f"{name},label", "-o", tmp_path / "f.npz")
    assert result.exit_code == 0, result.stderr
    with np.load(tmp_path / "f.npz") as file:
        arrays = dict(file)
    assert len(arrays[name]) == len(arrays["label"]) > 0
    pytest.importorskip("lmdb", reason="databases need lmdb: pip install netc[caffe]")
    from netc.data.datum import to_pixels
    from netc.data.sources.lmdb import datums

    assert netc(*base, name, "-o", tmp_path / "f_lmdb", "--iterations", 1).exit_code == 0
    rows = {key: to_pixels(datum, "").reshape(-1) for key, datum in datums(tmp_path / "f_lmdb")}
    assert list(rows)[:2] == [b"0000000000", b"0000000001"]
    np.testing.assert_array_equal(np.stack(list(rows.values())), arrays[name][: len(rows)])
    assert "has no blob 'pi1'. Did you mean" in netc(*base, "pi1", "-o", tmp_path / "f.npz").stderr
    assert "an LMDB stores one blob" in netc(*base, f"{name},label", "-o", tmp_path / "g_lmdb").stderr


def test_a_drawing_has_a_box_for_each_layer_and_an_arrow_for_each_bottom(tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_text(SIAMESE)
    result = netc("draw", tmp_path / "n.prototxt", "-o", tmp_path / "n.svg")
    assert result.exit_code == 0, result.stderr
    root = ElementTree.parse(tmp_path / "n.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    names = [group.findtext(f"{space}text") for group in root.iter(f"{space}g")]
    assert names == ["in", "x", "y", "r", "l"]
    assert len(root.findall(f"{space}path")) == 5
    corners = [(r.get("x"), r.get("y")) for r in root.iter(f"{space}rect")]
    assert len(set(corners)) == len(corners)


def test_caffes_way_to_name_the_net_to_test(tmp_path: Path) -> None:
    assert netc("test", "--weights", "w").exit_code == 2
    result = netc("test", "--model", tmp_path / "none.yaml", "--weights", "w")
    assert result.exit_code == 2 and "There is no such file" in result.stderr
