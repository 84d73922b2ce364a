"""Commands that run nets: train, test, time, predict, extract-features."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netc import terminal
from netc.cli.group import main
from netc.cli.options import compilation_of, options

if TYPE_CHECKING:
    from netc.spec.document import Dropped


@main.command()
@click.argument("net", required=False)
@options("set", "plugin", "unknown", "provider", "target", "threads", "zoo")
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Go on from the newest snapshot of RUN, a folder or number [default: the newest run of this net].",
)
@click.option("--allow-changed", is_flag=True, help="Resume even if files that the net reads have changed since the run began.")
@click.option("--snapshot", metavar="FILE", help="Go on from this .solverstate (Caffe's, also .h5) or snapshot.")
@click.option(
    "--weights",
    multiple=True,
    metavar="FILE[,FILE]",
    help="Start from these weights, by name: .safetensors, .caffemodel or a model in the zoo.",
)
@click.option("--runs", default="runs", show_default=True, metavar="DIR", help="Where runs are kept.")
@click.option("--caffe-log", is_flag=True, help="Write Caffe's log lines to stderr too, for tools that read them.")
@click.option("--watch", is_flag=True, help="Log gradients, updates and activations of every layer (solver.watch_interval).")
@click.option("--quiet", is_flag=True, help="Print the result alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines of log.jsonl, a JSON object each; all else goes to stderr.")
@click.option(
    "--publish/--no-publish", default=None, help="Publish the result [default: unless --set changed the net, or it states no licence]."
)
@click.option("--sign", envvar="NETC_SIGN", metavar="KEY", help="Sign what is published with this secret key (netc zoo keygen).")
def train(net: str | None, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str, target: str | None,
          threads: int | None, zoo: str, resume: str | None, allow_changed: bool, snapshot: str | None, weights: tuple[str, ...],
          runs: str, caffe_log: bool, watch: bool, quiet: bool, as_json: bool, publish: bool | None, sign: str | None) -> None:  # fmt: skip
    """Train NET, test it, and publish it into the zoo.

    NET is a net file with a solver in it (YAML or protobuf text), or a Caffe solver file.

    Examples: netc train nets/lenet.yaml --set solver.max_iter=500

    netc train nets/lenet.yaml --resume runs/lenet/3

    netc train solver.prototxt --weights bvlc_alexnet.caffemodel
    """
    from netc.commands.options import TrainOptions
    from netc.commands.train import train_command
    from netc.zoo.model_info import silence

    net, resume = _net_and_run(net, resume)
    made = compilation_of(net, overrides, plugins, dropped)
    if publish is None:
        silent = [] if overrides else silence(made)
        publish = not overrides and not silent
        for line in [] if quiet else silent:
            terminal.say(f"netc: will not be published: {line}", err=True)
    asked = TrainOptions(provider, target, threads, runs, zoo if publish else None, resume, snapshot, weights, watch, caffe_log,
                         quiet, as_json, sign, allow_changed)  # fmt: skip
    reason = train_command(made, asked)
    if reason in ("SIGINT", "SIGTERM"):
        sys.exit(130 if reason == "SIGINT" else 143)


def _net_and_run(net: str | None, resume: str | None) -> tuple[str, str | None]:
    """The net file and the run to resume. What stands behind --resume may be the net, and a run alone has its net in it."""
    if net is None and resume and not resume.isdecimal():
        inside = Path(resume) / "net.yaml"
        return (str(inside), resume) if inside.is_file() else (resume, "")
    if net is None:
        raise click.UsageError("Missing argument 'NET'.")
    return net, resume


@main.command("verify-resume")
@click.argument("net")
@options("set", "plugin", "unknown", "provider", "target", "threads")
@click.option("--iterations", default=40, show_default=True, type=click.IntRange(4), help="Of each stage of the runs.")
@click.option("--seed", default=0, show_default=True, help="Of the iterations after which a run is stopped and killed.")
@click.pass_context
def verify_resume(ctx: click.Context, net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str,
                  target: str | None, threads: int | None, iterations: int, seed: int) -> None:  # fmt: skip
    """Prove that a run of NET that is stopped, or killed, and resumed is the run itself, bit for bit.

    Trains a few iterations straight, and twice with an end in between, and compares every state and every logged number.

    Example: netc verify-resume nets/lenet.yaml --iterations 100
    """
    from netc.commands.verify_resume import Recipe
    from netc.commands.verify_resume import verify_resume as verify

    python = bool(ctx.find_root().params["allow_python"])
    equal = False
    for said in verify(Recipe(net, overrides, plugins, dropped, python, provider, target, threads), iterations, seed):
        if isinstance(said, bool):
            equal = said
        else:
            click.echo(said)
    click.echo(f"{net} resumes exactly" if equal else f"{net} does NOT resume exactly")
    sys.exit(0 if equal else 1)


@main.command()
@click.argument("net", required=False)
@click.option("--model", metavar="NET", help="The net, as Caffe spells it.")
@options("set", "plugin", "unknown", "provider", "threads")
@click.option(
    "--weights",
    required=True,
    multiple=True,
    metavar="FILE",
    help="Trained weights: .safetensors, .caffemodel, a snapshot, or a model in the zoo.",
)
@click.option("--iterations", type=click.IntRange(1), help="Batches to test on [default: one pass over the test set].")
def test(net: str | None, model: str | None, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str,
         threads: int | None, weights: tuple[str, ...], iterations: int | None) -> None:  # fmt: skip
    """Run the test phase of NET on trained weights.

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


@main.command("time")
@click.argument("net")
@options("set", "plugin", "unknown", "provider", "threads")
@click.option("--iterations", default=50, show_default=True, type=click.IntRange(1), help="Steps to measure.")
def time_(
    net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str, threads: int | None, iterations: int
) -> None:
    """Milliseconds of each layer of NET, forward, backward and update.

    NET may be without a solver (then there is no update), without a loss (nor backward), and without data (inputs are zeros then).

    Examples: netc time nets/lenet.yaml; netc time deploy.prototxt
    """
    from netc.commands.time import table, time_command

    found = time_command(compilation_of(net, overrides, plugins, dropped), provider, threads, iterations)
    for line in table(found):
        terminal.say(line)


@main.command()
@click.argument("model")
@click.argument("inputs", nargs=-1)
@click.option("--from", "source", metavar="ZOO", help="The zoo that MODEL is in, a folder or an address.")
@options("key")
@click.option("--top", default=3, show_default=True, type=click.IntRange(1), help="How many classes to show.")
@click.option("-o", "--output", metavar="FILE", help="Keep the outputs, and print nothing: .csv, .tsv, .npz, .npy, .json, .jsonl or .txt.")
@click.option("--prompt", help="A text that a model of texts goes on with.")
@click.option("--length", type=click.IntRange(1), help="How many tokens to write, or steps to forecast [default: 200 tokens, 1 step].")
@click.option("--temperature", default=1.0, show_default=True, type=click.FloatRange(0), help="Of the writing: below 1 likelier tokens.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the writing.")
def predict(model: str, inputs: tuple[str, ...], source: str | None, key: str | None, top: int, output: str | None,
            prompt: str | None, length: int | None, temperature: float, seed: int) -> None:  # fmt: skip
    """Run MODEL on INPUTS: image files or folders of them, .npy arrays, a .csv table or series, texts, or trees in brackets.

    MODEL is a model.onnx, its folder, or a name in the zoo. The columns of a table are found by their names. An input that
    cannot be read is named in the end, when the others are done.

    Examples: netc predict lenet digit.png; netc predict char_lstm --prompt "ROMEO:" --length 400

    netc predict rntn '((not (very good)) .)'
    """
    from netc.formats.by_suffix import form, put
    from netc.predict import generate
    from netc.predict.model import Model
    from netc.predict.results import check_form

    if (prompt is None) == (not inputs):
        raise click.UsageError("give INPUTS, or a --prompt for a model that writes")
    if output and prompt is None:
        check_form(output)
    elif output:
        form(output, (".txt",), "a text")
    made = Model(model, source, key)
    if prompt is not None:
        text = prompt + generate.write(made, prompt, length or 200, temperature, seed)
        put(output, f"{text}\n".encode()) if output else click.echo(text)
        return
    _predict_all(made, inputs, top, length, output)


def _predict_all(made: Any, inputs: tuple[str, ...], top: int, length: int | None, output: str | None) -> None:
    """Predictions of all inputs that can be read, printed or saved; then DataError names the others."""
    from netc.errors import DataError, Diagnostic
    from netc.predict import generate
    from netc.predict.results import Prediction, save

    found, errors = list[Prediction](), list[Diagnostic]()
    for outcome in generate.outcomes(made, inputs, top, length):
        if isinstance(outcome, DataError):
            errors += outcome.errors
        elif output:
            found.append(outcome)
        else:
            click.echo(outcome.text)
    for note in made.left_out.notes():
        click.echo(f"netc: note: {note}", err=True)
    if output and found:
        save(found, output)
    if errors:
        raise DataError(*errors)


@main.command("extract-features")
@click.argument("net")
@options("set", "plugin", "unknown", "provider", "threads")
@click.option("--weights", required=True, multiple=True, metavar="FILE", help="Trained weights, or a model in the zoo.")
@click.option("--blobs", required=True, metavar="NAME[,NAME]", help="Blobs of the test net.")
@click.option("--iterations", type=click.IntRange(1), help="Batches [default: one pass over the test set].")
@click.option(
    "-o", "--output", required=True, metavar="FILE", help="A .npz, .npy or .csv file, else an LMDB of Datums (no suffix, or .lmdb)."
)
def extract_features(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", provider: str,
                     threads: int | None, weights: tuple[str, ...], blobs: str, iterations: int | None, output: str) -> None:  # fmt: skip
    """Write what the test phase of NET puts into some blobs, a row for each row of its data.

    Example: netc extract-features lenet.yaml --weights lenet.caffemodel --blobs ip1 -o features.npz
    """
    from netc.commands.features import features_command

    made = compilation_of(net, overrides, plugins, dropped)
    click.echo(features_command(made, provider, threads, weights, blobs.split(","), iterations, output))
