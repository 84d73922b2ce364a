"""The site of the documentation has every page once, word for word, and its links lead somewhere. `.ci/docs` builds it."""

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from netc.commands.topics import PAGES
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def site() -> ModuleType:
    """`.ci/docs`, loaded."""
    spec = spec_from_loader("site_of_the_docs", SourceFileLoader("site_of_the_docs", str(ROOT / ".ci" / "docs")))
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_contents_list_every_page_once(site: ModuleType) -> None:
    text = (site.SITE / "contents.md").read_text()
    listed = re.findall(r"^[\w -]+ <(.+)>$", text, re.MULTILINE)
    assert len(listed) == len([line for line in text.splitlines() if line and line[0] not in "`:"])
    assert sorted(listed) == sorted([*PAGES, "changelog", "contributing"])


def test_pages_are_copied_with_their_links(site: ModuleType, tmp_path: Path) -> None:
    site.copy_pages(tmp_path)
    for page in tmp_path.glob("*.md"):
        links = site.LINK.findall(page.read_text())
        assert [link for link in links if not (page.parent / link).is_file()] == [], page.name
    assert (tmp_path / "nets.md").read_text() == (ROOT / "netc" / "docs" / "nets.md").read_text()  # its links are the same here


def test_links_follow_the_files(site: ModuleType) -> None:
    readme, names = ROOT / "README.md", site.files()
    text = "# A\n[a](netc/docs/nets.md#b) [c](https://d.org) [e](tests/benchmarks/results) [f](#g)"
    assert site.moved(text, readme, names) == "# A\n[a](nets.md#b) [c](https://d.org) [e](benchmarks/benchmark.md) [f](#g)"
    with pytest.raises(ValueError, match=r"README.md: nets/lenet.yaml is not on the site"):
        site.moved("# A\n[a](nets/lenet.yaml)", readme, names)
