"""The web pages of a zoo: a list with search, and a page per model with its card. Needs the extra `serve`."""

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
    """List the newest version of each model with all words of `query` in its name, description, licence or aliases."""
    newest = list({entry.name: entry for entry in known}.values())
    models = [_listed(entry) for entry in newest]
    words = query.lower().split()
    matches = [model for model in models if all(word in model["text"] for word in words)]
    return _render("list.html", models=matches, total=len(newest), query=query)


def _listed(entry: Entry) -> dict[str, Any]:
    text = " ".join([entry.name, entry.version, entry.description, entry.licence, *entry.aliases]).lower()
    scores = [(name, f"{score:.4g}") for name, score in entry.metrics.items()]
    return {"entry": entry, "text": text, "scores": scores, "size": human_size(entry.size)}


def model_page(zoo: Path, entry: Entry, versions: Sequence[Entry]) -> str:
    """The page of a model: its card, links to other `versions`, and its files with their hashes."""
    manifest, _ = read_manifest(zoo, entry)
    files = [file | {"summary": f"{file['role']}, {human_size(file['size'])}"} for file in manifest["files"]]
    return _render("model.html", entry=entry, versions=versions, files=files, card=_card(zoo, entry, manifest["files"]))


def error_page(title: str, text: str) -> str:
    """A page with an error message."""
    return _render("error.html", title=title, text=text)


def _card(zoo: Path, entry: Entry, files: Sequence[dict[str, Any]]) -> Any:
    """The card as HTML; None if it does not match the manifest."""
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
    """Convert untrusted Markdown to HTML. Raw HTML and script links remain text, and links send no referrer."""
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
