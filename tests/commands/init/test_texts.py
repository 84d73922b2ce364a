"""Starter nets for folders of texts."""

import random
from pathlib import Path

import pytest

from tests.small_nets import netc

pytest.importorskip("duckdb")
GOOD, BAD = ["great", "fine", "lovely", "superb", "moving"], ["bad", "awful", "dull", "boring", "weak"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reviews(folder: str, count: int, seed: int = 0) -> None:
    """`count` texts of each of two classes, of eight words that tell nothing and four that tell the class."""
    draw = random.Random(seed)
    for kind, words in (("pos", GOOD), ("neg", BAD)):
        Path(folder, kind).mkdir(parents=True)
        for k in range(count):
            text = [*draw.choices([f"w{n}" for n in range(50)], k=8), *draw.choices(words, k=4)]
            draw.shuffle(text)
            Path(folder, kind, f"{k}.txt").write_text(" ".join(text))


@pytest.mark.parametrize(
    "parts, lines",
    [
        ((), ["source: reviews", "split: {test: 0.2, validation: 0.15, stratify: true}"]),
        (("train", "test"), ["source: reviews/train", "test_source: reviews/test", "split: {validation: 0.15, stratify: true}"]),
        (("a/train", "a/val"), ["source: reviews/a/train", "test_source: reviews/a/val", "split: {validation: 0.15, stratify: true}"]),
        (("train", "valid", "test"), ["source: reviews/train", "validation_source: reviews/valid", "test_source: reviews/test"]),
    ],
)
def test_the_parts_of_the_folder(here: Path, parts: tuple[str, ...], lines: list[str]) -> None:
    for seed, part in enumerate(parts or ("",)):
        reviews(f"reviews/{part}", 40, seed)
    result = netc("init", "reviews")
    assert f"for {80 * max(1, len(parts))} texts of 2 classes" in result.stdout, result.output
    text = Path("reviews.yaml").read_text()
    assert [line for line in lines if f"      {line}\n" not in text] == [] and "label: class" in text and "text: text" in text
    assert ("split:" in text) == (len(parts) < 3)
    result = netc("train", "reviews.yaml", "--no-publish")
    assert result.exit_code == 0, result.output
    assert float(result.stdout.split(" iterations: ")[-1].split("accuracy ")[1].split(",")[0]) > 0.8


def test_what_is_left_out(here: Path) -> None:
    reviews("r/train", 3)
    reviews("r/test", 2)
    Path("r/train/unsup").mkdir()
    Path("r/train/unsup/1.txt").write_text("no class")
    result = netc("init", "r")
    assert (
        result.exit_code == 0 and "netc: Left out: 1 text in r/train/unsup, because its name says that they have no class." in result.stderr
    )


def test_folders_that_are_refused(here: Path) -> None:
    reviews("r/train", 3)
    Path("r/test/odd").mkdir(parents=True)
    Path("r/test/odd/1.txt").write_text("text")
    result = netc("init", "r")
    assert result.exit_code == 2 and not Path("r.yaml").exists()
    assert "r/test has texts of class 'odd', and r/train has none." in result.stderr
    result = netc("init", "r", "--label", "kind")
    assert result.exit_code == 2 and "The class of a text is its folder. Remove `--label kind`." in result.stderr
