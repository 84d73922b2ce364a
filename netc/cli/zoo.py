"""`netc zoo`: the commands list, show, verify, download, alias, keygen, sign, reindex and serve."""

import sys

import click

from netc import terminal
from netc.cli.group import main
from netc.cli.options import options

FROM = click.option("--from", "source", metavar="ZOO", help="Read this zoo, a folder or an address [default: $NETC_ZOO, else ./model_zoo].")


@main.group()
def zoo() -> None:
    """List, download, verify, sign and serve models.

    MODEL is `name`, `name@1`, `name@1.2`, `name@1.2.3`, `name@latest` or `name@alias`. A zoo is a folder, an http(s) address, or an
    address such as s3://bucket/zoo or hf://user/zoo.

    Example: netc zoo list --from https://example.org/model_zoo
    """


@zoo.command("list")
@FROM
def zoo_list(source: str | None) -> None:
    """List the models of a zoo.

    Example: netc zoo list
    """
    from netc.zoo import default_location, entries, human_size

    for entry in entries(source or default_location()):
        scores = ", ".join(f"{k} {v:.4g}" for k, v in entry.metrics.items())
        names = "".join(f" ({alias})" for alias in entry.aliases) + (" (signed)" if entry.signed else "")
        terminal.say(f"{entry.name}@{entry.version}{names}  {human_size(entry.size)}  {scores}  {' '.join(entry.description.split())}")


@zoo.command("show")
@click.argument("model")
@FROM
def zoo_show(model: str, source: str | None) -> None:
    """Show the manifest of MODEL.

    Example: netc zoo show mlp@1.0
    """
    import json

    from netc.zoo import default_location
    from netc.zoo import show as manifest_of

    click.echo(json.dumps(manifest_of(source or default_location(), model), indent=2))


@zoo.command("verify")
@click.argument("model", required=False)
@FROM
@options("key")
@click.option("--run", is_flag=True, help="Also run the test vectors and three training steps.")
def zoo_verify(model: str | None, source: str | None, key: str | None, run: bool) -> None:
    """Verify the files of published models.

    Checks sizes and hashes of MODEL, or of all models of the zoo.

    Example: netc zoo verify lenet --run --key netc.pub
    """
    from netc.zoo import Untrusted, default_location, trusted_keys
    from netc.zoo import verify as problems_of

    problems = problems_of(source or default_location(), model, run, trusted_keys(key))
    for problem in problems:
        terminal.say(problem, err=True)
    damaged = any(not isinstance(problem, Untrusted) for problem in problems)
    click.echo("damaged" if damaged else "intact, but not signed by a trusted key" if problems else "intact")
    sys.exit(1 if problems else 0)


@zoo.command("download")
@click.argument("model")
@FROM
@options("key")
@click.option("--to", default=".", show_default=True, metavar="DIR", help="Write the model to DIR/<name>/<version>.")
def zoo_download(model: str, source: str | None, key: str | None, to: str) -> None:
    """Download MODEL and verify it. An interrupted download resumes.

    Example: netc zoo download lenet@1 --from https://example.org/model_zoo --to models
    """
    from netc.zoo import download as fetch
    from netc.zoo import trusted_keys

    found = fetch(model, source, to, trusted_keys(key))
    terminal.say(f"{found.path}{'' if found.new else ' (was there already)'}")


@zoo.command("alias")
@click.argument("model")
@click.argument("alias", required=False)
@options("zoo")
@click.option("--remove", multiple=True, metavar="ALIAS", help="Remove this alias.")
def zoo_alias(model: str, alias: str | None, zoo: str, remove: tuple[str, ...]) -> None:
    """Name a version of a model, or list its names.

    ALIAS then means this version of MODEL. Without ALIAS, netc lists the aliases.

    Example: netc zoo alias lenet@1.0.0 stable
    """
    from netc.zoo import alias as aliased
    from netc.zoo import entries

    name = model.partition("@")[0]
    words = aliased(zoo, model, alias, remove) if alias or remove else {}
    words = words or {word: e.version for e in entries(zoo) if e.name == name for word in e.aliases}
    for word, version in sorted(words.items()):
        click.echo(f"{name}@{word} is {name}@{version}")


@zoo.command("keygen")
@click.argument("prefix", default="netc")
def zoo_keygen(prefix: str) -> None:
    """Generate a key pair to sign models.

    Writes PREFIX.key (keep it secret) and PREFIX.pub, in the format of minisign.

    Example: netc zoo keygen mine
    """
    from netc.zoo import generate

    for path in generate(prefix):
        click.echo(path)


@zoo.command("sign")
@click.argument("model")
@click.argument("key")
@options("zoo")
def zoo_sign(model: str, key: str, zoo: str) -> None:
    """Sign a published model.

    Signs MODEL with the secret KEY. To sign while publishing, use `netc train --sign KEY`.

    Example: netc zoo sign lenet@1.0.0 netc.key
    """
    from netc.zoo import sign_model

    click.echo(sign_model(zoo, model, key))


@zoo.command("reindex")
@options("zoo")
def zoo_reindex(zoo: str) -> None:
    """Rebuild the index of a zoo.

    Run it after you copied models into the zoo or deleted some.

    Example: netc zoo reindex
    """
    from netc.zoo import reindex

    problems = reindex(zoo)
    for problem in problems:
        terminal.say(problem, err=True)
    sys.exit(1 if problems else 0)


@zoo.command("serve")
@click.argument("folder", envvar="NETC_ZOO", default="model_zoo", metavar="[DIR]")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Listen on this port; 0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen on this address; 0.0.0.0 admits other machines.")
def zoo_serve(folder: str, port: int, host: str) -> None:
    """Serve a zoo over HTTP.

    DIR gets web pages, and an address for `netc zoo download --from`.

    Example: netc zoo serve model_zoo --port 8000
    """
    from netc.zoo.serve import server, warning

    made = server(folder, host, port)
    if text := warning(host):
        terminal.say(f"netc: {text}", err=True)
    click.echo(f"{folder} is at http://{f'[{host}]' if ':' in host else host}:{made.port}/ (Ctrl-C ends)")
    made.serve_forever()
