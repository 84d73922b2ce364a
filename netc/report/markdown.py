"""Markdown on the terminal: laid out by rich, or as it is where the output is no terminal."""

import sys

from rich.markdown import Markdown

from netc import terminal


def show(text: str) -> None:
    """Print a page."""
    if sys.stdout.isatty():
        made = terminal.console()
        made.print(Markdown(terminal.clean(text)), width=min(made.width, 110))
    else:
        sys.stdout.write(terminal.clean(text))
