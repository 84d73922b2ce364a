"""Commands that read, show and rewrite net files: init, check, config, diff, draw, compile, convert, upgrade."""

import sys
from typing import TYPE_CHECKING

import click

from netc import terminal
from netc.cli.group import main
from netc.cli.options import job_of, options

if TYPE_CHECKING:
    from netc.spec.document import Dropped


@main.command()
@click.argument("path", default="net.yaml")
@click.option(
    "--data", "source", default="mnist", show_default=True, help="A data set by name, a .csv, .npz or .txt file, a folder per class."
)
def init(path: str, source: str) -> None:
    """Write a starter net file, made for the data: its size, its classes or numbers, how many rows there are.

    Example: netc init flowers.yaml --data photos/flowers
    """
    from netc.commands.init import write_starter

    found = write_starter(path, source)
    terminal.say(f"{path} is written, for {found}. Check it: netc check {path}. Train it: netc train {path}")


@main.command()
@click.argument("net")
@options("set", "plugin", "unknown")
@click.option("--data", "everything", is_flag=True, help="Read every row of the data: decodes, labels in range, NaN, copies.")
@click.option("--json", "as_json", is_flag=True, help="Write it all as JSON.")
def check(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", everything: bool, as_json: bool) -> None:
    """Check NET, and show what each layer makes and costs, what a run needs, where it can run, and what to look at twice.

    Works without data; where they are at hand, a sample is looked at. Ends with 0 if only warnings are found.

    Example: netc check nets/lenet.yaml
    """
    import json

    from netc.cli.faults import show_warnings
    from netc.commands import check as checking
    from netc.compiler import program as contract
    from netc.runtime.backends import choose

    backend, _ = choose(on_cpu=True)
    job = job_of(net, overrides, plugins, dropped)
    found = checking.report(contract.program(job, backend, needs_solver=False), everything)
    if as_json:
        click.echo(json.dumps(checking.as_json(found), indent=1))
        return
    for line in checking.table(found):
        terminal.say(line)
    show_warnings(found.warnings)


@main.command()
@click.argument("net")
@options("set", "plugin", "unknown")
@click.option("--json", "as_json", is_flag=True, help="Write it as JSON.")
def config(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", as_json: bool) -> None:
    """Every value that NET and its solver run with, and where it comes from.

    That is a line of a file, --set, a rule that fills in names and blobs, Caffe's default, or netc's where it has its own.

    Example: netc config nets/lenet.yaml --set solver.base_lr=0.1
    """
    import json

    from netc.commands import config as configuration

    job = job_of(net, overrides, plugins, dropped)
    before = job_of(net, (), plugins, dropped) if overrides else None
    found = configuration.settings(job, before)
    if as_json:
        click.echo(json.dumps(configuration.as_json(found), indent=1))
        return
    for line in configuration.lines(found):
        terminal.say(line)


@main.command()
@click.argument("a")
@click.argument("b")
@options("plugin")
def diff(a: str, b: str, plugins: tuple[str, ...]) -> None:
    """What is other in net B than in net A: layers, fields, shapes, parameters, the solver.

    A and B are net files, folders of runs or of published models, or names of models in the zoo. Ends with 0 if they are
    alike, with 1 if they differ.

    Example: netc diff nets/mlp.yaml runs/mlp/3
    """
    from netc import registry
    from netc.commands import diff as comparing

    registry.load(*plugins)
    first, second = comparing.side(a), comparing.side(b)
    found = list(comparing.differences(first, second))
    for line in found or ["alike"]:
        terminal.say(line)
    for note in comparing.notes(first, second):
        terminal.say(f"netc: {note}", err=True)
    sys.exit(1 if found else 0)


@main.command()
@click.argument("net")
@options("set", "plugin", "unknown")
@click.option("--phase", type=click.Choice(["TRAIN", "TEST"]), help="Whose layers to draw [default: those of both, marked].")
@click.option("--graph", type=click.Choice(["layers", "training"]), default="layers", show_default=True, help="What to draw.")
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to: .svg, or .dot for Graphviz.")
def draw(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", phase: str | None, graph: str,
         output: str) -> None:  # fmt: skip
    """Draw NET as an SVG, or as text for Graphviz: its layers with their shapes, or the graph of a training step.

    Examples: netc draw nets/lenet.yaml -o lenet.svg

    netc draw nets/lenet.yaml --graph training -o step.svg
    """
    from netc.report.net_drawing import draw_command

    click.echo(draw_command(job_of(net, overrides, plugins, dropped), phase, output, graph))


@main.command("compile")
@click.argument("net")
@options("set", "plugin", "unknown", "target")
@click.option("-o", "--output", default="build", show_default=True, metavar="DIR", help="Where the models go.")
@click.option("--inline", is_flag=True, help="Models without functions, for runtimes that know none: OpenVINO, tract, onnx.reference.")
def compile_(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", target: str | None, output: str,
             inline: bool) -> None:  # fmt: skip
    """Write the training step of NET as ONNX models, with its start and all that a loop needs to know.

    Example: netc compile nets/lenet.yaml -o build/
    """
    from netc.compiler import program as contract
    from netc.compiler import step_files
    from netc.runtime.backends import made_for

    program = contract.program(job_of(net, overrides, plugins, dropped), made_for(target))
    for path in step_files.write(program, output, inline):
        click.echo(path)


@main.command()
@click.argument("source")
@click.argument("weights", nargs=-1)
@options("set", "plugin", "unknown")
@click.option("-o", "--output", metavar="FILE", help="Where to; the suffix says which form [default: the other spelling, on the terminal].")
@click.option("--full", is_flag=True, help="Spell out every name and blob in YAML.")
def convert(source: str, weights: tuple[str, ...], overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped",
            output: str | None, full: bool) -> None:  # fmt: skip
    """Write a net with its WEIGHTS as ONNX, or a net in another spelling: YAML or protobuf text.

    SOURCE is a net file, a Caffe solver file (its net comes along, with the solver inside), or a .caffemodel (its learned
    blobs are left out). WEIGHTS are .caffemodel, .caffemodel.h5 or .safetensors files.

    Examples: netc convert deploy.prototxt bvlc_alexnet.caffemodel -o alexnet.onnx

    netc convert nets/lenet.prototxt -o lenet.yaml
    """
    from netc.commands.export import export_onnx
    from netc.spec.convert import convert_job

    job = job_of(source, overrides, plugins, dropped)
    text = export_onnx(job, weights, output) if output and output.endswith(".onnx") else convert_job(job, output, full)
    terminal.document(text)


@main.command()
@click.argument("source")
@click.argument("output")
@options("unknown")
def upgrade(source: str, output: str, dropped: "Dropped") -> None:
    """Write SOURCE, a net, weights or a solver in an old format of Caffe (V0, V1), in the current one to OUTPUT.

    Their suffixes say what is text and what is binary; values of learned blobs are kept.

    Example: netc upgrade old.caffemodel new.caffemodel
    """
    from netc.spec.convert import upgrade_file

    click.echo(upgrade_file(source, output, dropped), nl=False)
