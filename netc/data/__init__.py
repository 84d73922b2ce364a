"""Data sources: each has a description that is cheap to make, and batches that depend only on (seed, iteration, sub-batch).

To add a source, write a function under `@source(".suffix")`, `@source("LayerType")` or `@dataset("name")`. It takes a `Request` and
returns a `Table`.
"""

import netc.data.named.catalogue
import netc.data.sources.annotated
import netc.data.sources.array_parts
import netc.data.sources.arrays
import netc.data.sources.csv
import netc.data.sources.image_folder
import netc.data.sources.image_list
import netc.data.sources.image_table
import netc.data.sources.leveldb
import netc.data.sources.lmdb
import netc.data.sources.mask_list
import netc.data.sources.memory_data
import netc.data.sources.text
import netc.data.sources.text_folder
import netc.data.sources.trees
import netc.data.sources.windows  # noqa: F401  (these fill registry.source and registry.dataset)
from netc.data.batches import resolve_batch_size, test_batches
from netc.data.columns import read_columns
from netc.data.detection.fitting import fit_of, in_image, is_fit, plain_fit
from netc.data.image_column import image_column
from netc.data.learned import NOTHING, Known, Learned, rows_said, stated
from netc.data.named.download import no_downloads
from netc.data.pixels import SUFFIXES as IMAGES
from netc.data.pixels import LeftOut, read_image
from netc.data.plain import plain_layer
from netc.data.prefetch import Prefetch
from netc.data.sequences import continues
from netc.data.settings import message_name, setting
from netc.data.sheet import SUFFIXES as TABLES
from netc.data.source import Column, Description, Request, Source, Table, TopSpec
from netc.data.sources.arrays import CHANNELS, channels_first, read_npy, read_npz
from netc.data.sources.hdf5 import Hdf5Writer
from netc.data.tables import Reader, Tables, describe, open, vocabulary
from netc.data.transforms.checks import augmentations, unaugmented
from netc.data.transforms.normalization import Normalisation, normalisation, read_blob
from netc.data.transforms.rows import resized
from netc.data.units import Units

__all__ = [
    "CHANNELS",
    "IMAGES",
    "NOTHING",
    "TABLES",
    "Column",
    "Description",
    "Hdf5Writer",
    "Known",
    "Learned",
    "LeftOut",
    "Normalisation",
    "Prefetch",
    "Reader",
    "Request",
    "Source",
    "Table",
    "Tables",
    "TopSpec",
    "Units",
    "augmentations",
    "channels_first",
    "continues",
    "describe",
    "fit_of",
    "image_column",
    "in_image",
    "is_fit",
    "message_name",
    "no_downloads",
    "normalisation",
    "open",
    "plain_fit",
    "plain_layer",
    "read_blob",
    "read_columns",
    "read_image",
    "read_npy",
    "read_npz",
    "resized",
    "resolve_batch_size",
    "rows_said",
    "setting",
    "stated",
    "test_batches",
    "unaugmented",
    "vocabulary",
]
