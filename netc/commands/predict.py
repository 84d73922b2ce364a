"""`netc predict`: predictions of a published model, printed or saved."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from netc.errors import DataError, Diagnostic, SpecError
from netc.formats.by_suffix import form, put
from netc.predict import generate
from netc.predict.model import Model
from netc.predict.raw import output as tables
from netc.predict.raw.results import Results
from netc.predict.results import Prediction, check_form, save


@dataclass(frozen=True)
class Wanted:
    """What to print or to write. `kept` are the columns of a table to write beside the predictions, None for all. `query` is that of a
    database.
    """

    top: int
    length: int | None
    output: str | None
    threshold: str | None
    kept: tuple[str, ...] | None
    query: str = ""


def write_command(
    model: str, zoo: str | None, key: str | None, prompt: str, length: int, temperature: float, seed: int, output: str | None
) -> str:
    """Continue a text. Returns it, or "" if it is written to `output`."""
    if output:
        form(output, (".txt",), "a text")
    text = prompt + generate.write(Model(model, zoo, key), prompt, length, temperature, seed)
    if not output:
        return text
    put(output, f"{text}\n".encode())
    return ""


def predict_command(
    name: str, zoo: str | None, key: str | None, inputs: Sequence[str], wanted: Wanted, note: Callable[[str], None]
) -> Iterator[str]:
    """Yield the lines to print, or write the output file. Then raise a DataError that names the inputs that cannot be read."""
    if wanted.output:
        check_form(wanted.output)
    model = Model(name, zoo, key)
    if said := model.decision(wanted.threshold).text:
        note(said)
    in_table = bool(model.raw_columns and not model.series and wanted.output and Path(wanted.output).suffix.lower() in tables.FORMS)
    if wanted.kept != () and not in_table:
        raise SpecError(f"--with writes columns of a table into {', '.join(tables.FORMS)}, for a model that takes raw columns.")
    if in_table:
        _save_tables(model, inputs, wanted)
        return
    found, errors = list[Prediction](), list[Diagnostic]()
    for outcome in generate.outcomes(model, inputs, wanted.top, wanted.length, wanted.threshold, wanted.query):
        if isinstance(outcome, DataError):
            errors += outcome.diagnostics
        elif wanted.output:
            found.append(outcome)
        else:
            yield outcome.text
    for text in model.left_out.notes():
        note(f"note: {text}")
    if wanted.output and found:
        save(found, wanted.output)
    if errors:
        raise DataError(*errors)


def _save_tables(model: Model, inputs: Sequence[str], wanted: Wanted) -> None:
    """Write a row for each row of the tables."""
    results = Results(model.session.ort.get_outputs(), model.decision(wanted.threshold))
    assert wanted.output
    sources = [(source, model.reading_options(wanted.query)) for source in inputs]
    tables.save_tables(sources, model.raw_columns, lambda values: results.columns(model.blocks(values)), wanted.output, wanted.kept)
