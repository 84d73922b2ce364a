"""Compare several runs: their curves, final scores and differing settings."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from google.protobuf.json_format import MessageToDict
from markupsafe import Markup

from netc import netc_pb2 as pb
from netc.errors import NetcError
from netc.report import charts
from netc.report.charts import Series
from netc.report.html import charts as side_by_side
from netc.report.html import figure, paragraph, seconds, table
from netc.report.page import Filled, render
from netc.report.recurrence import reach, reach_chart
from netc.report.run import Run
from netc.spec import load
from netc.training.evaluate import singles

MOST_SETTINGS = 60
Rows = list[tuple[str, ...]]


def figures(run: Run) -> dict[str, Any]:
    """The final scores of a run for JSON. Times and speed are None if the run did not record them."""
    known, best = run.record, run.best
    return {
        "run": str(run.path),
        "net": known.name if known else run.path.parent.name,
        "iterations": known.iteration if known else max((line["iteration"] for line in run.lines), default=0),
        "ended": known.reason if known else None,
        "scores": run.scores,
        "best": {"iteration": best["iteration"], run.monitored[0]: best[run.monitored[0]]} if best else None,
        "parameters": known.parameters if known else None,
        "seconds": round(known.seconds, 3) if known else None,
        "rows_per_second": round(known.speed, 1) if known else None,
    }


def comparison(runs: Sequence[Run]) -> Rows:
    """A table: the header, then one row per run."""
    scores = list(dict.fromkeys(name for run in runs for name in singles(run.scores)))
    head = ("run", *scores, "best", "at", "iterations", "time", "rows/s", "parameters", "ended")
    return [head, *(_row(run, scores) for run in runs)]


def _row(run: Run, scores: Sequence[str]) -> tuple[str, ...]:
    final, best = figures(run), run.best
    own = singles(run.scores)
    cells = [f"{own[name]:.4f}" if name in own else "-" for name in scores]
    cells += [f"{best[run.monitored[0]]:.4f}", f"{best['iteration']:,}"] if best else ["-", "-"]
    cells.append(f"{final['iterations']:,}")
    cells += [seconds(final["seconds"]), f"{final['rows_per_second']:,.0f}"] if run.record else ["-", "-"]
    cells += [f"{final['parameters']:,}", final["ended"] or "running"] if run.record else ["-", "-"]
    return (run.name, *cells)


def lines(rows: Rows) -> list[str]:
    """Format a table as lines of text with numbers aligned right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    pads = [str.ljust if k in (0, len(widths) - 1) else str.rjust for k in range(len(widths))]
    return ["  ".join(pad(cell, width) for pad, cell, width in zip(pads, row, widths, strict=True)).rstrip() for row in rows]


def settings(runs: Sequence[Run]) -> Rows:
    """The settings that differ between the runs: the path of each, then one value per run, "" if unset.

    Runs whose net.yaml cannot be read are skipped.
    """
    read = [(run, net) for run in runs if (net := _net(run)) is not None]
    runs, nets = [run for run, _ in read], [net for _, net in read]
    if not nets:
        return []
    common = set.intersection(*({layer.name for layer in net.layer} for net in nets))
    flattened = [_settings(net, common) for net in nets]
    paths = list(dict.fromkeys(path for one in flattened for path in one))
    rows = [(path, *(one.get(path, "") for one in flattened)) for path in paths]
    return [("setting", *(run.name for run in runs)), *(row for row in rows if len(set(row[1:])) > 1)]


def _net(run: Run) -> pb.NetParameter | None:
    with suppress(NetcError):
        net: pb.NetParameter = load(run.path / "net.yaml").message
        return net
    return None


def _settings(net: pb.NetParameter, common: set[str]) -> dict[str, str]:
    """All settings of a net. Layers that some runs lack are reduced to their types."""
    fields = MessageToDict(net, preserving_proto_field_name=True)
    fields["layer"] = [layer if layer["name"] in common else {"name": layer["name"], "type": layer["type"]} for layer in fields["layer"]]
    return {path: value for path, value in flat(fields).items() if not path.endswith(".name") or not path.startswith("layer.")}


def flat(value: Any, path: str = "") -> dict[str, str]:
    """Flatten nested fields to `path: value`. The path of a layer is its name; the path of other list elements is their index."""
    if isinstance(value, Mapping):
        return {k: v for name, inner in value.items() for k, v in flat(inner, f"{path}.{name}" if path else name).items()}
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        named = {str(inner.get("name", k)): inner for k, inner in enumerate(value)}
        return {k: v for name, inner in named.items() for k, v in flat(inner, f"{path}.{name}").items()}
    return {path: ", ".join(map(str, value)) if isinstance(value, list) else str(value)}


def page(runs: Sequence[Run]) -> str:
    """The HTML page that compares several runs."""
    rows, differing = comparison(runs), settings(runs)
    filled = [Filled("Runs", table(rows[0], rows[1:])), Filled("Curves", curves(runs))]
    if len(differing) > 1:
        shown = table(differing[0], differing[1 : MOST_SETTINGS + 1], numbers=False)
        rest = len(differing) - 1 - MOST_SETTINGS
        filled.append(Filled("Settings that differ", shown + (paragraph("… and {} more.", rest) if rest > 0 else Markup(""))))
    else:
        filled.append(Filled("Settings that differ", paragraph("None. All runs have the same settings.")))
    return render(f"{len(runs)} runs", filled)


def curves(runs: Sequence[Run], names: Sequence[str] = ()) -> Markup:
    """One chart for the training loss and one for each metric. `names` are those of the lines, by default of the runs."""
    names = names or [run.name for run in runs]
    trained = [(own, run.events("train"), "loss") for own, run in zip(names, runs, strict=True)]
    metrics = dict.fromkeys(name for run in runs for name in run.metrics)
    tested = [(name, [(own, run.tests[1], name) for own, run in zip(names, runs, strict=True)]) for name in metrics]
    pictures = []
    for name, parts in [("training loss", trained), *((f"{runs[0].tests[0]} {name}", parts) for name, parts in tested)]:
        series = [_series(*part, dots=name != "training loss") for part in parts]
        span = [y for s in series for y in s.y]
        log = bool(span) and "loss" in name and min(span) > 0 and max(span) > 20 * min(span)
        pictures.append(figure(charts.lines(name, series, "iteration", name, log=log)))
    return side_by_side(*pictures, *_memory(runs))


def _memory(runs: Sequence[Run]) -> list[Markup]:
    """Compare how far back gradients reach, if several of the runs are open and have a recurrent net."""
    with suppress(NetcError):
        reached = {run.name: norms for run in runs if run.program and (norms := reach(run))}
        return (
            [figure(reach_chart(reached), "Gradient of the loss at the last time step with respect to earlier inputs.")]
            if len(reached) > 1
            else []
        )
    return []


def _series(name: str, given: list[dict[str, Any]], what: str, dots: bool) -> Series:
    own = [line for line in given if what in singles(line)]
    return Series(name, [line["iteration"] for line in own], [line[what] for line in own], dots=dots)
