"""Results of nets on sequences: generated text, forecasts, and how far back gradients reach."""

from collections.abc import Callable

import numpy as np
from markupsafe import Markup

from netc import data
from netc.data.vocabulary import Vocabulary
from netc.graph.contract import BATCH
from netc.net.model import Layer
from netc.net.variants import deployed
from netc.registry import section
from netc.report import charts
from netc.report.charts import Series
from netc.report.html import charts as side_by_side
from netc.report.html import figure, paragraph
from netc.report.recurrence import reach, reach_chart
from netc.report.run import Run
from netc.runtime.session import Session

LENGTH, TEMPERATURES = 400, (0.5, 1.0)
AHEAD, STARTS = 20, 3


@section("Generated text", model=True)
def text(run: Run) -> Markup | None:
    """Text that a language model generates at a low and at a high temperature."""
    source = next((x.source for x in run.made.test_net.sources if x.source and x.source.tokens), None)
    if source is None or run.write is None or run.made.classes != run.made.vocabulary:
        return None
    prompt = _prompt(data.Units(source.tokens, Vocabulary(run.made.vocabulary, source.tokenizer)))
    length = LENGTH if source.tokens == "characters" else LENGTH // 5
    parts = []
    for temperature in TEMPERATURES:
        parts.append(paragraph("At temperature {}:", temperature))
        parts.append(Markup("<pre class='text'>{}</pre>").format(run.write(prompt, length, temperature).strip("\n")))
    return Markup("").join(parts)


def _prompt(units: data.Units) -> str:
    """A text to start from: a line break if it is a character of the text, else the last token that can be read alone."""
    words = units.vocabulary.words
    if units.kind == "characters" and "\n" in words:
        return "\n"
    if not units.vocabulary.tokenizer:
        return words[-1]
    texts = (units.decode([k]) for k in reversed(range(len(words))))
    return next((text for text in texts if text.strip() and len(units.encode(text, "prompt"))), words[-1])


@section("Forecasts", model=True)
def forecasts(run: Run) -> Markup | None:
    """Forecasts for the test rows of a time series: one step ahead, and several steps ahead."""
    program = run.made
    source = next((x for x in program.test_net.sources if x.source and x.source.target), None)
    scores = next((x.bottoms[0] for x in program.test_net.layers if x.kind.loss and len(x.bottoms) == 2), None)
    if source is None or scores is None or source.source is None:
        return None
    windows, truth, made = [], [], []
    for feeds, values in run.batches({"made": scores}):
        windows.append(feeds[BATCH(source.tops[0])])
        truth.append(feeds[BATCH(source.tops[1])].reshape(-1))
        made.append(values["made"].reshape(-1))
    x, y, one = np.concatenate(windows, 1), np.concatenate(truth), np.concatenate(made)
    time = list(range(len(y)))
    series = [Series(source.source.target, time, y.tolist()), Series("forecast", time, one.tolist(), dashed=True)]
    picture = charts.lines("one step ahead", series, "step of the test rows", source.source.target)
    parts = [figure(picture, "One step ahead: each forecast uses all true values before it.")]
    if len(source.source.columns) == 1:
        parts.append(_on_and_on(run, source, x, y))
    return _errors(source, x, y, one) + side_by_side(*parts)


def _errors(source: Layer, x: np.ndarray, y: np.ndarray, made: np.ndarray) -> Markup:
    """The error compared with the persistence forecast, which repeats the last value."""
    described = source.source
    assert described is not None
    last = x[-1, :, described.columns.index(described.target)]
    own, plain = (float(np.sqrt(np.mean((f - y) ** 2, dtype=np.float64))) for f in (made, last))
    summary = "The RMSE one step ahead is {:.4g}. This is {:.0%} of the RMSE of the persistence forecast ({:.4g})."
    return paragraph(summary, own, own / plain if plain else 0.0, plain)


def _on_and_on(run: Run, source: Layer, x: np.ndarray, y: np.ndarray) -> Markup:
    """Forecasts several steps ahead from some starting points, against the true values."""
    described, ahead = source.source, min(AHEAD, max(1, x.shape[1] // 2))
    assert described is not None
    step = _stepper(run, source)
    starts = np.linspace(0, x.shape[1] - ahead, STARTS).astype(int)
    window, forecasts = x[:, starts], []
    for _ in range(ahead):
        value = step(window).reshape(-1)
        forecasts.append(value)
        window = np.concatenate([window[1:], value[None, :, None]])
    series = [Series(described.target, list(range(len(y))), y.tolist())]
    for k, start in enumerate(starts):
        series.append(Series(f"from {start}", list(range(start, start + ahead)), [float(v[k]) for v in forecasts], dashed=True))
    caption = f"{ahead} steps ahead from three starting points. Every forecast after the first uses earlier forecasts."
    return figure(charts.lines("many steps ahead", series, "step of the test rows", described.target), caption)


def _stepper(run: Run, source: Layer) -> Callable[[np.ndarray], np.ndarray]:
    """A function that runs the deployed net on windows (steps, batch, columns)."""
    session = Session(run.made.deploy_model(run.states), threads=run.threads)
    others = [n for n in session.inputs if n != source.tops[0]]
    assert not others and deployed(run.made.test_net).sources

    def step(windows: np.ndarray) -> np.ndarray:
        return next(iter(session.run({source.tops[0]: np.ascontiguousarray(windows)}).values()))

    return step


@section("Memory", model=True)
def memory(run: Run) -> Markup | None:
    """How far back the gradients of a recurrent net reach."""
    norms = reach(run)
    if len(norms) < 3:
        return None
    caption = (
        "Norm of the gradient of the loss at the last time step with respect to earlier inputs of the recurrent layer, averaged over a "
        "test batch. The net cannot learn from inputs where the gradient vanishes."
    )
    return figure(reach_chart({"": norms}), caption)
