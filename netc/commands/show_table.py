"""`netc data show` of a table: what `netc.table.overview` finds, for a file, an address, or the Table layer of a net."""

from pathlib import Path

from netc import registry
from netc.commands.init import image_table, table
from netc.commands.init.starter import Wanted
from netc.commands.show import is_net, layer_of
from netc.errors import SpecError
from netc.formats.by_suffix import form, put
from netc.report import data_page
from netc.table.overview import Overview, overview
from netc.table.reading import ReadingOptions, open_table
from netc.table.reading.text_folder import CLASS, is_text_folder
from netc.table.rules import Choice
from netc.table.source import reading_options

STATED = "as the net file says"


def look(target: str, label: str = "", layer: str = "", query: str = "", allow_python: bool = False) -> Overview | None:
    """The overview of a table; None if the target is something else. SpecError if the options do not fit."""
    registry.load()
    if is_net(target):
        return _of_net(target, label, layer, allow_python)
    wanted = Wanted(target, Path("net.yaml"), (label,) * bool(label), query=query)
    is_texts = not wanted.is_named and not wanted.is_address and is_text_folder(wanted.path)
    if image_table.recognise(wanted) or not (is_texts or table.recognise(wanted)):
        named = [f"--{name}" for name, text in (("label", label), ("query", query)) if text]
        if named and (wanted.is_named or wanted.path.exists()):
            raise SpecError(f"{target}: It is not shown as a table, so {named[0]} has no meaning. Remove the option.")
        return None
    if layer:
        raise SpecError(f"--layer selects a data layer of a net file; {target!r} is a table")
    with open_table(target if wanted.is_address else str(wanted.path), options=ReadingOptions(query=query)) as raw:
        return overview(raw, label or (CLASS if is_texts else ""))


def write(seen: Overview, path: str) -> str:
    """Write an overview as a page. Returns the message for the user. SpecError if the file is not .html."""
    if form(path, (".html", ".png"), "a view of a data set") == ".png":
        raise SpecError(f"{path}: the rows of {seen.name} are not images; use a .html file")
    put(path, data_page.page(seen).encode())
    return f"{path} is written"


def _of_net(target: str, label: str, layer: str, allow_python: bool) -> Overview | None:
    """The table of a net, with the types that the net states."""
    found, base, _ = layer_of(target, layer, allow_python)
    param = found.table_param
    if found.type != "Table":
        if label:
            raise SpecError(f"{target}: Layer {found.name!r} reads no table, so --label has no meaning. Remove the option.")
        return None
    stated = [Choice(rule.name, rule.type, STATED, rule.format) for rule in param.columns]
    stated += [Choice(column.name, "", column.reason or STATED) for column in param.ignore]
    with open_table(param.source, base, reading_options(param)) as raw:
        return overview(raw, label or next(iter(param.label), ""), stated)
