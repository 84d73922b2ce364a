"""`python -m netc` is `netc`."""

from netc.cli import main

main(prog_name="netc")
