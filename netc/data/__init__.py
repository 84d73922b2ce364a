"""Sources of data: described before they are loaded, their batches a function of (seed, iteration, sub-batch).

A user's own source is a function under `@source(".suffix")`, `@source("LayerType")` or `@dataset("name")` that takes a
`Request` and returns a `Table`.
"""

import netc.data.arrays
import netc.data.csv
import netc.data.images
import netc.data.sequence_sets
import netc.data.sets
import netc.data.text  # noqa: F401  (these fill registry.source and registry.dataset)
from netc.data.batches import Source, describe, open, resolve_batch_size, test_batches
from netc.data.csv import read_columns
from netc.data.images import read_image
from netc.data.prefetch import Prefetch
from netc.data.sequences import continues
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.text import encode, join, split
from netc.data.transform import Normalisation, normalisation

__all__ = [
    "Column",
    "Description",
    "Normalisation",
    "Prefetch",
    "Request",
    "Source",
    "Table",
    "TopSpec",
    "continues",
    "describe",
    "encode",
    "join",
    "normalisation",
    "open",
    "read_columns",
    "read_image",
    "resolve_batch_size",
    "split",
    "test_batches",
]
