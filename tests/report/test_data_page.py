"""The page of a table and its lines: figures, escaped names, and a size that has a limit."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from netc.report.data_lines import lines
from netc.report.data_page import MOST_CARDS, page, share
from netc.table.overview import Overview, overview
from tests.table.tables import raw_table

HOSTILE = "<script>alert('x')</script>&\"\u202e"
VOID = {"meta", "link", "path", "rect", "br"}


class Balanced(HTMLParser):
    """Collects the tags of a page and checks that each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.seen = list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        self.open += [tag] * (tag not in VOID)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def seen_table(folder: Path, columns: dict[str, list[object]], label: str = "") -> Overview:
    with raw_table(folder, columns) as raw:
        return overview(raw, label)


def test_a_page_with_hostile_names_and_values(tmp_path: Path) -> None:
    label: list[object] = ["<b>one</b>" if k % 3 else "&2" for k in range(90)]
    text = page(seen_table(tmp_path, {HOSTILE: list(range(90, 0, -1)), "word": ["<i>a", "b"] * 45, "y": label}, "y"))
    found = Balanced(text)
    assert not found.open and found.seen.count("script") == 1 and "b" in found.seen and "<b>one" not in text and "<i>a" not in text
    assert "&lt;script&gt;" in text and found.seen.count("article") == 3


def test_the_figures_of_a_page(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(5, 2, 200).round(3)
    cells: list[object] = ["" if k < 30 else v for k, v in enumerate(x.tolist())]
    text = page(seen_table(tmp_path, {"x": cells, "y": ["a", "b"] * 100}, "y"))
    card = text.partition("<article id='column-0'>")[2].partition("</article>")[0]
    assert "<dd>30 (15 %)</dd>" in card and f"<dd>{x[30:].mean():.4g} ± {x[30:].std():.4g}</dd>" in card
    hints = re.findall(r"<title>\S+ to \S+: (\d+) rows? ?(?:\(a (\d+))?", card)
    assert sum(int(rows) for rows, _ in hints) == 170
    assert sum(int(a or 0) for _, a in hints) == 85
    assert 'role="img"' in card and "<title>histogram of x by the label</title>" in card


def test_a_wide_table_has_a_small_page(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 60)
    columns: dict[str, list[object]] = {f"c{k}": random.normal(size=60).round(2).tolist() for k in range(300)}
    columns |= {"told": (y + random.normal(0, 0.6, 60)).round(2).tolist(), "y": [f"class {v}" for v in y]}
    text = page(seen_table(tmp_path, columns, "y"))
    assert len(text) < 1_000_000 and text.count("<article") == MOST_CARDS
    assert "The 60 of 302 columns that tell most about the label." in text and "<h3>told" in text


def test_lines_fit_the_terminal(tmp_path: Path) -> None:
    seen = seen_table(tmp_path, {"text": [*["one two three four five six seven"] * 3, *["x"] * 3], "n": [0.5, 2, 3.5, 4, 7, 60]}, "n")
    found = lines(seen, 60)
    head = next(k for k, line in enumerate(found) if line.startswith("column"))
    assert all(len(line) <= 60 for line in found[head : head + 3]) and "R2" in found[head]
    assert found[head + 2].split()[1] == "label"


def test_shares() -> None:
    assert [share(n, 1000) for n in (0, 1, 6, 500, 1000)] == ["0 %", "< 0.5 %", "1 %", "50 %", "100 %"]
