"""Runs the blocks of a page of Markdown, one after the other, in a folder that holds copies of nets/ and model_zoo/.

A block says by its first word what is done with it:

    sh      each line is run and must end well, with `fails` the last one must not; `netc` runs in this process
    python  run; with a first line `# name.py`, kept as that file
    yaml    a net or a part of one: read, and so checked, unless it is `broken`; with a first line `# name.yaml`, kept as that file
    prototxt  the same
    text    must be found in what the block before it printed: line by line, in order, numbers alike; `...` stands for anything
    csv     kept as the file that the word after it names

Any of them with `not run` after it is left alone, as are blocks of other languages; `NOT_RUN` in test_pages.py counts these.
`short` trains the nets of a `sh` block for a few steps only: `netc train` then gets `SHORT` as arguments.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from netc import netc_pb2 as pb
from netc.cli import main
from netc.spec import parse_prototxt, parse_yaml

SHORT = ["--set", "solver.max_iter=20", "--set", "solver.test_iter=2", "--set", "solver.display=10", "--publish"]
RUN = ("sh", "python")
KNOWN = (*RUN, "yaml", "prototxt", "text", "csv")
FENCE = re.compile(r"^```(\S+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[-+]?\d[\d,.]*(?:e[-+]?\d+)?|\b(?:nan|inf)\b|\b(?:native|portable|cuda|cpu)\b")
PAGE = "<page>"  # what Python blocks are called
ABSENT = re.compile(r"the data set '.*' is not here")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words after it, its text, its line in the page."""

    language: str
    words: str
    text: str
    line: int

    @property
    def is_run(self) -> bool:
        return self.language in KNOWN and "not run" not in self.words


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    for found in FENCE.finditer(page):
        yield Block(found[1], found[2].strip(), found[3], page.count("\n", 0, found.start()) + 1)


def run_page(path: Path, folder: Path) -> None:
    """Run the blocks of a page with `folder` as the current one. AssertionError, with the line, where one is wrong."""
    names: dict[str, object] = {"__name__": "__main__"}  # what the Python blocks of a page share
    printed, words = None, ""
    for block in blocks(path.read_text()):
        try:
            if not block.is_run:
                printed = None
            elif block.language == "text":
                assert printed is not None, "this is the output of no block"
                compare(block.text, printed, "short" in words)
            else:
                printed, words = _run(block, folder, names), block.words
        except Exception as e:
            raise AssertionError(f"{path.name}:{block.line}: {type(e).__name__}: {e}") from e


def compare(expected: str, printed: str, short: bool = False) -> None:
    """AssertionError unless each line of `expected` is found in a line of `printed`, below the one before unless the run was short."""
    rest = lines = printed.splitlines()
    for line in expected.splitlines():
        if line.strip() in ("", "..."):
            continue
        pattern = re.compile(_pattern(line.rstrip()))
        at = next((k for k, given in enumerate(rest) if pattern.search(given)), None)
        assert at is not None, f"{line!r} is not in what was printed:\n{printed}"
        rest = lines if short else rest[at + 1 :]


def _pattern(line: str) -> str:
    """A line as a regular expression: any number for a number, anything for `...`, any run of spaces for another."""
    parts = (NUMBER.sub("\0", part) for part in line.split("..."))
    text = ".*".join(re.escape(part) for part in parts)
    return re.sub(r"(?:\\ )+", r"\\s+", text).replace(re.escape("\0"), f"(?:{NUMBER.pattern})")


def _run(block: Block, folder: Path, names: dict[str, object]) -> str:
    """Do what a block says; what it printed."""
    name = re.match(r"# (\S+\.\w+)", block.text)
    if block.language == "csv":
        (folder / block.words).write_text(block.text)
    elif name and block.language != "sh":
        (folder / name[1]).write_text(block.text)
    if block.language == "yaml" and "broken" not in block.words:
        parse_yaml(_whole(block.text), pb.NetParameter)
    elif block.language == "prototxt" and "plugin" not in block.words:  # the layers of a plug-in are not loaded here
        parse_prototxt(block.text, pb.NetParameter if "layer" in block.text else pb.SolverParameter)
    elif block.language == "python" and not name:
        return _python(block.text, names)
    elif block.language == "sh":
        return "".join(_shell(block, folder))
    return ""


def _whole(text: str) -> str:
    """A part of a net in YAML as a net: layers get a source of data above them."""
    first = next(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return f"layers:\n- Data\n{text}" if first.lstrip().startswith("- ") else text


def _python(text: str, names: dict[str, object]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, PAGE, "exec"), names)
    return out.getvalue()


def _shell(block: Block, folder: Path) -> Iterator[str]:
    """What each line of a shell block prints."""
    lines = [line for line in re.sub(r"\\\n\s*", "", block.text).splitlines() if line.strip() and not line.startswith("#")]
    for line in lines:
        code, printed = _netc(line, "short" in block.words) if re.fullmatch(r"netc [^|>&;]*", line) else _sh(line, folder)
        if ABSENT.search(printed):
            pytest.skip(printed.splitlines()[0])
        wrong = "fails" in block.words and line == lines[-1]
        assert (code != 0) == wrong, f"`{line}` ended with {code}:\n{printed}"
        yield printed


def _netc(line: str, short: bool) -> tuple[int, str]:
    arguments = shlex.split(line, comments=True)[1:]
    result = CliRunner().invoke(main, [*arguments, *(SHORT if short and arguments[0] == "train" else [])], prog_name="netc")
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def _sh(line: str, folder: Path) -> tuple[int, str]:
    root = Path(__file__).parents[2]
    script = f'netc() {{ "{sys.executable}" -m netc "$@"; }}\npython() {{ "{sys.executable}" "$@"; }}\n{line}'
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        ["bash", "-c", script], cwd=folder, text=True, capture_output=True, env={**os.environ, "PYTHONPATH": paths}, timeout=60
    )
    return result.returncode, result.stdout + result.stderr
