"""`netc leaderboard`: all runs below folders, best first, in one table for each data set."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from netc import netc_pb2 as pb
from netc import registry
from netc.commands.cv import STUDY
from netc.data import setting
from netc.errors import NetcError, SpecError, near
from netc.formats.by_suffix import form, put
from netc.report.compare import lines
from netc.report.cv import summary
from netc.report.html import seconds
from netc.report.run import LESS, Run
from netc.spec import load
from netc.training import input_files
from netc.training.evaluate import singles
from netc.training.folder import RunFolder

LOSS = "loss"


@dataclass(frozen=True)
class Entry:
    """A run, or the runs of all folds of a study of `netc cv`, with what is known of them."""

    path: Path
    runs: tuple[Run, ...]
    net: pb.NetParameter
    prints: Mapping[str, str]  # fingerprints of its files

    @cached_property
    def _summary(self) -> dict[str, tuple[float, float]]:
        return summary(self.runs) if len(self.runs) > 1 else {name: (value, 0.0) for name, value in singles(self.runs[0].scores).items()}

    @cached_property
    def scores(self) -> dict[str, float]:
        """The scores; the means of those of several folds."""
        return {name: mean for name, (mean, _) in self._summary.items()}

    @property
    def deviations(self) -> dict[str, float]:
        """The standard deviations of the scores over the folds; empty for one run."""
        return {name: deviation for name, (_, deviation) in self._summary.items()} if len(self.runs) > 1 else {}

    def shown(self, name: str) -> str:
        """A score for people."""
        deviation = f" ± {self.deviations[name]:.4f}" if name in self.deviations else ""
        return f"{self.scores[name]:.4f}{deviation}" if name in self.scores else "-"

    @cached_property
    def _sources(self) -> list[pb.LayerParameter]:
        kinds = registry.layer.records
        return [layer for layer in self.net.layer if layer.type in kinds and kinds[layer.type].source]

    @property
    def data(self) -> str:
        """The data, for people: names of files, and the label of a table."""
        names = dict.fromkeys(Path(s).name for layer in self._sources if (s := setting(layer, "source")))
        labels = dict.fromkeys(label for layer in self._sources for label in layer.table_param.label)
        return ", ".join(names or [layer.type for layer in self._sources][:1]) + (f", label {', '.join(labels)}" if labels else "")

    @property
    def key(self) -> tuple[Any, ...]:
        """What equal data has in common: the content of its files or else their names, queries and labels."""
        files = {Path(setting(layer, field)).name for layer in self._sources for field in ("source", "test_source")} - {""}
        content = sorted(self.prints.get(name, name) for name in files)
        queries = sorted({layer.table_param.query for layer in self._sources})
        return *content, *queries, *sorted({label for layer in self._sources for label in layer.table_param.label})

    @property
    def test_rows(self) -> str:
        """The settings that decide which rows are for testing."""
        splits = [pb.TableSplitParameter.FromString(layer.table_param.split.SerializeToString()) for layer in self._sources]
        for split in splits:
            split.ClearField("fold")
        return str(sorted({(layer.data_param.test_fraction, str(split)) for layer, split in zip(self._sources, splits, strict=True)}))

    @property
    def figures(self) -> dict[str, Any]:
        """The fields of a row, for JSON and CSV. What a run did not record is None."""
        known = [run.record for run in self.runs if run.record]
        return {
            "run": str(self.path),
            "net": self.net.name or self.runs[0].path.parent.name,
            "data": self.data,
            "seed": int(self.net.solver.random_seed) if self.net.solver.HasField("random_seed") else 0,
            "folds": len(self.runs) if len(self.runs) > 1 else None,
            "iterations": sum(r.iteration for r in known) if known else None,
            "rows_read": sum(r.iteration * r.rows for r in known) if known else None,
            "parameters": known[0].parameters if known else None,
            "seconds": round(sum(r.seconds for r in known), 3) if known else None,
            "ended": ", ".join(dict.fromkeys(r.reason or "running" for r in known)) if known else None,
            "scores": self.scores,
            "deviations": self.deviations,
        }


@dataclass(frozen=True)
class Board:
    """The runs on one data set, the best first by `metric`. Runs without this score are at the end."""

    data: str
    metric: str
    lower_is_better: bool
    entries: tuple[Entry, ...]

    @property
    def notes(self) -> Iterator[str]:
        """What limits a comparison."""
        if len({entry.test_rows for entry in self.entries}) > 1:
            yield "The runs have different test rows, so their scores differ by chance too."
        lacking = sum(self.metric not in entry.scores for entry in self.entries)
        if lacking:
            yield f"{lacking} run{'s' * (lacking > 1)} without a score {self.metric!r} {'are' if lacking > 1 else 'is'} at the end."


def boards(paths: Sequence[str], metric: str | None) -> list[Board]:
    """Return a board for each data set of the runs below folders. SpecError if there are no runs, or none with the score `metric`."""
    grouped: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in entries(paths):
        grouped.setdefault(entry.key, []).append(entry)
    known = {name for found in grouped.values() for entry in found for name in entry.scores}
    if metric and metric not in known:
        raise SpecError(f"No run has a score {metric!r}. {near(metric, known)}")
    return [_board(found, metric) for found in grouped.values()]


def entries(paths: Sequence[str]) -> list[Entry]:
    """Return the runs below folders, at any depth. Runs whose net cannot be read are skipped. SpecError if there are none."""
    found = []
    for path in paths:
        root = Path(path)
        if not root.is_dir():
            raise SpecError(f"{path}: There is no such folder. {near(root.name, [p.name for p in root.parent.glob('*') if p.is_dir()])}")
        folders = sorted({net.parent for net in root.rglob("net.yaml") if (net.parent / "log.jsonl").exists()}, key=_in_order)
        places = [_study(folder) or folder for folder in folders]
        groups = {place: [f for f, p in zip(folders, places, strict=True) if p == place] for place in dict.fromkeys(places)}
        found += [entry for place, runs in groups.items() if (entry := _entry(place, runs)) is not None]
    if not found:
        raise SpecError(f"{', '.join(paths)}: There are no runs. A run is a folder runs/<net>/<number>.")
    return found


def _in_order(folder: Path) -> list[tuple[int, str]]:
    """A key that puts run 10 after run 9."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in folder.parts]


def _study(folder: Path) -> Path | None:
    """The study of `netc cv` that a run belongs to: STUDY/fold0/NET/1."""
    return folder.parents[2] if len(folder.parents) > 3 and (folder.parents[2] / STUDY).exists() else None


def _entry(place: Path, folders: Sequence[Path]) -> Entry | None:
    newest = {folder.parent: folder for folder in folders}  # of each fold
    try:
        net: pb.NetParameter = load(folders[0] / "net.yaml").message
    except NetcError:
        return None
    runs = tuple(Run(RunFolder(folder)) for folder in newest.values())
    return Entry(place, runs, net, input_files.remembered(folders[0]))


def _board(found: Sequence[Entry], asked: str | None) -> Board:
    metric = asked or _shared(found)
    lower = is_lower_better(metric, next((e.net for e in found if metric in e.scores), found[0].net))
    sign = 1 if lower else -1
    ranked = sorted(found, key=lambda e: (metric not in e.scores, sign * e.scores.get(metric, 0.0)))
    return Board(found[0].data, metric, lower, tuple(ranked))


def is_lower_better(metric: str, net: pb.NetParameter) -> bool:
    """Whether a lower score is better: by the layer of a net that computes it, or else by its name."""
    for layer in net.layer:
        kind = registry.layer.records.get(layer.type)
        if kind and kind.metric and metric in layer.top:
            return list(layer.top).index(metric) in kind.lower_is_better
    return any(word in metric.lower() for word in LESS)


def _shared(found: Sequence[Entry]) -> str:
    """The score that most runs have: what they monitor, else a metric, else a loss."""
    names = list(dict.fromkeys(name for entry in found for name in entry.scores))
    monitored = [entry.net.solver.monitor or entry.runs[0].monitored[0] for entry in found]
    counts = {name: sum(name in entry.scores for entry in found) for name in names}
    return max(names, key=lambda n: (counts[n], monitored.count(n), n != LOSS), default=LOSS)


def leaderboard_command(paths: Sequence[str], metric: str | None, output: str | None, as_json: bool) -> list[str]:
    """Return the lines to print. With `output`, write the runs to this file instead."""
    if output:
        form(output, (".json", ".csv", ".tsv"), "a leaderboard")
    made = boards(paths, metric)
    if output:
        put(output, (_csv(made, "\t" if output.lower().endswith(".tsv") else ",") if not output.lower().endswith(".json") else _json(made)))
        return []
    return [_json(made).decode().rstrip()] if as_json else [line for board in made for line in ["", *_printed(board)]][1:]


def _printed(board: Board) -> list[str]:
    """A board as aligned lines."""
    names = [board.metric, *dict.fromkeys(n for e in board.entries for n in e.scores if n != board.metric)]
    rows: list[tuple[str, ...]] = [("", "run", "net", "seed", *names, "iterations", "rows read", "time", "ended")]
    for k, entry in enumerate(board.entries, 1):
        facts = entry.figures
        cells = [entry.shown(name) for name in names]
        counts = [f"{facts[n]:,}" if facts[n] is not None else "-" for n in ("iterations", "rows_read")]
        time = seconds(facts["seconds"]) if facts["seconds"] is not None else "-"
        place = str(k) if board.metric in entry.scores else "-"
        rows.append((place, facts["run"], facts["net"], str(facts["seed"]), *cells, *counts, time, facts["ended"] or "-"))
    way = "lower" if board.lower_is_better else "higher"
    head = f"{board.data}: {len(board.entries)} run{'s' * (len(board.entries) > 1)} by {board.metric} ({way} is better)"
    return [head, *lines(rows), *board.notes]


def _json(made: Sequence[Board]) -> bytes:
    shown = [{"data": b.data, "metric": b.metric, "lower_is_better": b.lower_is_better, "notes": list(b.notes),
              "runs": [e.figures for e in b.entries]} for b in made]  # fmt: skip
    return (json.dumps(shown, indent=2, ensure_ascii=False) + "\n").encode()


def _csv(made: Sequence[Board], delimiter: str) -> bytes:
    """A line for each run, with the columns of all boards."""
    names = list(dict.fromkeys(name for board in made for entry in board.entries for name in entry.scores))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    facts = [n for n in made[0].entries[0].figures if n not in ("scores", "deviations")]
    writer.writerow(["place", "metric", *facts, *names])
    for board in made:
        for k, entry in enumerate(board.entries, 1):
            figures = entry.figures
            scores = [entry.scores.get(name, "") for name in names]
            own = ["" if figures[n] is None else figures[n] for n in facts]
            writer.writerow([k if board.metric in entry.scores else "", board.metric, *own, *scores])
    return buffer.getvalue().encode()
