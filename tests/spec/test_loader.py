"""Files: which reader the suffix picks, and what is said of files that are none."""

import time
from pathlib import Path

import pytest

from netc import netc_pb2 as pb
from netc.errors import SpecError
from netc.spec import load, to_prototxt, to_yaml
from netc.spec.document import Dropped
from tests.spec.test_yaml import LENET

NET = pb.NetParameter(name="n", layer=[pb.LayerParameter(name="data", type="Input", top=["data"])])


def error(path: Path, message_type: type = pb.NetParameter) -> str:
    with pytest.raises(SpecError) as caught:
        load(path, message_type)
    (found,) = caught.value.diagnostics
    return str(found).replace(str(path.parent), "D")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("n.yaml", to_yaml(NET).encode()),
        ("n.yml", b"\xef\xbb\xbf" + to_yaml(NET).replace("\n", "\r\n").encode()),
        ("n.prototxt", to_prototxt(NET).encode()),
        ("n.txt", to_prototxt(NET).encode()),
        ("n.caffemodel", NET.SerializeToString()),
    ],
)
def test_reads_by_suffix(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    document = load(tmp_path / name)
    assert document.message == NET
    assert document.path == str(tmp_path / name)
    assert len(document.sha256) == 64


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("n.yaml", b"", "D/n.yaml: The file is empty. A net has `layers` and"),
        (
            "n.yaml",
            b"# nothing\n",
            "D/n.yaml: The file is empty. A net has `layers` and",
        ),
        (
            "n.prototxt",
            b"\n",
            "D/n.prototxt: The file is empty. A net has `layers` and",
        ),
        ("n.yaml", b"name\0", "D/n.yaml: Expected the text of a net. This is a binary file of 5 bytes."),
        ("n.yaml", b"name: x\ninput: caf\xe9", "D/n.yaml:2:11: The byte 0xe9 is not UTF-8."),
        ("n.caffemodel", b"name: x", "D/n.caffemodel: This is not a binary NetParameter, or the file is truncated"),
        ("n.json", b"{}", "D/n.json: The suffix '.json' is unknown. Use .yaml"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, data: bytes, wanted: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert error(tmp_path / name).startswith(wanted)


def test_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "lenet.yaml").write_text(LENET)
    assert error(tmp_path / "lenett.yaml") == "D/lenett.yaml: There is no such file. Did you mean 'lenet.yaml'?"
    assert "There is no folder" in error(tmp_path / "nets" / "lenet.yaml")
    (tmp_path / "dir.yaml").mkdir()
    assert error(tmp_path / "dir.yaml") == "D/dir.yaml: This is a folder. Expected the file of a net. There is no net in it."


def test_a_solver_given_for_a_net_and_the_other_way(tmp_path: Path) -> None:
    (tmp_path / "s.prototxt").write_text("base_lr: 0.1")
    assert "It is a field of the solver: write `solver { base_lr: ... }`" in error(tmp_path / "s.prototxt")
    (tmp_path / "n.prototxt").write_text("input: 'x'")
    assert "is this the file of a net?" in error(tmp_path / "n.prototxt", pb.SolverParameter)


def test_is_fast(tmp_path: Path) -> None:
    (tmp_path / "lenet.yaml").write_text(LENET)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        load(tmp_path / "lenet.yaml")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.03


TEXT = b'# a net\nname: "n"\nlayer { name: "d" type: "Input" top: "d" input_param { shape { dim: [2, 3] } } }\n'


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("net.pt", TEXT, "text"),
        ("net", TEXT, "text"),
        ("net.prototxt.v2", TEXT, "text"),
        ("net.prototxt.txt", TEXT, "text"),
        ("NET.PROTOTXT", TEXT, "text"),
        ("fork", b'fork_field: 1\nlayer {\n name: "d" type: "Input" top: "d" input_param { shape { dim: [2, 3] } } }\n', "fork"),
        ("deploy.net", b"name: n\nlayers:\n  - Input: {name: d, shape: {dim: [2, 3]}}\n", "YAML"),
        ("model.bin", pb.NetParameter(name="n", layer=[pb.LayerParameter(name="d", type="Input")]).SerializeToString(), "binary"),
    ],
)
def test_a_name_without_a_known_suffix(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(data)
    message = load(tmp_path / name, dropped=Dropped(outside=True)).message
    assert [layer.name for layer in message.layer] == ["d"] and (message.name == "n" or kind == "fork")


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("rows.dat", b"a,b\n1,2\n", "The suffix '.dat' is unknown."),
        ("notes", b"Dear reader: this is no net.\n", "The suffix '' is unknown."),
        ("model.pt", b"PK\x03\x04 and so on \x00\x01", "The suffix '.pt' is unknown."),
        ("noise", bytes(range(256)), "The suffix '' is unknown."),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, name: str, data: bytes, wanted: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert wanted in error(tmp_path / name)


@pytest.mark.parametrize("data", [b"\t" * 50000 + b"layer" + b" " * 50000, b"  \n" * 50000, b"# " * 50000, b"layers" + b" " * 50000])
def test_hostile_texts_without_a_suffix_are_refused_at_once(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "net").write_bytes(data)
    start = time.monotonic()
    assert "The suffix '' is unknown." in error(tmp_path / "net") and time.monotonic() - start < 5
