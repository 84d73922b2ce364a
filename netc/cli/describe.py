"""Commands that describe netc and this machine: layers, schema, devices."""

import click

from netc.cli.group import main
from netc.cli.options import options


@main.command()
@click.argument("type", required=False)
@options("plugin")
@click.option("--differences", is_flag=True, help="List where layers differ from BVLC Caffe, and why.")
@click.option("--forks", is_flag=True, help="List the layer types and fields that forks of Caffe have added.")
def layers(type: str | None, plugins: tuple[str, ...], differences: bool, forks: bool) -> None:
    """List all layer types, or describe one TYPE.

    Example: netc layers Convolution
    """
    from netc import registry
    from netc.commands.describe import describe_layer, summary

    registry.load(*plugins)
    if forks:
        from netc.commands.of_forks import table as of_forks

        click.echo("\n".join(of_forks(type)))
        return
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
@options("plugin")
def schema(plugins: tuple[str, ...]) -> None:
    """Print the JSON Schema of YAML net files.

    Editors use it to complete and check net files. It knows the layers of the plug-ins that you name.

    Example: netc schema > netc.schema.json
    """
    import json

    from netc import registry
    from netc.spec import json_schema

    registry.load(*plugins)
    click.echo(json.dumps(json_schema(), indent=1))


@main.command()
def devices() -> None:
    """Show which devices and kernels netc can use.

    Shows the version of onnxruntime, the CPU cores, the native kernels and CUDA.

    Example: netc devices
    """
    from netc.commands.devices import lines

    for line in lines():
        click.echo(line)
