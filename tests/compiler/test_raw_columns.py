"""The inputs and outputs of deployed nets that read tables: names that work, names that are refused, and named outputs."""

from pathlib import Path

import numpy as np
import pytest

from netc import load
from netc.compiler.program import Program
from netc.errors import SpecError
from netc.runtime.session import Session

LAYERS = """\
name: named
layers:
  - Table: {{source: t.csv, label: {label}, batch_size: 4{more}}}
  - Encode
  - InnerProduct: {{name: ip, num_output: {width}, weight_filler: xavier{top}}}
  - {loss}
solver: {{type: SGD, base_lr: 0.1, max_iter: 1}}
"""
TRUE = "columns: {{x: number, y: number}}"


def program(folder: Path, table: dict[str, list[object]], label: str, loss: str, width: int = 2, top: str = "", more: str = "") -> Program:
    """Compile a net on a table."""
    lines = [",".join(f'"{name}"' for name in table), *(",".join(map(str, row)) for row in zip(*table.values(), strict=True))]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    text = LAYERS.format(label=label, loss=loss, width=width, top=f", top: {top}" if top else "", more=more)
    (folder / "net.yaml").write_text(text)
    made: Program = load(str(folder / "net.yaml"))
    return made


def deployed(made: Program) -> Session:
    return Session(made.deploy_model(made.start()))


def outputs(made: Program, **raw: object) -> dict[str, np.ndarray]:
    session = deployed(made)
    kinds = {"tensor(string)": object}
    return session.run({name: np.array(raw[name], kinds.get(session.inputs[name].type, np.float32)) for name in session.inputs})


NUMBERS: list[object] = [k % 5 for k in range(20)]
CLASSES: list[object] = ["a", "b", "c", "b"] * 5


def test_the_class_of_each_row(tmp_path: Path) -> None:
    found = outputs(
        program(tmp_path, {"x": NUMBERS, "y": CLASSES}, "y", "SoftmaxWithLoss", 3, more=", columns: {x: number}"), x=[1, np.nan, 9]
    )
    assert list(found) == ["prob", "class"] and found["prob"].shape == (3, 3)
    assert found["class"].tolist() == [("a", "b", "c")[k] for k in found["prob"].argmax(1)]


def test_a_column_with_the_name_of_an_output(tmp_path: Path) -> None:
    """The net chooses another name for its outputs."""
    table = {"prob": NUMBERS, "class": CLASSES, "y": CLASSES}
    found = outputs(
        program(tmp_path, table, "y", "SoftmaxWithLoss", 3, more=", columns: {prob: number, class: category}"), prob=[1], **{"class": ["a"]}
    )
    assert list(found) == ["prob2", "predicted_class"]


def test_numbers(tmp_path: Path) -> None:
    table: dict[str, list[object]] = {"x": NUMBERS, "price": [v * 1.5 for v in range(20)], "cost": [v * 0.5 for v in range(20)]}
    made = program(tmp_path, table, "price", "EuclideanLoss: {bottom: [ip, label]}", 1, more=", columns: {x: number}, task: NUMBERS")
    found = outputs(made, x=[1, 2])
    assert {name: a.shape for name, a in found.items()} == {"price": (2,)}
    made = program(
        tmp_path, table, "[price, cost]", "EuclideanLoss: {bottom: [ip, label]}", 2, more=", columns: {x: number}, task: NUMBERS"
    )
    assert {name: a.shape for name, a in outputs(made, x=[1, 2]).items()} == {"price": (2,), "cost": (2,)}


def test_quantiles(tmp_path: Path) -> None:
    table: dict[str, list[object]] = {"x": NUMBERS, "price": [v * 1.5 for v in range(20)]}
    loss = "QuantileLoss: {bottom: [ip, label], quantile: [0.1, 0.5, 0.975]}"
    found = outputs(program(tmp_path, table, "price", loss, 3, more=", columns: {x: number}, task: NUMBERS"), x=[1, 2])
    assert {name: a.shape for name, a in found.items()} == {"price_q10": (2,), "price_q50": (2,), "price_q97.5": (2,)}


def test_labels_that_are_true_or_false(tmp_path: Path) -> None:
    table: dict[str, list[object]] = {"x": NUMBERS, "red": ["true", "false"] * 10, "new": ["yes", "no", "no", "no"] * 5}
    made = program(tmp_path, table, "[red, new]", "SigmoidCrossEntropyLoss: {bottom: [ip, label]}", 2, more=", columns: {x: number}")
    found = outputs(made, x=[1, 2])
    assert {name: a.shape for name, a in found.items()} == {"red": (2,), "new": (2,)}
    assert all(((a > 0) & (a < 1)).all() for a in found.values())


@pytest.mark.parametrize(
    "name",
    [
        "home dest",
        "größe/m²",
        "it's",
        'a "b"',
        "data/Sub",
        "data/LabelEncoder",
        "a`b",
        "x:0",
        "encode1",
        "label",
        "data",
        "ip.weight",
        "1",
        ".",
    ],
)
def test_odd_names_of_columns_work(tmp_path: Path, name: str) -> None:
    lines = [f'"{name.replace(chr(34), chr(34) * 2)}",y', *(f"{k % 5},{'ab'[k % 2]}" for k in range(20))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "net.yaml").write_text(LAYERS.format(label="y", loss="SoftmaxWithLoss", width=2, top="", more=", format: {header: true}"))
    session = deployed(load(str(tmp_path / "net.yaml")))
    assert list(session.inputs) == [name]
    kind = object if session.inputs[name].type == "tensor(string)" else np.float32
    assert session.run({name: np.array(["3", "4"]).astype(kind)})["prob"].shape == (2, 2)


@pytest.mark.parametrize("name, why", [
    ("state/x", "names that begin with 'state/' have a meaning"), ("next/x", "names that begin with 'next/'"), ("lr", "names such"),
    ("scores", "the net has an output of this name"), ("a\u200bb", "invisible characters"), ("x" * 201, "has 201 letters, more than 200"),
])  # fmt: skip
def test_names_that_are_refused(tmp_path: Path, name: str, why: str) -> None:
    table: dict[str, list[object]] = {name: NUMBERS, "y": CLASSES}
    layers = "SoftmaxWithLoss: {bottom: [ip, label]}\n  - Softmax: {bottom: ip, top: scores}"
    with pytest.raises(SpecError, match=f"cannot be an input of the published model: .*{why}"):
        program(tmp_path, table, "y", layers, 3)
