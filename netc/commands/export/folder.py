"""`netc convert FOLDER`: every Caffe model of a folder, or of a list, to an ONNX file. Each is converted in a process of its own."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc import terminal
from netc.commands.export import pairs
from netc.commands.export.one import Options
from netc.commands.export.pairs import Model
from netc.errors import Diagnostic, Place, SpecError
from netc.spec.document import Dropped

LISTS = (".txt", ".lst", ".list", ".csv", "")
DONE, REFUSED, CRASHED, THERE, LEFT_OUT = "converted", "refused", "crashed", "already there", "left out"
CHILD = "from netc.cli import main; main(prog_name='netc')"


@dataclass(frozen=True)
class Row:
    """A model and what became of it. `facts` are those of the ONNX file, `errors` why there is none."""

    model: Model
    output: Path | None
    outcome: str
    facts: dict[str, Any]
    errors: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """What users read."""
        if self.outcome != DONE:
            more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
            return f"{self.outcome}: {' '.join(self.errors[0].split())}{more}"
        ports = [", ".join(f"{name} {shape}" for name, shape in self.facts[side].items()) for side in ("inputs", "outputs")]
        return f"{self.output}: {self.facts['parameters']:,} parameters; {' -> '.join(ports)}{_compared(self.facts.get('opencv'))}"

    @property
    def as_json(self) -> dict[str, Any]:
        """The same for JSON."""
        net, weights = (str(p) if p else None for p in (self.model.net, self.model.weights))
        said = {"net": net, "weights": weights, "pairing": self.model.note, "outcome": self.outcome, "errors": list(self.errors)}
        return said | ({"facts": self.facts} if self.facts else {})


@dataclass(frozen=True)
class Found:
    """The rows of all models."""

    rows: tuple[Row, ...]

    @property
    def wanted(self) -> list[Row]:
        return [row for row in self.rows if row.outcome != LEFT_OUT]

    @property
    def exit_code(self) -> int:
        """0 if all models were converted, 1 if some were, 2 if none was."""
        done = sum(row.outcome == DONE for row in self.wanted)
        return 0 if done == len(self.wanted) else 1 if done else 2

    @property
    def table(self) -> list[str]:
        """One line per model, and a line that counts the outcomes."""
        cells = [("net", "weights", "paired by", "result")]
        for row in self.rows:
            net, weights = (str(p) if p else "-" for p in (row.model.net, row.model.weights))
            cells.append((net, weights, row.model.note or "-", row.result))
        widths = [terminal.column(line[k] for line in cells) for k in range(3)]
        lines = ["  ".join((*(line[k].ljust(widths[k]) for k in range(3)), line[3])).rstrip() for line in cells]
        counts = {kind: sum(row.outcome == kind for row in self.rows) for kind in (DONE, REFUSED, CRASHED, THERE, LEFT_OUT)}
        return [*lines, ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)]

    @property
    def as_json(self) -> dict[str, Any]:
        """The rows for JSON."""
        return {"models": [row.as_json for row in self.rows], "converted": sum(row.outcome == DONE for row in self.rows)}


def is_list(source: str) -> bool:
    """Whether `source` is a folder, or a text file with a net and its weights per line."""
    path = Path(source)
    if path.is_dir():
        return True
    if path.suffix.lower() not in LISTS or not path.is_file():
        return False
    with path.open(errors="replace") as file:
        first = next((words for line in file if (words := _words(line))), [])
    return bool(first) and all(word.endswith((*pairs.NETS, *pairs.WEIGHTS)) for word in first)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line.replace(",", " "), comments=True)
    except ValueError:
        return []


def models(source: str) -> list[Model]:
    """The models of a folder or of a list. SpecError if there are none."""
    path = Path(source)
    found = pairs.models(path) if path.is_dir() else list(_listed(path))
    if not found:
        kinds = f"{', '.join(pairs.NETS)} or {', '.join(pairs.WEIGHTS)}"
        raise SpecError(Diagnostic(Place(source), f"There is no Caffe model in it: no net or weights with the suffix {kinds}."))
    return found


def _listed(path: Path) -> Iterator[Model]:
    """The models of a list. Paths start from the current folder or from that of the list."""
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        words = _words(line)
        if not words:
            continue
        files = [next((p for p in (Path(word), path.parent / word) if p.exists()), Path(word)) for word in words[:2]]
        lost = [str(file) for file in files if not file.exists()]
        problem = f"{path}:{number}: There is no file {', '.join(lost)}." if lost else ""
        if len(words) > 2:
            problem = f"{path}:{number}: Expected NET WEIGHTS, got {len(words)} words."
        yield Model(files[0], files[1] if len(files) > 1 else None, "the list", problem)


def arguments(
    overrides: Sequence[str], plugins: Sequence[str], dropped: Dropped, onnx: Options, state: Sequence[str], allow_python: bool
) -> list[list[str]]:
    """The options of this command for those of each model: before `convert`, and after it. `state` are --stage and --level."""
    after = [*(("--set", v) for v in overrides), *(("--plugin", v) for v in plugins), *(("--ignore", v) for v in dropped.fields)]
    after += [("--input-size", v) for v in onnx.sizes] + ([("--opset", str(onnx.opset))] if onnx.opset else [])
    flags = {"--allow-unknown": dropped.outside, "--half": onnx.half, "--plain": not onnx.simplify}
    more = [flag for flag, given in flags.items() if given] + (["--compare", "opencv"] if onnx.opencv else [])
    return [["--allow-python"] * allow_python, [*(word for pair in after for word in pair), *more, *state]]


def convert(source: str, output: str | None, options: Sequence[Sequence[str]], force: bool, say: Callable[[str], object]) -> Found:
    """Convert all models of a folder or a list, one after the other. `say` gets a line before each.

    No file is overwritten without `force`.
    """
    rows, found = [], models(source)
    for number, (model, target) in enumerate(zip(found, _targets(found, Path(source), output), strict=True), 1):
        if model.net and not model.problem:
            say(f"{number} of {len(found)}: {model.net}{f' with {model.weights}' if model.weights else ''}")
        rows.append(_row(model, target, options, force))
    return Found(tuple(rows))


def _targets(found: Sequence[Model], source: Path, output: str | None) -> Iterator[Path | None]:
    """The ONNX file of each model: beside its net, or under `output`, in the same folders as under the folder `source`."""
    taken: set[Path] = set()
    for model in found:
        if model.net is None:
            yield None
            continue
        own = model.net.parent
        inner = own.relative_to(source) if source.is_dir() else Path()
        folder = own if output is None else Path(output) / inner
        names = (model.name, f"{model.name}-{model.net.stem}", *(f"{model.name}-{k}" for k in range(2, len(found) + 2)))
        target = next(path for name in names if (path := folder / f"{name}.onnx") not in taken)
        taken.add(target)
        yield target


def _row(model: Model, target: Path | None, options: Sequence[Sequence[str]], force: bool) -> Row:
    if model.problem or model.net is None or target is None:
        return Row(model, None, LEFT_OUT if model.left_out else REFUSED, {}, (model.problem,))
    if target.exists() and not force:
        return Row(model, target, THERE, {}, (f"{target}; --force overwrites it.",))
    before, after = options
    command = [*before, "convert", str(model.net), *([str(model.weights)] if model.weights else []), "-o", str(target), "--json", *after]
    target.parent.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(dict.fromkeys(p for p in (*sys.path, os.environ.get("PYTHONPATH", "")) if p))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", CHILD, *command], capture_output=True, stdin=subprocess.DEVNULL, env=environment)
    facts = _parsed(done.stdout)
    if done.returncode == 0 and "output" in facts:
        return Row(model, target, DONE, facts)
    if "errors" in facts:
        return Row(model, target, REFUSED, {}, tuple(facts["errors"]))
    said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
    return Row(model, target, CRASHED, {}, (f"the process ended with the code {done.returncode}: {said[-1]}",))


def _parsed(output: bytes) -> dict[str, Any]:
    """The JSON that a process printed last, {} if there is none. A plug-in may print before it."""
    text = output.decode(errors="replace")
    for found in re.finditer(r"^\{$", text, re.MULTILINE):
        try:
            facts: dict[str, Any] = json.loads(text[found.start() :])
        except ValueError:
            continue
        return facts
    return {}


def _compared(opencv: dict[str, Any] | None) -> str:
    """The end of a line: the largest difference from OpenCV."""
    if not opencv:
        return ""
    found = [value["absolute"] for name, value in opencv.items() if name != "reason"]
    return f"; OpenCV {max(found):.2g}" if found else f"; OpenCV: {opencv['reason']}"
