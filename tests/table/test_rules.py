"""The rules that choose the type of a column, each with tables that it decides."""

from pathlib import Path

import numpy as np
import pytest

from netc.table.inference import infer
from netc.table.profile import profile
from netc.table.rules import RULES, Choice, words_of
from tests.table.tables import Cells, customers, raw_table

R = np.random.default_rng(3)
N = 240
WORDS = ["the", "room", "was", "good", "bad", "clean", "dirty", "and", "food", "very", "slow", "staff", "kind"]

# rule: name of the column, its cells, the type (empty if it is ignored), and a part of the reason
ROWS: dict[str, list[tuple[str, Cells, str, str]]] = {
    "_empty": [("x", [""] * N, "", "empty")],
    "_constant": [("x", ["same"] * N, "", "constant: always 'same'"), ("x", [7] * N, "", "constant: always '7'")],
    "_date": [
        ("x", [f"2020-01-{k % 28 + 1:02d}" for k in range(N)], "date", "dates as ISO 8601"),
        ("x", [f"{k % 28 + 1:02d}.11.2020" for k in range(N)], "date", "dates as %d.%m.%Y"),
        ("x", [f"11/{k % 28 + 1:02d}/2020 10:05" for k in range(N)], "date", "dates as %m/%d/%Y %H:%M"),
        ("x", [f"202011{k % 28 + 1:02d}" for k in range(N)], "date", "dates as %Y%m%d"),
        ("x", ["0000-00-00" if k % 60 == 0 else f"2020-01-{k % 28 + 1:02d}" for k in range(N)], "date", "ISO"),
    ],
    "_boolean": [
        ("x", R.choice(["yes", "no"], N).tolist(), "boolean", "no or yes"),
        ("x", R.choice(["True", "False", ""], N).tolist(), "boolean", "false or true; "),
    ],
    "_id": [
        ("x", range(1, N + 1), "", "an id: counts the rows"),
        ("x", R.permutation(N).tolist(), "", "an id: each row has a number of its own"),
        ("customer_id", (R.permutation(N) * 977).tolist(), "", "an id"),
    ],
    "_code": [
        ("zip", [f"{k:05d}" for k in R.integers(400, 420, N)], "category", "codes with leading zeros"),
        ("shopCode", R.integers(100, 120, N).tolist(), "category", "codes by the name (code)"),
        ("month", R.integers(1, 13, N).tolist(), "category", "codes by the name (month)"),
        ("product_id", R.integers(1000, 9000, N).tolist(), "", "nearly unique"),
    ],
    "_number": [
        ("x", R.normal(size=N).round(3).tolist(), "number", "numbers from"),
        ("duration_in_month", R.integers(1, 60, N).tolist(), "number", "whole numbers from"),
        ("year", range(1800, 1800 + N), "number", "whole numbers from 1800 to 2039"),
        ("weight", (R.permutation(N) * 977).tolist(), "number", "whole numbers"),
        ("x", ["unknown" if k % 30 == 0 else k * 1.5 for k in range(N)], "number", "numbers from"),
    ],
    "_text": [
        ("x", [" ".join(R.choice(WORDS, 9)) for _ in range(N)], "text", "texts of 9 words"),
        ("title", [" ".join(R.choice(WORDS, 3)) for _ in range(N)], "text", "texts of 3 words"),
    ],
    "_category": [
        ("x", R.choice(["a", "b", "c"], N).tolist(), "category", "3 values"),
        ("x", R.choice(["no room at all", "two large rooms and a bath"], N).tolist(), "category", "2 values"),
        ("x", [f"ticket {k}" for k in range(N)], "", "nearly unique: 240 values in 240 rows"),
        ("person", [f"Mr. Ada{k * 7 % 113} of Bar{k}" for k in range(N)], "", "nearly unique"),
        ("x", ["12a" if k % 3 else k for k in range(N)], "category", "81 values"),
    ],
}  # fmt: skip


def choices(folder: Path, columns: dict[str, Cells]) -> dict[str, Choice]:
    raw = raw_table(folder, columns)
    return {choice.name: choice for choice in infer(raw, [*profile(raw).values()])}


@pytest.mark.parametrize(("rule", "row"), [(rule, row) for rule, rows in ROWS.items() for row in rows])
def test_a_rule_chooses(tmp_path: Path, rule: str, row: tuple[str, Cells, str, str]) -> None:
    name, cells, kind, reason = row
    found = choices(tmp_path, {name: cells, "other": [k * k % 31 + 0.5 for k in range(N)]})[name]
    assert (found.type, reason in found.reason) == (kind, True), found


def test_every_rule_has_rows() -> None:
    assert [rule.__name__ for rule in RULES] == list(ROWS)


def test_odd_texts_become_gaps(tmp_path: Path) -> None:
    cells = ["n.v." if k in (3, 5, 90) else "?!" if k == 7 else k * 1.5 for k in range(N)]
    found = choices(tmp_path, {"x": cells, "k": [k % 9 + 0.5 for k in range(N)]})["x"]
    assert (found.type, found.missing) == ("number", ("n.v.", "?!"))
    assert found.note.startswith("4 of 240 cells are no numbers: 'n.v.', '?!'") and found.note.endswith("They are read as gaps.")


def test_odd_texts_that_are_a_class_stay(tmp_path: Path) -> None:
    cells = ["none" if k % 30 == 0 else k * 1.5 for k in range(N)]
    raw = raw_table(tmp_path, {"x": cells, "k": [k % 9 + 0.5 for k in range(N)]})
    found = infer(raw, [*profile(raw).values()], kept=["none"])
    assert found[0].type == "" and "nearly unique" in found[0].reason


def test_dates_that_mean_two_things(tmp_path: Path) -> None:
    cells = [f"{k % 12 + 1:02d}/{k % 11 + 1:02d}/2020" for k in range(N)]
    found = choices(tmp_path, {"x": cells, "k": [k % 9 + 0.5 for k in range(N)]})["x"]
    assert found.format == "%m/%d/%Y" and "day first" in found.note


def test_equal_columns_are_read_once(tmp_path: Path) -> None:
    found = choices(tmp_path, customers())
    assert found["years"] == Choice("years", "", "the same as column 'age'")


def test_the_columns_of_customers(tmp_path: Path) -> None:
    found = choices(tmp_path, customers())
    assert {name: choice.type for name, choice in found.items() if choice.type} == {
        "age": "number", "plan": "category", "spent": "number", "member": "boolean", "since": "date", "review": "text", "zip": "category",
        "reason": "category", "left": "boolean",
    }  # fmt: skip
    assert found["notes"].reason == "too few values: 1 of 600 cells" and found["spent"].reason.endswith("; 86 gaps")


def test_if_no_column_is_good_all_are_read(tmp_path: Path) -> None:
    found = choices(tmp_path, {"x": [f"{k}.5" if k % 50 == 0 else "" for k in range(N)], "t": [f"ab cd{k}" for k in range(N)]})
    assert {name: choice.type for name, choice in found.items()} == {"x": "number", "t": "text"}


@pytest.mark.parametrize(
    ("name", "words"), [("shopZip_code", ["shop", "zip", "code"]), ("MS SubClass", ["ms", "sub", "class"]), ("größe2", ["größe", "2"])]
)
def test_words_of_a_name(name: str, words: list[str]) -> None:
    assert words_of(name) == words
