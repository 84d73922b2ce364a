"""Which parameters Muon updates, its updates against those of torch, and what its fields may be."""

from typing import Any

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.compiler.lower import lower
from netc.compiler.matrices import matrices
from netc.compiler.step import step_graphs
from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf
from netc.net.resolve import resolve
from netc.optimizers import matrix_shape
from netc.runtime.session import Session, States, Stepper
from netc.spec import parse_yaml
from netc.spec.solver_settings import SolverSettings
from tests.conftest import ROOT

registry.load()
VALUES = np.load(ROOT / "tests" / "torch_muon.npz")
ADJUST = {"original": pb.SolverParameter.ORIGINAL, "match_rms_adamw": pb.SolverParameter.MATCH_RMS_ADAMW}

IMAGES = """\
layers:
  - Input: {top: label, shape: {dim: [4]}}
  - Input: {top: data, shape: {dim: [4, 1, 8, 8]}}
  - Convolution: {name: conv, num_output: 3, kernel_size: 3}
  - BatchNorm: {name: bn}
  - Scale: {name: scale, bias_term: true}
  - InnerProduct: {name: hidden, num_output: 6}
  - ReLU
  - InnerProduct: {name: head, num_output: 3}
  - SoftmaxWithLoss
"""
SHARED = """\
layers:
  - Input: {top: data, shape: {dim: [4, 6]}}
  - InnerProduct: {name: encode, num_output: 6, bias_term: false, param: {name: w}, weight_filler: xavier}
  - TanH
  - InnerProduct: {name: middle, num_output: 6, bias_term: false, weight_filler: xavier}
  - InnerProduct: {name: decode, num_output: 6, bias_term: false, param: {name: w}, weight_filler: xavier}
  - EuclideanLoss: {bottom: [decode, data]}
"""


def chosen(text: str, *others: str) -> set[str]:
    lowered = lower(resolve(parse_yaml(text)))
    assert lowered.loss is not None
    return {p.node.name for p in matrices(lowered.loss, lowered.parameters, others)}


@pytest.mark.parametrize("bodies", ["default", "cpu"])
@pytest.mark.parametrize("key", sorted({name.rpartition("/")[0] for name in VALUES.files}))
def test_updates_are_those_of_torch(key: str, bodies: str) -> None:
    start, gradients, wanted = (VALUES[f"{key}/{what}"] for what in ("start", "gradients", "weights"))
    w, g, m = (leaf("Input", np.float32, start.shape, name=n) for n in ("w", "g", "m"))
    adjust = ADJUST[key.partition("/")[2]]
    new = registry.optimizer["Muon"](w, g, leaf("Input", np.float32, (), name="lr"), m, momentum=0.9, weight_decay=0.1, adjust_lr=adjust)
    session = Session(emit(Graph("one", dict(zip(("new_w", "new_m"), new, strict=True))), bodies))
    states = {"w": start, "m": np.zeros_like(start)}
    for gradient, weights in zip(gradients, wanted, strict=True):
        found = session.run(states | {"g": gradient, "lr": np.asarray(0.05, np.float32)})
        states = {"w": found["new_w"], "m": found["new_m"]}
        np.testing.assert_allclose(states["w"], weights, rtol=1e-5, atol=1e-5)


def test_a_gradient_of_zero_changes_nothing() -> None:
    w, g, m = (leaf("Input", np.float32, (3, 4), name=n) for n in ("w", "g", "m"))
    new = registry.optimizer["Muon"](w, g, leaf("Input", np.float32, (), name="lr"), m, momentum=0.9, adjust_lr=1000, weight_decay=0.0)
    zero, one = np.zeros((3, 4), np.float32), np.ones((3, 4), np.float32)
    found = Session(emit(Graph("one", {"new": new[0]}))).run({"w": one, "g": zero, "m": zero, "lr": np.asarray(1, np.float32)})["new"]
    np.testing.assert_array_equal(found, one)


def test_rows_and_columns() -> None:
    """ONNX's recurrent ops have weights of one direction; a kernel has a row for each output."""
    assert [matrix_shape(s) for s in ((4, 3), (8, 3, 5, 5), (1, 12, 4), (2, 12, 4))] == [(4, 3), (8, 75), (12, 4), (2, 48)]


def test_kernels_and_hidden_layers_are_matrices() -> None:
    assert chosen(IMAGES) == {"conv.weight", "hidden.weight"}


def test_patterns_name_parameters_and_layers() -> None:
    assert chosen(IMAGES, "conv*") == chosen(IMAGES, "conv") == chosen(IMAGES, "*v.weight") == {"hidden.weight"}
    assert chosen(IMAGES, "*") == set()


def test_a_weight_that_also_ends_the_net_is_no_matrix() -> None:
    assert chosen(SHARED) == {"middle.weight"}


def test_the_slots_follow_the_optimizer() -> None:
    settings = SolverSettings.of(pb.SolverParameter(type="Muon", base_lr=0.01))
    graph = step_graphs(lower(resolve(parse_yaml(IMAGES))), settings).train
    slots = {n.name for n in graph.leaves("State") if n.state.kind == "slot"}
    assert {"conv.weight.m", "hidden.weight.m", "head.weight.m", "head.weight.v", "conv.bias.v"} <= slots
    assert not slots & {"conv.weight.v", "hidden.weight.v"}
    assert {n.op: True for n in graph.nodes if n.domain == "netc.training"}.keys() >= {"Muon", "AdamW"}


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_averages_are_weighted_means_of_the_weights(decay: float) -> None:
    """Weight k of n counts decay^(n - k), and the start nothing."""
    p: Any = pb.SolverParameter(type="SGD", base_lr=0.1, momentum=0.9, ema=decay)
    graphs = step_graphs(lower(resolve(parse_yaml(SHARED))), SolverSettings.of(p))
    random = np.random.default_rng(0)
    leaves = graphs.train.leaves("State")
    start = {f"state/{n.name}": np.asarray(n.state.start(), np.float32) for n in leaves}
    assert any(n.state.kind == "average" for n in leaves) == bool(decay)
    states = States(start)
    stepper, seen = Stepper(Session(emit(graphs.train)), states), []
    for _ in range(7):
        x = random.normal(size=(4, 6)).astype(np.float32)
        stepper.run({"batch/data": x, "lr": np.asarray(0.1, np.float32)})
        seen.append(states.arrays()["state/middle.weight"])
        if decay:
            shares = np.array([decay ** (len(seen) - 1 - k) for k in range(len(seen))])
            mean = np.average(np.stack(seen).astype(np.float64), axis=0, weights=shares)
            np.testing.assert_allclose(states.arrays()["state/middle.weight.average"], mean, rtol=1e-5, atol=1e-6)
