"""The form of what commands write is that of the file's suffix, or it is refused before any work."""

from pathlib import Path
from typing import Any

import pytest

from netc.errors import RunError, SpecError
from netc.formats.by_suffix import form, put
from tests.small_nets import netc, write_small


def test_a_suffix_names_a_form() -> None:
    assert form("a/b.SVG", (".svg", ".dot"), "a drawing") == ".svg" and form("lmdb", (".npz", ""), "features") == ""
    with pytest.raises(SpecError, match=r"x.png: netc writes a drawing as .svg or .dot. The suffix '.png' is none of them"):
        form("x.png", (".svg", ".dot"), "a drawing")
    with pytest.raises(SpecError, match=r"x: netc writes a chart as .svg. The name has no suffix"):
        form("x", (".svg",), "a chart")


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="Cannot write .*x.svg: No such file or directory"):
        put(str(tmp_path / "no" / "x.svg"), b"")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("draw", "small.yaml", "-o", "x.png"), "netc writes a drawing as .svg, .dot or .gv. The suffix '.png' is none"),
        (("report", "runs", "-o", "x.png"), "netc writes a report as .html or .htm"),
        (("report", "runs", "--picture", "loss", "-o", "x.png"), "netc writes a chart as .svg"),
        (("data", "show", "small.npz", "-o", "x.csv"), "netc writes a view of a data set as .html or .png"),
        (("data", "mean", "lmdb", "x.png"), "netc writes a mean image as .binaryproto"),
        (("extract-features", "small.yaml", "--weights", "w", "--blobs", "ip1", "-o", "x.h5"), "netc writes features as .npz, .npy, .csv"),
        (
            ("predict", "small", "x.png", "-o", "x.zip"),
            "netc writes predictions as .csv, .tsv, .parquet, .npz, .npy, .json, .jsonl, .png or .txt",
        ),
        (("predict", "small", "--prompt", "x", "-o", "x.csv"), "netc writes a text as .txt"),
    ],
)
def test_commands_refuse_other_suffixes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[Any, ...], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_small(tmp_path)
    result = netc(*arguments)
    assert result.exit_code == 2 and said in result.stderr, result.stderr
    assert not list(tmp_path.glob("x.*"))
