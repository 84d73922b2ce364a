"""Blocks of layers with parameters, and repeats: a macro that is expanded to plain layers before they are read."""

from netc.spec.blocks.expansion import LACKING, Entry, expanded, plain_entries
from netc.spec.blocks.references import Blobs

__all__ = ["LACKING", "Blobs", "Entry", "expanded", "plain_entries"]
