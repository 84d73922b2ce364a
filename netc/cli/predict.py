"""Commands that run published models: predict, explain."""

import click

from netc.cli.group import main
from netc.cli.options import note, options


@main.command()
@click.argument("model")
@click.argument("inputs", nargs=-1)
@click.option("--from", "source", metavar="ZOO", help="Take MODEL from this zoo, a folder or an address.")
@options("key")
@click.option("--top", default=3, show_default=True, type=click.IntRange(1), help="Show this many classes.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the outputs to this file instead of printing them: .csv, .tsv, .parquet, .npz, .npy, .json, .jsonl or .txt; "
    "or .png for the class of each pixel of an image.",
)
@click.option(
    "--threshold",
    metavar="X",
    help="Of two classes, predict the second one if its score is at least X: a number, or a name that the model states.",
)
@click.option(
    "--with", "kept", multiple=True, metavar="COLUMN", help="Write this column of the table beside the predictions. Can be repeated."
)
@click.option("--with-columns", "keep_all", is_flag=True, help="Write all columns of the table beside the predictions.")
@click.option("--query", default="", metavar="SQL", help="Take the rows of this query, if INPUTS is the address of a database.")
@click.option("--prompt", help="Continue this text with a text model.")
@click.option(
    "--length", type=click.IntRange(1), help="Generate this many tokens, or forecast this many steps [default: 200 tokens, 1 step]."
)
@click.option(
    "--temperature",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Set the randomness of generated text: below 1 prefers likely tokens, 0 always takes the likeliest.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Set the seed of generated text.")
def predict(model: str, inputs: tuple[str, ...], source: str | None, key: str | None, top: int, output: str | None,
            threshold: str | None, kept: tuple[str, ...], keep_all: bool, query: str, prompt: str | None, length: int | None,
            temperature: float, seed: int) -> None:  # fmt: skip
    """Predict with a published model.

    INPUTS are image files or folders, .npy arrays, a .csv table or series, texts, or trees in brackets. MODEL is a model.onnx, its
    folder, or a name in the zoo. If an input cannot be read, netc processes the others and reports the error at the end.

    A model of a table reads any table: files, databases by address, or `-` for standard input. Columns are found by name; their order
    and further columns, such as the label, do not matter.

    Examples: netc predict lenet digit.png; netc predict char_lstm --prompt "ROMEO:" --length 400

    netc predict rntn '((not (very good)) .)'

    netc predict titanic new.csv --threshold .35 --with name -o out.parquet
    """
    from netc.commands.predict import Wanted, predict_command, write_command

    if (prompt is None) == (not inputs):
        raise click.UsageError("give INPUTS, or a --prompt for a model that writes")
    if prompt is not None:
        text = write_command(model, source, key, prompt, length or 200, temperature, seed, output)
        click.echo(text, nl=bool(text))
        return
    wanted = Wanted(top, length, output, threshold, None if keep_all else kept, query)
    for text in predict_command(model, source, key, inputs, wanted, note):
        click.echo(text)


@main.command()
@click.argument("model")
@click.argument("table")
@click.option("--from", "source", metavar="ZOO", help="Take MODEL from this zoo, a folder or an address.")
@options("key")
@click.option("--label", metavar="COLUMN", help="Judge the model by this column of TABLE [default: the one that it was trained on].")
@click.option("--rows", "most_rows", type=click.IntRange(1),
              help="Read at most this many rows, drawn at random [default: 5000; fewer for more than 200 columns].")  # fmt: skip
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(1), help="Exchange the values of a column this many times.")
@click.option("--row", "rows", multiple=True, type=click.IntRange(0), metavar="K",
              help="Show what row K of TABLE owes to each column, counted from 0. Can be repeated.")  # fmt: skip
@click.option("--query", default="", metavar="SQL", help="Take the rows of this query, if TABLE is the address of a database.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Set the seed of the rows and exchanges.")
@click.option("-o", "--output", metavar="FILE", help="Write a page (.html) or all numbers (.json) to this file.")
def explain(model: str, table: str, source: str | None, key: str | None, label: str | None, most_rows: int | None, repeats: int,
            rows: tuple[int, ...], query: str, seed: int, output: str | None) -> None:  # fmt: skip
    """Show which columns a model of a table depends on.

    netc runs MODEL on rows of TABLE with changed values. The importance of a column is how much the loss grows when its values are
    exchanged between rows. A page also has the partial dependence on each column, and what single rows owe to their values.

    Example: netc explain adult adult.csv -o explanation.html
    """
    from netc.commands.explain import explain_command
    from netc.predict.explain.explanation import Asked

    asked = Asked(label, most_rows, repeats, rows, seed, query)
    for line in explain_command(model, source, key, table, asked, output):
        click.echo(line)
