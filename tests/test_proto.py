"""The schema: that it is Caffe's, that its own fields keep apart, and that what is generated from it is up to date."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from netc import netc_pb2 as pb
from netc.spec import forks
from netc.spec.schema import comments
from tests.conftest import REFERENCE, ROOT, needs_reference

CAFFES_ABOVE_1000 = {"param", "blob_share_mode", "hdf5_output_param"}  # of V0 and V1
SCALARS = ("int32", "int64", "uint32", "float", "double", "bool", "string", "bytes")
TYPES = {getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name for name in SCALARS}
MESSAGES = pb.DESCRIPTOR.message_types_by_name


def rows(name: str) -> list[dict[str, str]]:
    with (REFERENCE / "caffe" / name).open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def type_name(field: FieldDescriptor) -> str:
    named = field.message_type or field.enum_type
    return named.full_name.removeprefix("netc.") if named else TYPES[field.type]


def default(field: FieldDescriptor) -> str:
    """As fields.tsv has it: "" where there is none."""
    if not field.has_default_value:
        return ""
    value = field.default_value
    if field.enum_type:
        return field.enum_type.values_by_number[value].name
    return str(value).lower() if isinstance(value, bool) else f"{value:.7g}" if isinstance(value, float) else str(value)


def label(field: FieldDescriptor) -> str:
    return "repeated" if field.is_repeated else "required" if field.is_required else "optional"


def is_a_forks(message: str, field: str, known: set[str]) -> bool:
    """Whether a field comes from a fork of Caffe: the table of forks names it, or Caffe lacks the message."""
    return message not in known or bool(forks.of_field(message, field))


@needs_reference
def test_fields_are_caffes() -> None:
    wanted = {(r["message"], r["field"], int(r["number"]), r["label"], r["type"], r["default"], r["packed"]) for r in rows("fields.tsv")}
    known = {row[0] for row in wanted}
    have = {
        (m.name, f.name, f.number, label(f), type_name(f), default(f), "packed" if f.is_packed else "")
        for m in MESSAGES.values()
        for f in m.fields
        if f.number < 1000 or (m.name in ("V0LayerParameter", "V1LayerParameter") and f.name in CAFFES_ABOVE_1000)
    }
    assert wanted <= have
    assert [row for row in have - wanted if not is_a_forks(row[0], row[1], known)] == []


@needs_reference
def test_enums_are_caffes() -> None:
    enums = [*pb.DESCRIPTOR.enum_types_by_name.values(), *(e for m in MESSAGES.values() for e in m.enum_types)]
    have = {(e.full_name.removeprefix("netc."), v.name, v.number) for e in enums for v in e.values if v.number < 1000}
    wanted = {(r["enum"], r["value"], int(r["number"])) for r in rows("enums.tsv")}
    known = {r["message"] for r in rows("fields.tsv")}
    added = {type_name(f) for m in MESSAGES.values() for f in m.fields if f.enum_type and forks.of_field(m.name, f.name)}
    assert {row for row in have if row[0] not in added and (row[0].split(".")[0] in known or "." not in row[0])} == wanted


def test_everything_has_a_comment() -> None:
    for message in MESSAGES.values():
        found = comments(message)
        names = {message.full_name} | {f.full_name for f in message.fields}
        names |= {f"{e.full_name}.{v.name}" for e in message.enum_types for v in e.values}
        assert names <= found.keys(), sorted(names - found.keys())


def test_generated_files_are_up_to_date(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools generates the module: pip install netc[dev]")
    env = {**os.environ, "PYTHON": sys.executable}
    subprocess.run([ROOT / ".ci" / "generate", tmp_path], check=True, env=env)
    for name in ("netc_pb2.py", "netc_pb2.pyi"):
        assert (tmp_path / name).read_text() == (ROOT / "netc" / name).read_text(), f"{name} is old: run .ci/generate"
    made, kept = (FileDescriptorSet.FromString((d / "netc.desc").read_bytes()) for d in (tmp_path, ROOT / "netc"))
    assert made == kept, "netc.desc is old: run .ci/generate"
