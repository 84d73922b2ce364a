"""Commands that run nets: train, verify-resume, test, time, extract-features."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netc import terminal
from netc.cli.group import main
from netc.cli.options import allows_python, compilation_of, net_file, options

if TYPE_CHECKING:
    from netc.spec.document import Dropped


@main.command()
@click.argument("net", required=False)
@options("set", "state", "plugin", "unknown", "provider", "target", "threads", "zoo")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Resume RUN, a folder or number, from its newest snapshot [default: the newest run of this net].",
)
@click.option("--allow-changed", is_flag=True, help="Resume even if files that the net reads have changed since the run started.")
@click.option("--snapshot", metavar="FILE", help="Resume from this snapshot or Caffe .solverstate (also .h5).")
@click.option(
    "--weights",
    multiple=True,
    metavar="FILE[,FILE]",
    help="Start from these weights, matched by layer name: .safetensors, .caffemodel or a model in the zoo.",
)
@click.option("--runs", default="runs", show_default=True, metavar="DIR", help="Write runs into this folder.")
@click.option("--iterations", type=click.IntRange(1), metavar="N", help="Train this many iterations; the same as --set solver.max_iter=N.")
@click.option("--caffe-log", is_flag=True, help="Also write log lines in Caffe's format to stderr.")
@click.option("--watch", is_flag=True, help="Log gradients, updates and activations of every layer (see solver.watch_interval).")
@click.option("--quiet", is_flag=True, help="Print only the result.")
@click.option("--json", "as_json", is_flag=True, help="Print the log as JSON, one object per line. Everything else goes to stderr.")
@click.option(
    "--publish/--no-publish",
    default=None,
    help="Publish the result or not [default: publish, unless you use --set or the net has no licence].",
)
@click.option("--sign", envvar="NETC_SIGN", metavar="KEY", help="Sign the published model with this secret key (see netc zoo keygen).")
def train(net: str | None, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str, target: str | None,
          threads: int | None, zoo: str, resume: str | None, allow_changed: bool, snapshot: str | None, weights: tuple[str, ...],
          runs: str, iterations: int | None, caffe_log: bool, watch: bool, quiet: bool, as_json: bool, publish: bool | None,
          sign: str | None) -> None:  # fmt: skip
    """Train a net and publish the result.

    NET is a net file that contains a solver (YAML or protobuf text), a Caffe solver file, or the name of a net that comes with
    netc. If there is no such file, netc copies that net to nets/ first.

    Examples: netc train lenet

    netc train nets/lenet.yaml --set solver.max_iter=500

    netc train nets/lenet.yaml --resume runs/lenet/3

    netc train solver.prototxt --weights bvlc_alexnet.caffemodel
    """
    from netc.commands.options import TrainOptions
    from netc.commands.train import train_command
    from netc.zoo.model_info import missing_licences

    net, resume = _net_and_run(net, resume)
    overrides += (f"solver.max_iter={iterations}",) if iterations else ()
    made = compilation_of(net, overrides, plugins, dropped)
    if publish is None:
        missing = [] if overrides else missing_licences(made)
        publish = not overrides and not missing
        for line in [] if quiet else missing:
            terminal.say(f"netc: will not be published: {line}", err=True)
    asked = TrainOptions(
        provider=provider, target=target, threads=threads, runs=runs, zoo=zoo if publish else None, resume=resume, snapshot_file=snapshot,
        weights=weights, watch=watch, caffe_log=caffe_log, quiet=quiet, as_json=as_json, key=sign, allow_changed=allow_changed,
    )  # fmt: skip
    reason = train_command(made, asked)
    if reason in ("SIGINT", "SIGTERM"):
        sys.exit(130 if reason == "SIGINT" else 143)


@main.command("cv")
@click.argument("net")
@options("set", "plugin", "unknown", "provider", "target", "threads")
@click.option("--folds", default=5, show_default=True, type=click.IntRange(2), help="Divide the rows into this many parts.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Train this many folds at a time.")
@click.option("--runs", default="runs", show_default=True, metavar="DIR", help="Write runs into this folder.")
def cv_(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str, target: str | None,
        threads: int | None, folds: int, jobs: int, runs: str) -> None:  # fmt: skip
    """Cross-validate a net on a table.

    The rows are divided into folds. Each fold is tested by a net that is trained on the other folds, so every row is tested once. The
    command prints the mean and the standard deviation of each score. It writes the predictions for all rows to out_of_fold.csv, and a
    report.

    The same command continues a cross-validation that was stopped.

    Example: netc cv titanic.yaml --folds 10 --jobs 2
    """
    from netc.commands.cv import CvOptions, cv

    asked = CvOptions(
        net=net_file(net), folds=folds, jobs=jobs, overrides=overrides, plugins=plugins, dropped=dropped, allow_python=allows_python(),
        provider=provider, target=target, threads=threads, runs=runs,
    )  # fmt: skip
    cv(asked, terminal.say)


def _net_and_run(net: str | None, resume: str | None) -> tuple[str, str | None]:
    """The net file and the run to resume. The value of --resume may be the net file. A run's folder contains its net file."""
    if net is None and resume and not resume.isdecimal():
        inside = Path(resume) / "net.yaml"
        return (str(inside), resume) if inside.is_file() else (resume, "")
    if net is None:
        raise click.UsageError("Missing argument 'NET'.")
    return net, resume


@main.command("verify-resume")
@click.argument("net")
@options("set", "plugin", "unknown", "provider", "target", "threads")
@click.option("--iterations", default=40, show_default=True, type=click.IntRange(4), help="Train this many iterations per stage.")
@click.option("--seed", default=0, show_default=True, help="Set the seed that picks the iterations at which runs end.")
@click.pass_context
def verify_resume(ctx: click.Context, net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str,
                  target: str | None, threads: int | None, iterations: int, seed: int) -> None:  # fmt: skip
    """Verify that training resumes exactly, bit for bit.

    netc trains a few iterations of NET without a break. Then it trains them again twice: once stopped and once killed on the way, then
    resumed. It compares all states and all logged numbers.

    Example: netc verify-resume nets/lenet.yaml --iterations 100
    """
    from netc.commands.verify_resume import Recipe
    from netc.commands.verify_resume import verify_resume as verify

    equal = False
    for said in verify(Recipe(net_file(net), overrides, plugins, dropped, allows_python(), provider, target, threads), iterations, seed):
        if isinstance(said, bool):
            equal = said
        else:
            click.echo(said)
    click.echo(f"{net} resumes exactly" if equal else f"{net} does NOT resume exactly")
    sys.exit(0 if equal else 1)


@main.command()
@click.argument("net", required=False)
@click.option("--model", metavar="NET", help="Test this net; the same as the argument NET, in Caffe's form.")
@options("set", "state", "plugin", "unknown", "provider", "threads")
@click.option(
    "--weights",
    required=True,
    multiple=True,
    metavar="FILE",
    help="Load these weights: .safetensors, .caffemodel, a snapshot, or a model in the zoo.",
)
@click.option("--iterations", type=click.IntRange(1), help="Test on this many batches [default: the whole test set].")
def test(net: str | None, model: str | None, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str,
         threads: int | None, weights: tuple[str, ...], iterations: int | None) -> None:  # fmt: skip
    """Test a net with trained weights.

    Prints the loss and the metrics of NET on its test set.

    Examples: netc test nets/lenet.yaml --weights model_zoo/lenet/1.0.0/start.safetensors

    netc test --model train_val.prototxt --weights net.caffemodel --iterations 100
    """
    from netc.commands.test import test_command

    if not net and not model or net and model:
        raise click.UsageError("give the net once: netc test NET, or netc test --model NET")
    made = compilation_of(net or model or "", overrides, plugins, dropped)
    scores = test_command(made, provider, threads, weights, iterations, lambda text: terminal.say(f"netc: {text}", err=True))
    for name, value in scores.items():
        numbers = [value] if isinstance(value, float) else value
        terminal.say(f"{name}: {' '.join('-' if v is None else f'{v:.6g}' for v in numbers)}")


@main.command("find-lr")
@click.argument("net")
@options("set", "state", "plugin", "unknown", "provider", "target", "threads")
@click.option("--from", "low", default=1e-7, show_default=True, type=float, metavar="RATE", help="Start with this rate.")
@click.option("--to", "high", default=10.0, show_default=True, type=float, metavar="RATE", help="End with this rate.")
@click.option("--iterations", default=100, show_default=True, type=int, help="Train this many iterations.")
@click.option("--weights", multiple=True, metavar="FILE[,FILE]", help="Start from these weights, as `netc train` does.")
@click.option("--save", metavar="FILE", help="Write the curve to this .svg file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result with all rates and losses as JSON.")
def find_lr(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str, target: str | None,
            threads: int | None, low: float, high: float, iterations: int, weights: tuple[str, ...], save: str | None,
            as_json: bool) -> None:  # fmt: skip
    """Find a learning rate for a net.

    Trains NET for some iterations while the rate rises exponentially, until the loss diverges (Smith 2017). Recommends the rate at
    which the loss falls fastest, or a tenth of the rate with the lowest loss if that is smaller. The schedule and the `base_lr` of the
    net have no effect. No run and no weights are written.

    Examples: netc find-lr nets/lenet.yaml

    netc find-lr nets/lenet.yaml --set solver.type=Adam --save rates.svg
    """
    import json

    from netc.commands.find_lr import FindOptions, table, write
    from netc.commands.find_lr import as_json as json_of
    from netc.commands.find_lr import find_lr as find

    asked = FindOptions(low, high, iterations, weights, provider, target, threads, save)
    found = find(compilation_of(net, overrides, plugins, dropped), asked)
    if as_json:
        click.echo(json.dumps(json_of(found), indent=2))
    else:
        for line in table(found):
            terminal.say(line)
    if save:  # last: the results are told even if the picture cannot be written
        write(found, save)
    if save and not as_json:
        terminal.say(f"picture {save}")


@main.command("time")
@click.argument("net")
@options("set", "state", "plugin", "unknown", "provider", "threads")
@click.option("--iterations", default=50, show_default=True, type=click.IntRange(1), help="Measure this many steps.")
def time_(
    net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str, threads: int | None, iterations: int
) -> None:
    """Measure the time of each layer of a net.

    Prints milliseconds for the forward pass, the backward pass and the update of NET. Without a solver there is no update to
    measure, and without a loss no backward pass. Without data, the inputs are zeros.

    Examples: netc time nets/lenet.yaml; netc time deploy.prototxt
    """
    from netc.commands.time import table, time_command

    found = time_command(compilation_of(net, overrides, plugins, dropped), provider, threads, iterations)
    for line in table(found):
        terminal.say(line)


@main.command("extract-features")
@click.argument("net")
@options("set", "state", "plugin", "unknown", "provider", "threads")
@click.option("--weights", required=True, multiple=True, metavar="FILE", help="Load these weights, a file or a model in the zoo.")
@click.option("--blobs", required=True, metavar="NAME[,NAME]", help="Write these blobs of the test net.")
@click.option("--iterations", type=click.IntRange(1), help="Read this many batches [default: the whole test set].")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Write to this .npz, .npy or .csv file, or to an LMDB of Datums (.lmdb or no suffix).",
)
def extract_features(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str,
                     threads: int | None, weights: tuple[str, ...], blobs: str, iterations: int | None, output: str) -> None:  # fmt: skip
    """Extract the values of blobs of a net.

    Runs NET in the test phase and writes one row per sample.

    Example: netc extract-features lenet.yaml --weights lenet.caffemodel --blobs ip1 -o features.npz
    """
    from netc.commands.features import features_command

    made = compilation_of(net, overrides, plugins, dropped)
    click.echo(features_command(made, provider, threads, weights, blobs.split(","), iterations, output))
