"""The program `netc`: the group that every command belongs to, and how errors end it."""

import atexit
import errno
import gc
import sys
from typing import Any

import click

from netc import terminal
from netc.cli.errors import show
from netc.errors import NetcError
from netc.version import VERSION

atexit.register(gc.freeze)  # the graphs of a deep net hold each other; to take them apart as the process ends is seconds for nothing
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Commands(click.Group):
    """A click group whose NetcErrors end with their message and exit code, without a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Whatever is printed, click's own messages among it, is cleaned for the terminal."""
        with terminal.cleaned():
            return super().main(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """--debug and --allow-python may stand after the command too."""
        return super().parse_args(ctx, sorted(args, key=lambda a: a not in ("--debug", "--allow-python")))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NetcError as e:
            if ctx.params.get("debug"):
                raise
            show(e)
            ctx.exit(e.exit_code)
        except KeyboardInterrupt:
            click.echo("netc: interrupted", err=True)
            ctx.exit(130)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click ends them, the last without a word: whoever read the output has gone
        except Exception as e:
            if ctx.params.get("debug"):
                raise
            if isinstance(e, OSError) and e.errno == errno.ENAMETOOLONG:
                click.echo(f"netc: {str(e.filename)[:60]}...: too long for the name of a file, so there is none", err=True)
                ctx.exit(2)
            what = f"{e.filename}: {e.strerror}" if isinstance(e, OSError) and e.filename else f"{type(e).__name__}: {e}"
            terminal.say(f"netc: {what} (an error in netc, in a plug-in or on this machine; netc --debug shows where)", err=True)
            ctx.exit(1)


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(VERSION)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option("--allow-python", is_flag=True, help="Let nets run the Python layers that they name.")
def main(debug: bool, allow_python: bool) -> None:
    """Compile, train and publish neural nets that are written as text files.

    Example: netc train nets/lenet.yaml

    `netc help` lists pages that explain; `netc help Convolution` or `netc help solver.momentum` a type or a field.
    """
    if debug:
        sys.excepthook = terminal.show_traceback
    if allow_python:
        from netc.layers import python

        python.allow_python()
    gc.set_threshold(500_000, 20, 50)  # a compile makes many objects that stay: to look for garbage among them takes a quarter of its time
