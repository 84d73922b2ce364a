"""`netc find-lr`: find a learning rate with a range test. It leaves no run, no weights and no other files than the picture."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from netc.commands.program import compiled_program, known_rows, loaded_weights
from netc.compiler.compilation import Compilation
from netc.errors import Diagnostic, SpecError
from netc.formats.by_suffix import form
from netc.report import charts
from netc.report.charts import Series
from netc.report.page import write_page
from netc.report.picture import picture
from netc.training.rate_range import RateRange, range_test, rates_of
from netc.training.step import LocalStep

LEAST = 20  # iterations; fewer show no curve
LARGEST = 1e30  # rate; updates with more overflow
ROWS = 12  # about so many in the table
NAME = "loss by learning rate"


@dataclass(frozen=True)
class FindOptions:
    """What `netc find-lr` is asked to do: the range of rates, its number of iterations, and on what to run."""

    low: float = 1e-7
    high: float = 10.0
    iterations: int = 100
    weights: tuple[str, ...] = ()
    provider: str = "auto"
    target: str | None = None
    threads: int | None = None
    save: str | None = None

    def check(self) -> None:
        """SpecError lists all options that are wrong."""
        found = []
        if not (isfinite(self.low) and 0 < self.low <= LARGEST):
            found.append(f"The lowest rate must be above 0, not {self.low:g}.")
        if not (isfinite(self.high) and 0 < self.high <= LARGEST):
            found.append(f"The highest rate must be above 0 and at most {LARGEST:g}, not {self.high:g}.")
        if not found and self.low >= self.high:
            found.append(f"The lowest rate, {self.low:g}, must be below the highest one, {self.high:g}.")
        if self.save and not Path(self.save).parent.is_dir():
            found.append(f"Cannot write {self.save}: There is no folder {Path(self.save).parent}.")
        if self.iterations < LEAST:
            found.append(f"{self.iterations} iterations are too few for a curve. Use at least {LEAST}.")
        if found:
            raise SpecError(*found)


@dataclass(frozen=True)
class Found:
    """The result of a range test of the net `name`."""

    name: str
    kind: str
    range: RateRange
    high: float

    @property
    def reasons(self) -> list[str]:
        """What the test shows, in sentences."""
        found, steepest, lowest = self.range, self.range.steepest, self.range.lowest
        ended = f"It diverged at {found.rates[-1]:.2g}." if found.diverged else f"It did not diverge up to {found.rates[-1]:.2g}."
        if steepest is None:
            return [f"The loss did not fall at any rate. {ended}", "Check the data and the net, or try other rates with --from and --to."]
        text = f"The loss falls fastest at {found.rates[steepest]:.2g} and is lowest at {found.rates[lowest]:.2g}. {ended}"
        more = []
        if lowest >= len(found.rates) - 2 and not found.diverged:
            more = [f"The loss still falls at the end of the range. Try higher rates with --to, for example --to {self.high * 100:g}."]
        why = "the rate of the steepest fall" if found.is_steepest else "a tenth of the rate with the lowest loss"
        return [text, *more, f"Recommended: base_lr: {found.recommended:g}, {why}, rounded down."]


def find_lr(compilation: Compilation, options: FindOptions) -> Found:
    """Run the test on the training data, from the start values or from weights. The seed of the net decides everything."""
    options.check()
    if options.save:
        form(options.save, (".svg",), "a chart")
    solver = compilation.job.solver
    fields = {"ema": 0.0} | ({} if solver.HasField("base_lr") or not solver.ListFields() else {"base_lr": 1.0})
    compilation = compilation.with_learned(known_rows(options.weights))
    program, threads, _ = compiled_program(compilation.with_solver(**fields), options.provider, options.target, options.threads)
    if not program.steps.gradients:
        place = program.job.solver_place()
        raise SpecError(Diagnostic(place, "No layer of this net learns by gradients, so it needs no learning rate."))
    weights = loaded_weights(program, options.weights)
    with tempfile.TemporaryDirectory() as folder:
        step = LocalStep(program, Path(folder), threads, weights)
        step.feeder.sinks.clear()  # a test writes no outputs
        found = range_test(step, rates_of(options.low, options.high, options.iterations))
    return Found(program.job.name, program.job.solver.type, found, options.high)


def write(found: Found, path: str) -> None:
    """Write the curve as an SVG file. RunError if it cannot be written."""
    write_page(drawn(found), Path(path))


def drawn(found: Found) -> str:
    """The curve as an SVG file: the loss of each iteration, the smoothed loss, and the marks of what was found."""
    tested = found.range
    marks = [(f"recommended {tested.recommended:g}", tested.recommended)] if tested.recommended else []
    if tested.steepest is not None:
        marks.append((f"lowest {tested.rates[tested.lowest]:.2g}", tested.rates[tested.lowest]))
    before = tested.smoothed[: tested.lowest + 1]
    top = max(before) + (max(before) - min(before) or abs(before[0]))  # a loss that diverges would hide its fall
    cut = [[value if value <= top else float("nan") for value in values] for values in (tested.losses, tested.smoothed)]
    series = [Series("loss", tested.rates, cut[0], reference=True), Series("smoothed", tested.rates, cut[1])]
    chart = charts.lines(NAME, series, f"learning rate ({found.kind})", "training loss", log_x=True, marks=marks)
    return picture(chart, NAME, f"netc find-lr: {found.name}. {' '.join(found.reasons)}")


def table(found: Found) -> Iterator[str]:
    """The lines that `netc find-lr` prints: some rates with their smoothed loss, and what they show."""
    tested = found.range
    marks = {} if tested.steepest is None else {tested.lowest: "lowest", tested.steepest: "steepest fall"}
    count = len(tested.rates)
    shown = sorted({*range(0, count, max(1, count // ROWS)), *marks, count - 1})
    yield f"{'rate':>9}  {'loss':>9}"
    for k in shown:
        yield f"{tested.rates[k]:9.2g}  {tested.smoothed[k]:9.4g}  {marks.get(k, '')}".rstrip()
    yield from found.reasons


def as_json(found: Found) -> dict[str, Any]:
    """The result for programs."""
    tested = found.range
    steepest = None if tested.steepest is None else tested.rates[tested.steepest]
    return {
        "net": found.name,
        "type": found.kind,
        "recommended": tested.recommended,
        "steepest": steepest,
        "lowest": tested.rates[tested.lowest],
        "diverged": tested.diverged,
        "reasons": found.reasons,
        "rates": tested.rates,
        "losses": tested.losses,
        "smoothed": tested.smoothed,
    }
