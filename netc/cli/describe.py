"""Commands that say what there is: layers, schema, devices."""

import click

from netc.cli.group import main
from netc.cli.options import options


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
def schema() -> None:
    """The JSON Schema of net files in YAML, for editors that complete and check.

    Example: netc schema > netc.schema.json
    """
    import json

    from netc.spec import json_schema

    click.echo(json.dumps(json_schema(), indent=1))


@main.command()
def devices() -> None:
    """What this machine offers: onnxruntime, its providers, cores, native kernels.

    Example: netc devices
    """
    from netc.commands.devices import lines

    for line in lines():
        click.echo(line)
