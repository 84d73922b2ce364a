"""A model zoo: a directory of published models that any web server, bucket or git can carry.

`index.json` lists what there is; `<name>/<version>/manifest.json` says what a model is, with the size and sha256 of
each file beside it.
"""

from netc.zoo.card import human_size, model_card
from netc.zoo.fetch import Downloaded, download
from netc.zoo.index import Entry, entries, holds, reindex, show
from netc.zoo.location import default_location
from netc.zoo.names import model_name
from netc.zoo.publish import Published, publish
from netc.zoo.verify import verify

__all__ = [
    "Downloaded",
    "Entry",
    "Published",
    "default_location",
    "download",
    "entries",
    "holds",
    "human_size",
    "model_card",
    "model_name",
    "publish",
    "reindex",
    "show",
    "verify",
]
