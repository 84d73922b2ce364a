"""Generate sequences: text after a prompt, and forecasts of a time series."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from netc import data, random
from netc.errors import DataError
from netc.graph.contract import NEXT, STATE
from netc.predict.model import Model
from netc.predict.results import Forecast, Prediction
from netc.predict.rows import printable


def write(model: Model, prompt: str, length: int, temperature: float = 1.0, seed: int = 0) -> str:
    """Generate `length` tokens after `prompt`, each sampled from softmax(log p / temperature). 0 takes the likeliest token.

    DataError if the model does not generate text, or if the prompt is empty or contains unknown characters.
    """
    vocabulary, kind = model.vocabulary, model.metadata.get("tokens", "")
    if vocabulary is None or list(vocabulary.words) != model.metadata.get("classes"):
        raise DataError(f"{model.path}: the model does not generate text; --prompt needs a net that predicts the next token")
    units = data.Units(kind, vocabulary)
    known = list(units.encode(prompt, "prompt"))
    if not known:
        raise DataError("the prompt is empty; it needs at least one token")
    draws = random.uniform(seed, "predict", (length,))
    carried: dict[str, np.ndarray] = {}
    window = model.metadata["steps"]
    fed, generated = known if model.carries else known[-window:], []
    for draw in draws:
        outputs = model({model.input: np.array(fed)[:, None], **carried})
        carried = STATE.named(NEXT.within(outputs))
        generated.append(_drawn(next(iter(outputs.values()))[-1, 0], temperature, float(draw)))
        # A net that carries its state reads only the new token; any other net reads its last steps again.
        fed = generated[-1:] if carried else (known + generated)[-window:]
    return units.decode(generated)


def _drawn(probabilities: np.ndarray, temperature: float, uniform: float) -> int:
    if temperature == 0:
        return int(probabilities.argmax())
    scores = np.log(np.maximum(probabilities.astype(np.float64), 1e-30)) / temperature
    weights = np.exp(scores - scores.max())
    return min(int(np.searchsorted(np.cumsum(weights) / weights.sum(), uniform, side="right")), len(weights) - 1)


def forecast(model: Model, path: str, length: int) -> Forecast:
    """Forecast the next `length` values of a time series in a table. DataError if the file or the model is not suitable."""
    columns, steps, name = tuple(model.metadata.get("columns", ())), int(model.metadata["steps"]), model.metadata["forecasts"]
    if Path(path).suffix.lower() not in data.TABLES or not Path(path).is_file():
        raise DataError(f"{path}: is not a .csv file; the model forecasts {name} from the last {steps} rows of a table")
    if length > 1 and len(columns) > 1:
        raise DataError(f"the model forecasts {name} but also reads {', '.join(columns)}, so it can only forecast one step")
    rows = data.read_columns(Path(path), columns)
    if len(rows) < steps:
        raise DataError(f"{path}: has {len(rows)} rows; the model needs {steps}")
    values: list[float] = []
    for _ in range(length):
        value = next(iter(model(rows[-steps:, None]).values())).reshape(-1)[0]
        values.append(float(value))
        rows = np.concatenate([rows, np.full((1, rows.shape[1]), value, np.float32)])
    return Forecast(printable(path), {name: np.array(values)}, (), labels=tuple(f"+{k}" for k in range(1, length + 1)))


def outcomes(
    model: Model, paths: Sequence[str], top: int, length: int | None, threshold: str | None = None, query: str = ""
) -> Iterator[Prediction | DataError]:
    """Yield a prediction or a forecast for each input, or an error if it cannot be read."""
    if not model.metadata.get("forecasts"):
        yield from model.predict_each(paths, top, threshold, query)
        return
    for path in paths:
        try:
            yield forecast(model, path, length or 1)
        except DataError as e:
            yield e
