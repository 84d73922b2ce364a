"""A model zoo: a directory of published models that any web server, bucket or git repository can host.

`index.json` lists the models. `<name>/<version>/manifest.json` describes one model and has the size and sha256 of each of its
files.
"""

from netc.zoo.amend import alias, sign_model
from netc.zoo.arrays import npz, read_arrays
from netc.zoo.card import human_size, model_card
from netc.zoo.fetch import Downloaded, checked_folder, download, model_folder
from netc.zoo.folder import Untrusted, verify_folder
from netc.zoo.index import Entry, checked_manifest, entries, find, holds, reindex, show
from netc.zoo.location import default_location, is_url
from netc.zoo.manifest import parse_json
from netc.zoo.minisign import generate, public_keys, secret_key, trusted_keys
from netc.zoo.names import model_name
from netc.zoo.publish import Published, publish
from netc.zoo.verify import verify

__all__ = [
    "Downloaded",
    "Entry",
    "Published",
    "Untrusted",
    "alias",
    "checked_folder",
    "checked_manifest",
    "default_location",
    "download",
    "entries",
    "find",
    "generate",
    "holds",
    "human_size",
    "is_url",
    "model_card",
    "model_folder",
    "model_name",
    "npz",
    "parse_json",
    "public_keys",
    "publish",
    "read_arrays",
    "reindex",
    "secret_key",
    "show",
    "sign_model",
    "trusted_keys",
    "verify",
    "verify_folder",
]
