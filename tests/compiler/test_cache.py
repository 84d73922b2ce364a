"""The cache of optimized graphs. A cached graph gives the same bits, a changed one misses the cache, and a damaged file is rebuilt."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import api, registry
from netc.compiler import cache
from netc.compiler.program import Program
from netc.runtime import native
from netc.runtime.backends import made_for
from netc.runtime.session import Runs, Session, States, Stepper
from netc.training.feed import Feeder
from tests.conftest import ROOT
from tests.small_nets import NET, netc, write_small


@pytest.fixture
def graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NETC_CACHE", raising=False)
    return tmp_path / "cache" / "netc" / "graphs"


def program(folder: Path, net: str = NET, *overrides: str) -> Program:
    return api.load(write_small(folder, net), *overrides)


def losses(made: Program, session: Runs) -> list[float]:
    states = States({f"state/{n}": a for n, a in made.start().items()})
    stepper, feeder = Stepper(session, states), Feeder(made.train_net, made.steps.train, made.seed, made.job.base)
    return [float(stepper.run(feeder(k) | {"lr": np.asarray(0.1, np.float32)})["loss"]) for k in range(5)]


@pytest.mark.parametrize("target", ["portable", "native"])
def test_a_graph_from_the_cache_gives_the_same_bits(tmp_path: Path, graphs: Path, target: str) -> None:
    if target == "native" and (missing := native.missing()):
        pytest.skip(missing)
    made = replace(program(tmp_path), backend=made_for(target))
    without = losses(made, Session(made.model("train", kernels=made.backend.native_ops), made.backend))
    first = losses(made, cache.session(made, "train", 1))
    (kept,) = graphs.iterdir()
    assert kept.stem == cache.key(made, "train")
    assert first == losses(made, cache.session(made, "train", 1)) == without
    assert list(graphs.iterdir()) == [kept]


def test_a_second_start_neither_lays_out_nor_emits(tmp_path: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.session(program(tmp_path), "train", 1)
    monkeypatch.setattr(Program, "model", lambda *_: pytest.fail("emitted again"))
    cache.session(program(tmp_path), "train", 1)


@pytest.mark.parametrize("change", ["layers.ip1.num_output=17", "solver.momentum=0.8", "solver.weight_decay=0.001", "solver.type=Nesterov"])
def test_another_net_has_another_key(tmp_path: Path, change: str) -> None:
    first, other = (program(tmp_path, NET, *changes) for changes in ((), (change,)))
    assert cache.key(first, "train") != cache.key(other, "train")
    assert cache.key(first, "train") != cache.key(first, "test")


def test_what_a_graph_does_not_depend_on_leaves_its_key(tmp_path: Path) -> None:
    first, other = (
        program(tmp_path),
        program(tmp_path, NET, "solver.max_iter=7", "solver.random_seed=3", "layers.ip1.weight_filler.type=msra"),
    )
    assert cache.key(first, "train") == cache.key(other, "train")


def test_a_plug_in_that_changed_has_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin, made, found = tmp_path / "mine.py", program(tmp_path), dict[str, Any]()
    plugin.write_text("def mine(x): return x + x")
    exec(compile(plugin.read_text(), plugin, "exec"), found)
    without = cache.key(made, "train")
    monkeypatch.setitem(registry.body, ("Mine", "default"), found["mine"])
    first = cache.key(made, "train")
    plugin.write_text("def mine(x): return x + x + x")
    assert len({without, first, cache.key(made, "train")}) == 3


def test_all_of_netc_is_part_of_the_key() -> None:
    sources = {str(path.relative_to(ROOT / "netc")) for path in cache._sources() if path.is_relative_to(ROOT / "netc")}
    assert {"compiler/cache.py", "graph/emit.py", "graph/passes/simplify.py", "layers/convolution.py", "runtime/backends.py"} <= sources


def test_a_damaged_graph_is_made_anew(tmp_path: Path, graphs: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = program(tmp_path)
    cache.session(made, "train", 1)
    (kept,) = graphs.iterdir()
    whole = kept.read_bytes()
    expected = losses(made, cache.session(made, "train", 1))
    other = graphs / f"{'0' * 64}{cache.SUFFIX}"
    other.write_bytes(whole)
    for damaged in (b"", whole[:20], whole[:32], whole[:500], whole + b"\0", whole[32:], b"\xff" * len(whole)):
        kept.write_bytes(damaged)
        with caplog.at_level("DEBUG", "netc"):
            assert losses(made, cache.session(made, "train", 1)) == expected
        assert kept.read_bytes() == whole and len(caplog.records) == 1
        caplog.clear()
    assert cache._found(made, 1, other) is None  # a file with the graph of another key


@pytest.mark.parametrize("kind", ["train", "test"])
def test_a_flipped_bit_never_gives_another_number(tmp_path: Path, graphs: Path, kind: str) -> None:
    made = program(tmp_path)
    cache.session(made, kind, 1)
    (kept,) = graphs.iterdir()
    whole, random = kept.read_bytes(), np.random.default_rng(0)
    for bit in [*range(0, 256, 16), *random.integers(0, 8 * len(whole), 60).tolist()]:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        kept.write_bytes(damaged)
        assert cache._found(made, 1, kept) is None


def test_what_onnxruntime_does_not_load_is_made_anew(tmp_path: Path, graphs: Path) -> None:
    made = program(tmp_path)
    expected = losses(made, cache.session(made, "train", 1))
    (kept,) = graphs.iterdir()
    bad = b"\x12\x02\xff\xfe no model"
    kept.write_bytes(cache._digest(kept, bad) + bad)
    assert losses(made, cache.session(made, "train", 1)) == expected
    kept.unlink()
    kept.mkdir()
    (kept / "file").touch()
    assert losses(made, cache.session(made, "train", 1)) == expected
    assert [p.name for p in graphs.iterdir()] == [kept.name]


def test_another_onnxruntime_has_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = program(tmp_path)
    keys = {cache.key(made, "train")}
    for name, value in (("ort.__version__", "1.0"), ("ort.get_build_info", lambda: "other"), ("VERSION", "99")):
        monkeypatch.setattr(f"netc.compiler.cache.{name}", value)
        keys.add(cache.key(made, "train"))
    assert len(keys) == 4


def test_a_cache_that_can_only_be_read_is_used(tmp_path: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = program(tmp_path)
    expected = losses(made, cache.session(made, "train", 1))
    monkeypatch.setattr(os, "utime", lambda _: (_ for _ in ()).throw(PermissionError()))
    monkeypatch.setattr(cache, "_kept", lambda *_: pytest.fail("made again"))
    assert losses(made, cache.session(made, "train", 1)) == expected


def test_processes_at_once_leave_one_whole_graph(tmp_path: Path, graphs: Path) -> None:
    net = write_small(tmp_path)
    text = "import sys; from netc import api; from netc.compiler import cache; cache.session(api.load(sys.argv[1]), 'train', 1)"
    running = [subprocess.Popen([sys.executable, "-c", text, str(net)]) for _ in range(3)]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    (kept,) = graphs.iterdir()
    assert cache._found(program(tmp_path), 1, kept)


def test_what_killed_processes_left_is_swept(tmp_path: Path, graphs: Path) -> None:
    for name in (".old", ".new"):
        (graphs / name).mkdir(parents=True)
        (graphs / name / "model.onnx").touch()
    os.utime(graphs / ".old", (0, 0))
    cache.session(program(tmp_path), "train", 1)
    assert {p.name for p in graphs.iterdir() if p.name.startswith(".")} == {".new"}


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = program(tmp_path)
    assert losses(made, cache.session(made, "train", 1))


def test_the_cache_is_switched_off(tmp_path: Path, graphs: Path) -> None:
    result = netc("train", write_small(tmp_path), "--no-publish", "--runs", tmp_path / "runs", NETC_CACHE="0")
    assert result.exit_code == 0 and not graphs.exists()


def test_the_cache_stays_small(tmp_path: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_FILES", 3)
    for momentum in (0.1, 0.2, 0.3, 0.4, 0.5):
        cache.session(program(tmp_path, NET, f"solver.momentum={momentum}"), "train", 1)
    made = [cache.key(program(tmp_path, NET, f"solver.momentum={m}"), "train") for m in (0.3, 0.4, 0.5)]
    assert {p.stem for p in graphs.iterdir()} == set(made)
