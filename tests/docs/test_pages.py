"""README.md and the pages of `netc help`: every block that can be run is run, every link and every command that is named is there."""

import configparser
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from netc import registry
from netc.caffe import state
from netc.cli import main
from netc.commands.topics import PAGES, find
from tests.conftest import ROOT, ZOO, needs_zoo
from tests.docs.pages import blocks, compare, run_page

DOCS = ROOT / "netc" / "docs"
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FILES = [ROOT / "README.md", *(DOCS / f"{name}.md" for name in PAGES)]
# Blocks that no test runs: what installs, downloads, needs a GPU or another language.
NOT_RUN = {
    "README.md": 2,
    "cuda.md": 1,
    "data.md": 2,
    "detection.md": 1,
    "inside.md": 3,
    "plugins.md": 1,
    "rbm.md": 2,
    "results.md": 1,
    "step-file.md": 3,
    "tables.md": 1,
    "zoo.md": 1,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A folder with nets/ and model_zoo/ as the current one; what plug-ins and Python layers register is taken back."""
    shutil.copytree(ROOT / "nets", tmp_path / "nets")
    shutil.copytree(ZOO, tmp_path / "model_zoo")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(state, "_allows_python", False)
    modules = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@needs_zoo
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_blocks_of_a_page_run(path: Any, folder: Any) -> None:
    run_page(path, folder)


def test_what_is_not_run_is_counted() -> None:
    counts = Counter(path.name for path in FILES for block in blocks(path.read_text()) if not block.is_run)
    assert dict(counts) == NOT_RUN


def test_fences_have_a_language() -> None:
    bare = [
        path.name for path in FILES if len(re.findall(r"^```", path.read_text(), re.MULTILINE)) != 2 * len(list(blocks(path.read_text())))
    ]
    assert bare == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_links_lead_somewhere(path: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()) if "://" not in link]
    assert [link for link in links if not _leads_somewhere(link, path)] == []


def _leads_somewhere(link: str, page: Path) -> bool:
    """Whether the file of a link is there, and the heading that its part after `#` names."""
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", re.sub(FENCED, "", target.read_text()), re.MULTILINE) if target.exists() else []
    return anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_commands_in_the_text_are_there(path: Path) -> None:
    """`netc train NET --resume` within a line: the command and its options."""
    registry.load()
    for span in re.findall(r"`netc ([^`\n]+)`", re.sub(FENCED, "", path.read_text())):
        words = span.replace("...", "x").split()
        command: click.Command = main
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            assert words[0] in command.commands, f"`netc {span}`"
            command = command.commands[words.pop(0)]
        options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--debug", "--allow-python", "--help", "--version"}
        assert {w.partition("=")[0] for w in words if w.startswith("-")} <= options, f"`netc {span}`"
        if span.startswith("help ") and words[0].upper() != words[0]:
            assert find(words[0], {}), f"`netc {span}`"


def test_extras_that_are_named_are_there() -> None:
    extras = configparser.ConfigParser()
    extras.read(ROOT / "setup.cfg")
    named = {e for path in FILES for e in re.findall(r"netc\[(\w+)\]", path.read_text())}
    assert named and named <= set(extras["options.extras_require"])


@pytest.mark.parametrize("page, table", [
    ("training", registry.optimizer), ("training", registry.schedule), ("nets", registry.filler), ("data", registry.dataset),
], ids=lambda x: getattr(x, "kind", x))  # fmt: skip
def test_lists_on_pages_are_whole(page: str, table: Any) -> None:
    registry.load()
    text = (DOCS / f"{page}.md").read_text()
    assert [name for name in table if not re.search(rf"\b{name}\b", text)] == []


def test_names_in_other_frameworks_are_those_that_help_knows() -> None:
    registry.load()
    table = re.search(r"\| PyTorch \| Keras \| netc \|\n\|.*\n((?:\|.*\n)+)", (DOCS / "nets.md").read_text())
    assert table
    for row in table[1].splitlines():
        *others, ours = row.strip("|").split("|")
        for name in re.findall(r"`(\w+)`", "".join(others)):
            assert {topic.name for topic in find(name, {})} & set(re.findall(r"`(\w+)`", ours)), row


def test_every_net_is_on_the_results_page() -> None:
    text = (DOCS / "results.md").read_text()
    assert [p.stem for p in (ROOT / "nets").glob("*.yaml") if f"netc train nets/{p.name}" not in text] == []


def test_every_page_is_listed() -> None:
    assert sorted(p.stem for p in DOCS.glob("*.md")) == sorted(PAGES)


@pytest.mark.parametrize("expected", ["b 3", "a ...\n...\nb 2", "a.*", "a 1 ... x"])
def test_expected_output_can_fail(expected: str) -> None:
    with pytest.raises(AssertionError):
        compare(expected.replace("3", "x"), "b 7\na 12\n")


def test_expected_output_may_have_other_numbers() -> None:
    compare("a 1.5\n...\nb 2 (...)", "a 7\nmore\nb 1e-3 (why)\n")


def commands(group: click.Group = main, before: str = "") -> dict[str, click.Command]:
    """Every command and sub-command by its words."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found[before + name] = command
        if isinstance(command, click.Group):
            found |= commands(command, f"{before}{name} ")
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_an_example(name: Any) -> None:
    assert re.search(rf"Examples?: (.*; |.*\n\n\s*)?netc {name}\b", commands()[name].help or "", re.DOTALL)
