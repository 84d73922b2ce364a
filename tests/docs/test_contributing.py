"""CONTRIBUTING.md is true: the files that it names are there, and its examples are quotations."""

import re

from tests.conftest import ROOT
from tests.docs.pages import blocks

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
PATH = re.compile(r"`((?:bash )?\.ci/\w+|(?:netc|tests|proto|model_zoo|nets)/[\w./*]*|\w+\.(?:cfg|md))`")


def test_files_that_it_names_are_there() -> None:
    named = {found.removeprefix("bash ") for found in PATH.findall(TEXT)}
    assert len(named) > 30
    assert sorted(name for name in named if not list(ROOT.glob(name.rstrip("/")))) == []


def test_examples_are_quotations() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "netc").rglob("*.py"))
    quoted = [block.text for block in blocks(TEXT) if block.language == "python"]
    assert len(quoted) == 3
    assert [text for text in quoted if text not in code] == []


def test_extras_that_it_names_are_there() -> None:
    extras = (ROOT / "setup.cfg").read_text().partition("[options.extras_require]")[2]
    named = {extra for group in re.findall(r"\.\[([\w,]+)\]", TEXT) for extra in group.split(",")}
    assert named and [extra for extra in named if f"\n{extra} =\n" not in extras] == []
