"""Read and write nets and solvers: YAML, protobuf text, and Caffe's weight files."""

from netc.spec.document import Document
from netc.spec.job import Job, load_job
from netc.spec.loader import load, parse_prototxt, parse_yaml
from netc.spec.schema import comments, json_schema
from netc.spec.upgrade import upgraded
from netc.spec.write import to_prototxt, to_yaml

__all__ = [
    "Document",
    "Job",
    "comments",
    "json_schema",
    "load",
    "load_job",
    "parse_prototxt",
    "parse_yaml",
    "to_prototxt",
    "to_yaml",
    "upgraded",
]
