"""`python -m tests.benchmarks.tables [NAME ...] [--seeds 3] [--output FOLDER]`: nets of `netc init` beside scikit-learn, on the same rows.

Nothing is set by hand: `netc init` writes the net, `netc train` trains it, and the published model predicts the raw test rows. Each seed
draws test rows (20%) and validation rows (15% of the rest). scikit-learn's models get the columns that the net reads, and train on the
validation rows as well. Needs the tables of NETC_DATA and scikit-learn.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netc.table.reading import MISSING, open_table, text_sql
from tests.conftest import DATA

Scores = dict[str, float]
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Task:
    """A table: its label, what it is, and columns that are left out since they are other labels."""

    label: str
    kind: str  # "classes", "number" or "count"
    dropped: tuple[str, ...] = ()


TASKS = {
    "titanic3": Task("survived", "classes"),
    "german": Task("creditability", "classes"),
    "credit_data": Task("Status", "classes"),
    "adult": Task("income", "classes"),
    "ames": Task("Sale_Price", "number"),
    "nmes": Task("visits", "count", ("nvisits", "ovisits", "novisits", "emergency")),
}


@dataclass(frozen=True)
class Rows:
    """A table with the part of each row: its columns as texts, with "" for a gap, and the label as codes or numbers."""

    columns: Mapping[str, np.ndarray]
    label: np.ndarray
    part: np.ndarray

    def of(self, *parts: str) -> np.ndarray:
        """The numbers of the rows of some parts."""
        return np.flatnonzero(np.isin(self.part, parts))


def read(name: str, seed: int) -> Rows:
    """A table, split at random; with classes in equal proportions."""
    from sklearn.model_selection import train_test_split

    task = TASKS[name]
    with open_table(str(DATA / "tables" / f"{name}.csv.gz")) as raw:
        texts = {column.name: text_sql(column) for column in raw.columns if column.name not in task.dropped}
        chunks = list(raw.chunks(texts))
    columns = {column: np.concatenate([chunk[column] for chunk in chunks]) for column in texts}
    cells = columns[task.label]
    label = np.unique(cells, return_inverse=True)[1] if task.kind == "classes" else cells.astype(float)
    even = label if task.kind == "classes" else None
    rest, test = train_test_split(np.arange(len(label)), test_size=0.2, random_state=seed, stratify=even)
    train, validation = train_test_split(rest, test_size=0.15, random_state=seed, stratify=None if even is None else even[rest])
    part = np.empty(len(label), object)
    for named, rows in zip(PARTS, (train, validation, test), strict=True):
        part[rows] = named
    return Rows(columns, label, part)


def netc(folder: Path, *arguments: str) -> str:
    """The output of a command. RuntimeError with its messages if it fails."""
    done = subprocess.run([sys.executable, "-m", "netc", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def net(name: str, seed: int, rows: Rows, folder: Path) -> tuple[np.ndarray, dict[str, str], float]:
    """The predictions of the net for the test rows, the types of its columns, and the seconds of training."""
    table = folder / f"{name}.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows.columns)
        writer.writerows(zip(*rows.columns.values(), strict=True))
    netc(folder, "init", table.name, "--label", TASKS[name].label)
    path = folder / f"{name}.yaml"
    lines = path.read_text().splitlines()
    place = next(k for k, line in enumerate(lines) if line.strip().startswith("split:"))
    lines[place] = "      split: {column: part of the row}"
    path.write_text("\n".join(lines))
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*rows.columns, "part of the row"])
        writer.writerows(zip(*rows.columns.values(), rows.part, strict=True))
    start = time.monotonic()
    netc(folder, "train", path.name, "--set", f"solver.random_seed={seed}", "--publish", "--zoo", "zoo")
    taken = time.monotonic() - start
    return predicted(next(folder.glob("zoo/**/model.onnx")), rows), types(lines), taken


def types(lines: Sequence[str]) -> dict[str, str]:
    """The columns that a net reads, with their types."""
    import yaml

    (table, *_) = yaml.safe_load("\n".join(lines))["layers"]
    return {column: rule if isinstance(rule, str) else rule["type"] for column, rule in table["Table"]["columns"].items()}


def predicted(model: Path, rows: Rows) -> np.ndarray:
    """The predictions of a published model for the raw test rows."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model))
    test = rows.of("test")
    feeds = {}
    for value in session.get_inputs():
        cells = rows.columns[value.name][test]
        feeds[value.name] = cells if value.type == "tensor(string)" else numbers(cells).astype(_dtype(value.type))
    (found, *_) = session.run(None, feeds)
    found = np.asarray(found, np.float64)
    return found[:, 1] if found.ndim == 2 and found.shape[1] == 2 else found.reshape(len(test))


def _dtype(kind: str) -> str:
    return {"tensor(float)": "float32", "tensor(double)": "float64"}[kind]


def numbers(cells: np.ndarray) -> np.ndarray:
    """Texts as numbers, with NaN for a gap."""
    return np.array([float(cell) if cell not in MISSING else np.nan for cell in cells])


def contenders(kind: str, seed: int) -> dict[str, tuple[Any, bool]]:
    """scikit-learn's models for a kind of label, and whether each gets the codes of categories, not one-hot vectors."""
    from sklearn import ensemble, linear_model, neural_network

    if kind == "classes":
        return {
            "LogisticRegression": (linear_model.LogisticRegression(max_iter=2000), False),
            "MLPClassifier": (neural_network.MLPClassifier(random_state=seed, early_stopping=True, max_iter=200), False),
            "HistGradientBoosting": (ensemble.HistGradientBoostingClassifier(random_state=seed), True),
        }
    if kind == "count":
        return {
            "PoissonRegressor": (linear_model.PoissonRegressor(alpha=1e-3, max_iter=500), False),
            "HistGradientBoosting": (ensemble.HistGradientBoostingRegressor(loss="poisson", random_state=seed), True),
        }
    return {
        "RidgeCV": (linear_model.RidgeCV(np.logspace(-3, 4, 15)), False),
        "MLPRegressor": (neural_network.MLPRegressor(random_state=seed, early_stopping=True, max_iter=300), False),
        "HistGradientBoosting": (ensemble.HistGradientBoostingRegressor(random_state=seed), True),
    }


def fitted(model: Any, coded: bool, kinds: Mapping[str, str], rows: Rows, kind: str) -> np.ndarray:
    """The predictions of a model of scikit-learn for the test rows."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    names = list(kinds)
    where = [k for k, name in enumerate(names) if kinds[name] == "number"], [k for k, name in enumerate(names) if kinds[name] != "number"]
    inputs = np.stack([numbers(rows.columns[c]) if kinds[c] == "number" else rows.columns[c] for c in names], axis=1).astype(object)
    fit, test = rows.of("train", "validation"), rows.of("test")
    if coded:
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=250)
        if where[1]:
            inputs[:, where[1]] = encoder.fit(inputs[fit][:, where[1]]).transform(inputs[:, where[1]])
        inputs = inputs.astype(float)
        model.set_params(categorical_features=where[1] or None)
    else:
        number = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
        one_hot = OneHotEncoder(handle_unknown="ignore", min_frequency=5)
        model = make_pipeline(ColumnTransformer([("n", number, where[0]), ("c", one_hot, where[1])], sparse_threshold=0), model)
    shift, scale = (rows.label[fit].mean(), rows.label[fit].std()) if kind == "number" else (0, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(inputs[fit], (rows.label[fit] - shift) / scale if kind == "number" else rows.label[fit])
        found = model.predict_proba(inputs[test])[:, 1] if kind == "classes" else model.predict(inputs[test])
    return np.asarray(found, float) * scale + shift


def scored(kind: str, wanted: np.ndarray, found: np.ndarray) -> Scores:
    """The metrics of predictions."""
    from sklearn import metrics

    if kind == "classes":
        inside = np.clip(found, 1e-6, 1 - 1e-6)
        return {"accuracy": float(metrics.accuracy_score(wanted, found > 0.5)), "AUC": float(metrics.roc_auc_score(wanted, found)),
                "log-loss": float(metrics.log_loss(wanted, inside))}  # fmt: skip
    if kind == "count":
        return {"deviance": float(metrics.mean_poisson_deviance(wanted, np.maximum(found, 1e-6)))}
    return {"R2": float(metrics.r2_score(wanted, found)), "RMSE": float(metrics.mean_squared_error(wanted, found) ** 0.5)}


def measured(name: str, seed: int) -> dict[str, Scores]:
    """The scores of all contenders on one split of a table."""
    task, rows = TASKS[name], read(name, seed)
    wanted = rows.label[rows.of("test")]
    with tempfile.TemporaryDirectory() as folder:
        found, kinds, taken = net(name, seed, rows, Path(folder))
    scores = {"netc": {**scored(task.kind, wanted, found), "seconds": round(taken, 1)}}
    for contender, (model, coded) in contenders(task.kind, seed).items():
        start = time.monotonic()
        result = fitted(model, coded, kinds, rows, task.kind)
        scores[contender] = {**scored(task.kind, wanted, result), "seconds": round(time.monotonic() - start, 1)}
    return scores


def mean(runs: Sequence[Mapping[str, Scores]]) -> dict[str, Scores]:
    """The mean of the scores of several splits."""
    return {who: {metric: float(np.mean([run[who][metric] for run in runs])) for metric in runs[0][who]} for who in runs[0]}


def markdown(results: Mapping[str, Sequence[Mapping[str, Scores]]]) -> str:
    """A table of the means for each table."""
    lines = []
    for name, runs in results.items():
        means = mean(runs)
        metrics = list(next(iter(means.values())))
        lines += [f"| {name}, {len(runs)} seeds | {' | '.join(metrics)} |", f"|---|{'---|' * len(metrics)}"]
        lines += [f"| {who} | {' | '.join(_figure(metric, scores[metric]) for metric in metrics)} |" for who, scores in means.items()]
        lines.append("")
    return "\n".join(lines)


def _figure(metric: str, value: float) -> str:
    figure: Callable[[float], str] = {"seconds": "{:.1f}".format, "RMSE": "{:,.0f}".format}.get(metric, "{:.3f}".format)
    return figure(value)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.tables", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"tables: {', '.join(TASKS)}; all of them if none is named")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    path = arguments.output and arguments.output / "tables.json"
    results: dict[str, list[dict[str, Scores]]] = json.loads(path.read_text()) if path and path.exists() else {}
    for name in arguments.names or TASKS:
        results[name] = [measured(name, seed) for seed in range(arguments.seeds)]
        print(markdown({name: results[name]}), flush=True)
        if path:
            arguments.output.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(results, indent=1) + "\n")
            (arguments.output / "tables.md").write_text(markdown(results))


if __name__ == "__main__":
    main()
