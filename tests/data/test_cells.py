"""What is a number, a whole number, a label."""

import pytest

from netc.data.cells import are_numbers, in_order, index, is_measure, is_number, label_number, whole


@pytest.mark.parametrize("cell", ["0", "-1", "+1", "1.5", ".5", "5.", "1e5", "1E-5", "-1.5e+3", "007", "3.3e38"])
def test_numbers(cell: str) -> None:
    assert is_number(cell) and are_numbers([cell, "1"])


@pytest.mark.parametrize(
    "cell",
    ["", "nan", "NaN", "inf", "-Infinity", "1_000", "0x10", "１", "٣", "1,5", "24 980", "3%", "$3", "1e", "1e39", "--1", "²", "1e999"],
)
def test_what_is_no_number(cell: str) -> None:
    assert not is_number(cell) and not are_numbers(["1", cell])


@pytest.mark.parametrize(
    "cell, want",
    [
        ("7", "7"), ("-7", "-7"), ("0", "0"), ("7.0", "7"), ("7.", "7"), ("9007199254740993", "9007199254740993"),
        *((cell, None) for cell in ("007", "+7", "-0", "7.5", "7e2", "7_0", "１", "", "nan", "9" * 101)),
    ],
)  # fmt: skip
def test_whole_numbers(cell: str, want: str | None) -> None:
    assert whole(cell) == want


def test_codes_are_no_measures() -> None:
    assert [c for c in ("02115", "+1", "-01", "0.5", "-0.5", "0", "1e5") if is_measure(c)] == ["0.5", "-0.5", "0", "1e5"]


def test_places() -> None:
    assert [index(t) for t in ("0", "-1", "²", "１", "1.0", "--1", "")] == [0, -1, None, None, None, None, None]


@pytest.mark.parametrize("text", ["²", "１", "1_0", "--5", "+5", "1.0", "", str(2**63), "9" * 30])
def test_what_is_no_number_of_a_class(text: str) -> None:
    assert label_number(text) is None


def test_numbers_of_classes() -> None:
    assert [label_number(t) for t in ("007", "-1", str(2**63 - 1))] == [7, -1, 2**63 - 1]


def test_the_order_of_classes() -> None:
    assert in_order({"10", "9", "-1"}) == ["-1", "9", "10"] and in_order({"10", "9", "a"}) == ["10", "9", "a"]
    assert in_order({"02115", "2115"}) == ["02115", "2115"]
