"""The program `netc`: the click group of all commands, and its error handling."""

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

atexit.register(gc.freeze)  # collecting the graphs of a deep net at exit would take seconds
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Commands(click.Group):
    """A click group that shows a NetcError as its message, with its exit code and without a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command. All output, including click's own messages, is cleaned for the terminal."""
        with terminal.cleaned():
            return super().main(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Accept --debug and --allow-python after the command too."""
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
            raise  # click handles these; BrokenPipeError is silent because the reader of the output has closed it
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
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
@click.option("--allow-python", is_flag=True, help="Allow nets to run the code of Python layers.")
def main(debug: bool, allow_python: bool) -> None:
    """Train neural nets that you describe in a YAML file, and publish them as ONNX files.

    Example: netc train nets/lenet.yaml

    For documentation, run `netc help`. To look up a layer type or a field, run `netc help Convolution` or `netc help solver.momentum`.
    """
    if debug:
        sys.excepthook = terminal.show_traceback
    gc.set_threshold(500_000, 20, 50)  # compiling creates many long-lived objects; scanning them would take a quarter of the time
