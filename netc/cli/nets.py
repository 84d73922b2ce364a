"""Commands on net files: init, check, config, diff, draw, compile, convert, upgrade."""

import sys
from typing import TYPE_CHECKING, Any

import click

from netc import terminal
from netc.cli.group import main
from netc.cli.options import allows_python, compilation_of, note, options, stages

if TYPE_CHECKING:
    from netc.commands.export import Options
    from netc.spec.document import Dropped


@main.command()
@click.argument("file", default="")
@click.option(
    "--data",
    "source",
    default="",
    help="Read this data: the name of a data set, a .csv, .npz or .txt file, or a folder of images or texts with one subfolder per class "
    "[default: mnist].",
)
@click.option("--label", "labels", multiple=True, metavar="NAME", help="Predict this column or array. Can be repeated for tables.")
@click.option("--query", default="", metavar="SQL", help="Read the rows of this query, for example from a database.")
@click.option("--model", default="", metavar="FILE", help="Fine-tune this ONNX file: a path, or the name of a model in the zoo.")
@click.option("-o", "--output", default="", metavar="FILE", help="Write the net to this file [default: the name of the data with .yaml].")
def init(file: str, source: str, labels: tuple[str, ...], query: str, model: str, output: str) -> None:
    """Write a starter net file for your data.

    FILE is the data, or the net file if it ends in .yaml or if you name the data with --data. netc reads the data to choose the size of
    the net, its outputs and its batch size. It never overwrites a file. With --model, the net goes on from an ONNX file: it is cut before
    its classifier, and gets a new one for your classes.

    Examples: netc init photos/flowers

    netc init photos.csv --label species

    netc init flowers.yaml --data photos/flowers

    netc init customers.csv --label left

    netc init flowers.yaml --model mobilenet.onnx --data photos/flowers
    """
    from shlex import quote

    from netc.commands.init import write_starter

    written = write_starter(file, source, output, labels, query, model)
    for text in written.notes:
        note(text)
    path = quote(written.path)
    terminal.say(f"{written.path} is written, for {written.summary}. Check it: netc check {path}. Train it: netc train {path}")


@main.command()
@click.argument("net")
@options("set", "state", "plugin", "unknown")
@click.option(
    "--data",
    "everything",
    is_flag=True,
    help="Read all data and check it: images that cannot be decoded, labels out of range, NaN, duplicates.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def check(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", everything: bool, as_json: bool) -> None:
    """Check a net without training it.

    Shows the shape and cost of each layer of NET, the memory of a run, which runtimes can run it, and likely mistakes. The check
    works without data. If the data is present, netc reads a sample of it. The exit code is 0 if there are only warnings.

    Example: netc check nets/lenet.yaml
    """

    from netc.commands import check as checking
    from netc.commands import check_part
    from netc.compiler import program as contract
    from netc.errors import SpecError
    from netc.runtime.backends import choose

    backend, _ = choose(on_cpu=True)
    made = compilation_of(net, overrides, plugins, dropped, with_data=True)
    try:
        program = contract.checked(made, backend, needs_solver=False)
    except SpecError as e:
        if everything:
            raise
        _show(check_part, check_part.part(made, e), as_json)
        return
    _show(checking, checking.report(program, everything), as_json)


def _show(command: Any, found: Any, as_json: bool) -> None:
    """Print what `netc check` found, by the functions `table` and `as_json` of the module that found it."""
    import json

    from netc.cli.errors import show_warnings

    if as_json:
        click.echo(json.dumps(command.as_json(found), indent=1))
        return
    for line in command.table(found):
        terminal.say(line)
    show_warnings(found.warnings)


@main.command()
@click.argument("net")
@options("set", "state", "plugin", "unknown")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the net as YAML in which all blocks and repeats are expanded.")
def config(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", as_json: bool, as_yaml: bool) -> None:
    """Show every setting of a net and where it comes from.

    A value comes from a line of a file, from --set, from a rule that infers names and blobs, or from a default of Caffe or netc.

    Examples: netc config nets/lenet.yaml --set solver.base_lr=0.1

    netc config nets/resnet20_cifar10.yaml --yaml
    """
    import json

    from netc.commands import config as configuration

    if as_yaml and as_json:
        raise click.UsageError("--json and --yaml exclude each other.")
    job = compilation_of(net, overrides, plugins, dropped).job
    if as_yaml:
        click.echo(configuration.as_yaml(job), nl=False)
        return
    before = compilation_of(net, (), plugins, dropped).job if overrides else None
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
    """Show the differences between two nets.

    Compares layers, fields, shapes, parameters and the solver. A and B are net files, folders of runs or of published models,
    names of models in the zoo, or names of nets that come with netc. The exit code is 0 if the nets are equal and 1 if they differ.

    Example: netc diff nets/mlp.yaml runs/mlp/3
    """
    from netc import registry
    from netc.commands import diff as comparing

    registry.load(*plugins)
    first, second = (comparing.side(name, note, allows_python()) for name in (a, b))
    found = list(comparing.differences(first, second))
    for line in found or ["alike"]:
        terminal.say(line)
    for line in comparing.notes(first, second):
        note(line)
    sys.exit(1 if found else 0)


@main.command()
@click.argument("net")
@options("set", "state", "plugin", "unknown")
@click.option("--phase", type=click.Choice(["TRAIN", "TEST"]), help="Draw only the layers of this phase [default: both, marked].")
@click.option(
    "--graph",
    type=click.Choice(["layers", "training"]),
    default="layers",
    show_default=True,
    help="Draw the layers or the graph of a training step.",
)
@click.option("-o", "--output", required=True, metavar="FILE", help="Write to this file: .svg, or .dot for Graphviz.")
def draw(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", phase: str | None, graph: str,
         output: str) -> None:  # fmt: skip
    """Draw a net as an SVG or Graphviz file.

    The drawing shows the layers of NET with their shapes, or the graph of a training step.

    Examples: netc draw nets/lenet.yaml -o lenet.svg

    netc draw nets/lenet.yaml --graph training -o step.svg
    """
    from netc.report.net_drawing import draw_command

    click.echo(draw_command(compilation_of(net, overrides, plugins, dropped), phase, output, graph))


@main.command("compile")
@click.argument("net")
@options("set", "state", "plugin", "unknown", "target")
@click.option("-o", "--output", default="build", show_default=True, metavar="DIR", help="Write the files into this folder.")
@click.option(
    "--inline", is_flag=True, help="Write models without ONNX functions, for runtimes that lack them: OpenVINO, tract, onnx.reference."
)
def compile_(net: str, overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped", target: str | None, output: str,
             inline: bool) -> None:  # fmt: skip
    """Write the training step of a net as ONNX models.

    The files include the initial weights of NET, and a description for your own training loop.

    Example: netc compile nets/lenet.yaml -o build/
    """
    from netc.compiler import program as contract
    from netc.compiler import step_files
    from netc.runtime.backends import made_for

    program = contract.checked(compilation_of(net, overrides, plugins, dropped), made_for(target))
    for path in step_files.write(program, output, inline):
        click.echo(path)


@main.command()
@click.argument("source")
@click.argument("weights", nargs=-1)
@options("set", "state", "plugin", "unknown")
@click.option(
    "-o", "--output", metavar="FILE", help="Write to this file; the suffix selects the format [default: print the other text format]."
)
@click.option("--full", is_flag=True, help="Write every name and blob in YAML, even if netc can infer it.")
@options("onnx")
@click.option("--force", is_flag=True, help="For a folder: overwrite models that are already there.")
@click.option("--json", "as_json", is_flag=True, help="Print the result of a conversion to ONNX as JSON.")
def convert(source: str, weights: tuple[str, ...], overrides: tuple[str, ...], plugins: tuple[str, ...], dropped: "Dropped",
            output: str | None, full: bool, onnx: "Options", force: bool, as_json: bool) -> None:  # fmt: skip
    """Convert a net, or a folder of nets, to ONNX, YAML or protobuf text.

    SOURCE is a net file, a Caffe solver file or a .caffemodel. For a solver file, the output holds the net and the solver. For a
    .caffemodel, the output leaves out the weights. WEIGHTS are .caffemodel, .caffemodel.h5 or .safetensors files.

    SOURCE can also be a folder of Caffe models, or a list: a text file with a net and its weights per line. Each model then becomes an ONNX
    file in the folder of --output, by default beside its net. The exit code is 0 if all were converted, 1 if some were, and 2 if none was.

    Examples: netc convert deploy.prototxt bvlc_alexnet.caffemodel -o alexnet.onnx

    netc convert nets/lenet.prototxt -o lenet.yaml

    netc convert models/ -o onnx/
    """
    import json

    from netc.commands.export import export_onnx, folder
    from netc.errors import NetcError
    from netc.spec.convert import convert_job

    if folder.is_list(source) and not weights:
        arguments = folder.arguments(overrides, plugins, dropped, onnx, stages(), allows_python())
        found = folder.convert(source, output, arguments, force, lambda line: note(line) if not as_json else None)
        click.echo(json.dumps(found.as_json, indent=1)) if as_json else terminal.document("\n".join(found.table) + "\n")
        sys.exit(found.exit_code)
    try:
        made = compilation_of(source, overrides, plugins, dropped)
        if not output or not output.endswith(".onnx"):
            terminal.document(convert_job(made.job, output, full))
            return
        written = export_onnx(made, weights, output, onnx)
        terminal.document(json.dumps(written.as_json, indent=1) + "\n" if as_json else str(written))
    except NetcError as e:
        if as_json:
            terminal.document(json.dumps({"errors": [str(d).splitlines()[0] for d in e.diagnostics]}, indent=1) + "\n")
        raise


@main.command()
@click.argument("source")
@click.argument("output")
@options("unknown")
def upgrade(source: str, output: str, dropped: "Dropped") -> None:
    """Upgrade an old Caffe net, solver or weight file.

    SOURCE is in the format V0 or V1. OUTPUT gets the current format. The suffixes of the files select text or binary. Weights are kept.

    Example: netc upgrade old.caffemodel new.caffemodel
    """
    from netc.commands.upgrade import upgrade_file

    click.echo(upgrade_file(source, output, dropped), nl=False)
