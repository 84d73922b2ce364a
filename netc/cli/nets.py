"""Commands that read, show and rewrite net files: init, check, draw, compile, convert, upgrade."""

import click

from netc.cli.group import main
from netc.cli.options import job_of, options


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
    click.echo(f"{path} is written, for {found}. Check it: netc check {path}. Train it: netc train {path}")


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


@main.command()
@click.argument("net")
@options("set", "plugin", "unknown")
@click.option("--phase", type=click.Choice(["TRAIN", "TEST"]), help="Whose layers to draw [default: those of both, marked].")
@click.option("--graph", type=click.Choice(["layers", "training"]), default="layers", show_default=True, help="What to draw.")
@click.option("-o", "--output", required=True, metavar="FILE.svg", help="Where to.")
def draw(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], allow_unknown: bool, phase: str | None, graph: str,
         output: str) -> None:  # fmt: skip
    """Draw NET as an SVG: its layers with their shapes, or the graph of a training step.

    Examples: netc draw nets/lenet.yaml -o lenet.svg

    netc draw nets/lenet.yaml --graph training -o step.svg
    """
    from netc.commands.draw import draw_command

    click.echo(draw_command(job_of(net, overrides, plugins, allow_unknown), phase, output, graph))


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
@click.argument("source")
@click.argument("output")
def upgrade(source: str, output: str) -> None:
    """Write SOURCE, a net, weights or a solver in an old format of Caffe (V0, V1), in the current one to OUTPUT.

    Their suffixes say what is text and what is binary; values of learned blobs are kept.

    Example: netc upgrade old.caffemodel new.caffemodel
    """
    from netc.spec.convert import upgrade_file

    click.echo(upgrade_file(source, output), nl=False)
