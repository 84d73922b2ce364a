"""Markdown on the terminal: laid out by rich, or as it is where the output is no terminal."""

import sys

from rich.console import Console
from rich.markdown import Markdown


def show(text: str) -> None:
    """Print a page."""
    if sys.stdout.isatty():
        Console(width=min(Console().width, 110)).print(Markdown(text))
    else:
        sys.stdout.write(text)
