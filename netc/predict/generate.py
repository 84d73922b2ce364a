"""Models that go on: a text from a prompt, a series into its future."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from netc import data, random
from netc.errors import DataError
from netc.graph.contract import NEXT, STATE
from netc.predict.model import Model, printable
from netc.predict.results import Forecast, Prediction


def write(model: Model, prompt: str, length: int, temperature: float = 1.0, seed: int = 0) -> str:
    """The text of `length` tokens that follows `prompt`, each drawn from softmax(log p / temperature); 0 takes the likeliest.

    DataError if the model writes no text, or the prompt is empty or has characters that the model does not know.
    """
    vocabulary, kind = model.vocabulary, model.metadata.get("tokens", "")
    if vocabulary is None or list(vocabulary.words) != model.metadata.get("classes"):
        raise DataError(f"{model.path}: the model writes no text; --prompt is for nets that foretell the next token of one")
    known = list(data.encode(data.split(prompt, kind), vocabulary, "prompt"))
    if not known:
        raise DataError("the prompt is empty; give the model at least one token to go on from")
    draws = random.uniform(seed, "predict", (length,))
    carried: dict[str, np.ndarray] = {}
    fed, found = known, []
    for draw in draws:
        outputs = model({model.input: np.array(fed)[:, None], **carried})
        carried = STATE.named(NEXT.within(outputs))
        found.append(_drawn(next(iter(outputs.values()))[-1, 0], temperature, float(draw)))
        # What carries its state takes the new token alone, any other net reads its last steps again.
        fed = found[-1:] if carried else (known + found)[-model.metadata["steps"] :]
    return data.join([vocabulary.words[k] for k in found], kind)


def _drawn(probabilities: np.ndarray, temperature: float, uniform: float) -> int:
    if temperature == 0:
        return int(probabilities.argmax())
    scores = np.log(np.maximum(probabilities.astype(np.float64), 1e-30)) / temperature
    weights = np.exp(scores - scores.max())
    return min(int(np.searchsorted(np.cumsum(weights) / weights.sum(), uniform, side="right")), len(weights) - 1)


def forecast(model: Model, path: str, length: int) -> Forecast:
    """The next `length` values of a series in a table, each made from those before it. DataError if the file or the model is not fit."""
    columns, steps, name = tuple(model.metadata.get("columns", ())), int(model.metadata["steps"]), model.metadata["forecasts"]
    if Path(path).suffix.lower() not in data.TABLES or not Path(path).is_file():
        raise DataError(f"{path}: no .csv file; the model forecasts {name} from the last {steps} rows of one")
    if length > 1 and len(columns) > 1:
        raise DataError(f"the model forecasts {name} alone and reads {', '.join(columns)}: one step is all it can")
    rows = data.read_columns(Path(path), columns)
    if len(rows) < steps:
        raise DataError(f"{path}: {len(rows)} rows; the model reads {steps}")
    values: list[float] = []
    for _ in range(length):
        value = next(iter(model(rows[-steps:, None]).values())).reshape(-1)[0]
        values.append(float(value))
        rows = np.concatenate([rows, np.full((1, rows.shape[1]), value, np.float32)])
    return Forecast(printable(path), {name: np.array(values)}, (), labels=tuple(f"+{k}" for k in range(1, length + 1)))


def outcomes(model: Model, paths: Sequence[str], top: int, length: int | None) -> Iterator[Prediction | DataError]:
    """What a model makes of each input, a forecast where it forecasts; an error in place of each file that cannot be read."""
    if not model.metadata.get("forecasts"):
        yield from model.predict_each(paths, top)
        return
    for path in paths:
        try:
            yield forecast(model, path, length or 1)
        except DataError as e:
            yield e
