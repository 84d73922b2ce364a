"""The net that `netc init` writes for a table: what it reads, what it says, and that it trains."""

from pathlib import Path

import numpy as np
import pytest

from netc import api
from netc.zoo.model_info import missing_licences
from tests.conftest import DATA, ROOT, needs_data
from tests.small_nets import netc
from tests.table.tables import ROWS, Cells, customers, write_table

R = np.random.default_rng(11)


def written(folder: Path, columns: dict[str, Cells], *labels: str) -> str:
    """The text of the net for a table, and what the command prints."""
    table = write_table(folder / "t.csv", columns)
    result = netc("init", table, "-o", folder / "t.yaml", *(part for label in labels for part in ("--label", label)))
    assert result.exit_code == 0, result.stderr
    return (folder / "t.yaml").read_text() + result.stdout + result.stderr


def trained(folder: Path, *options: str) -> dict[str, float]:
    """The numbers of the last test of the net."""
    result = netc("train", folder / "t.yaml", "--no-publish", "--runs", folder / "runs", *options)
    assert result.exit_code == 0, result.stderr
    words = result.stdout.split("iterations: ")[1].splitlines()[0].split(", ")
    return {name: float(value.replace(",", "")) for name, value in (word.split(" ")[:2] for word in words)}


def test_the_net_for_a_table(tmp_path: Path) -> None:
    text = written(tmp_path, customers(), "left")
    for line in (
        "source: t.csv",
        "label: left  # 2 classes",
        "age: number  # whole numbers from 18 to 79",
        "plan: category  # 3 values",
        "since: date  # dates as ISO 8601",
        "review: text  # texts of 9 words",
        'customer: "an id: counts the rows"',
        "country: \"constant: always 'FR'\"",
        "years: \"the same as column 'age'\"",
        'reason: "alone tells the label (AUC 1)"',
        "split: {test: 0.2, validation: 0.15, stratify: true}",
        "netc: 'name' is not read: nearly unique: 600 values in 600 rows",
        "for 600 rows of 7 columns (2 number, 2 category, 1 boolean, 1 date, 1 text), and 2 classes to predict",
    ):
        assert line in text
    program = api.load(str(tmp_path / "t.yaml"))
    assert missing_licences(program.compilation) == [], "a starter says what publishing asks for"


def test_it_learns(tmp_path: Path) -> None:
    columns = {name: cells for name, cells in customers().items() if name in ("age", "plan", "spent", "member", "left")}
    written(tmp_path, columns, "left")
    found = trained(tmp_path)
    assert found["auc"] > 0.8 and found["loss"] < 0.55


def test_iris(tmp_path: Path) -> None:
    result = netc("init", ROOT / "nets" / "iris.csv", "--label", "species", "-o", tmp_path / "t.yaml")
    assert result.exit_code == 0 and "3 classes to predict" in result.stdout, result.stderr
    assert trained(tmp_path)["accuracy"] >= 0.9


def test_texts_alone(tmp_path: Path) -> None:
    words = {"good": "fine lovely great soft warm", "bad": "thin torn poor cold rough"}
    plain = ["the", "shoes", "were", "and", "I", "bought", "them", "for", "my", "aunt"]
    label = R.choice(["good", "bad"], ROWS).tolist()
    texts = [" ".join(R.permutation([*R.choice(plain, 8), *R.choice(words[kind].split(), 2)])) for kind in label]
    text = written(tmp_path, {"review": texts, "y": label}, "y")
    assert "Encode: {word_width: 32}" in text and "InnerProduct" not in text and "1 column (1 text)" in text
    assert trained(tmp_path, "--set", "solver.max_epoch=20")["accuracy"] > 0.9


def test_a_count_that_is_mostly_noise_gets_a_smaller_net(tmp_path: Path) -> None:
    x = R.normal(size=ROWS)
    noisy, clear = R.negative_binomial(1, 0.1, ROWS), R.poisson(np.exp(1 + x))
    columns: dict[str, Cells] = {"x": list(x.round(3)), "noisy": list(noisy), "clear": list(clear)}
    assert "pieces: 0" in written(tmp_path, {name: columns[name] for name in ("x", "noisy")}, "noisy")
    (tmp_path / "t.yaml").unlink()
    assert "pieces: 0" not in written(tmp_path, {name: columns[name] for name in ("x", "clear")}, "clear")


LABELS: dict[str, tuple[dict[str, Cells], str]] = {
    "a number": ({"y": R.normal(50, 9, ROWS).round(3).tolist()}, "MemberLoss: {top: [loss, prediction]}"),
    "counts": ({"y": R.negative_binomial(1, 0.1, ROWS).tolist()}, "MemberLoss: {loss: POISSON, top: [loss, prediction]}"),
    "amounts": ({"y": np.exp(R.normal(5, 1.5, ROWS)).round(2).tolist()}, "Deviance: {bottom: [prediction, label], power: 2}"),
    "claims": ({"y": np.where(R.random(ROWS) < 0.7, 0, R.gamma(0.5, 900, ROWS)).round(2).tolist()}, "loss: TWEEDIE"),
    "several numbers": ({"y": R.normal(size=ROWS).round(3).tolist(), "z": R.normal(size=ROWS).round(3).tolist()}, "label: ["),
    "several labels": ({"y": R.integers(0, 2, ROWS).tolist(), "z": R.choice(["yes", "no"], ROWS).tolist()}, "MultiLabelAccuracy"),
    "thirty classes": ({"y": [k % 30 for k in range(ROWS)]}, "F1: {bottom: [prob, label]}"),
    "a label with gaps": ({"y": ["" if k % 5 == 0 else "ab"[k % 2] for k in range(ROWS)]}, "120 rows without 'y' are left out."),
    "a class of one row": ({"y": ["c" if k == 9 else "ab"[k % 2] for k in range(ROWS)]}, "Rare classes: 'c' has 1 row."),
}


@pytest.mark.parametrize("kind", LABELS)
def test_the_net_for_each_kind_of_label_trains(tmp_path: Path, kind: str) -> None:
    labels, line = LABELS[kind]
    others: dict[str, Cells] = {"a": R.normal(size=ROWS).round(3).tolist(), "b": R.choice(["p", "q"], ROWS).tolist()}
    assert line in written(tmp_path, {**others, **labels}, *labels)
    assert trained(tmp_path, "--set", "solver.max_epoch=1")


def normal(count: int) -> Cells:
    return list(R.normal(size=count).round(3))


def of(values: str, count: int) -> Cells:
    """Letters of a text, at random."""
    return list(R.choice([*values], count))


TABLES: dict[str, dict[str, Cells]] = {
    "fifty rows": {"a": normal(50), "y": of("pq", 50)},
    "names of all kinds": {
        "größe": normal(90), "a: b, c": of("xy", 90), "#q'\"": R.integers(0, 900, 90).tolist(), "no": normal(90), "two  words": normal(90),
        "y": of("pq", 90),
    },
    "nine gaps in ten": {**{f"v{k}": [x if R.random() < 0.1 else "" for x in normal(500)] for k in range(5)}, "y": of("pq", 500)},
    "more columns than rows": {**{f"g{k}": normal(60) for k in range(130)}, "y": of("pq", 60)},
    "odd cells": {"a": ["n.v." if k % 40 == 3 else k * 1.5 for k in range(200)], "y": of("pq", 200)},
    "dates in several forms": {
        "a": [f"{k % 28 + 1:02d}.11.2020" for k in range(200)], "b": [f"11/{k % 28 + 1:02d}/2020 10:05" for k in range(200)],
        "c": [f"2020-03-{k % 28 + 1:02d}" for k in range(200)], "y": of("pq", 200),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_the_net_for_an_awkward_table_trains(tmp_path: Path, name: str) -> None:
    written(tmp_path, TABLES[name], "y")
    assert trained(tmp_path, "--set", "solver.max_epoch=2")


def test_without_a_label_the_columns_are_offered(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", customers())
    result = netc("init", table, "-o", tmp_path / "t.yaml")
    assert result.exit_code == 2 and not (tmp_path / "t.yaml").exists()
    lines = [line.strip() for line in result.stderr.splitlines()]
    assert lines[0].endswith("t.csv: Name the column to predict, with --label COLUMN.")
    assert [line.split()[0] for line in lines[1:]] == list(customers())
    assert "spent     number, 505 values, 86 gaps" in lines and lines[-1].endswith("<- looks like a label")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["lef"], "There is no column 'lef'. Did you mean 'left'?"),
        (["left", "left"], "`--label left` is given twice."),
        (["country"], "The label 'country' has one value, 'FR'."),
        (["name"], "The label 'name' is nearly unique"),
        (["customer"], "The label 'customer' counts the rows."),
    ],
)
def test_labels_that_are_none(tmp_path: Path, labels: list[str], words: str) -> None:
    table = write_table(tmp_path / "t.csv", customers())
    result = netc("init", table, "-o", tmp_path / "t.yaml", *(part for label in labels for part in ("--label", label)))
    assert result.exit_code == 2 and words in result.stderr and not (tmp_path / "t.yaml").exists()


def test_no_column_is_left(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", {"a": ["x"] * 30, "b": [""] * 30, "y": ["p", "q"] * 15})
    result = netc("init", table, "-o", tmp_path / "t.yaml", "--label", "y")
    assert result.exit_code == 2 and "No column is left to predict 'y' from. 'a': constant: always 'x'; 'b': empty." in result.stderr


@needs_data("tables")
@pytest.mark.parametrize(
    ("name", "label"),
    [("titanic3", "survived"), ("german", "creditability"), ("credit_data", "Status"), ("adult", "income"), ("ames", "Sale_Price"),
     ("nmes", "visits"), ("penguins_raw", "Species")],
)  # fmt: skip
def test_real_tables(tmp_path: Path, name: str, label: str) -> None:
    result = netc("init", DATA / "tables" / f"{name}.csv.gz", "--label", label, "-o", tmp_path / "t.yaml")
    assert result.exit_code == 0, result.stderr
    assert trained(tmp_path, "--set", "solver.max_epoch=1")
