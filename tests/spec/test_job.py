"""Which nets a solver of Caffe trains and tests: files, inline, several, with states."""

from pathlib import Path

import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.compiler.program import program
from netc.errors import SpecError
from netc.net.model import Layer
from netc.spec import to_yaml
from netc.spec.job import load_job
from tests.small_nets import netc

NET = """\
name: "%s"
layer { name: "d" type: "Input" top: "x" top: "y" input_param { shape { dim: [2, 3] } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "quick" type: "ReLU" bottom: "ip" top: "ip" include { stage: "quick" } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }
"""
INLINE = 'test_net_param { name: "inline" input: "x" input_dim: [2, 3, 1, 1] layers { name: "r" type: RELU bottom: "x" top: "r" } }'
BASE = "base_lr: 0.1 max_iter: 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abc":
        (tmp_path / f"{name}.prototxt").write_text(NET % name)
    return tmp_path


def nets(folder: Path, text: str) -> tuple[str, list[str]]:
    (folder / "s.prototxt").write_text(BASE + text)
    job = load_job(str(folder / "s.prototxt"))
    return job.train.message.name, [d.message.name for d in job.tests]


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ('net: "a.prototxt"', ["a"]),
        ('net: "a.prototxt" test_iter: [1, 2]', ["a", "a"]),
        ('net: "a.prototxt" test_net: "b.prototxt"', ["b"]),
        ('net: "a.prototxt" test_net: ["b.prototxt", "c.prototxt"] test_iter: [1, 2, 3]', ["b", "c", "a"]),
        (f'train_net: "a.prototxt" test_net: "b.prototxt" {INLINE}', ["inline", "b"]),
        ('net: "a.prototxt" test_state { stage: "x" } test_state { stage: "y" }', ["a", "a"]),
    ],
)
def test_which_nets(folder: Path, text: str, tests: list[str]) -> None:
    assert nets(folder, text) == ("a", tests)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            'net: "a.prototxt" test_iter: [1, 2]\ntest_state { }',
            "s.prototxt:3:1: There are 1 `test_state` for 2 test nets. Add one for each, or none.",
        ),
        (
            'train_net: "a.prototxt" test_net: "b.prototxt"\ntest_iter: [1, 2]',
            "s.prototxt:3:1: There are 2 `test_iter` for 1 test nets. Add one for each, or no",
        ),
        ("", 's.prototxt: The solver names no net to train. Add `net: "FILE"`, a path relative'),
        ('train_net: "a.prototxt" test_iter: 1', "s.prototxt:2:25: There are 1 `test_iter` for 0 test nets."),
        ('net: "d.prototxt"', "s.prototxt:2:1: There is no file 'd.prototxt', neither in the current folder nor"),
    ],
)
def test_what_does_not_fit(folder: Path, text: str, wanted: str) -> None:
    with pytest.raises(SpecError, match=wanted.replace("(", r"\(")):
        nets(folder, text)


def test_each_test_net_has_its_state(folder: Path) -> None:
    (folder / "s.prototxt").write_text(f'{BASE}net: "a.prototxt" test_iter: [1, 1] test_state {{ }} test_state {{ stage: "quick" }}')
    registry.load()
    made = program(load_job(str(folder / "s.prototxt")))
    assert [[layer.name for layer in net.layers] for net in made.test_nets] == [["d", "ip", "loss"], ["d", "ip", "quick", "loss"]]
    assert made.plain_graph("test1") is made.tests[1][0].graph is not made.plain_graph("test")


def test_forks_fields_are_dropped_when_asked(folder: Path) -> None:
    text = NET % "n" + 'layer { name: "s" type: "Silence" bottom: "loss" fork_param { order: 1 } }'
    (folder / "fork.prototxt").write_text(text)
    result = netc("check", folder / "fork.prototxt")
    assert result.exit_code == 2 and "'fork_param'" in result.stderr and "`--ignore fork_param` ignores it" in result.stderr
    result = netc("draw", folder / "fork.prototxt", "--ignore", "fork_param", "-o", folder / "n.svg")
    assert result.exit_code == 0
    assert f"netc: {folder}/fork.prototxt:6:50: LayerParameter has no field 'fork_param'. It is ignored." in result.stderr


def test_a_layer_type_of_a_fork(folder: Path) -> None:
    (folder / "fork.prototxt").write_text(NET % "n" + 'layer { name: "p" type: "Qqzz9" bottom: "ip" top: "p" }')
    result = netc("check", folder / "fork.prototxt")
    assert result.exit_code == 2
    assert "There is no layer type 'Qqzz9'. BVLC Caffe has none either" in result.stderr
    assert '`@layer("Qqzz9")`' in result.stderr and "`--plugin FILE`" in result.stderr


def test_stage_and_level_from_the_command_line_reach_all_nets(folder: Path) -> None:
    (folder / "s.prototxt").write_text(f'{BASE}net: "a.prototxt" test_net: "b.prototxt"')
    registry.load()
    made = program(load_job(str(folder / "s.prototxt"), ["state.stage=[quick]", "state.level=1"]))
    for net in (made.train_net, *made.test_nets):
        assert [layer.name for layer in net.layers] == ["d", "ip", "quick", "loss"]


OTHER = """\
state { stage: "own" }
layer { name: "d" type: "Input" top: "x" top: "y" input_param { shape { dim: [5, 3] } } exclude { stage: "never" } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "more" type: "TanH" bottom: "ip" top: "ip" include { stage: "own" } include { phase: TRAIN } }
layer { name: "quick" type: "ReLU" bottom: "ip" top: "ip" include { stage: "quick" } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" }
"""
ONLY_TRAINED = 'layer { name: "drop" type: "Dropout" bottom: "ip" top: "ip" include { phase: TRAIN } }\n'
SEVERAL = {
    "one": 'net: "a.prototxt" test_net: "b.prototxt" test_iter: [3, 4]',
    "two, and a state for each": 'train_net: "a.prototxt" test_net: ["b.prototxt", "c.prototxt"] test_iter: [3, 4] '
    'test_state { stage: "quick" } test_state { level: 1 }',
    "two and itself": 'net: "a.prototxt" test_net: ["b.prototxt", "c.prototxt"] test_iter: [1, 2, 3] train_state { stage: "quick" }',
    "one twice": 'net: "a.prototxt" test_net: ["b.prototxt", "c.prototxt", "b.prototxt"] test_iter: [1, 2, 3]',
}


@pytest.mark.parametrize("text", SEVERAL.values(), ids=SEVERAL)
def test_a_job_in_one_file_has_all_its_nets(folder: Path, text: str) -> None:
    """The net.yaml of a run trains and tests the nets that the solver named."""
    (folder / "a.prototxt").write_text(NET % "a" + ONLY_TRAINED.replace("ip", "loss"))
    (folder / "b.prototxt").write_text(OTHER)
    (folder / "s.prototxt").write_text(BASE + text)
    registry.load()
    first = load_job(str(folder / "s.prototxt"))
    (folder / "net.yaml").write_text(to_yaml(first.resolved(), short=False))
    second = load_job(str(folder / "net.yaml"))
    made, again = program(first), program(second)
    assert second.solver.test_iter == first.solver.test_iter and len(made.test_nets) == len(again.test_nets)
    for one, other in zip((made.train_net, *made.test_nets), (again.train_net, *again.test_nets), strict=True):
        assert [_plain(layer) for layer in one.layers] == [_plain(layer) for layer in other.layers]
    assert load_job(str(folder / "net.yaml")).resolved() == second.resolved()


def _plain(layer: Layer) -> pb.LayerParameter:
    """A layer without the rules by which it is there."""
    param = pb.LayerParameter()
    param.CopyFrom(layer.param)
    param.ClearField("include")
    param.ClearField("exclude")
    return param


@pytest.mark.parametrize(("path", "wanted"), [("base_lr", "solver.base_lr"), ("lr", "solver.base_lr"), ("max_itr", "solver.max_iter")])
def test_a_field_of_the_solver_that_is_set_without_it(folder: Path, path: str, wanted: str) -> None:
    result = netc("check", folder / "a.prototxt", "--set", f"{path}=1")
    assert result.exit_code == 2 and f"Did you mean {wanted!r}?" in result.stderr
