"""The kinds of data that `netc init` knows. The first kind that recognises the data writes the net."""

from netc.commands.init import arrays, boxes, described, image_table, images, series, table, texts
from netc.commands.init.starter import Kind, Starter, Wanted
from netc.errors import SpecError

# To add a kind: write a function from Wanted to Starter in a module of its own, a function that recognises its data, a row here, and a
# row in tests/commands/init/test_kinds.py. Order: the special kinds before the general ones.
KINDS = (
    Kind("boxes", boxes.recognise, boxes.starter),
    Kind("images in a table", image_table.recognise, image_table.starter, takes_labels=True),
    Kind("texts", texts.recognise, texts.starter, takes_labels=True),
    Kind("images", images.recognise, images.starter),
    Kind("arrays", arrays.recognise, arrays.starter, takes_labels=True),
    Kind("series", series.recognise, series.starter, takes_labels=True, takes_query=True),
    Kind("table", table.recognise, table.starter, takes_labels=True, takes_query=True),
    Kind("described", lambda wanted: True, described.starter),  # named data sets, and all else that a Data layer reads
)


def starter(wanted: Wanted) -> Starter:
    """The starter net for the data. SpecError if its kind has no labels to choose and the user names one."""
    kind = next(kind for kind in KINDS if kind.recognise(wanted))
    if wanted.labels and not kind.takes_labels:
        kind.starter(wanted)  # data that cannot be read, such as a missing file, is the first error
        raise SpecError(f"{wanted.data}: its labels are fixed, so `--label {wanted.labels[0]}` has no meaning. Remove the option.")
    if wanted.query and not kind.takes_query:
        raise SpecError(f"{wanted.data}: It is no table, so --query has no meaning. Remove the option.")
    return kind.starter(wanted)
