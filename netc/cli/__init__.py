"""The command line: a function a command, a module a kind. Each command imports what it needs when it runs, so that help is quick."""

from netc.cli import data, describe, nets, runs, training, zoo
from netc.cli.group import main

__all__ = ["data", "describe", "main", "nets", "runs", "training", "zoo"]
