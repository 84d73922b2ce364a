"""The report of a run: one self-contained HTML file with every section that applies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from netc import registry
from netc.errors import NetcError, RunError
from netc.files import replace_file
from netc.report.html import paragraph
from netc.report.run import Run

NAME = "report.html"


@dataclass(frozen=True)
class Filled:
    """A section with its content. `anchor` is its link target within the page."""

    title: str
    content: Markup

    @property
    def anchor(self) -> str:
        return "-".join("".join(c if c.isalnum() else " " for c in self.title.lower()).split())


def page(run: Run) -> str:
    """The HTML report of a run."""
    return render(run.name, list(sections(run)), "" if run.record is None or run.record.reason else "running", notes(run))


def notes(run: Run) -> list[str]:
    """Notes at the top of the page: an error that ended the run, and files that cannot be read."""
    texts = [f"This run ended with an error: {run.record.error}"] if run.record and run.record.error else []
    texts += [f"{run.damage}. Times and speed are unknown"] if run.damage else []
    log = run.folder.read_log()
    return texts + ([f"{run.folder.log_path.name}: {log.damage}; the report shows the other lines"] if log.damage else [])


def sections(run: Run) -> Iterator[Filled]:
    """Yield the sections that apply, in the order of their registration. A section that fails contains the error."""
    import_module("netc.report.sections")
    for title, make in registry.section.items():
        if registry.section.records[title].get("model") and run.program is None:
            continue
        try:
            content = make(run)
        except NetcError as e:
            content = paragraph("This section is not available: {}", e)
        except Exception as e:  # an error in one section must not affect the run or the rest of the page
            content = paragraph("<em class='failed'>An error occurred in this section: {}: {}</em>", type(e).__name__, e)
        if content:
            yield Filled(title, content)


def render(title: str, filled: list[Filled], state: str = "", notes: Sequence[str] = ()) -> str:
    """Render the sections as a page."""
    text: str = _template().render(title=title, sections=filled, state=state, notes=notes)
    return text


def write(run: Run, path: Path | None = None) -> Path:
    """Write the report of a run, by default to report.html in its folder. RunError if it cannot be written."""
    return write_page(page(run), path or run.path / NAME)


def write_page(text: str, path: Path) -> Path:
    """Write a page atomically. RunError if it cannot be written."""
    try:
        replace_file(path, text.encode())
    except OSError as e:
        raise RunError(f"Cannot write {path}: {e.strerror or e}") from e
    return path


@cache
def _template() -> Any:
    from jinja2 import Environment

    folder = files("netc.report")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    parts = {"css": "page.css", "chart_css": "chart.css", "js": "page.js"}
    environment.globals |= {name: Markup((folder / file).read_text()) for name, file in parts.items()}
    return environment.from_string((folder / "page.html").read_text())
