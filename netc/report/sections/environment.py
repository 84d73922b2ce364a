"""Where a run ran, with what, and how its time went."""

from markupsafe import Markup

from netc.errors import NetcError
from netc.registry import section
from netc.report import charts
from netc.report.html import details, figure, listing, paragraph, row, seconds, table
from netc.report.run import Run
from netc.spec import load, to_yaml

MEASURED = 20  # seconds of training from which on layers are timed
SHARE = 0.01  # of that time, for the measurement
PARTS = ("forward", "backward", "update")


@section("Time by layer", model=True)
def time_by_layer(run: Run) -> Markup | None:
    """Milliseconds of each layer in a few training steps, of runs that were so long that these do not matter."""
    training = sum(p.training for p in run.record.parts) if run.record else 0.0
    if run.time is None or training < MEASURED or not run.record:
        return None
    step = training / max(1, sum(p.steps for p in run.record.parts))
    times = run.time(max(3, min(30, int(training * SHARE / 2 / step))))
    names = dict.fromkeys(layer for layer, _ in times)
    rows = [(name, [times.get((name, part), 0.0) for part in PARTS]) for name in names]
    shown = [(name, values) for name, values in rows if sum(values) > 0]
    return figure(charts.bars("time by layer", shown, PARTS, "ms"), "Of one training step, by onnxruntime's profile after the run.")


@section("Environment")
def environment(run: Run) -> Markup | None:
    """Machine and versions; a run that was resumed has several parts."""
    if run.record is None:
        return None
    found = []
    for k, part in enumerate(run.record.parts, 1):
        said = list(part.environment.items())
        if len(run.record.parts) > 1:
            found.append(
                paragraph("Part {}, from {}: {} steps in {}.", k, part.started, f"{part.steps:,}", seconds(part.training + part.other))
            )
        else:
            said.insert(0, ("started", part.started))
        half = (len(said) + 1) // 2
        found.append(row(table((), said[:half], numbers=False), table((), said[half:], numbers=False)))
    return Markup("").join(found)


@section("Command and net")
def command(run: Run) -> Markup | None:
    """What made this run: the command, and the net with its solver."""
    found = [listing("\n".join(p.command for p in run.record.parts))] if run.record else []
    try:
        net = load(run.path / "net.yaml")
        found += [listing(to_yaml(net.message)), details("every field spelled out, as net.yaml has it", listing(net.text))]
    except NetcError as e:
        found.append(paragraph("The net of this run cannot be read: {}", e))
    return Markup("").join(found) or None
