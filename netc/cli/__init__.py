"""The command line: a function a command, a module a kind. Each command imports what it needs when it runs, so that help is quick."""

from netc.cli import data, describe, help, nets, training, zoo
from netc.cli.group import main

__all__ = ["data", "describe", "help", "main", "nets", "training", "zoo"]
