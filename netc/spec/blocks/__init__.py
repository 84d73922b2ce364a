"""Blocks of layers with parameters, and repeats: a macro that is expanded to plain layers before they are read."""

from netc.spec.blocks.expansion import LACKING, Entry, expanded, last_reads, named_by, plain_entries, resolved

__all__ = ["LACKING", "Entry", "expanded", "last_reads", "named_by", "plain_entries", "resolved"]
