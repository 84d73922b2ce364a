"""Which parts of a net get gradients: propagate_down, force_backward, labels, blobs written in place."""

from pathlib import Path

import numpy as np
import pytest

from netc.api.net import Net
from netc.compiler.lower import lower
from netc.compiler.step import step_graphs
from netc.errors import SpecError
from netc.graph.autodiff import grad
from netc.net.resolve import resolve
from netc.spec import parse_yaml
from netc.spec.solver_settings import SolverSettings

TWO_BRANCHES = """
force_backward: {force}
layers:
  - Input: {{name: x, top: [x, t], shape: [{{dim: [4, 3]}}]}}
  - InnerProduct: {{name: a, bottom: x, num_output: 3, param: [{{lr_mult: {lr_mult}}}]}}
  - InnerProduct: {{name: b, bottom: x, num_output: 3}}
  - Eltwise: {{bottom: [a, b], top: y, propagate_down: {cut}}}
  - EuclideanLoss: {{bottom: [y, t]}}
solver: {{base_lr: 1}}
"""


def learned(cut: str = "[]", force: str = "false", lr_mult: float = 1) -> set[str]:
    """Return the parameters that a training step changes."""
    document = parse_yaml(TWO_BRANCHES.format(cut=cut, force=force, lr_mult=lr_mult))
    graphs = step_graphs(lower(resolve(document)), SolverSettings.of(document.message.solver))
    return {s.node.name for s in graphs.train.updates if s.node.state.kind == "parameter"}


def test_propagate_down() -> None:
    assert learned() == {"a.weight", "a.bias", "b.weight", "b.bias"}
    assert learned("[true, false]") == {"a.weight", "a.bias"}
    assert learned("[false, true]") == {"b.weight", "b.bias"}
    with pytest.raises(SpecError, match="<text>: The loss depends on no parameter that can be trained .not frozen, and with an `lr_mult` "):
        learned("[false, false]")


def test_force_backward_overrules_propagate_down() -> None:
    assert learned("[true, false]", force="true") == learned()


def test_frozen_parameters() -> None:
    assert learned(lr_mult=0) == {"a.bias", "b.weight", "b.bias"}
    assert learned(lr_mult=0, force="true") == {"a.bias", "b.weight", "b.bias"}


def gradients(layers: str, of: str, *by: str) -> list[bool]:
    """Whether the blob `of` has a gradient with respect to each of the inputs `by`."""
    lowered = lower(resolve(parse_yaml(f"layers: [Input: {{top: [x, label], shape: [{{dim: [4, 3]}}, {{dim: 4}}]}}, {layers}]")))
    return [g is not None for g in grad({lowered.versions[of][-1]: 1.0}, [lowered.versions[n][0] for n in by])]


def test_labels_have_no_gradient() -> None:
    assert gradients("SoftmaxWithLoss: {bottom: [x, label]}", "loss", "x", "label") == [True, False]
    assert gradients("TanH: {bottom: x, top: y}, SigmoidCrossEntropyLoss: {bottom: [x, y]}", "loss", "x", "y") == [True, False]


def test_accuracy_has_none_at_all() -> None:
    assert gradients("Accuracy: {bottom: [x, label]}", "accuracy", "x", "label") == [False, False]


def test_the_first_version_of_a_blob_in_place_has_its_own_gradient() -> None:
    lowered = lower(
        resolve(
            parse_yaml("layers: [Input: {top: x, shape: [{dim: [2]}]}, TanH: {bottom: x, top: x}, Scale: {bottom: x, top: x, axis: 0}]")
        )
    )
    first, second, last = lowered.versions["x"]
    assert len({first, second, last}) == 3
    assert all(g is not None for g in grad({last: 1.0}, [first, second]))
    assert len(lowered.parameters) == 1


def test_a_top_behind_which_the_gradient_is_cut_can_be_an_end() -> None:
    cut = "Split: {bottom: x, top: [a, b], propagate_down: false}"
    assert gradients(cut, "a", "x") == [False]


def test_seeds_of_tops_that_are_one_value_add_up(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("layers: [Input: {top: x, shape: [{dim: [2]}]}, Split: {bottom: x, top: [a, b]}]")
    net = Net(str(tmp_path / "net.yaml"))
    net.forward(x=np.ones(2))
    assert net.backward(a=np.ones(2), b=np.full(2, 3))["x"].tolist() == [4, 4]
