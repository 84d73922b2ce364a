"""The page of a run: its sections, that it needs nothing else, and how it looks in a browser."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from netc import registry
from netc.report import page
from netc.report.html import paragraph
from netc.report.run import Run
from netc.training.folder import RunFolder
from tests.report.browser import look, needs_browser
from tests.small_nets import netc
from tests.some import some

SECTIONS = {
    "small/1": {"Result", "Curves", "Gradient health", "Confusion matrix", "Classes", "Worst mistakes", "First layer",
                "Environment", "Command and net"},
    "coder/1": {"Result", "Curves", "Pretraining", "Gradient health", "First layer", "Reconstructions", "Environment", "Command and net"},
    "machine/1": {"Result", "Curves", "First layer", "Samples", "Environment", "Command and net"},
    "numbers/1": {"Result", "Curves", "Estimates", "Environment", "Command and net"},
    "scenes/1": {"Result", "Curves", "Confusion matrix", "Classes", "First layer", "Masks", "Environment", "Command and net"},
    "trees/1": {"Result", "Curves", "Confusion matrix", "Trees", "Environment", "Command and net"},
    "letters/1": {"Result", "Curves", "Confusion matrix", "Worst mistakes", "Generated text", "Memory", "Environment",
                  "Command and net"},
    "series/1": {"Result", "Curves", "Forecasts", "Environment", "Command and net"},
    "people/1": {"Result", "Curves", "Beside simple models", "Ranking", "Calibration", "Thresholds", "Confusion matrix", "Worst mistakes",
                 "Environment", "Command and net"},
    "prices/1": {"Result", "Curves", "Beside simple models", "Errors", "Environment", "Command and net"},
    "days/1": {"Result", "Curves", "Beside simple forecasts", "Environment", "Command and net"},
}  # fmt: skip


class Parsed(HTMLParser):
    """The headings, addresses and failures of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.headings = re.findall(r"<h2>(.*?)</h2>", text)
        self.failures = re.findall(r"<em class='failed'>(.*?)</em>", text)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [some(value) for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]


@pytest.fixture(scope="module")
def pages(runs: Path) -> dict[str, str]:
    return {name: (runs / name / "report.html").read_text() for name in SECTIONS}


@pytest.mark.parametrize("name", SECTIONS)
def test_every_run_leaves_a_page_with_the_sections_that_apply(pages: dict[str, str], name: str) -> None:
    parsed = Parsed(pages[name])
    assert parsed.failures == []
    assert set(parsed.headings) == SECTIONS[name] and len(parsed.headings) == len(SECTIONS[name])
    assert all(a.startswith(("#", "data:")) for a in parsed.addresses) and "@import" not in pages[name] and "url(" not in pages[name]


def test_every_section_is_on_one_of_these_pages(runs: Path) -> None:
    """But for the time by layer, which is for runs that are long enough."""
    next(page.sections(Run(RunFolder(runs / "small/1"))))
    assert registry.section.keys() - set.union(*SECTIONS.values()) == {"Time by layer"}


def test_there_is_one_root_mean_square(runs: Path, pages: dict[str, str]) -> None:
    """Of estimates: that of the test, which is of all rows whatever the batches."""
    tested = json.loads((runs / "numbers/1/log.jsonl").read_text().splitlines()[-1])["rmse"]
    assert f"The RMSE of 20 test rows is {tested:.4f}." in pages["numbers/1"]
    assert f"<b>{tested:.4f}</b><span>test rmse</span>" in pages["numbers/1"]


def test_shares_of_classes_have_a_table(runs: Path, pages: dict[str, str]) -> None:
    of_class = json.loads((runs / "small/1/log.jsonl").read_text().splitlines()[-1])["of_class"]
    found = pages["small/1"].partition("<h2>Classes</h2>")[2].partition("<h2>")[0]
    assert all((f"{v:.4f}" if v is not None else "no labels") in found for v in of_class)


def test_figures_are_those_of_the_log(runs: Path, pages: dict[str, str]) -> None:
    line = json.loads((runs / "small/1/log.jsonl").read_text().splitlines()[-1])
    assert line["event"] == "test" and f"<b>{line['accuracy']:.4f}</b><span>test accuracy</span>" in pages["small/1"]
    right = round(line["accuracy"] * 40)
    assert f"{right} of 40 rows are correct" in pages["small/1"]


def test_a_section_that_fails_says_so_and_the_rest_stands(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next(page.sections(Run(RunFolder(runs / "small/1"))))

    def broken(run: Run) -> None:
        raise ValueError("no <such> thing")

    monkeypatch.setitem(registry.section, "Broken", broken)
    monkeypatch.setitem(registry.section.records, "Broken", {})
    monkeypatch.setitem(registry.section, "After", lambda run: paragraph("{}", "<b>"))
    monkeypatch.setitem(registry.section.records, "After", {})
    text = page.page(Run(RunFolder(runs / "small/1")))
    assert "An error occurred in this section: ValueError: no &lt;such&gt; thing" in text and "<p>&lt;b&gt;</p>" in text


def test_a_run_that_is_interrupted_or_fails_leaves_a_page(tmp_path: Path, runs: Path) -> None:
    net = runs.parent / "small.yaml"
    result = netc("train", net, "--no-publish", "--runs", tmp_path, "--set", "solver.base_lr=1e30", "--set", "solver.momentum=0")
    assert result.exit_code == 1
    text = (tmp_path / "small/1/report.html").read_text()
    assert "ended with an error" in text and ": the loss is" in text and "Environment" in text


def test_what_belongs_to_the_reader_is_escaped(tmp_path: Path, runs: Path) -> None:
    net = (runs.parent / "small.yaml").read_text().replace("name: small", 'name: "<script>alert(1)</script>"')
    (tmp_path / "evil.yaml").write_text(net.replace("small.npz", str(runs.parent / "small.npz")))
    assert netc("train", tmp_path / "evil.yaml", "--no-publish", "--runs", tmp_path / "runs", "--set", "solver.max_iter=2").exit_code == 0
    text = next((tmp_path / "runs").glob("*/1/report.html")).read_text()
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text


@needs_browser
def test_in_a_browser_nothing_is_fetched_nothing_fails_and_nothing_sticks_out(pages: dict[str, str], runs: Path, tmp_path: Path) -> None:
    result = netc("report", runs / "small/1", runs / "small/2", "-o", tmp_path / "comparison.html")
    assert result.exit_code == 0, result.output
    seen, console = look(pages | {"comparison": (tmp_path / "comparison.html").read_text()}, (1280, 400), tmp_path)
    assert console == [] and len(seen) == 2 * (len(pages) + 1)
    for one in seen:
        assert one.across <= one.width and one.wide == [], one
        assert one.resources == [] and re.match(r"\d+\s+(training loss|error|[a-z]+/\d) -?\d", one.hovered), one
        assert set(one.sections) == SECTIONS.get(one.name, {"Runs", "Curves", "Settings that differ"})
