"""The command line: a function a command. Each imports what it needs when it runs, so that help is quick."""

import gc
import sys
from typing import Any

import click

from netc.commands import caffe
from netc.commands.options import job_of, options
from netc.commands.zoo import zoo
from netc.errors import NetcError
from netc.version import VERSION

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Commands(click.Group):
    """A click group whose NetcErrors end with their message and exit code, without a traceback."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """--debug and --allow-python may stand after the command too."""
        return super().parse_args(ctx, sorted(args, key=lambda a: a not in ("--debug", "--allow-python")))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NetcError as e:
            if ctx.params.get("debug"):
                raise
            click.echo(f"netc: {e}" if "\n" not in str(e) else f"netc:\n{e}", err=True)
            ctx.exit(e.exit_code)
        except KeyboardInterrupt:
            ctx.exit(130)


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(VERSION)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option("--allow-python", is_flag=True, help="Let nets run the Python layers that they name.")
def main(debug: bool, allow_python: bool) -> None:
    """Compile, train and publish neural nets that are written as text files."""
    if allow_python:
        from netc.layers import python

        python.allow_python()
    gc.set_threshold(100_000)  # a compile makes many objects that stay: to look for garbage among them takes a quarter of its time


@main.command()
@click.argument("net")
@options("set", "plugin", "unknown", "provider", "target", "threads", "zoo")
@click.option("--resume", is_flag=True, help="Go on from the newest snapshot of the newest run of this net.")
@click.option("--snapshot", metavar="FILE", help="Go on from this .solverstate (Caffe's, also .h5) or snapshot.")
@click.option("--weights", multiple=True, metavar="FILE[,FILE]", help="Start from these weights (.safetensors, .caffemodel), by name.")
@click.option("--runs", default="runs", show_default=True, metavar="DIR", help="Where runs are kept.")
@click.option("--caffe-log", is_flag=True, help="Write Caffe's log lines to stderr too, for tools that read them.")
@click.option("--watch", is_flag=True, help="Log gradients, updates and activations of every layer (solver.watch_interval).")
@click.option("--publish/--no-publish", default=None, help="Publish the result [default: unless --set changed the net].")
def train(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], allow_unknown: bool, provider: str, target: str | None,
          threads: int | None, zoo: str, resume: bool, snapshot: str | None, weights: tuple[str, ...], runs: str, caffe_log: bool,
          watch: bool, publish: bool | None) -> None:  # fmt: skip
    """Train NET, test it, and publish it into the zoo.

    NET is a net file with a solver in it (YAML or protobuf text), or a Caffe solver file.

    Examples: netc train nets/lenet.yaml --set solver.max_iter=500

    netc train solver.prototxt --weights bvlc_alexnet.caffemodel
    """
    from netc.commands.train import train_command

    job = job_of(net, overrides, plugins, allow_unknown)
    publish = not overrides if publish is None else publish
    reason = train_command(job, provider, target, threads, runs, resume, weights, zoo if publish else None, watch=watch,
                           snapshot_file=snapshot, caffe_log=caffe_log)  # fmt: skip
    if reason in ("SIGINT", "SIGTERM"):
        sys.exit(130 if reason == "SIGINT" else 143)


@main.command()
@click.argument("net", required=False)
@click.option("--model", metavar="NET", help="The net, as Caffe spells it.")
@options("set", "plugin", "unknown", "provider", "threads")
@click.option("--weights", required=True, multiple=True, metavar="FILE", help="Trained weights: .safetensors, .caffemodel or a snapshot.")
@click.option("--iterations", type=click.IntRange(1), help="Batches to test on [default: one pass over the test set].")
def test(net: str | None, model: str | None, overrides: tuple[str, ...], plugins: tuple[str, ...], allow_unknown: bool, provider: str,
         threads: int | None, weights: tuple[str, ...], iterations: int | None) -> None:  # fmt: skip
    """Run the test phase of NET on trained weights.

    Examples: netc test nets/lenet.yaml --weights model_zoo/lenet/1.0.0/start.safetensors

    netc test --model train_val.prototxt --weights net.caffemodel --iterations 100
    """
    from netc.commands.train import test_command

    if not net and not model or net and model:
        raise click.UsageError("give the net once: netc test NET, or netc test --model NET")
    job = job_of(net or model or "", overrides, plugins, allow_unknown)
    for name, value in test_command(job, provider, threads, weights, iterations).items():
        click.echo(f"{name}: {value:.6g}")


@main.command()
@click.argument("model")
@click.argument("inputs", nargs=-1)
@click.option("--from", "source", metavar="ZOO", help="The zoo that MODEL is in, a folder or an address.")
@click.option("--top", default=3, show_default=True, type=click.IntRange(1), help="How many classes to show.")
@click.option("-o", "--output", metavar="FILE", help="Keep all outputs in an .npz file, a row an input, and print nothing.")
@click.option("--prompt", help="A text that a model of texts goes on with.")
@click.option("--length", type=click.IntRange(1), help="How many tokens to write, or steps to forecast [default: 200 tokens, 1 step].")
@click.option("--temperature", default=1.0, show_default=True, type=click.FloatRange(0), help="Of the writing: below 1 likelier tokens.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the writing.")
def predict(model: str, inputs: tuple[str, ...], source: str | None, top: int, output: str | None, prompt: str | None, length: int | None,
            temperature: float, seed: int) -> None:  # fmt: skip
    """Run MODEL on INPUTS: image files, .npy arrays, a .csv series, texts, or trees in brackets.

    MODEL is a model.onnx, its folder, or a name in the zoo.

    Examples: netc predict lenet digit.png; netc predict char_lstm --prompt "ROMEO:" --length 400

    netc predict rntn '((not (very good)) .)'
    """
    from netc.commands import generate
    from netc.commands.predict import Model, save

    if (prompt is None) == (not inputs):
        raise click.UsageError("give INPUTS, or a --prompt for a model that writes")
    made = Model(model, source)
    if prompt is not None:
        click.echo(prompt + generate.write(made, prompt, length or 200, temperature, seed))
        return
    if made.metadata.get("forecasts"):
        for path in inputs:
            for k, number in enumerate(generate.forecast(made, path, length or 1), 1):
                click.echo(f"{path}: {made.metadata['forecasts']} +{k} {number:.6g}")
        return
    predictions = made.predict(inputs, top)
    if output:
        save(predictions, output)
        return
    for found in predictions:
        click.echo(found.text)


@main.command()
@click.argument("net")
@options("set", "plugin", "unknown")
def check(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], allow_unknown: bool) -> None:
    """Check NET without data, and show each layer's output, parameters, multiply-adds and memory.

    Example: netc check nets/lenet.yaml
    """
    from netc import contract
    from netc.commands import check as checking

    program = contract.program(job_of(net, overrides, plugins, allow_unknown), needs_solver=False)
    for line in checking.table(program):
        click.echo(line)


@main.command("compile")
@click.argument("net")
@options("set", "plugin", "unknown", "target")
@click.option("-o", "--output", default="build", show_default=True, metavar="DIR", help="Where the models go.")
def compile_(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], allow_unknown: bool, target: str | None, output: str) -> None:
    """Write the training step of NET as ONNX models, with its start.

    Example: netc compile nets/lenet.yaml -o build/
    """
    from netc import contract

    program = contract.program(job_of(net, overrides, plugins, allow_unknown), "cuda" if target == "cuda" else "cpu", target=target)
    for path in contract.write(program, output):
        click.echo(path)


@main.command("time")
@click.argument("net")
@options("set", "plugin", "unknown", "provider", "threads")
@click.option("--iterations", default=50, show_default=True, type=click.IntRange(1), help="Steps to measure.")
def time_(
    net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], allow_unknown: bool, provider: str, threads: int | None, iterations: int
) -> None:
    """Milliseconds of each layer of NET, forward, backward and update.

    Example: netc time nets/lenet.yaml
    """
    from netc.commands.time import table
    from netc.commands.train import time_command

    found = time_command(job_of(net, overrides, plugins, allow_unknown), provider, threads, iterations)
    for line in table(found):
        click.echo(line)


@main.command()
@click.argument("type", required=False)
@options("plugin")
@click.option("--differences", is_flag=True, help="Where layers do other than BVLC Caffe's, and why.")
def layers(type: str | None, plugins: tuple[str, ...], differences: bool) -> None:
    """List the layer types, or describe one with its fields.

    Example: netc layers Convolution
    """
    from netc import registry
    from netc.commands.describe import describe_layer, summary

    registry.load(*plugins)
    if differences:
        from netc.commands.differences import table

        click.echo("\n".join(table(type)))
        return
    if type:
        click.echo(describe_layer(type))
        return
    for name in sorted(registry.layer):
        click.echo(f"{name:24} {summary(registry.layer[name])}")


@main.command()
def devices() -> None:
    """What this machine offers: onnxruntime, its providers, cores, native kernels."""
    import onnxruntime

    from netc import native
    from netc.session import cores, cuda_missing

    click.echo(f"onnxruntime {onnxruntime.__version__}")
    click.echo(f"cpu: {cores()} cores")
    click.echo(f"native kernels: {native.missing() or 'ready'}")
    click.echo(f"cuda: {cuda_missing() or 'ready'}")


@main.command()
@click.argument("path", default="net.yaml")
@click.option(
    "--data", "source", default="mnist", show_default=True, help="A data set by name, a .csv, .npz or .txt file, a folder per class."
)
def init(path: str, source: str) -> None:
    """Write a starter net file.

    Example: netc init flowers.yaml --data photos/flowers
    """
    from netc.commands.init import write_starter

    write_starter(path, source)
    click.echo(f"{path} is written. Check it: netc check {path}. Train it: netc train {path}")


@main.command()
@click.argument("source")
@click.argument("weights", nargs=-1)
@options("set", "plugin", "unknown")
@click.option("-o", "--output", metavar="FILE", help="Where to; the suffix says which form [default: the other spelling, on the terminal].")
@click.option("--full", is_flag=True, help="Spell out every name and blob in YAML.")
def convert(source: str, weights: tuple[str, ...], overrides: tuple[str, ...], plugins: tuple[str, ...], allow_unknown: bool,
            output: str | None, full: bool) -> None:  # fmt: skip
    """Write a net with its WEIGHTS as ONNX, or a net in another spelling: YAML or protobuf text.

    SOURCE is a net file, a Caffe solver file (its net comes along, with the solver inside), or a .caffemodel (its learned
    blobs are left out). WEIGHTS are .caffemodel, .caffemodel.h5 or .safetensors files.

    Examples: netc convert deploy.prototxt bvlc_alexnet.caffemodel -o alexnet.onnx

    netc convert nets/lenet.prototxt -o lenet.yaml
    """
    from netc.commands.export import export_onnx
    from netc.spec.convert import convert_job

    job = job_of(source, overrides, plugins, allow_unknown)
    text = export_onnx(job, weights, output) if output and output.endswith(".onnx") else convert_job(job, output, full)
    click.echo(text, nl=False)


@main.command()
def schema() -> None:
    """The JSON Schema of net files in YAML, for editors that complete and check.

    Example: netc schema > netc.schema.json
    """
    import json

    from netc.spec import json_schema

    click.echo(json.dumps(json_schema(), indent=1))


for command in (zoo, *caffe.COMMANDS):
    main.add_command(command)
