"""`freeze` and `lr_mult`: which parameters learn, by patterns over their names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import load
from netc import netc_pb2 as pb
from netc.errors import SpecError
from netc.net.rates import Rates
from netc.spec import parse_yaml, to_yaml
from netc.spec.convert import convert_job
from netc.spec.job import load_job
from tests.small_nets import NET, netc, write_small

NORMED = NET.replace("  - Pooling", "  - BatchNorm\n  - Pooling", 1)


def rates(tmp_path: Path, layer: str = "", solver: str = "", net: str = NET) -> dict[str, tuple[float, bool]]:
    """lr_mult of each weight of the small net, and whether it is frozen, with fields of the first layer and the solver."""
    text = net.replace("kernel_size: 3,", f"kernel_size: 3, {layer}").replace("solver: {", f"solver: {{{solver}")
    program = load(write_small(tmp_path, text))
    return {n: (s.state.lr_mult, s.state.frozen) for n, s in program.states.items() if s.state.is_weight}


@pytest.mark.parametrize("pattern, name, fits", [
    ("conv1", "conv1.weight", True),
    ("conv1", "conv10.weight", False),
    ("conv*", "conv10.weight", True),
    ("*.bias", "conv1.bias", True),
    ("*.bias", "conv1.weight", False),
    ("features.0", "features.0.conv.weight", True),
    ("features.0", "features.01.weight", False),
    ("/model/layer", "/model/layer/Conv.weight", True),
    ("w[0]", "w[0]", True),  # a name with brackets fits itself
    ("Conv1", "conv1.weight", False),
])  # fmt: skip
def test_a_pattern_fits_a_whole_name_or_its_first_parts(pattern: str, name: str, fits: bool) -> None:
    assert Rates((pattern,)).freezes(name) == fits


def test_the_last_factor_that_fits_counts() -> None:
    found = Rates(factors=(("*", 0.1), ("head", 1.0), ("*.bias", 2.0)))
    assert [found.factor(n) for n in ("conv1.weight", "head.weight", "head.bias")] == [0.1, 1.0, 2.0]


def test_layer_and_solver_and_param_multiply(tmp_path: Path) -> None:
    layer = "param: [{lr_mult: 3}], lr_mult: {weight: 0.5, bias: 2},"
    found = rates(tmp_path, layer, 'lr_mult: {"*": 0.1, "ip2": 1}, freeze: ip1.weight, ')
    wanted = {"conv1.weight": 0.15, "conv1.bias": 0.2, "ip1.weight": 0.0, "ip1.bias": 0.1, "ip2.weight": 1.0, "ip2.bias": 1.0}
    assert {n: factor for n, (factor, _) in found.items()} == pytest.approx(wanted)
    assert [n for n, (_, frozen) in found.items() if frozen] == ["ip1.weight"]


@pytest.mark.parametrize("field, frozen", [
    ("freeze: true,", {"conv1.weight", "conv1.bias"}),
    ("freeze: false,", set()),
    ("freeze: weight,", {"conv1.weight"}),
    ('freeze: ["*"],', {"conv1.weight", "conv1.bias"}),
])  # fmt: skip
def test_freeze_of_a_layer(tmp_path: Path, field: str, frozen: set[str]) -> None:
    assert {n for n, (_, stays) in rates(tmp_path, field).items() if stays} == frozen


def test_a_frozen_parameter_has_no_gradient_and_is_saved(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("solver: {", "solver: {freeze: conv1, "))
    program = load(path)
    nodes = [n for n in program.graph("train").nodes if n.origin.layer == "conv1" and n.origin.part == "backward"]
    assert nodes == [] and {"conv1.weight", "conv1.bias"} <= program.states.keys()
    assert not any(name.startswith("conv1.weight.") for name in program.states)  # no slots of the optimizer
    result = netc("train", path, "--runs", tmp_path / "runs", "--zoo", tmp_path / "zoo")
    assert result.exit_code == 0, result.output
    from netc.runtime.snapshot import read_weights

    start, end = program.start(), read_weights(str(max((tmp_path / "runs/small/1/snapshots").glob("*.safetensors"))))
    assert np.array_equal(start["conv1.weight"], end["conv1.weight"]) and not np.array_equal(start["ip1.weight"], end["ip1.weight"])


def test_a_frozen_batch_norm_uses_and_keeps_its_statistics(tmp_path: Path) -> None:
    def program(field: str) -> Any:
        return load(write_small(tmp_path, NORMED.replace("- BatchNorm", f"- BatchNorm: {{{field}}}")))

    for field in ("freeze: true", "use_global_stats: true"):
        frozen = program(field)
        assert not any(s.node.name.startswith("bn") for s in frozen.graph("train").updates), field
        assert not any(n.op == "BatchMoments" for n in frozen.graph("train").nodes), field
    assert any(s.node.name.startswith("bn") for s in program("").graph("train").updates)


@pytest.mark.parametrize("layer, solver, said", [
    ("freeze: [weigth, bias],", "", "small.yaml:4:59: Layer 'conv1' (Convolution): `freeze`: 'weigth' fits no parameter. Did you mean"),
    ("lr_mult: {wieght: 2},", "", "Layer 'conv1' (Convolution): `lr_mult`: 'wieght' fits no parameter that learns. Did you mean 'weight'?"),
    ("", "freeze: [ip1, ipp1], ", "Solver: `freeze`: 'ipp1' fits no parameter. Did you mean 'ip1'"),
    ("", "lr_mult: {conv2: 2}, ", "Solver: `lr_mult`: 'conv2' fits no parameter that learns. Did you mean 'conv1'"),
    ("lr_mult: fast,", "", "`lr_mult` must be a number, got 'fast'."),
    ("lr_mult: {weight: -1},", "", "lr_mult is 0 or more, not -1"),
    ("", "lr_mult: {conv1: .nan}, ", "Solver: `lr_mult` must be 0 or more, not nan for 'conv1'."),
])  # fmt: skip
def test_errors(tmp_path: Path, layer: str, solver: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        rates(tmp_path, layer, solver)
    assert said in str(caught.value)


def test_several_idle_patterns_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        rates(tmp_path, "", "freeze: [conv1, x1, x2], lr_mult: {x3: 2}, ")
    assert [d.text.split("'")[1] for d in caught.value.diagnostics] == ["x1", "x2", "x3"]


def test_a_statistic_does_not_learn(tmp_path: Path) -> None:
    assert rates(tmp_path, solver="freeze: bn1, ", net=NORMED)["bn1.mean"] == (0.0, True)
    with pytest.raises(SpecError, match="'bn1' fits no parameter that learns"):
        rates(tmp_path, solver="lr_mult: {bn1: 2}, ", net=NORMED)


def test_a_shared_parameter_is_frozen_where_it_is_owned(tmp_path: Path) -> None:
    sharing = "  - InnerProduct: {num_output: 16, param: [{}, {name: b}], freeze: bias}\n"
    text = NET.replace("num_output: 16,", "num_output: 16, param: [{}, {name: b}],").replace("  - ReLU\n", f"  - ReLU\n{sharing}")
    with pytest.raises(SpecError, match=r"Layer 'ip2' .*It shares 'b' with layer 'ip1', which owns it. Move `freeze` to that layer."):
        load(write_small(tmp_path, text))


@pytest.mark.parametrize("text", [
    "freeze: true", "freeze: [a, b]", "freeze: conv*", "lr_mult: 0.5", "lr_mult: {'*': 0.1, bias: 2}",
])  # fmt: skip
def test_yaml_writes_the_short_forms(text: str) -> None:
    document = parse_yaml(f"layers:\n  - ReLU: {{bottom: x, {text}}}\n", pb.NetParameter)
    written = to_yaml(document.message)
    assert not document.errors and text in " ".join(written.split())
    assert parse_yaml(written, type(document.message)).message == document.message
    assert parse_yaml(to_yaml(document.message, short=False), type(document.message)).message == document.message


def test_protobuf_text_has_the_same_fields(tmp_path: Path) -> None:
    path = write_small(tmp_path, NET.replace("solver: {", "solver: {freeze: ip1, lr_mult: {conv1: 0.5}, "))
    convert_job(load_job(path), str(tmp_path / "small.prototxt"), False)
    states = load(str(tmp_path / "small.prototxt")).states
    assert states["ip1.weight"].state.frozen and states["conv1.bias"].state.lr_mult == 0.5


def test_the_command_line_sets_them(tmp_path: Path) -> None:
    program = load(write_small(tmp_path), "solver.freeze=[conv1, ip1]", "layers.ip2.lr_mult=0.25")
    assert program.states["conv1.weight"].state.frozen and program.states["ip2.bias"].state.lr_mult == 0.25


def test_config_and_diff_show_them(tmp_path: Path) -> None:
    a = write_small(tmp_path)
    b = write_small(tmp_path, NET.replace("kernel_size: 3,", "kernel_size: 3, freeze: [bias], lr_mult: {weight: 0.5},"), "b.yaml")
    assert "layers.conv1.freeze: bias" in netc("config", b).stdout
    printed = netc("diff", a, b).stdout
    assert "~ layers.conv1.freeze: unset -> bias\n" in printed and "~ layers.conv1.lr_mult.0.lr_mult: unset -> 0.5\n" in printed
