"""The result of a run, its curves, and its pretraining."""

from markupsafe import Markup

from netc.registry import section
from netc.report import charts
from netc.report.charts import Series
from netc.report.html import charts as side_by_side
from netc.report.html import figure, row, seconds
from netc.report.run import LESS, Lines, Run
from netc.report.scales import score, short
from netc.training.evaluate import singles

REASONS = {"max_iter": "completed", "patience": "stopped early", "": "running"}


@section("Result")
def result(run: Run) -> Markup:
    """Tiles with the most important numbers."""
    record, best = run.record, run.best
    tiles = [(score(value), f"{_kind(run)} {name}", _best_note(run, name)) for name, value in singles(run.scores).items()]
    if best:
        tiles.append((short(best["iteration"]), "best iteration", f"by {run.monitored[0]}"))
    if record:
        reason = REASONS.get(record.reason, f"ended by {record.reason}")
        tiles.append((seconds(record.seconds), "time", f"{record.iteration:,} iterations, {reason}"))
        tiles.append((f"{record.speed:,.0f}", "rows per second", "in training steps"))
        tiles.append((f"{record.parameters:,}", "parameters", f"{record.layers} layers"))
        tiles += [(f"{record.ema:g}", "average of the weights", "tested and published")] if record.ema else []
    form = Markup("<div class='tile'><b>{}</b><span>{}</span><span>{}</span></div>")
    return Markup("<div class='tiles'>{}</div>").format(Markup("").join(form.format(*tile) for tile in tiles))


def _kind(run: Run) -> str:
    """The rows of the final scores: test rows, unless the run was stopped before the final test."""
    return "test" if run.record and run.record.scores else run.tests[0]


def _best_note(run: Run, name: str) -> str:
    values = [line[name] for line in run.tests[1] if name in singles(line)]
    if len(values) < 2:
        return ""
    best = min(values) if any(word in name for word in LESS) else max(values)
    return f"best of {run.tests[0]}s {score(best)}"


@section("Curves")
def curves(run: Run) -> Markup | None:
    """Loss, metrics and learning rate over iterations, with tests as points."""
    steps = run.events("train")
    kind, tests = run.tests
    if not steps and not tests:
        return None
    losses = [Series("training loss", *_xy(steps, "loss"))] if steps else []
    losses += [Series(f"{kind} loss", *_xy(tests, "loss"), dots=True)] if any("loss" in t for t in tests) else []
    span = [y for s in losses for y in s.y if y is not None and y > 0]
    log = bool(span) and max(span) > 20 * min(span) and all(y > 0 for s in losses for y in s.y)
    figures = [figure(charts.lines("loss", losses, "iteration", "loss", log=log))]
    for name in (n for n in run.metrics if n != "loss" and len(tests) > 1):
        figures.append(figure(charts.lines(name, [Series(name, *_xy(tests, name), dots=True)], "iteration", f"{kind} {name}")))
    if len(steps) > 1:
        figures.append(figure(charts.lines("learning rate", [Series("learning rate", *_xy(steps, "lr"))], "iteration", "learning rate")))
    return side_by_side(*figures)


def _xy(lines: Lines, name: str) -> tuple[list[float], list[float]]:
    kept = [line for line in lines if line.get(name) is not None]
    return [line["iteration"] for line in kept], [line[name] for line in kept]


@section("Pretraining")
def pretraining(run: Run) -> Markup | None:
    """The loss of each pretrained layer."""
    lines = run.events("pretrain")
    names = list(dict.fromkeys(line["layer"] for line in lines))
    if not names:
        return None
    series = [Series(name, *_xy([x for x in lines if x["layer"] == name], "loss")) for name in names]
    caption = "The loss of each layer in its own stage. For an RBM, it is the difference of the free energies of data and samples."
    return row(figure(charts.lines("pretraining loss", series, "iteration of the stage", "loss", ordered=True), caption))
