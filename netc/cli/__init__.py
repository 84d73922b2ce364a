"""The command line. Each command is a function that imports what it needs when it runs, so that `netc --help` is fast."""

from netc.cli import data, describe, help, nets, predict, runs, training, zoo
from netc.cli.group import main

__all__ = ["data", "describe", "help", "main", "nets", "predict", "runs", "training", "zoo"]
