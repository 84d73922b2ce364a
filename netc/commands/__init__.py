"""The commands, one module each. `netc.cli` parses their arguments."""
