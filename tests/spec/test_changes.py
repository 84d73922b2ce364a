"""What differs between two nets."""

from netc.spec import parse_yaml
from netc.spec.changes import changes

OLD = """\
name: n
layers:
  - Data: {name: data, source: a.npz, batch_size: 4, include: {phase: TRAIN}}
  - Data: {name: data, source: a.npz, batch_size: 4, include: {phase: TEST}}
  - InnerProduct: {name: ip1, num_output: 3, weight_filler: xavier}
  - ReLU: {name: relu1}
  - SoftmaxWithLoss: {name: loss}
solver: {base_lr: 0.5, max_iter: 5, stepvalue: [1, 2], pretrain: [{layer: x, max_iter: 3}]}
"""


def found(new: str) -> dict[str, str]:
    return dict(changes(parse_yaml(OLD).message, parse_yaml(new).message))


def test_no_change_is_none() -> None:
    assert found(OLD) == {} == found(OLD.replace("name: n\n", "name: n  # a remark\n"))


def test_changes_have_their_place_and_both_values() -> None:
    assert found(OLD.replace("num_output: 3", "num_output: 4")) == {"layers.ip1.inner_product_param.num_output": "3, now 4"}
    assert found(OLD.replace("batch_size: 4, include: {phase: TEST}", "batch_size: 8, include: {phase: TEST}")) == {
        "layers.data#2.data_param.batch_size": "4, now 8"
    }
    assert found(OLD.replace("[1, 2]", "[1, 3]").replace("base_lr: 0.5, ", "lr_policy: step, ")) == {
        "solver.base_lr": "0.5, now unset",
        "solver.lr_policy": "unset, now step",
        "solver.stepvalue": "[1, 2], now [1, 3]",
    }
    assert found(OLD.replace("{layer: x, max_iter: 3}", "{layer: x, max_iter: 4}")) == {"solver.pretrain.0.max_iter": "3, now 4"}


def test_layers_that_come_go_and_move() -> None:
    gone = found(OLD.replace("  - ReLU: {name: relu1}\n", "  - TanH: {name: tanh1}\n"))
    assert gone == {"layers.relu1": "gone", "layers.tanh1": "new"}
    lines = OLD.splitlines()
    lines[5], lines[6] = "  - ReLU: {name: relu1, bottom: ip1, top: r}", "  - SoftmaxWithLoss: {name: loss, bottom: [ip1, label]}"
    moved = [*lines[:5], lines[6], lines[5], *lines[7:]]
    first, second = (parse_yaml("\n".join(text)).message for text in (lines, moved))
    assert dict(changes(first, second)) == {"layers": "in another order"}
