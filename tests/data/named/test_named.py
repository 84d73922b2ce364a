"""The records of the sets that go by name: archives and mirrors over a server on the loopback, tables and images as they are described."""

import functools
import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.data.named import catalogue, lookup
from netc.data.named.dataset import DataSet, File
from netc.data.named.packages import Package
from netc.errors import DataError
from netc.registry import dataset
from tests.data.layers import data_layer
from tests.data.named.records import builtin, put
from tests.formats.test_archive import tar
from tests.small_nets import netc
from tests.some import some

TABLES = {"iris": 4, "wine": 13, "breast_cancer": 30, "diabetes": 10}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path, Path]]:
    """(address, folder that it serves, cache), with nothing else in reach."""
    folder, cache = tmp_path / "served", tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("NETC_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/", folder, cache / "netc"
        http.shutdown()
        thread.join()


def small_cifar(folder: Path, labels: int) -> tuple[DataSet, dict[str, bytes]]:
    """The record of a set in CIFAR's form with two images a file, served from `folder`: the content of its files by name."""
    record = builtin("cifar10" if labels == 1 else "cifar100")
    random = np.random.default_rng(0)
    contents = {f.name: random.integers(0, 10, 2 * (3072 + labels), dtype=np.uint8).tobytes() for f in record.files}
    stated = some(record.archive)
    packed = tar(folder / stated.name, *((f"{stated.folder}{n}", c) for n, c in contents.items())).read_bytes()
    archive = replace(stated, size=len(packed), sha256=sha256(packed).hexdigest())
    files = tuple(File(n, len(c), sha256(c).hexdigest()) for n, c in contents.items())
    return replace(record, files=files, archive=archive), contents


@pytest.mark.parametrize("labels", [1, 2])
def test_an_archive_is_fetched_unpacked_and_kept(server: tuple[str, Path, Path], monkeypatch: pytest.MonkeyPatch, labels: int) -> None:
    address, folder, cache = server
    record, contents = small_cifar(folder, labels)
    record = replace(record, addresses=("http://127.0.0.1:9/", address))
    put(monkeypatch, record.name, record)
    opened = data.open(data_layer(record.name, 2, tops=("data", "label", "coarse")[: labels + 1], shuffle=False), "TRAIN", 0)
    batch = opened.batch(0)
    first = np.frombuffer(contents[record.files[0].name], np.uint8).reshape(2, -1)
    np.testing.assert_array_equal(batch[0], first[:, labels:].reshape(2, 3, 32, 32))
    assert batch[1].tolist() == first[:, labels - 1].tolist() and (labels == 1 or batch[2].tolist() == first[:, 0].tolist())
    assert sorted(p.name for p in (cache / record.name).iterdir()) == sorted(contents)  # unpacked; the archive is gone
    for served in folder.iterdir():
        served.unlink()
    assert lookup.unpacked(record, record.files[-1]) == contents[record.files[-1].name]


def test_an_archive_in_a_directory_of_the_user(server: tuple[str, Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, folder, _ = server
    record, contents = small_cifar(folder, 1)
    monkeypatch.setenv("NETC_DATA", str(folder))
    assert lookup.unpacked(record, record.files[0]) == contents["data_batch_1.bin"] and (folder / some(record.archive).name).is_file()
    wrong = replace(record, name="other", files=(replace(record.files[0], sha256="0" * 64),))
    with pytest.raises(DataError, match="cifar-10-binary.tar.gz: data_batch_1.bin: The sha256 of its content is"):
        lookup.unpacked(wrong, wrong.files[0])


def test_a_mirror_is_asked_first(server: tuple[str, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    address, folder, cache = server
    content = b"5.1,3.5,1.4,0.2,0\n"
    record = replace(
        builtin("iris"),
        files=(File("iris.csv", len(content), sha256(content).hexdigest()),),
        package=None,
        addresses=("http://127.0.0.1:9/",),
    )
    (folder / "iris").mkdir()
    (folder / "iris" / "iris.csv").write_bytes(content)
    put(monkeypatch, "iris", record)
    result = netc("data", "fetch", "iris", NETC_MIRROR=f"http://127.0.0.1:9 {address}")
    assert result.exit_code == 0 and "iris: 1 file, 18 bytes, sha256 verified; present: " in result.stdout, result.stderr
    assert (cache / "iris" / "iris.csv").read_bytes() == content
    (cache / "iris" / "iris.csv").write_bytes(b"other")
    result = netc("data", "fetch", "iris")
    assert result.exit_code == 2 and "iris.csv: The sha256 of" in result.stderr and "It has 5 bytes; expected 18." in result.stderr


def test_fetch_names_what_is_near_and_what_is_nowhere(server: tuple[str, Path, Path]) -> None:
    result = netc("data", "fetch", "mnits", "iriss")
    assert result.exit_code == 2 and "Did you mean 'mnist'" in result.stderr and "Did you mean 'iris'" in result.stderr


def test_what_is_nowhere_is_got_by_hand(server: tuple[str, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    record = replace(builtin("fashion-mnist"), addresses=("http://127.0.0.1:9/",), package=Package("dataset-fashion-mnist", "/nowhere"))
    put(monkeypatch, "fashion-mnist", record)
    result = netc("data", "fetch", "fashion-mnist")
    assert result.exit_code == 1 and "Or run: apt install dataset-fashion-mnist" in result.stderr
    assert (
        "Or put train-images-idx3-ubyte, train-labels-idx1-ubyte, " in result.stderr
        and "into fashion-mnist/ in a directory" in result.stderr
    )
    assert "http://127.0.0.1:9/train-images-idx3-ubyte.gz: " in result.stderr


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_tables_are_as_described(name: str) -> None:
    pytest.importorskip("sklearn", reason="pip install scikit-learn")
    found = {phase: data.open(data_layer(name, 10), phase, 0) for phase in ("TRAIN", "TEST")}
    train, test = (np.asarray(found[p].stored(0, np.arange(some(found[p].rows))), np.float64) for p in found)
    assert len(train) == found["TRAIN"].description.rows and len(test) == found["TEST"].description.rows
    both = [{row.tobytes() for row in rows.reshape(len(rows), -1)} for rows in (train, test)]
    assert not both[0] & both[1] or name == "iris"  # two of whose flowers are alike
    top, label = found["TRAIN"].description.tops
    if name in TABLES:
        np.testing.assert_allclose([train.mean(0), train.std(0)], [top.mean, top.std], rtol=1e-5)
        assert len(found["TRAIN"].description.columns) == TABLES[name]
    targets = found["TRAIN"].stored(1, np.arange(len(train)))
    if name == "diabetes":
        np.testing.assert_allclose([targets.mean(), targets.std()], [label.mean[0], label.std[0]], rtol=1e-5)
    else:
        assert targets.dtype == np.int64 and set(targets.tolist()) == set(range(len(found["TRAIN"].description.classes)))


def test_tables_are_those_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.datasets", reason="pip install scikit-learn")
    theirs = sklearn.load_breast_cancer()
    ours = [data.open(data_layer("breast_cancer", 1), phase, 0) for phase in ("TRAIN", "TEST")]
    rows = np.concatenate([s.stored(0, np.arange(some(s.rows))) for s in ours])
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, theirs.data.astype(np.float32).tolist()))
    assert ours[0].description.classes == tuple(theirs.target_names) and list(ours[0].description.columns) == list(theirs.feature_names)


def test_every_record_is_whole() -> None:
    for name in dataset:
        record = catalogue.record(name)
        if record is None or not record.files:  # of another package, or drawn
            continue
        assert record.licence and record.url and record.addresses and all(a.endswith("/") for a in record.addresses), name
        digests = [f.sha256 for f in record.files] + [f.gz_sha256 for f in record.files if f.gz_sha256]
        assert all(len(d) == 64 and int(d, 16) for d in digests) and len(set(digests)) == len(digests), name
        assert record.download_size > 0 and all(f.size > 0 for f in record.files)
    classes = builtin("cifar100").classes
    assert len(classes) == 100 and list(classes) == sorted(classes)
