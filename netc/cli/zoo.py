"""`netc zoo`: the commands list, show, verify and download."""

import sys

import click

from netc.cli.group import main

FROM = click.option("--from", "source", metavar="ZOO", help="A folder or an address [default: $NETC_ZOO, else ./model_zoo].")


@main.group()
def zoo() -> None:
    """Published models: list, show, verify, download.

    Example: netc zoo list --from model_zoo
    """


@zoo.command("list")
@FROM
def zoo_list(source: str | None) -> None:
    """The models of a zoo.

    Example: netc zoo list
    """
    from netc.zoo import default_location, entries, human_size

    for entry in entries(source or default_location()):
        scores = ", ".join(f"{k} {v:.4g}" for k, v in entry.metrics.items())
        click.echo(f"{entry.name}@{entry.version}  {human_size(entry.size)}  {scores}  {entry.description}")


@zoo.command("show")
@click.argument("model")
@FROM
def zoo_show(model: str, source: str | None) -> None:
    """The manifest of MODEL, `name` or `name@version`.

    Example: netc zoo show mlp@1.0.1
    """
    import json

    from netc.zoo import default_location
    from netc.zoo import show as manifest_of

    click.echo(json.dumps(manifest_of(source or default_location(), model), indent=2))


@zoo.command("verify")
@click.argument("model", required=False)
@FROM
def zoo_verify(model: str | None, source: str | None) -> None:
    """Check sizes and hashes of MODEL, or of the whole zoo.

    Example: netc zoo verify mlp
    """
    from netc.zoo import default_location
    from netc.zoo import verify as problems_of

    problems = problems_of(source or default_location(), model)
    for problem in problems:
        click.echo(problem, err=True)
    click.echo("damaged" if problems else "whole")
    sys.exit(1 if problems else 0)


@zoo.command("download")
@click.argument("model")
@FROM
@click.option("--to", default=".", show_default=True, metavar="DIR", help="The model goes to DIR/<name>/<version>.")
def zoo_download(model: str, source: str | None, to: str) -> None:
    """Download MODEL, `name` or `name@version`, and verify it.

    Example: netc zoo download lenet --from https://example.org/model_zoo --to models
    """
    from netc.zoo import download as fetch

    found = fetch(model, source, to)
    click.echo(f"{found.path}{'' if found.new else ' (was there already)'}")
