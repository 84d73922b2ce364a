"""Publishing: versions, identity, immutability, crashes and publishers at the same moment."""

import errno
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from netc import zoo
from netc.errors import ZooError
from tests.conftest import ROOT
from tests.zoo.toy import contents, onnx_bytes, stated


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def listed(folder: Path) -> list[str]:
    return [f"{entry.name}@{entry.version}" for entry in zoo.entries(folder)]


def test_first_version(tmp_path: Path) -> None:
    source = tmp_path / "anything.bin"
    source.write_bytes(onnx_bytes())
    files: dict[str, bytes | Path] = {"model.onnx": source, "labels.txt": b"a\nb\nc\n"}
    done = zoo.publish(tmp_path / "zoo", "toy", files, stated())
    assert done == zoo.Published("toy", "1.0.0", tmp_path / "zoo/toy/1.0.0", True)
    assert set(tree(tmp_path / "zoo")) == {"index.json"} | {
        f"toy/1.0.0/{name}" for name in ("manifest.json", "README.md", "model.onnx", "labels.txt")
    }
    manifest = zoo.show(tmp_path / "zoo", "toy")
    assert manifest["created"] == datetime.now(UTC).date().isoformat() and manifest["parent"] is None
    assert [(f["name"], f["role"]) for f in manifest["files"]] == [
        ("labels.txt", "labels"),
        ("model.onnx", "model"),
        ("README.md", "card"),
    ]
    assert zoo.verify(tmp_path / "zoo") == []


def test_identical_is_not_published_again(toy_zoo: Path) -> None:
    before = tree(toy_zoo)
    done = zoo.publish(toy_zoo, "toy", contents(), stated(description="said otherwise"))
    assert (done.version, done.new) == ("1.0.0", False)
    assert tree(toy_zoo) == before


@pytest.mark.parametrize("change", [{"seed": 1}, {"net_sha256": "b" * 64}])
def test_next_patch_version(toy_zoo: Path, change: dict[str, object]) -> None:
    before = tree(toy_zoo / "toy/1.0.0")
    assert zoo.publish(toy_zoo, "toy", contents(), stated(**change)).version == "1.0.1"
    assert zoo.publish(toy_zoo, "toy", contents(labels=b"x"), stated(**change)).version == "1.0.2"
    assert zoo.publish(toy_zoo, "toy", contents(), stated(**change)).version == "1.0.3", "only the newest counts"
    assert tree(toy_zoo / "toy/1.0.0") == before
    assert listed(toy_zoo) == [f"toy@1.0.{n}" for n in range(4)]


def test_stated_versions(toy_zoo: Path) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        assert zoo.publish(toy_zoo, "toy", contents(labels=version.encode()), stated(), version).version == version
    assert zoo.show(toy_zoo, "toy")["version"] == "1.10.0"
    assert zoo.publish(toy_zoo, "toy", contents(), stated()).version == "1.10.1"
    before = tree(toy_zoo)
    with pytest.raises(ZooError, match="toy/1.9.0.*cannot change"):
        zoo.publish(toy_zoo, "toy", contents(), stated(), "1.9.0")
    with pytest.raises(ZooError, match="got '1.0'"):
        zoo.publish(toy_zoo, "toy", contents(), stated(), "1.0")
    assert tree(toy_zoo) == before


def test_all_that_is_wrong_is_listed(tmp_path: Path) -> None:
    with pytest.raises(ZooError) as names:
        zoo.publish(tmp_path / "zoo", "../Toy", {"a/b": b"", "README.md": b"", "ok.txt": b""}, stated())
    assert [word in str(names.value) for word in ("../Toy", "a/b", "README.md", "ok.txt")] == [True, True, True, False]
    wrong = stated(net_sha256="abc", metrics={"loss": float("nan")}, opset="21", licence="")
    del wrong["seed"]
    with pytest.raises(ZooError) as fields:
        zoo.publish(tmp_path / "zoo", "toy", contents() | {"train.onnx": onnx_bytes("/etc/passwd")}, wrong)
    text = str(fields.value)
    assert all(word in text for word in ("net_sha256", "metrics", "opset", "licence", "'seed'", "/etc/passwd"))
    assert tree(tmp_path / "zoo").keys() == {"index.json"} and listed(tmp_path / "zoo") == []


@pytest.mark.parametrize("extra", [{"note": {1, 2}}, {"note": float("nan")}, {"note": "\x1b[2J"}, {"note": "\ud800"}])
def test_a_manifest_that_is_no_json(tmp_path: Path, extra: dict[str, object]) -> None:
    with pytest.raises(ZooError, match="manifest"):
        zoo.publish(tmp_path / "zoo", "toy", contents(), stated(**extra))
    assert listed(tmp_path / "zoo") == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="none.onnx: No such file"):
        zoo.publish(tmp_path / "zoo", "toy", {"model.onnx": tmp_path / "none.onnx"}, stated())
    assert not list((tmp_path / "zoo").glob(".publish*"))


@pytest.mark.parametrize("call", range(2))
def test_failure_of_each_rename_leaves_the_zoo_readable(toy_zoo: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """The first rename moves the model into place, the second the index."""
    calls = 0
    rename = os.replace

    def failing(source: str, target: str) -> None:
        nonlocal calls
        calls += 1
        if calls == call + 1:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        rename(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(ZooError, match="No space left"):
        zoo.publish(toy_zoo, "toy", contents(), stated(seed=1))
    monkeypatch.undo()
    assert listed(toy_zoo) == ["toy@1.0.0"]
    assert zoo.verify(toy_zoo, "toy") == []
    again = zoo.publish(toy_zoo, "toy", contents(), stated(seed=1))
    assert (again.version, again.new) == ("1.0.1", call == 0)
    assert listed(toy_zoo) == ["toy@1.0.0", "toy@1.0.1"] and zoo.verify(toy_zoo) == []


KILLED = """
import os, sys
from pathlib import Path
from netc import zoo
from tests.zoo.toy import contents, stated
count, die_at, rename = 0, int(sys.argv[2]), os.replace
def replace(*paths):
    global count
    count += 1
    os._exit(9) if count == die_at else rename(*paths)
os.replace = replace
zoo.publish(Path(sys.argv[1]), "toy", contents(), stated(seed=1))
"""


@pytest.mark.parametrize("die_at", [1, 2])
def test_kill_at_each_rename(toy_zoo: Path, die_at: int) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, toy_zoo, str(die_at)], cwd=Path(__file__).parents[2])
    assert done.returncode == 9
    assert listed(toy_zoo) == ["toy@1.0.0"] and zoo.verify(toy_zoo, "toy") == []
    assert zoo.publish(toy_zoo, "toy", contents(), stated(seed=1)).version == "1.0.1"
    assert listed(toy_zoo) == ["toy@1.0.0", "toy@1.0.1"]
    assert zoo.verify(toy_zoo) == [] and not list(toy_zoo.glob(".publish*"))


MANY = """
import sys
from pathlib import Path
from netc import zoo
from tests.zoo.toy import contents, stated
for i in range(2):
    zoo.publish(Path(sys.argv[1]), "toy", contents(), stated(seed=int(sys.argv[2]) * 100 + i))
    zoo.publish(Path(sys.argv[1]), "own-" + sys.argv[2], contents(), stated(seed=i))
"""


def test_ten_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    def run(i: int) -> int:
        return subprocess.call([sys.executable, "-c", MANY, tmp_path / "zoo", str(i)], cwd=Path(__file__).parents[2])

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(run, range(10))) == [0] * 10
    wanted = [f"own-{i}@1.0.{n}" for i in range(10) for n in range(2)] + [f"toy@1.0.{n}" for n in range(20)]
    assert listed(tmp_path / "zoo") == wanted
    assert zoo.verify(tmp_path / "zoo") == []
    seeds = {zoo.show(tmp_path / "zoo", f"toy@1.0.{n}")["seed"] for n in range(20)}
    assert seeds == {i * 100 + k for i in range(10) for k in range(2)}


def test_a_damaged_version_does_not_block_others(toy_zoo: Path) -> None:
    (toy_zoo / "toy/1.0.0/manifest.json").write_text("{")
    done = zoo.publish(toy_zoo, "toy", contents(), stated())
    assert (done.version, done.new) == ("1.0.1", True)
    assert "toy/1.0.0/manifest.json" in done.warnings[0]
    assert listed(toy_zoo) == ["toy@1.0.1"]


def test_reindex_finds_what_was_copied_in(toy_zoo: Path) -> None:
    (toy_zoo / "index.json").write_text(json.dumps({"format": 1, "models": []}))
    assert zoo.verify(toy_zoo) == [f"{toy_zoo}/toy/1.0.0: is not in index.json"]
    assert zoo.reindex(toy_zoo) == []
    assert listed(toy_zoo) == ["toy@1.0.0"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_zoo(toy_zoo: Path) -> None:
    toy_zoo.chmod(0o555)
    with pytest.raises(ZooError, match="Permission denied"):
        zoo.publish(toy_zoo, "toy", contents(), stated(seed=1))
    toy_zoo.chmod(0o755)


def test_a_web_server_may_read_what_is_published(toy_zoo: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    for path in toy_zoo.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~umask, path


def test_what_a_killed_publisher_left_goes_and_links_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("keep")
    program = "import os, signal, netc.zoo as zoo; kept = os.replace\n"
    program += "os.replace = lambda a, b: os.kill(os.getpid(), signal.SIGKILL) if '.publish-' in str(a) else kept(a, b)\n"
    program += "from tests.zoo.toy import contents, stated; zoo.publish('zoo', 'toy', contents(), stated())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment).returncode == -signal.SIGKILL
    (left,) = (tmp_path / "zoo").glob(".publish-*")
    (tmp_path / "zoo/.publish-toy").symlink_to(outside)  # a name that could be known before
    found = zoo.publish(tmp_path / "zoo", "toy", contents(), stated())
    assert found.version == "1.0.0" and not left.exists() and zoo.verify(tmp_path / "zoo") == []
    assert [p.name for p in outside.iterdir()] == ["precious"]
