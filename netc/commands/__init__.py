"""What the commands do, a module each; `netc.cli` only reads their arguments."""
