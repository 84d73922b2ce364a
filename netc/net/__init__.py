"""Nets: a message with a phase chosen, every name resolved and every source described."""
