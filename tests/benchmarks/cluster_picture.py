"""`python -m tests.benchmarks.cluster_picture FILE`: trains nets/kmeans.yaml and draws its clusters of wines."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from netc import data
from netc.commands.options import TrainOptions
from netc.commands.train import train_command
from netc.compiler.compilation import load
from netc.predict.model import Model
from netc.report.picture import picture
from netc.report.scales import Scale, linear
from tests.data.layers import data_layer

WIDTH, HEIGHT = 520, 320
NAME = "clusters of wines"


def main() -> None:
    rows, label = _rows()
    mean, deviation = rows.mean(0), rows.std(0)
    with tempfile.TemporaryDirectory() as folder:
        train_command(load("nets/kmeans.yaml"), TrainOptions(runs=f"{folder}/runs", zoo=f"{folder}/zoo", quiet=True))
        found = Model(f"{folder}/zoo/kmeans/1.0.0")(rows)
    standard = (rows - mean) / deviation
    axes = np.linalg.svd(standard, full_matrices=False)[2][:2]
    points = standard @ axes.T
    text = _drawn(points, found["cluster"].astype(int).reshape(-1), label)
    Path(sys.argv[1]).write_text(picture(text, NAME, "python -m tests.benchmarks.cluster_picture"))


def _rows() -> tuple[np.ndarray, np.ndarray]:
    """The training rows of the wines, and their cultivars."""
    source = data.open(data_layer("wine", 1), "TRAIN", 0)
    every = np.arange(source.rows or 0)
    return source.stored(0, every).astype(np.float64), source.stored(1, every)


def _drawn(points: np.ndarray, cluster: np.ndarray, label: np.ndarray) -> str:
    """A scatter plot: colours are clusters, shapes are cultivars, crosses are the means of the clusters."""
    (left, bottom), (right, top) = points.min(0), points.max(0)
    x, y = linear(left, right, 48, WIDTH - 16), linear(bottom, top, HEIGHT - 44, 34)
    parts = [_axis(x, y)]
    parts += [_mark(x(a), y(b), int(c), int(k)) for (a, b), c, k in zip(points, cluster, label, strict=True)]
    for k in np.unique(cluster):
        a, b = points[cluster == k].mean(0)
        parts.append(_cross(x(a), y(b)))
    legend = "".join(f'{_mark(60 + 110 * k, 16, -1, k)}<text x="{72 + 110 * k}" y="20">cultivar {k + 1}</text>' for k in range(3))
    legend += f'{_cross(390, 16)}<text x="402" y="20">mean of a cluster</text>'
    head = f'<svg class="chart" role="img" data-name="{NAME}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    return head + legend + "".join(parts) + "</svg>"


def _cross(x: float, y: float) -> str:
    return f'<path d="M{x - 7:.1f} {y:.1f}h14m-7 -7v14" stroke="var(--ink)" stroke-width="3" fill="none"/>'


def _axis(x: Scale, y: Scale) -> str:
    parts = [f'<path class="axis" d="M{x.start} {y.end}V{y.start}H{x.end}" fill="none"/>']
    parts += [f'<text x="{x(t):.1f}" y="{y.start + 17:.1f}" text-anchor="middle">{t:g}</text>' for t in x.ticks]
    parts += [f'<text x="{x.start - 7}" y="{y(t) + 4:.1f}" text-anchor="end">{t:g}</text>' for t in y.ticks]
    middle = (y.start + y.end) / 2
    parts.append(f'<text x="{(x.start + x.end) / 2}" y="{HEIGHT - 8}" text-anchor="middle">first principal component</text>')
    parts.append(f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">second principal component</text>')
    return "".join(parts)


def _mark(x: float, y: float, cluster: int, label: int) -> str:
    """A point in the colour of its cluster, -1 for none, and the shape of its cultivar."""
    colour = "var(--soft)" if cluster < 0 else f"var(--c{cluster})"
    shapes = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"',
        f'<rect x="{x - 3.6:.1f}" y="{y - 3.6:.1f}" width="7.2" height="7.2"',
        f'<path d="M{x:.1f} {y - 4.8:.1f}l4.6 8h-9.2z"',
    )
    return f'{shapes[label]} fill="{colour}" fill-opacity="0.8"/>'


if __name__ == "__main__":
    main()
