"""Print Markdown: formatted on a terminal, unchanged elsewhere."""

import sys

from rich.markdown import Markdown

from netc import terminal


def show(text: str) -> None:
    """Print a page of Markdown."""
    if sys.stdout.isatty():
        console = terminal.console()
        console.print(Markdown(terminal.clean(text)), width=min(console.width, 110))
    else:
        sys.stdout.write(terminal.clean(text))
