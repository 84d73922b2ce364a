"""The machine and the versions of a run, its command and net, and the time of each layer."""

from markupsafe import Markup

from netc.errors import NetcError
from netc.registry import section
from netc.report import charts
from netc.report.html import details, figure, listing, paragraph, row, seconds, table
from netc.report.run import Run
from netc.spec import load, to_yaml

MEASURED = 20  # seconds of training; shorter runs are not measured
SHARE = 0.01  # fraction of the training time that the measurement may take
PARTS = ("forward", "backward", "update")


@section("Time by layer", model=True)
def time_by_layer(run: Run) -> Markup | None:
    """Milliseconds per layer in a few extra training steps, for runs long enough that these do not matter."""
    training = sum(p.training for p in run.record.parts) if run.record else 0.0
    if run.time is None or training < MEASURED or not run.record:
        return None
    step = training / max(1, sum(p.steps for p in run.record.parts))
    times = run.time(max(3, min(30, int(training * SHARE / 2 / step))))
    names = dict.fromkeys(layer for layer, _ in times)
    rows = [(name, [times.get((name, part), 0.0) for part in PARTS]) for name in names]
    shown = [(name, values) for name, values in rows if sum(values) > 0]
    return figure(
        charts.bars("time by layer", shown, PARTS, "ms"),
        "Time of one training step, measured with the profiler of onnxruntime after the run.",
    )


@section("Environment")
def environment(run: Run) -> Markup | None:
    """The machine and the versions. A resumed run has several parts."""
    if run.record is None:
        return None
    parts = []
    for k, part in enumerate(run.record.parts, 1):
        facts = list(part.environment.items())
        if len(run.record.parts) > 1:
            parts.append(
                paragraph("Part {}, from {}: {} steps in {}.", k, part.started, f"{part.steps:,}", seconds(part.training + part.other))
            )
        else:
            facts.insert(0, ("started", part.started))
        half = (len(facts) + 1) // 2
        parts.append(row(table((), facts[:half], numbers=False), table((), facts[half:], numbers=False)))
    return Markup("").join(parts)


@section("Command and net")
def command(run: Run) -> Markup | None:
    """The command of the run, and the net with its solver."""
    parts = [listing("\n".join(p.command for p in run.record.parts))] if run.record else []
    try:
        net = load(run.path / "net.yaml")
        parts += [listing(to_yaml(net.message)), details("all fields, as in net.yaml", listing(net.text))]
    except NetcError as e:
        parts.append(paragraph("The net of this run cannot be read: {}", e))
    return Markup("").join(parts) or None
