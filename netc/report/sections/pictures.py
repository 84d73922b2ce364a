"""What nets on images learned: filters, samples of an RBM, and reconstructions compared with principal components."""

from dataclasses import dataclass
from math import prod

import numpy as np
from markupsafe import Markup

from netc import random
from netc.compiler.program import Program
from netc.graph.contract import BATCH
from netc.net.model import Layer, ResolvedNet
from netc.registry import section
from netc.report import images
from netc.report.filters import first_filters
from netc.report.html import figure, paragraph
from netc.report.run import Run
from netc.report.test_rows import MOST_ROWS, first_images, images_of
from netc.training.feed import Feeder

FILTERS = 100
CHAINS, STEPS = 12, (0, 1, 10, 100, 1000)
SHOWN = 12
MOST_PIXELS = 4096  # larger images have no principal components: their covariance matrix would be too large


@section("First layer", model=True)
def first_layer(run: Run) -> Markup | None:
    """The weights of the first layer that reads images."""
    filters = first_filters(run.made, run.states)
    if filters is None:
        return None
    name, weights = filters
    norms = np.sqrt((weights.reshape(len(weights), -1) ** 2).sum(1))
    kept = np.sort(np.argsort(-norms, kind="stable")[:FILTERS])
    if weights.shape[1] == 3:
        most = np.abs(weights[kept]).max((1, 2, 3), keepdims=True)
        pictures, how = images.shown(weights[kept] / np.where(most > 0, most, 1), -1, 1), "in colour, with grey for 0"
    else:
        pictures, how = images.signed(weights[kept, 0]), "blue above 0, red below 0, each filter scaled by its largest weight"
    scale = max(1, round(420 / images.grid(pictures).shape[1]))
    few = f"the {len(kept)} largest of {len(weights)}" if len(kept) < len(weights) else f"all {len(weights)}"
    return figure(images.image(images.grid(pictures), f"weights of {name}", scale), f"The weights of {name}, {few}: {how}.")


@section("Samples", model=True)
def samples(run: Run) -> Markup | None:
    """Samples of an RBM on images: Gibbs chains that start at test images."""
    layer, states = _machine(run.made.test_net), run.states
    if layer is None or f"{layer.name}.visible_bias" not in states:  # missing if the net only reads the hidden units
        return None
    p = layer.param.rbm_param
    weight, hidden_bias, visible_bias = (states[f"{layer.name}.{blob}"] for blob in ("weight", "bias", "visible_bias"))
    start = first_images(run.feeder, layer.bottoms[0], CHAINS)
    v, seen = start.reshape(len(start), -1), [start.reshape(len(start), -1)]
    for step in range(1, STEPS[-1] + 1):
        h = _drawn(v @ weight.T + hidden_bias, p.hidden != p.BINARY, run.made.seed, "report.hidden", step)[1]
        mean, v = _drawn(h @ weight + visible_bias, p.visible != p.BINARY, run.made.seed, "report.visible", step)
        if step in STEPS:
            seen.append(mean)
    pictures = np.concatenate(seen).reshape(-1, *start.shape[1:])
    sheet = images.grid(images.shown(pictures, 0.0, float(start.max())), len(start))
    counts = ", ".join(f"{s:,}" for s in STEPS[1:])
    caption = f"One chain per column: a test image, then the means of the pixels after {counts} steps of Gibbs sampling."
    return figure(images.image(sheet, "Gibbs chains", 2), caption)


def _machine(net: ResolvedNet) -> Layer | None:
    """The RBM that reads images; None if there is none."""
    source = images_of(net)
    return next((x for x in net.layers if x.type == "RBM" and source and x.bottoms[0] == source[1]), None)


def _drawn(x: np.ndarray, gaussian: bool, seed: int, name: str, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The means of units with input `x`, and a sample."""
    if gaussian:
        return x, x + random.normal(seed, name, x.shape, iteration=step)
    mean = 1 / (1 + np.exp(-x))
    return mean, (random.uniform(seed, name, x.shape, iteration=step) < mean).astype(np.float32)


@dataclass(frozen=True)
class Coding:
    """The parts of an autoencoder: the blob of the reconstruction, whether it lacks a sigmoid, and the size of the code."""

    blob: str
    sigmoid: bool
    size: int


@section("Reconstructions", model=True)
def reconstructions(run: Run) -> Markup | None:
    """Reconstructions of test images by an autoencoder and by equally many principal components, with their squared errors."""
    program = run.made
    coding, source = _coding(program), images_of(program.test_net)
    if coding is None or source is None or prod(source[2]) > MOST_PIXELS:
        return None
    originals, made = [], []
    for feeds, values in run.batches({"made": coding.blob}):
        originals.append(feeds[BATCH(source[1])].reshape(len(values["made"]), -1))
        made.append(values["made"].reshape(len(values["made"]), -1))
        if sum(map(len, made)) >= MOST_ROWS:
            break
    rows, own = np.concatenate(originals), np.concatenate(made)
    own = 1 / (1 + np.exp(-own)) if coding.sigmoid else own
    linear, count = _principal(program, source[1], coding.size, rows)
    errors = [float(((x - rows) ** 2).sum(1).mean(dtype=np.float64)) for x in (own, linear)]
    pictures = np.concatenate([x[:SHOWN] for x in (rows, own, linear)]).reshape(-1, *source[2])
    sheet = images.grid(images.shown(pictures, float(rows.min()), float(rows.max())), min(SHOWN, len(rows)))
    lead = paragraph(
        "The squared error per test image is {:.2f} for the net, with a code of {} numbers. This is {:.0%} of the {:.2f} for equally many "
        "principal components of {:,} training images.", errors[0], coding.size, errors[0] / errors[1], errors[1], count,
    )  # fmt: skip
    caption = f"From top to bottom: test images, reconstructions by the net, reconstructions from {coding.size} principal components."
    return lead + figure(images.image(sheet, "reconstructions", 2), caption)


def _coding(program: Program) -> Coding | None:
    """The parts of a net that is trained to reproduce its input; None for any other net."""
    net, fed = program.test_net, {top for layer in program.test_net.sources for top in layer.tops[:1]}
    losses = [x for x in net.layers if x.kind.loss and len(x.bottoms) == 2 and x.bottoms[1] in fed]
    kinds = {x.type: x.bottoms[0] for x in losses}
    blob = kinds.get("EuclideanLoss") or kinds.get("SigmoidCrossEntropyLoss")
    if blob is None:
        return None
    lowered = program.test[0]
    learned = [x for x in net.layers if lowered.layer_blobs[x.name]]
    sizes = [int(np.prod([d for d in lowered.layer_tops[x.name][0].shape[1:] if isinstance(d, int)])) for x in learned]
    return Coding(blob, "EuclideanLoss" not in kinds, min(sizes)) if sizes else None


def _principal(program: Program, blob: str, size: int, rows: np.ndarray) -> tuple[np.ndarray, int]:
    """Reconstruct `rows` from `size` principal components. Returns also the number of training rows that these are based on."""
    feeder = Feeder(program.train_net, program.train.graph, program.seed, program.job.base)
    parts: list[np.ndarray] = []
    wanted = min(MOST_ROWS, feeder.rows or MOST_ROWS)
    for k in range(-(-wanted // feeder.batch_size)):
        batch = feeder(k)[BATCH(blob)]
        parts.append(batch.reshape(len(batch), -1))
    known = np.concatenate(parts)
    mean = known.mean(0)
    centred = known - mean
    _, directions = np.linalg.eigh(centred.T @ centred)
    kept = directions[:, -size:]
    return (rows - mean) @ kept @ kept.T + mean, len(known)
