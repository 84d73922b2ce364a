"""The table of backends: which one a run uses, what a row decides, and that nothing else names a provider or a target."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from netc import api
from netc.api.net import Net
from netc.caffe import state
from netc.compiler import cache
from netc.errors import ProviderError, RunError, SpecError
from netc.graph.ir import Graph
from netc.runtime import backends
from netc.runtime.backend import Backend
from netc.runtime.backends import BACKENDS, CUDA, NATIVE, PORTABLE, choose, made_for, parsed, recalled
from netc.runtime.chain import open_graph
from netc.runtime.session import Session, States, Stepper
from netc.training import record
from netc.training.feed import Feeder
from tests.conftest import NETS, ROOT
from tests.runtime.rows import LACKS, OTHER, add, only_portable, without_cuda
from tests.small_nets import log, netc, write_small
from tests.some import some

HERE = PORTABLE if only_portable() else NATIVE  # what a run without a GPU uses

# Where a name of a provider or a target may stand beside the table, and why.
ALLOWED = {
    "runtime/backend.py": {"cpu": "onnxruntime's name for the memory of the CPU", "CPUExecutionProvider": "the fallback of every provider"},
    "runtime/cuda.py": {"CUDAExecutionProvider": "whether onnxruntime has it"},
    "graph/training_ops/define.py": {"cpu": "a set of bodies, which rows of the table choose"},
    "commands/topics.py": {"cuda": "a page of the documentation"},
    "zoo/worker.py": {"CPUExecutionProvider": "a process under limits that imports nothing of netc's runtime"},
}


def named(path: Path) -> Iterator[str]:
    """The providers and targets that a file names."""
    names = {word for row in BACKENDS for word in (row.provider, row.target, row.execution_provider)}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and node.value in names:
            yield str(node.value)


def test_only_the_table_names_providers_and_targets() -> None:
    found = {str(p.relative_to(ROOT / "netc")): set(named(p)) for p in sorted((ROOT / "netc").rglob("*.py"))}
    assert {name: words for name, words in found.items() if words} == {
        "runtime/backends.py": {"cpu", "cuda", "native", "portable"},
        **{name: set(words) for name, words in ALLOWED.items()},
    }


def test_auto_says_why_it_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch)
    assert choose() == (HERE, "no NVIDIA driver is loaded")
    assert choose("auto", "portable") == (PORTABLE, "no NVIDIA driver is loaded")
    assert choose("cpu") == choose("cpu:0") == choose(on_cpu=True) == (HERE, "asked for")
    assert choose("cpu", "portable") == (PORTABLE, "asked for")
    with pytest.raises(ProviderError, match="^Cannot use the provider cuda: no NVIDIA driver is loaded$"):
        choose("cuda")
    with pytest.raises(ProviderError, match="^Cannot use the provider cuda: no NVIDIA driver is loaded$"):
        choose(target="cuda")


def test_a_gpu_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch, None, 2)
    for asked in (("auto", None), ("cuda", None), ("cuda:0", None), ("auto", "cuda")):
        row, why = choose(*asked)
        assert (row.provider, row.target, row.index, row.name) == ("cuda", "cuda", 0, "cuda")
        assert why == ("asked for" if asked[0] != "auto" or asked[1] else "a CUDA device is there")
    row, _ = choose("cuda:1")
    assert (row.name, row.index, row.providers[0]) == ("cuda:1", 1, ("CUDAExecutionProvider", {"use_tf32": "0", "device_id": "1"}))
    assert choose("cuda", "portable")[0].target == "portable" and choose(target="portable")[0].provider == "cuda"
    assert choose(on_cpu=True) == (HERE, "asked for")
    assert choose(target="cuda", on_cpu=True)[0].provider == choose("cuda", on_cpu=True)[0].provider == "cuda"


@pytest.mark.parametrize(
    ("count", "said"), [(1, "there is 1 CUDA device: 0"), (2, "there are 2 CUDA devices: 0, 1"), (0, "there are 0 CUDA devices")]
)
def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, count: int, said: str) -> None:
    without_cuda(monkeypatch, None, count)
    with pytest.raises(ProviderError, match=f"^Cannot use the provider cuda:7: {said}$"):
        choose("cuda:7")


def test_how_many_devices_there_are_may_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch, None, None)
    assert choose("cuda:7")[0].index == 7
    without_cuda(monkeypatch, "device 7 cannot be used", None)
    with pytest.raises(ProviderError, match="Cannot use the provider cuda:7: device 7 cannot be used"):
        choose("cuda:7")
    with pytest.raises(ProviderError, match="Cannot use the provider cpu:1: there is 1 CPU device: 0"):
        choose("cpu:1")


@pytest.mark.parametrize(
    ("provider", "target", "said"),
    [
        ("cdua", None, "There is no provider 'cdua'. Did you mean 'cuda'?"),
        ("cpu", "portabel", "There is no target 'portabel'. Did you mean 'portable'?"),
        ("cuda:first", None, "--provider cuda:first: The device after the colon must be a number from 0. cuda:1 is the second device."),
        ("cuda:", None, "--provider cuda:: The device after the colon must be a number from 0. cuda:1 is the second device."),
        ("cuda:-1", None, "--provider cuda:-1: The device after the colon must be a number from 0. cuda:1 is the second device."),
        ("auto:1", None, "--provider auto:1: auto cannot have a device. Name the provider (cpu, cuda)."),
        ("cpu", "cuda", "The target cuda needs the provider cuda, got --provider cpu."),
        ("cuda:1", "native", "The target native needs the provider cpu, got --provider cuda:1."),
    ],
)
def test_what_does_not_exist_or_go_together(provider: str, target: str | None, said: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(said)}"):
        choose(provider, target)


def test_names_with_a_device() -> None:
    assert [parsed(text) for text in ("auto", "cpu", "cuda:0", "cuda:12")] == [("auto", 0), ("cpu", 0), ("cuda", 0), ("cuda", 12)]


def test_a_target_is_compiled_for_without_its_device() -> None:
    assert [made_for(target) for target in (None, "portable", "native", "cuda")] == [PORTABLE, PORTABLE, NATIVE, CUDA]


def test_a_run_that_used_what_is_not_here_is_recalled_as_portable(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch)
    assert recalled("cuda:1", "cuda") == recalled("", "") == recalled("tpu", "tpu") == PORTABLE
    assert recalled("cpu", HERE.target) == HERE


# -- a new row


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Backend:
    add(monkeypatch, OTHER)
    return OTHER


class Sessions:
    """onnxruntime's InferenceSession, which writes down the providers that it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.providers: list[Any] = []
        self._make = ort.InferenceSession
        monkeypatch.setattr(ort, "InferenceSession", self)

    def __call__(self, model: Any, options: Any, providers: Any, **more: Any) -> Any:
        self.providers.append(providers)
        return self._make(model, options, providers, **more)


def test_a_net_trains_on_a_new_row(tmp_path: Path, other: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Sessions(monkeypatch)
    result = netc("train", write_small(tmp_path), "--provider", "other:1", "--runs", tmp_path / "runs", "--no-publish")
    assert result.exit_code == 0, result.output
    assert "provider other:1 (asked for), target other, 1 thread" in result.stdout
    expected = ("CPUExecutionProvider", {"precision": "f32", "device": "1"})
    assert [given for given in made.providers if given == [expected]], made.providers
    assert log(tmp_path / "runs/small/1")[-1]["iteration"] == 60
    environment = some(record.read(tmp_path / "runs/small/1")).parts[-1].environment
    assert environment["provider"] == "other:1 (asked for)" and environment["target"] == "other"
    more = ("--resume", "1", "--set", "solver.max_iter=70", "--provider", "cpu")
    again = netc("train", write_small(tmp_path), *more, "--runs", tmp_path / "runs", "--no-publish")
    assert "the snapshot was made with provider other, but this run uses cpu" in again.stdout, again.output


def test_check_lists_what_a_new_row_lacks(tmp_path: Path, other: Backend) -> None:
    lines = netc("check", write_small(tmp_path)).stdout.splitlines()
    assert [line for line in lines if line.startswith("  Other lacks ")] == ["  Other lacks MaxPool (pool1), Gemm (ip1, ip2)"] * 2
    assert [line for line in lines if "op types; supported by" in line][0].endswith("; supported by CPU, CUDA")
    report = json.loads(netc("check", write_small(tmp_path), "--json").stdout)
    assert set(report["lacks"]["training"]["Other"]) == set(LACKS)


def test_a_new_row_is_named_by_the_commands(tmp_path: Path, other: Backend) -> None:
    assert "other: ready, device 0, 1" in netc("devices").stdout
    result = netc("train", write_small(tmp_path), "--provider", "othre")
    assert result.exit_code == 2 and "There is no provider 'othre'. Did you mean 'other'?" in result.stderr
    assert netc("compile", write_small(tmp_path), "-o", tmp_path / "build", "--target", "other").exit_code == 0
    assert json.loads((tmp_path / "build/train.json").read_text())["providers"] == ["other"]


@pytest.mark.parametrize("command", ["train", "test", "time", "extract-features", "verify-resume"])
def test_every_command_takes_a_device(tmp_path: Path, other: Backend, command: str) -> None:
    weights = ("--weights", "none.safetensors") if command in ("test", "extract-features") else ()
    blobs = ("--blobs", "ip1", "-o", "x.npz") if command == "extract-features" else ()
    result = netc(command, write_small(tmp_path), "--provider", "other:2", *weights, *blobs)
    said = "none.safetensors" if weights else "Cannot use the provider other:2: there are 2 Other devices: 0, 1"
    assert result.exit_code == 2 and said in result.stderr


# -- the device


def test_the_device_reaches_sessions_states_and_bindings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, placed = Sessions(monkeypatch), []
    place = ort.OrtValue.ortvalue_from_numpy

    def placing(array: np.ndarray, memory: str, index: int) -> ort.OrtValue:
        placed.append((memory, index))
        return place(array, PORTABLE.memory, 0)

    monkeypatch.setattr(ort.OrtValue, "ortvalue_from_numpy", staticmethod(placing))
    backend = replace(OTHER, memory="far", index=1)
    program = replace(api.load(write_small(tmp_path)), backend=backend)
    states = States({f"state/{n}": a for n, a in program.start().items()}, program.backend)
    stepper = Stepper(cache.session(program, "train", 1), states)
    feeds = Feeder(program.train_net, program.steps.train, program.seed, program.job.base)(0)
    assert np.isfinite(stepper.run(feeds | {"lr": np.asarray(0.1, np.float32)})["loss"])
    assert made.providers == [[("CPUExecutionProvider", {"precision": "f32", "device": "1"})]]
    assert set(placed) == {("far", 1)} and len(placed) == 2 * len(states.current)  # each state has two buffers


def test_a_provider_comes_before_the_cpu() -> None:
    assert CUDA.providers == [("CUDAExecutionProvider", {"use_tf32": "0"}), ("CPUExecutionProvider", {})]
    assert PORTABLE.providers == NATIVE.providers == [("CPUExecutionProvider", {})]


def test_a_provider_that_onnxruntime_leaves_out_is_an_error() -> None:
    backend = replace(OTHER, execution_provider="CUDAExecutionProvider", provider_missing=lambda backend: "its libraries are gone")
    model = api.load(str(ROOT / "nets/logistic.yaml")).model("update")
    with pytest.raises(RunError, match="onnxruntime did not load CUDAExecutionProvider: its libraries are gone"):
        Session(model, backend)


def test_a_provider_that_onnxruntime_is_built_without(monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, replace(OTHER, execution_provider="OtherExecutionProvider"))
    with pytest.raises(ProviderError, match="^Cannot use the provider other: this onnxruntime is built without OtherExecutionProvider$"):
        choose("other")


def test_a_net_by_hand_takes_a_provider(tmp_path: Path, other: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    made, x = Sessions(monkeypatch), np.zeros((16, 1, 12, 12), np.float32)
    (tmp_path / "hand.yaml").write_text("layers:\n  - Input: {shape: {dim: [16, 1, 12, 12]}}\n  - InnerProduct: {num_output: 3}\n")
    found = [Net(str(tmp_path / "hand.yaml"), provider=provider).forward(data=x) for provider in ("cpu", "other:1")]
    assert found[0].keys() == found[1].keys()
    assert made.providers[-2:] == [[("CPUExecutionProvider", {})], [("CPUExecutionProvider", {"precision": "f32", "device": "1"})]]


def test_caffes_modes_choose_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_on_gpu", False)
    monkeypatch.setattr(state, "_device", 0)
    without_cuda(monkeypatch)
    state.set_device(1)
    state.set_mode_gpu()
    assert state.backend() == PORTABLE
    without_cuda(monkeypatch, None, 2)
    assert state.backend().name == "cuda:1"
    state.set_device(2)
    with pytest.raises(ProviderError, match="there are 2 CUDA devices: 0, 1"):
        state.backend()
    state.set_mode_cpu()
    assert state.backend() == PORTABLE


# -- what a row decides


def test_bodies_and_passes_are_the_rows(tmp_path: Path) -> None:
    program = api.load(write_small(tmp_path))
    seen: list[Graph] = []

    def noted(graph: Graph) -> Graph:
        seen.append(graph)
        return graph

    graph = replace(program, backend=replace(OTHER, passes=(noted,))).graph("train")
    assert len(seen) == 1 and [n.op for n in graph.nodes] == [n.op for n in program.graph("train").nodes]
    by_row = [replace(program, backend=row).model("train", functions=False) for row in (PORTABLE, OTHER)]
    assert by_row[0].graph != by_row[1].graph


@pytest.mark.parametrize("row", [row for row in BACKENDS if row.captures], ids=lambda row: f"{row.provider}-{row.target}")
@pytest.mark.parametrize("net", NETS)
def test_graphs_that_are_captured_have_no_subgraphs(net: str, row: Backend) -> None:
    model = replace(api.load(str(ROOT / "nets" / f"{net}.yaml")), backend=row).model("train", functions=False)
    dynamic = json.loads(model.metadata_props[0].value)["dynamic"]
    assert dynamic or not [n.name for n in model.graph.node if any(a.HasField("g") for a in n.attribute)]


@pytest.mark.parametrize(
    "change",
    [{"provider": "x"}, {"target": "x"}, {"bodies": "x"}, {"memory": "x"}, {"options": {"a": "b"}}, {"index": 1, "index_option": "i"}],
)
def test_the_backend_is_part_of_the_key_of_a_cached_graph(tmp_path: Path, change: dict[str, Any]) -> None:
    program = api.load(write_small(tmp_path))
    assert cache.key(program, "train") != cache.key(replace(program, backend=replace(PORTABLE, **change)), "train")


def test_native_kernels_are_part_of_the_key(tmp_path: Path) -> None:
    program, library = api.load(write_small(tmp_path)), tmp_path / "library.so"
    library.write_bytes(b"")
    keys = [cache.key(replace(program, backend=row), "train") for row in (backends.with_library(None), backends.with_library(library))]
    assert keys[0] != keys[1]


def test_a_graph_that_cannot_be_kept_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NETC_CACHE", raising=False)
    program = api.load(write_small(tmp_path))
    cache.session(replace(program, backend=OTHER), "train", 1)
    assert not list((tmp_path / "cache").rglob("*.graph"))
    cache.session(program, "train", 1)
    assert len(list((tmp_path / "cache").rglob("*.graph"))) == 1


def test_a_graph_runs_on_a_row(other: Backend) -> None:
    program = api.load(str(ROOT / "nets/logistic.yaml"))
    assert isinstance(open_graph(program.steps.update, other), Session)
