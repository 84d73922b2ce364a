"""`netc help`: print a page, or the documentation of a command, a type or a field."""

from collections.abc import Callable, Iterator
from functools import partial

import click

from netc.cli.group import main
from netc.cli.options import options


@main.command("help")
@click.argument("topic", required=False)
@options("plugin")
def help_(topic: str | None, plugins: tuple[str, ...]) -> None:
    """Explain a topic, or list the pages.

    TOPIC is a page, command, layer type, optimizer, filler, data set or field.

    Example: netc help solver.momentum
    """
    from netc import registry
    from netc.commands import topics
    from netc.report.markdown import show

    if topic is None:
        click.echo(topics.contents())
        return
    registry.load(*plugins)
    found = topics.find(topic, dict(_commands(main, _context())))
    exact = [t for t in found if t.name == found[0].name]
    shown = exact[:1] if exact[0].is_page else exact
    for text in dict.fromkeys(t.text() for t in shown):
        show(text) if exact[0].is_page else click.echo(f"{text}\n")
    for kind, name in dict.fromkeys((t.kind, t.name) for t in found if t not in shown):
        if kind == "command" or name != shown[0].name:
            click.echo(f"The {kind} {name}: netc " + (f"{name} --help" if kind == "command" else f"help {name}"))


def _context() -> click.Context:
    return click.Context(main, info_name="netc", **main.context_settings)


def _commands(group: click.Group, context: click.Context, before: str = "") -> Iterator[tuple[str, Callable[[], str]]]:
    """The name of each command and sub-command, and a function that returns its help."""
    for name, command in group.commands.items():
        inner = click.Context(command, context, name)
        yield before + name, partial(command.get_help, inner)
        if isinstance(command, click.Group):
            yield from _commands(command, inner, f"{before}{name} ")
