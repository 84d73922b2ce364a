"""The pages in a headless Chromium: no complaint on its console, a search that filters, nothing wider than a telephone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netc import zoo
from tests.zoo.browser import CHROMIUM, Page, browser
from tests.zoo.toy import contents, stated

pytest.importorskip("werkzeug", reason="netc zoo serve needs the extra `serve`")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, Any]]:
    """A browser, and the server of a zoo with a long name, a wide table and a picture."""
    from tests.zoo.test_serve import serving

    here = tmp_path_factory.mktemp("shown") / "zoo"
    picture = Path(__file__).parents[2] / "netc/zoo/site/icon.png"
    ports = [{"name": "a_very_long_name_" * 8, "dtype": "float32", "shape": ["N"] + [1000] * 20}]
    long = stated(inputs=ports, description="word" * 100, preprocessing=["x" * 300], intended_use="Reading digits.")
    zoo.publish(here, "a" * 100, contents() | {"curves.png": picture.read_bytes()}, long)
    for name in ("lenet", "mlp", "char_lstm"):
        zoo.publish(here, name, contents(name.encode()), stated(description=f"This is {name}, a net."))
    with serving(here) as ask, browser() as page:
        yield page, ask


def visible(page: Page) -> list[str]:
    script = "[...document.querySelectorAll('li[data-text]')].filter(x => x.offsetHeight).map(x => x.querySelector('a').textContent)"
    return list(page.run(script))


def test_the_search_filters_while_it_is_typed(shown: tuple[Page, Any]) -> None:
    page, ask = shown
    page.open(f"{ask.address}/")
    assert visible(page) == ["a" * 100, "char_lstm", "lenet", "mlp"]
    wanted = {"net": ["char_lstm", "lenet", "mlp"], "LENET this": ["lenet"], "nothing": [], "": ["a" * 100, "char_lstm", "lenet", "mlp"]}
    for query, names in wanted.items():
        page.run(f"box.value = {query!r}; box.dispatchEvent(new Event('input', {{bubbles: true}}))")
        assert visible(page) == names, query
        assert page.run("count.textContent") == f"{len(names)} of 4 models"
    assert page.complaints == []


@pytest.mark.parametrize("width", [400, 1000])
@pytest.mark.parametrize("path", ["/", "/?q=lenet", "/lenet/", f"/{'a' * 100}/", "/none/"])
def test_no_page_is_wider_than_its_window(shown: tuple[Page, Any], path: str, width: int) -> None:
    page, ask = shown
    page.complaints.clear()
    page.open(ask.address + path, width)
    assert page.run("document.documentElement.scrollWidth <= window.innerWidth"), page.run("document.documentElement.scrollWidth")
    assert page.run("[...document.images].every(x => x.complete && x.naturalWidth > 0)")
    assert page.run("getComputedStyle(document.body).maxWidth") != "none", "the style sheet is there"
    expected = ["404"] if path == "/none/" else []
    assert [word for text in page.complaints for word in ("404",) if word in text] == expected and len(page.complaints) == len(expected)


def test_a_script_in_a_card_does_not_run(shown: tuple[Page, Any]) -> None:
    """Even if one came through, the policy of the page stops it."""
    page, ask = shown
    page.open(f"{ask.address}/lenet/")
    page.run("(() => { const s = document.createElement('script'); s.textContent = 'window.owned = 1'; document.body.append(s); })()")
    assert page.run("window.owned === undefined")
