"""What commands share: options, and the job that they name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from netc import terminal

if TYPE_CHECKING:
    from netc.spec.document import Dropped

IGNORED = "netc.ignored"


def _ignored(ctx: click.Context, _: click.Parameter, fields: tuple[str, ...]) -> None:
    """Keeps the fields for --allow-unknown, which makes one value of both."""
    ctx.meta[IGNORED] = fields


def _dropped(ctx: click.Context, _: click.Parameter, outside: bool) -> "Dropped":
    from netc.spec.document import Dropped

    return Dropped(outside, ctx.meta.get(IGNORED, ()))


def _unknown(command: Any) -> Any:
    """Decorator: --allow-unknown and --ignore, which the command gets as one value, `dropped`."""
    fields = click.option("--ignore", multiple=True, is_eager=True, expose_value=False, callback=_ignored, metavar="FIELD",
                          help="Drop this field of layers, which only a fork of Caffe has, though they may then compute something "
                               "else, e.g. pooling_param.foo.")  # fmt: skip
    outside = click.option("--allow-unknown", "dropped", is_flag=True, callback=_dropped,
                           help="Drop fields outside of layers that only a fork of Caffe has, with a warning.")  # fmt: skip
    return outside(fields(command))


def options(*names: str) -> Callable[[Any], Any]:
    """Decorator: options that several commands share."""
    known: dict[str, Callable[[Any], Any]] = {
        "set": click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a field, e.g. solver.max_iter=500."),
        "unknown": _unknown,
        "plugin": click.option("--plugin", "plugins", multiple=True, metavar="FILE",
                               help="A Python file with your own layers, optimizers, sources."),
        "provider": click.option("--provider", default="auto", show_default=True, metavar="NAME[:DEVICE]",
                                 help="Where to run: auto, or a provider that `netc devices` lists; cuda:1 is the second GPU."),
        "target": click.option("--target", metavar="NAME",
                               help="How ops run: portable, native or cuda [default: the best here]."),
        "threads": click.option("--threads", type=click.IntRange(1, 256), help="Threads of one op [default: from the work of a step]."),
        "key": click.option("--key", metavar="PUB",
                            help="A public key, or a file of them: the model must be signed by one [default: $NETC_ZOO_KEY]."),
        "zoo": click.option("--zoo", envvar="NETC_ZOO", default="model_zoo", metavar="DIR",
                            help="The zoo [default: $NETC_ZOO, else ./model_zoo]."),
    }  # fmt: skip

    def add(command: Any) -> Any:
        for name in reversed(names):
            command = known[name](command)
        return command

    return add


def job_of(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped | None" = None) -> Any:
    """The job of a net file, plug-ins loaded; what was dropped from its files is said on stderr."""
    from netc import registry
    from netc.compiler.diagnose import judged_job
    from netc.spec.document import NOTHING

    registry.load(*plugins)
    job = judged_job(net, overrides, dropped or NOTHING)
    for warning in job.warnings:
        terminal.say(f"netc: {warning}", err=True)
    return job
