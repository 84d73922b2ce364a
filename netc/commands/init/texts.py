"""A starter net for a folder of texts with one sub-folder per class: that of a table with a column of texts."""

from dataclasses import replace

from netc.commands.init import table
from netc.commands.init.starter import Starter, Wanted
from netc.data.choice import database_kind
from netc.errors import SpecError
from netc.table.reading.text_folder import CLASS, find_texts, is_text_folder


def recognise(wanted: Wanted) -> bool:
    """Whether the data is a folder with texts in it."""
    return not wanted.is_named and not database_kind(wanted.path) and is_text_folder(wanted.path)


def starter(wanted: Wanted) -> Starter:
    """A net that predicts the class of a text. Its training, validation and test texts may have folders of their own."""
    if wanted.labels and wanted.labels != (CLASS,):
        raise SpecError(f"{wanted.data}: The class of a text is its folder. Remove `--label {wanted.labels[0]}`.")
    found = find_texts(wanted.path)
    paths = {part: folder.path for part, folder in found.by_part.items()}
    test, validation = paths.get("TEST"), paths.get("VALIDATION")
    if not test:
        test, validation = validation, None
    made = table.starter(replace(wanted, data=str(paths["TRAIN"]), labels=(CLASS,), test=test, validation=validation))
    both = [f"{test} is the test set, because there is no other."] if test and "TEST" not in paths else []
    texts = list(found.files())
    return replace(made, summary=f"{len(texts):,} texts of {len(found.classes)} classes", notes=(*found.notes(), *both, *made.notes))
