"""Commands on training runs: report, leaderboard."""

import click

from netc.cli.group import main
from netc.cli.options import allows_python, options


@main.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@options("plugin")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write to this file [default: report.html in the run's folder, comparison.html in the folder above several runs].",
)
@click.option("--json", "as_json", is_flag=True, help="Print the final results as JSON, and write no page.")
@click.option("--picture", metavar="NAME", help="Write only the chart with this name, as an SVG.")
def report(runs: tuple[str, ...], plugins: tuple[str, ...], output: str | None, as_json: bool, picture: str | None) -> None:
    """Write an HTML report of a run, or compare runs.

    RUN is the folder of a run, of a net (its newest run is used) or of all runs.

    Examples: netc report runs/lenet

    netc report runs/lenet/1 runs/lenet/2 -o comparison.html

    netc report runs/deep_sigmoid_mlp --picture "gradient norm" -o vanishing.svg
    """
    from netc.commands.report import json_command, picture_command, report_command

    if as_json:
        click.echo(json_command(runs))
    elif picture:
        click.echo(picture_command(runs, picture, output, plugins, allows_python()))
    else:
        click.echo("\n".join(report_command(runs, output, plugins, allows_python())))


@main.command()
@click.argument("folders", nargs=-1, metavar="FOLDER...")
@click.option("--metric", metavar="NAME", help="Rank by this score [default: the one that the runs monitor, if they share it].")
@click.option("-o", "--output", metavar="FILE", help="Write to this .json, .csv or .tsv file instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def leaderboard(folders: tuple[str, ...], metric: str | None, output: str | None, as_json: bool) -> None:
    """Rank all runs below folders, the best first.

    FOLDER is ./runs by default. Runs on different data are in different tables.

    Examples: netc leaderboard

    netc leaderboard runs/titanic --metric loss -o board.csv
    """
    from netc.commands.leaderboard import leaderboard_command

    for line in leaderboard_command(folders or ("runs",), metric, output, as_json):
        click.echo(line)
