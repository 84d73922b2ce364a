"""`netc explain`: the terminal, JSON, the page."""

import json
from pathlib import Path

import pytest

from tests.report.browser import look, needs_browser
from tests.small_nets import NET, netc, write_small
from tests.small_tables import NUMBERS, people, people_model, write_table


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in which age and town decide, and wage and Sex are noise."""
    return people_model(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """New rows, with a column that says the same as the town."""
    return write_table(tmp_path_factory.mktemp("table") / "new.csv", people(400, seed=5))


def test_what_decides_is_first(model: Path, table: Path, tmp_path: Path) -> None:
    result = netc("explain", model, table, "-o", tmp_path / "e.json", "--row", 3, "--row", 399)
    assert result.exit_code == 0, result.output
    first, head, *rows = result.stdout.splitlines()
    assert first.startswith(f"{table}: 400 of 400 rows, log-loss 0.") and head == "column  increase of the log-loss"
    assert [row.split()[0] for row in rows[:2]] == ["age", "town"] and rows[-1] == f"explanation {tmp_path / 'e.json'}"
    found = json.loads((tmp_path / "e.json").read_text())
    importance = {c["column"]: c["mean"] for c in found["importance"]["columns"]}
    assert importance["age"] > importance["town"] > 0.1 > 4 * max(importance["wage"], importance["Sex"])
    curves = {d["column"]: d for d in found["partial_dependence"]}
    assert curves["age"]["means"][0][0] < 0.3 < 0.7 < curves["age"]["means"][-1][0] and found["scores"] == ["yes"]
    towns = dict(zip(curves["town"]["values"], curves["town"]["means"], strict=True))
    assert towns["Oslo"] > towns["Rome"]
    assert [row["row"] for row in found["contributions"]] == [3, 399] and found["associated"] == []
    assert {c["column"]: c["value"] for c in found["contributions"][0]["columns"]} == {n: people(400, seed=5)[n][3] for n in importance}


def test_the_same_again(model: Path, table: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert netc("explain", model, table, "-o", tmp_path / f"{name}.json", "--rows", 100).exit_code == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert netc("explain", model, table, "-o", tmp_path / "c.json", "--rows", 100, "--seed", 1).exit_code == 0
    assert (tmp_path / "a.json").read_bytes() != (tmp_path / "c.json").read_bytes()


def test_another_label_and_none(model: Path, table: Path, tmp_path: Path) -> None:
    """Without labels, importance is how much the scores change."""
    cells = people(400, seed=5)
    renamed = write_table(tmp_path / "renamed.csv", {**{n: c for n, c in cells.items() if n != "kind"}, "truth": cells["kind"]})
    labelled, bare = netc("explain", model, renamed, "--label", "truth"), netc("explain", model, renamed)
    assert labelled.stdout.splitlines()[1:] == netc("explain", model, table).stdout.splitlines()[1:]
    assert bare.exit_code == 0 and bare.stdout.splitlines()[1].split(maxsplit=1)[1] == "mean change of the score"
    assert [line.split()[0] for line in bare.stdout.splitlines()[2:4]] == ["age", "town"]


def test_associated_columns_are_a_caution(model: Path, tmp_path: Path) -> None:
    cells = people(400, seed=5)
    double = write_table(tmp_path / "double.csv", {**cells, "wage": [str(2 * float(a or 50)) for a in cells["age"]]})
    result = netc("explain", model, double)
    assert "caution: age and wage tell about each other (strength 1.0" in result.stdout and "together: age, wage" in result.stdout


@pytest.mark.parametrize("arguments, said", [
    (("--label", "kid"), "There is no column 'kid' for the label. Did you mean 'kind'?"),
    (("--label", "wage"), "No row has a label that the model knows in 'kind'"),
    (("--row", "400"), "There is no row 400. The table has 400 rows, from 0."),
    (("-o", "e.pdf"), "netc writes an explanation as .html, .htm or .json"),
])  # fmt: skip
def test_what_is_refused(model: Path, table: Path, arguments: tuple[str, ...], said: str) -> None:
    result = netc("explain", model, table, *arguments)
    assert result.exit_code == 2 and said in result.stderr and result.stdout == "", result.stderr


def test_other_models_are_refused(tmp_path: Path, table: Path) -> None:
    assert netc("compile", write_small(tmp_path, NET), "-o", tmp_path / "build").exit_code == 0
    result = netc("explain", tmp_path / "build", table)
    assert result.exit_code == 2 and "The model takes no raw columns of a table." in result.stderr


def test_a_model_of_numbers(tmp_path: Path) -> None:
    model = people_model(tmp_path, NUMBERS)
    result = netc("explain", model, tmp_path / "people.csv", "-o", tmp_path / "e.html")
    assert result.exit_code == 0 and "RMSE 0." in result.stdout.splitlines()[0], result.output
    assert result.stdout.splitlines()[2].startswith("age ") and "the score of pay is" in (tmp_path / "e.html").read_text()


@needs_browser
def test_the_page(model: Path, table: Path, tmp_path: Path) -> None:
    """Nothing is fetched, nothing is on the console, and nothing sticks out on a narrow page."""
    assert netc("explain", model, table, "-o", tmp_path / "e.html").exit_code == 0
    text = (tmp_path / "e.html").read_text()
    seen, console = look({"e": text}, (1100, 390), tmp_path)
    assert console == [] and all(s.wide == [] and s.resources == [] and s.across <= s.width for s in seen)
    assert seen[0].sections == ["What is explained", "Importance of columns", "Partial dependence", "Single rows"]
    assert seen[0].hovered and 'data-name="importance"' in text and "age = " in text
