"""`python -m tests.benchmarks.clusters [--output FOLDER]`: clusters and outliers beside scikit-learn on the same rows.

It trains nets of k-means clustering, deep embedded clustering, nearest neighbours and autoencoders, several seeds each. The tables are
those of scikit-learn. Two more are in Debian's package r-cran-mlbench, in the folder --mlbench; Python's package `rdata` reads them. With
--output, it writes clusters.md and clusters.json there. It takes about ten minutes.
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from netc.commands.options import TrainOptions
from netc.commands.train import train_command
from netc.compiler.compilation import load

ROOT = Path(__file__).parents[2]
Row = dict[str, Any]
Table = tuple[str, np.ndarray, np.ndarray]

KMEANS = """\
name: kmeans
layers:
  - Data: {{source: rows.npz, test_source: rows.npz, batch_size: {batch}}}
  - KMeans: {{num_output: {clusters}}}
  - AdjustedRandIndex: {{include: {{phase: TEST}}}}
solver: {{max_epoch: {epochs}}}
"""
NEAREST = """\
name: nearest
layers:
  - Data: {{source: rows.npz, test_source: tested.npz, batch_size: {rows}, test_batch_size: 1000}}
  - Nearest: {{bottom: data, rows: {rows}, k: 5}}
  - AUC: {{include: {{phase: TEST}}}}
solver: {{max_epoch: 1}}
"""
AUTOENCODER = """\
name: autoencoder
layers:
  - Data: {{source: rows.npz, test_source: tested.npz, batch_size: {batch}, test_batch_size: 1000}}
  - InnerProduct: {{bottom: data, num_output: {hidden}, weight_filler: xavier}}
  - ReLU
  - InnerProduct: {{num_output: {code}, weight_filler: xavier}}
  - InnerProduct: {{num_output: {hidden}, weight_filler: xavier}}
  - ReLU
  - InnerProduct: {{name: reconstruction, num_output: {width}, weight_filler: xavier}}
  - EuclideanLoss: {{bottom: [reconstruction, data], name: loss}}
  - Eltwise: {{bottom: [reconstruction, data], top: difference, coeff: [1, -1]}}
  - Reduction: {{bottom: difference, operation: SUMSQ, axis: 1, top: score}}
  - AUC: {{bottom: [score, label], include: {{phase: TEST}}}}
solver: {{type: Adam, base_lr: 0.003, momentum: 0.9, lr_policy: cosine, max_iter: {iterations}}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.clusters", description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--splits", type=int, default=3, help="random halves of the normal rows, for outliers")
    parser.add_argument("--mlbench", type=Path, default="/usr/lib/R/site-library/mlbench/data", help="folder of BreastCancer.rda")
    arguments = parser.parse_args()
    every = tables(arguments.mlbench)
    found = {"clusters": list(clusters(arguments.seeds)), "outliers": list(outliers(every, arguments.splits))}
    text = markdown(found, arguments.seeds, arguments.splits)
    print(text)
    if arguments.output:
        (arguments.output / "clusters.md").write_text(text)
        (arguments.output / "clusters.json").write_text(json.dumps(found, indent=1) + "\n")


def scores(net: str, seed: int, *overrides: str, **files: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Train a net, given as text, on .npz files of rows and labels. Returns the scores of the last test."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (rows, label) in files.items():
            np.savez(Path(folder) / f"{name}.npz", data=rows.astype(np.float32), label=label.astype(np.int64))
        path = Path(folder) / "net.yaml"
        path.write_text(net)
        made = load(str(path), [f"solver.random_seed={seed}", *overrides])
        train_command(made, TrainOptions(runs=folder, quiet=True, threads=1))
        lines = [json.loads(line) for log in Path(folder).rglob("log.jsonl") for line in log.read_text().splitlines()]
    return next(line for line in reversed(lines) if line["event"] == "test") if lines else {}


def standardized(rows: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Rows minus the mean of `by`, divided by its standard deviation."""
    deviation = by.std(0)
    result: np.ndarray = (rows - by.mean(0)) / np.where(deviation > 0, deviation, 1)
    return result


def clusters(seeds: int) -> Iterator[Row]:
    """Adjusted Rand indices on all rows of digits and wine."""
    from sklearn import datasets
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    digits, wine = datasets.load_digits(), datasets.load_wine()
    for name, rows, label, count in (
        ("digits", digits.data / 16, digits.target, 10), ("wine", standardized(wine.data, wine.data), wine.target, 3),
    ):  # fmt: skip
        net = KMEANS.format(batch=len(rows), clusters=count, epochs=60)
        ours = [scores(net, seed, rows=(rows, label))["ari"] for seed in range(seeds)]
        models = [KMeans(count, n_init=10, random_state=seed).fit(rows) for seed in range(seeds)]
        yield {"table": name, "rows": len(rows), "netc KMeans": ours,
               "scikit-learn KMeans": [adjusted_rand_score(label, m.labels_) for m in models]}  # fmt: skip
    deep = (ROOT / "nets/deep_clusters.yaml").read_text()
    every = ("layers.data.source=rows.npz", "layers.data.test_source=rows.npz", "layers.data.scale=4", "layers.data.test_batch_size=599")
    yield {"table": "digits", "rows": len(digits.data), "netc deep_clusters.yaml":
           [scores(deep, seed, *every, rows=(digits.data / 16, digits.target))["ari"] for seed in range(seeds)]}  # fmt: skip


def tables(mlbench: Path) -> Iterator[Table]:
    """Name, rows, and whether each row is an outlier."""
    from sklearn import datasets

    cancer, digits, wine = datasets.load_breast_cancer(), datasets.load_digits(), datasets.load_wine()
    yield "breast cancer (569 x 30), malignant", cancer.data, cancer.target == 0
    yield "digits (1,797 x 64), zeros", digits.data, digits.target == 0
    yield "wine (178 x 13), first cultivar", wine.data, wine.target == 0
    if mlbench.is_dir():
        yield from _of_mlbench(mlbench)


def _of_mlbench(folder: Path) -> Iterator[Table]:
    import rdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cancer, satellite = (next(iter(rdata.read_rda(folder / f"{n}.rda").values())) for n in ("BreastCancer", "Satellite"))
    cancer = cancer.dropna()
    yield "breastw (683 x 9), malignant", cancer.iloc[:, 1:10].astype(float).to_numpy(), (cancer["Class"] == "malignant").to_numpy()
    rare = satellite["classes"].astype(str).isin(["damp grey soil", "cotton crop", "vegetation stubble"]).to_numpy()
    yield "satellite (6,435 x 36), three rare soils", satellite.iloc[:, :36].astype(float).to_numpy(), rare


def outliers(tables: Iterable[Table], splits: int) -> Iterator[Row]:
    """AUC of outlier scores. A random half of the normal rows is the training set; the other half and all outliers are the test set."""
    for name, rows, is_outlier in tables:
        found: dict[str, list[float]] = {}
        for split in range(splits):
            normal = np.random.default_rng(split).permutation(np.flatnonzero(~is_outlier))
            half = len(normal) // 2
            tested = np.concatenate([normal[half:], np.flatnonzero(is_outlier)])
            train, test = (standardized(rows[chosen], rows[normal[:half]]) for chosen in (normal[:half], tested))
            for method, value in methods(train, test, is_outlier[tested], split).items():
                found.setdefault(method, []).append(value)
        yield {"table": name, **found}


def methods(train: np.ndarray, test: np.ndarray, label: np.ndarray, seed: int) -> dict[str, float]:
    """The AUC of each method."""
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score
    from sklearn.neighbors import NearestNeighbors

    files = {"rows": (train, np.zeros(len(train))), "tested": (test, label)}
    width = train.shape[1]
    batch, iterations = min(64, len(train)), int(np.clip(100 * len(train) // 64, 500, 6000))
    sizes = {"width": width, "hidden": max(32, 4 * width), "code": max(2, width // 4)}
    net = AUTOENCODER.format(batch=batch, iterations=iterations, **sizes)
    near = NearestNeighbors(n_neighbors=5).fit(train).kneighbors(test)[0].mean(1)
    return {
        "netc Nearest": scores(NEAREST.format(rows=len(train)), seed, **files)["auc"],
        "scikit-learn NearestNeighbors": float(roc_auc_score(label, near)),
        "netc autoencoder": scores(net, seed, **files)["auc"],
        "scikit-learn IsolationForest": float(roc_auc_score(label, -IsolationForest(random_state=seed).fit(train).score_samples(test))),
    }


def markdown(found: dict[str, list[Row]], seeds: int, splits: int) -> str:
    """The tables of the results."""

    def mean(values: list[float]) -> str:
        return f"{np.mean(values):.3f} ± {np.std(values):.3f}"

    def numbers(row: Row) -> dict[str, list[float]]:
        return {name: values for name, values in row.items() if isinstance(values, list)}

    lines = ["# Clusters and outliers", "", f"Adjusted Rand index, mean and deviation of {seeds} seeds.", "", "| table | method | index |",
             "|---|---|---|"]  # fmt: skip
    lines += [f"| {row['table']} | {name} | {mean(values)} |" for row in found["clusters"] for name, values in numbers(row).items()]
    names = list(numbers(found["outliers"][0]))
    lines += ["", f"AUC of outlier scores, mean of {splits} random splits.", "", f"| table, outliers | {' | '.join(names)} |",
              "|---" * (len(names) + 1) + "|"]  # fmt: skip
    lines += [f"| {row['table']} | {' | '.join(f'{np.mean(row[name]):.3f}' for name in names)} |" for row in found["outliers"]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
