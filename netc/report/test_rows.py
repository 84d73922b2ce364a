"""Run a net on its test rows: any blobs batch by batch, and the scores of classifiers."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from netc.compiler.lower import Lowered
from netc.compiler.program import Program
from netc.graph.contract import BATCH
from netc.graph.ir import Value
from netc.net.model import Layer, ResolvedNet
from netc.runtime.session import States
from netc.training.feed import Feeder, Feeds
from netc.training.tester import TestNet

MOST_SCORES = 20_000_000  # scores to keep, over all rows and classes
MOST_ROWS = 10_000


@dataclass(frozen=True)
class Classified:
    """The predictions for test rows: `scores` (count, classes) as probabilities and `labels` (count,), with the position of each row.

    `batch` is the index of its batch, `place` its index among the flattened labels of the batch.
    """

    scores: np.ndarray
    labels: np.ndarray
    batch: np.ndarray
    place: np.ndarray
    names: tuple[str, ...]

    @property
    def predicted(self) -> np.ndarray:
        classes: np.ndarray = self.scores.argmax(1)
        return classes

    def worst(self, count: int) -> np.ndarray:
        """The indices of wrong predictions, sorted by the probability of the true class, lowest first."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(self.scores[wrong, self.labels[wrong]], kind="stable")[:count]]


def test_feeder(program: Program) -> Feeder:
    """A feeder for the test rows, with every blob of the sources."""
    return Feeder(program.test_net, program.test[0].graph, program.seed, program.job.base)


def batches(
    program: Program, feeder: Feeder, states: Mapping[str, np.ndarray], threads: int, blobs: Mapping[str, str], limit: float
) -> Iterator[tuple[Feeds, Feeds]]:
    """Yield the feeds and the outputs of each test batch, for one pass or at most `limit` seconds.

    `blobs` maps names of outputs to blobs of the test net. The carried state is zero before the first batch.
    """

    def values(lowered: Lowered) -> Mapping[str, Value]:
        return {name: lowered.versions[blob][-1] for name, blob in blobs.items()}

    net = TestNet(program, 0, threads, States(states, program.backend), values)
    net.restart()
    begin = time.perf_counter()
    for k in range(feeder.batches or 1):
        if k and time.perf_counter() - begin > limit:
            return
        feeds = feeder.once(k)
        outputs = net.run(feeds, feeder.size(feeds))
        if outputs is not None:
            yield feeds, outputs


def classifier(net: ResolvedNet) -> tuple[str, str, int, int | None] | None:
    """The blobs of the scores and the labels, the class axis, and the ignored label. None if the net is no classifier."""
    for layer in net.layers:
        if layer.kind.deployed == "Softmax":
            p = layer.param.loss_param
            return (
                layer.bottoms[0],
                layer.bottoms[1],
                layer.param.softmax_param.axis,
                p.ignore_label if p.HasField("ignore_label") else None,
            )
    for layer in net.layers:
        if layer.type == "Accuracy":
            a = layer.param.accuracy_param
            return layer.bottoms[0], layer.bottoms[1], a.axis, a.ignore_label if a.HasField("ignore_label") else None
    return None


def classified(program: Program, passing: Callable[[Mapping[str, str]], Iterator[tuple[Feeds, Feeds]]]) -> Classified | None:
    """The predictions for the batches that `passing` yields; None if the net is no classifier."""
    outputs = classifier(program.test_net)
    label = None if outputs is None else BATCH(outputs[1])
    if outputs is None or label not in {BATCH(top) for layer in program.test_net.sources for top in layer.tops}:
        return None
    blob, _, axis, ignored = outputs
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
    size = 0
    for k, (feeds, values) in enumerate(passing({"scores": blob})):
        scores = np.moveaxis(values["scores"], axis, -1)
        flat, labels = scores.reshape(-1, scores.shape[-1]), np.asarray(feeds[label]).reshape(-1).astype(np.int64)
        place = np.flatnonzero((labels != ignored) & (labels >= 0) & (labels < flat.shape[1]))
        kept.append((flat[place], labels[place], np.full(len(place), k), place))
        size += flat[place].size
        if size > MOST_SCORES:
            break
    if not any(len(labels) for _, labels, *_ in kept):
        return None
    scores, labels, batch, place = (np.concatenate(part) for part in zip(*kept, strict=True))
    return Classified(probabilities(scores), labels, batch, place, class_names(program, scores.shape[1]))


def class_names(program: Program, count: int) -> tuple[str, ...]:
    """The names of the classes, or numbers if the data has no names."""
    return program.classes if len(program.classes) == count else tuple(map(str, range(count)))


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Convert scores (count, classes) to probabilities: unchanged if they are probabilities, else by softmax."""
    if (scores >= 0).all() and np.allclose(scores.sum(1), 1, atol=1e-3):
        return scores
    raised = np.exp(scores - scores.max(1, keepdims=True))
    shares: np.ndarray = raised / raised.sum(1, keepdims=True)
    return shares


def images_of(net: ResolvedNet) -> tuple[Layer, str, tuple[int, int, int]] | None:
    """The layer that reads images, its blob, and its channels (1 or 3), height and width. None if there is no such layer."""
    for layer in net.sources:
        shape = layer.source.tops[0].shape if layer.source else ()
        if len(shape) == 3 and shape[0] in (1, 3) and all(isinstance(d, int) for d in shape):
            channels, height, width = map(int, shape)
            return layer, layer.tops[0], (channels, height, width)
    return None


def first_images(feeder: Feeder, blob: str, count: int) -> np.ndarray:
    """At most the first `count` rows of an image blob, (count, channels, height, width)."""
    parts: list[np.ndarray] = []
    for k in range(feeder.batches or 1):
        parts.append(feeder.once(k)[BATCH(blob)])
        if sum(map(len, parts)) >= count:
            break
    return np.concatenate(parts)[:count]
