"""The target native: that it computes what portable computes, what it is made of, and when it is chosen."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from netc import api, registry
from netc.compiler.program import Program
from netc.errors import ProviderError
from netc.graph.ir import TRAINING, Graph
from netc.graph.passes import channels_last, simplify
from netc.runtime import native
from netc.runtime.backends import NATIVE, PORTABLE, choose, with_library
from netc.runtime.native import trial
from netc.runtime.session import Session, States, Stepper
from netc.training.feed import Feeder
from tests.conftest import DATA, ROOT
from tests.runtime.native.arrays import Array
from tests.runtime.native.conftest import needs_kernels
from tests.small_nets import log, netc, write_small
from tests.some import some

registry.load()
SOLVER = "solver: {type: %s, base_lr: 0.01, momentum: 0.9, weight_decay: 0.0005, max_iter: 10}\n"
HEAD = "name: %s\nlayers:\n  - Data: {source: small.npz, batch_size: 16, test_fraction: 0.2}\n"
TAIL = "  - InnerProduct: {num_output: 10, weight_filler: xavier}\n  - Accuracy\n  - SoftmaxWithLoss\n"
NETS = {
    "plain": """
  - Convolution: {num_output: 7, kernel_size: 5, weight_filler: xavier}
  - ReLU
  - Pooling: {kernel_size: 3, stride: 2}
  - Convolution: {num_output: 20, kernel_size: 3, pad: 1, weight_filler: xavier}
  - Pooling: {pool: AVE, kernel_size: 2, stride: 2}
  - TanH
""",
    "residual": """
  - Convolution: {name: c1, top: c1, num_output: 6, kernel_size: 3, stride: 2, pad: 1, bias_term: false, weight_filler: msra}
  - BatchNorm: {name: n1, bottom: c1, top: n1}
  - Scale: {name: s1, bottom: n1, top: s1, bias_term: true}
  - ReLU: {name: r1, bottom: s1, top: r1}
  - Convolution: {name: c2, bottom: r1, top: c2, num_output: 6, kernel_size: 3, pad: 1, weight_filler: msra}
  - Eltwise: {name: sum, bottom: [r1, c2], top: sum, operation: SUM}
  - ReLU: {name: r2, bottom: sum, top: r2}
  - Pooling: {name: pool, bottom: r2, top: pool, pool: AVE, global_pooling: true}
""",
    "mixed": """
  - Convolution: {name: a, bottom: data, top: a, num_output: 4, kernel_size: 3, pad: 1, weight_filler: xavier}
  - ReLU: {name: ra, bottom: a, top: ra}
  - Convolution: {name: b, bottom: ra, top: b, num_output: 4, kernel_size: 3, pad: 2, dilation: 2, weight_filler: xavier}
  - Convolution: {name: c, bottom: ra, top: c, num_output: 4, kernel_size: 3, pad: 1, group: 2, weight_filler: xavier}
  - Concat: {name: all, bottom: [a, b, c], top: all}
  - LRN: {name: lrn, bottom: all, top: lrn, local_size: 3}
  - Pooling: {name: pool, bottom: lrn, top: pool, kernel_size: 3, stride: 2, pad: 1}
  - Convolution: {name: d, bottom: pool, top: d, num_output: 5, kernel_size: [1, 3], weight_filler: xavier}
""",
}


@pytest.fixture(scope="module", params=[(net, solver) for net in NETS for solver in ("SGD", "Adam")], ids="-".join)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    net, solver = request.param
    text = HEAD % net + NETS[net].lstrip("\n") + TAIL + SOLVER % solver
    return api.load(write_small(tmp_path_factory.mktemp(net), text))


def step(made: Program, kind: str = "train") -> dict[str, Array]:
    session = Session(made.model(kind, kernels=made.backend.native_ops), made.backend)
    lowered = made.train if kind == "train" else made.test[0]
    feeds = dict(Feeder(made.train_net if kind == "train" else made.test_net, lowered.graph, made.seed, made.job.base)(0))
    feeds |= {f"state/{n}": a for n, a in made.start().items()} | {"lr": np.asarray(0.01, np.float32)}
    return session.run({n: a for n, a in feeds.items() if n in session.inputs})


@pytest.mark.parametrize("kind", ["train", "test"])
def test_bodies_compute_what_portable_computes(program: Program, kind: str) -> None:
    expected, found = step(program, kind), step(replace(program, backend=with_library(None)), kind)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


@needs_kernels
@pytest.mark.parametrize("kind", ["train", "test"])
def test_kernels_compute_what_portable_computes(program: Program, kind: str) -> None:
    expected, found = step(program, kind), step(replace(program, backend=NATIVE), kind)
    slack = 1e-4 if program.job.solver.type == "Adam" else 1e-5  # a first step of Adam divides a gradient by its own size
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=slack, err_msg=name)


def ops(graph: Graph) -> list[str]:
    return [n.op for n in graph.nodes if n.domain != "netc"]


def graph_of(net: str, folder: Path) -> Graph:
    text = HEAD % net + NETS[net].lstrip("\n") + TAIL + SOLVER % "SGD"
    return replace(api.load(write_small(folder, text)), backend=NATIVE).graph("train")


def test_images_stay_turned_from_the_first_convolution_to_the_last(tmp_path: Path) -> None:
    graph = graph_of("plain", tmp_path)
    assert sum(op == "Transpose" for op in ops(graph)) == 2  # before the fully connected layer, and back
    assert not {"Conv", "ConvFilterGrad", "ConvInputGrad", "MaxPool", "MaxPoolGrad", "AveragePool", "AveragePoolGrad"} & set(ops(graph))
    relus = [n for n in graph.nodes if n.key == (TRAINING, "NhwcConv")]
    assert [n.attrs["relu"] for n in relus] == [1, 0] and "Relu" not in ops(graph)
    assert "ReluGrad" in ops(graph)


def test_normalization_sums_and_global_pooling_stay_turned_too(tmp_path: Path) -> None:
    assert "Transpose" not in ops(graph_of("residual", tmp_path))


def test_what_kernels_do_not_cover_stays(tmp_path: Path) -> None:
    found = ops(graph_of("mixed", tmp_path))
    assert found.count("Conv") == 1 and found.count("ConvFilterGrad") == 1  # the dilated one
    assert found.count("NhwcConv") == 4
    conv = next(n for n in graph_of("mixed", tmp_path).nodes if n.op == "NhwcConv")
    assert conv.attrs["relu"] == 0  # its output is read before the ReLU too


def test_a_graph_without_images_is_left_alone() -> None:
    made = api.load(str(ROOT / "nets" / "logistic.yaml"))
    graph = simplify(made.steps.train)
    assert sorted(ops(channels_last(graph))) == sorted(ops(graph))


def test_metadata_says_the_target_and_published_models_are_portable(tmp_path: Path) -> None:
    made = replace(api.load(write_small(tmp_path)), backend=NATIVE)

    def target(model: onnx.ModelProto) -> str:
        return str(json.loads(model.metadata_props[0].value)["target"])

    assert target(made.model("train")) == "native"
    assert target(made.portable.model("train")) == "portable"
    assert target(made.deploy_model(made.start())) == "portable"
    plain = api.load(str(tmp_path / "small.yaml")).model("train")
    assert made.portable.model("train").SerializeToString(deterministic=True) == plain.SerializeToString(deterministic=True)


def test_switched_off_it_is_portable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETC_NATIVE", "0")
    assert native.library() is None and "NETC_NATIVE" in some(native.missing())
    assert choose("cpu") == (PORTABLE, "asked for")
    with pytest.raises(ProviderError, match="Cannot use the target native: NETC_NATIVE=0"):
        choose(target="native")


@needs_kernels
def test_native_is_chosen_where_its_kernels_load() -> None:
    assert choose("cpu") == choose(target="native") == (NATIVE, "asked for")


def test_a_library_that_does_not_load_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"netc_kernels_bad{native.SUFFIX}"
    path.write_bytes(b"no library")
    monkeypatch.setattr(native, "_fastest", lambda: path)
    monkeypatch.delenv("NETC_NATIVE", raising=False)
    assert native.library() is None and str(native.missing()).startswith("netc_kernels_bad")


@needs_kernels
def test_a_kernel_that_computes_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TOLERANCE", -1.0)
    with pytest.raises(AssertionError, match="wrong by"):
        trial.try_kernels(native.libraries()[0], native.kernels_of(native.libraries()[0]))


@needs_kernels
@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="MNIST is not in NETC_DATA")
def test_losses_of_lenet_agree_over_40_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETC_DATA", str(DATA))
    made = api.load(str(ROOT / "nets" / "lenet.yaml"))
    feeder = Feeder(made.train_net, made.steps.train, made.seed, made.job.base)
    start = {f"state/{n}": a for n, a in made.start().items()}
    losses = []
    for program in (made, replace(made, backend=NATIVE)):
        model = program.model("train", kernels=program.backend.native_ops)
        stepper = Stepper(Session(model, program.backend, 2), States(start))
        losses.append([float(stepper.run(dict(feeder(i)) | {"lr": np.asarray(0.01, np.float32)})["loss"]) for i in range(40)])
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-5)


@needs_kernels
def test_train_and_time_on_the_command_line(tmp_path: Path) -> None:
    net = write_small(tmp_path)
    for target in ("native", "portable"):
        found = netc("train", net, "--target", target, "--runs", tmp_path / target, "--zoo", tmp_path / f"zoo_{target}")
        assert found.exit_code == 0, found.output
        assert f"target {target}" in found.output
    native_run, portable_run = (log(next((tmp_path / t).glob("*/*"))) for t in ("native", "portable"))
    losses = [[line["loss"] for line in run if "loss" in line] for run in (native_run, portable_run)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    timed = netc("time", net, "--iterations", "2")
    assert timed.exit_code == 0, timed.output


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("AuthenticAMD", native.AVX2 | native.AVX512 | {"avx_vnni"}, ["x86_64_v4_wide", "x86_64_v4", "x86_64_v3"]),
        ("AuthenticAMD", native.AVX2 | native.AVX512, ["x86_64_v4", "x86_64_v3"]),
        ("GenuineIntel", native.AVX2 | native.AVX512, ["x86_64_v4_wide", "x86_64_v4", "x86_64_v3"]),
        ("GenuineIntel", native.AVX2, ["x86_64_v3"]),
        ("GenuineIntel", {"sse2"}, []),
    ],
)
def test_tiers_of_a_processor(vendor: str, flags: set[str], expected: list[str]) -> None:
    assert native.tiers({"vendor_id": vendor, "flags": " ".join(sorted(flags))}) == expected
