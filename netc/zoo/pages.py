"""The pages of a zoo, for people: the list with its search, and a page a model, made of its card. Needs the extra `serve`."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from netc.errors import ZooError
from netc.zoo.card import human_size
from netc.zoo.index import Entry, read_manifest
from netc.zoo.location import read
from netc.zoo.names import CARD

SITE = Path(__file__).parent / "site"
MOST_CARD = 1 << 18


def list_page(known: Sequence[Entry], query: str = "") -> str:
    """The newest version of each model that has all words of `query` in its name, description, licence or aliases."""
    newest = list({entry.name: entry for entry in known}.values())
    models = [_listed(entry) for entry in newest]
    words = query.lower().split()
    found = [model for model in models if all(word in model["text"] for word in words)]
    return _render("list.html", models=found, total=len(newest), query=query)


def _listed(entry: Entry) -> dict[str, Any]:
    text = " ".join([entry.name, entry.version, entry.description, entry.licence, *entry.aliases]).lower()
    scores = [(name, f"{score:.4g}") for name, score in entry.metrics.items()]
    return {"entry": entry, "text": text, "scores": scores, "size": human_size(entry.size)}


def model_page(zoo: Path, entry: Entry, versions: Sequence[Entry]) -> str:
    """The page of a model: its card, links to its other `versions`, and its files with their hashes."""
    manifest, _ = read_manifest(zoo, entry)
    files = [file | {"told": f"{file['role']}, {human_size(file['size'])}"} for file in manifest["files"]]
    return _render("model.html", entry=entry, versions=versions, files=files, card=_card(zoo, entry, manifest["files"]))


def error_page(title: str, text: str) -> str:
    """What went wrong."""
    return _render("error.html", title=title, text=text)


def _card(zoo: Path, entry: Entry, files: Sequence[dict[str, Any]]) -> Any:
    """The card as HTML, if it is the one that the manifest states."""
    from markupsafe import Markup

    stated = next((file["sha256"] for file in files if file["name"] == CARD), None)
    try:
        data = read(zoo, f"{entry.name}/{entry.version}/{CARD}", MOST_CARD)
    except ZooError:
        return None
    if hashlib.sha256(data).hexdigest() != stated:
        return None
    return Markup(html_of(data.decode("utf-8", "replace")))


def html_of(markdown: str) -> str:
    """Markdown of a stranger as HTML: raw HTML stays text, links that run code stay text, and no link passes on where one comes from."""
    return str(_markdown().render(markdown))


@cache
def _markdown() -> Any:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False}).enable("table")

    def link_open(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
        tokens[index].attrSet("rel", "nofollow noopener noreferrer")
        return str(self.renderToken(tokens, index, options, env))

    made.add_render_rule("link_open", link_open)
    return made


def _render(name: str, **values: Any) -> str:
    return str(_templates().get_template(name).render(**values))


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(loader=FileSystemLoader(SITE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
