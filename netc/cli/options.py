"""What commands share: options, and the job that they name."""

from collections.abc import Callable
from typing import Any

import click

from netc import terminal


def options(*names: str) -> Callable[[Any], Any]:
    """Decorator: options that several commands share."""
    known = {
        "set": click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a field, e.g. solver.max_iter=500."),
        "unknown": click.option("--allow-unknown", is_flag=True, help="Drop fields that only a fork of Caffe has, with a warning."),
        "plugin": click.option("--plugin", "plugins", multiple=True, metavar="FILE",
                               help="A Python file with your own layers, optimizers, sources."),
        "provider": click.option("--provider", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True,
                                 help="Where to run."),
        "target": click.option("--target", type=click.Choice(["portable", "native", "cuda"]), help="How ops run [default: the best here]."),
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


def job_of(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], allow_unknown: bool = False) -> Any:
    """The job of a net file, plug-ins loaded; what was dropped from its files is said on stderr."""
    from netc import registry
    from netc.judge import judged_job

    registry.load(*plugins)
    job = judged_job(net, overrides, allow_unknown)
    for warning in job.warnings:
        terminal.say(f"netc: {warning}", err=True)
    return job
