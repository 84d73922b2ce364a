"""Text out of files on a terminal: it can be read, and can do nothing else."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from rich.progress import Progress

from netc import terminal
from netc.report.screen import screen
from tests.conftest import ROOT, pseudo_terminal
from tests.small_nets import netc

ATTACKS = {
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "title": "\x1b]0;owned\x1b\\",
    "c1": "\x9d52;c;eA==\x9c",
    "clear": "\x1b[2J\x1b[H",
    "colour": "\x1b[8mhidden",
    "link": "\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\",
    "overwrite": "bad\rgood",
    "backspace": "bad\b\b\bgood",
    "bidi": "\u202egnp.exe\u2066\u061c",
    "unseen": "a\u200bb\u2060\ufeff\U000e0041",
    "separator": "a\u2028b\u2029c\x85d",
    "lone half": "\ud800",
    "delete": "\x7f",
}
SAFE = "naïve 名前 \U0001f468\u200d\U0001f469 می\u200cخواهم \u3000 [bold] \\x1b\tx"
STEERING = {c for text in ATTACKS.values() for c in text if ord(c) < 32 or 127 <= ord(c) < 160 or ord(c) >= 0x2028 or c in "\u200b\u061c"}


def harmless(text: str) -> bool:
    return not STEERING & set(text)


@pytest.mark.parametrize("name", ATTACKS)
def test_what_steers_is_replaced_character_by_character(name: str) -> None:
    found = terminal.clean(ATTACKS[name])
    assert harmless(found) and len(found) == len(ATTACKS[name])


def test_text_stays_as_it_is() -> None:
    assert terminal.clean(SAFE) == terminal.line(SAFE) == SAFE
    assert terminal.clean("a\nb") == "a\nb" and terminal.line("a\nb") == "a\N{REPLACEMENT CHARACTER}b"
    assert terminal.paragraph("a\nnetc: b") == "a\n    netc: b"


@pytest.mark.parametrize("write", [print, lambda t: sys.stdout.writelines([t]), lambda t: print(t, file=sys.stderr)])
def test_whoever_writes_is_cleaned(write: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.cleaned():
        write("".join(ATTACKS.values()).replace("\ud800", ""))
    found = capsys.readouterr()
    assert found.out + found.err and harmless(found.out + found.err)
    assert not isinstance(sys.stdout, terminal.Cleaned)


def test_a_bar_is_drawn_and_its_texts_are_cleaned() -> None:
    stream = io.StringIO()
    console = terminal.console(stream, force_terminal=True, width=80)
    with Progress("{task.description}", console=console) as bar:
        bar.add_task("\x1b]52;c;x\x07[/nonsense", total=1)
        console.print("[bold]\x9d\u202e")
    found = stream.getvalue()
    assert (
        "\x1b[" in found
        and "[bold]" in found
        and not {"\x1b]", "\x07", "\x9d", "\u202e"} & {found[k : k + n] for k in range(len(found)) for n in (1, 2)}
    )


def test_a_screen_cleans_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    screen().say("layer '\x1b[2J'\nafter 9 iterations: accuracy 1")
    assert capsys.readouterr().out == "layer '\N{REPLACEMENT CHARACTER}[2J'\n    after 9 iterations: accuracy 1\n"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """The folder of a model whose labels steer a terminal."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["\x1b]52;c;x\x07"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("\x1b]52;c;x\x07", TensorProto.FLOAT, ["N", 2])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    entry = model.metadata_props.add()
    entry.key, entry.value = "netc", json.dumps({"classes": [ATTACKS["clipboard"] + "\nx.npy[1]: b 1.0", ATTACKS["bidi"]]})
    onnx.save(model, tmp_path / "model.onnx")
    np.save(tmp_path / "x.npy", np.array([[1, 2]], np.float32))
    return tmp_path


def on_a_terminal(*arguments: str, cwd: Path = ROOT) -> str:
    """All that a command writes to a terminal."""
    master, slave = pseudo_terminal()
    with subprocess.Popen([sys.executable, "-m", "netc", *arguments], cwd=cwd, stdout=slave, stderr=slave, stdin=slave) as process:
        os.close(slave)
        found = b""
        try:
            while piece := os.read(master, 1 << 16):
                found += piece
        except OSError:  # what a terminal says when its last writer went
            pass
        process.wait()
    os.close(master)
    return found.decode().replace("\r\n", "\n")


def test_predict_of_a_hostile_model(hostile: Path) -> None:
    found = on_a_terminal("predict", str(hostile / "model.onnx"), str(hostile / "x.npy"))
    assert harmless(found.replace("\n", "")) and found.count("\n") == 1 and "]52;c" in found


def test_labels_of_a_hostile_file(hostile: Path) -> None:
    (hostile / "labels.txt").write_text("\x1b]52;c;x\x07\n\x9b2J\n")
    found = on_a_terminal("predict", str(hostile / "model.onnx"), str(hostile / "x.npy"))
    assert harmless(found.replace("\n", "")) and "]52;c" in found


def test_folders_of_a_data_set(tmp_path: Path) -> None:
    for name in ("cat\x1b]52;c;x\x07", "dog\nnetc: all is well"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for k in range(2):
            Image.new("L", (4, 4), k).save(tmp_path / "set" / name / f"{k}.png")
    found = on_a_terminal("data", "show", str(tmp_path / "set"))
    assert "\x1b]" not in found and "\x07" not in found and "\nnetc: all" not in found and "\x1b[" in found  # pictures are in colour


def test_names_in_a_net_and_in_its_errors(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text('layers:\n  - Data: {name: "\\e]52;c;x\\a", source: "\\e[2J"}\n  - "\\e]0;x\\a": {}\n')
    found = netc("check", str(tmp_path / "n.yaml"))
    assert found.exit_code == 2 and harmless(found.output.replace("\n", ""))
    found = netc("data", "show", "\x1b]52;c;x\x07")
    assert found.exit_code and harmless(found.output.replace("\n", ""))
    found = netc("\x1b]52;c;x\x07")
    assert found.exit_code and harmless(found.output.replace("\n", ""))


def test_netcs_own_colours_still_come() -> None:
    assert "\x1b[31m\x1b[1mnetc:" in on_a_terminal("check", "gone.yaml").replace("\x1b[0m", "")


def test_a_traceback_is_cleaned() -> None:
    found = on_a_terminal("--debug", "check", "\x1b]52;c;x\x07")
    assert "Traceback" in found and harmless(found.replace("\n", ""))


def test_no_module_writes_past_the_cleaning() -> None:
    own = re.compile(r"\bConsole\((?!quiet=True)|__stdout__|__stderr__|sys\.std(out|err)\.buffer|os\.write\([12],")
    made = [p.name for p in (ROOT / "netc").rglob("*.py") if p.name != "terminal.py" and own.search(p.read_text())]
    assert made == []


def test_a_net_goes_into_a_pipe_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text('name: "a\u202eb"\nlayers:\n  - Input: {top: x, shape: {dim: [1, 2]}}\n', encoding="utf-8")
    made = subprocess.run([sys.executable, "-m", "netc", "convert", tmp_path / "n.yaml"], cwd=ROOT, capture_output=True)
    assert made.returncode == 0 and (b"\xe2\x80\xae" in made.stdout or b"\\342\\200\\256" in made.stdout)
    assert harmless(on_a_terminal("convert", str(tmp_path / "n.yaml")).replace("\n", ""))
