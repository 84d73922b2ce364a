"""What a net makes of its rows for testing: blobs batch by batch, and of nets that tell classes apart their scores."""

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

MOST_SCORES = 20_000_000  # numbers of scores that are kept
MOST_ROWS = 10_000


@dataclass(frozen=True)
class Classified:
    """The classes of test rows: `scores` (count, classes) as probabilities, `labels` (count,); and of each where it stands.

    `batch` is the number of its batch, `place` that within the labels of the batch, flattened.
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
        """The numbers of the wrong ones, those first whose right class was given least."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        return wrong[np.argsort(self.scores[wrong, self.labels[wrong]], kind="stable")[:count]]


def test_feeder(program: Program) -> Feeder:
    """The test rows, with every blob that the sources give."""
    return Feeder(program.test_net, program.test[0].graph, program.seed, program.job.base)


def batches(
    program: Program, feeder: Feeder, states: Mapping[str, np.ndarray], threads: int, blobs: Mapping[str, str], limit: float
) -> Iterator[tuple[Feeds, Feeds]]:
    """What each test batch is fed, and blobs of the test net by other names, until a pass is done or took `limit` seconds.

    What the net carries along is zero before the first batch.
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
        found = net.run(feeds, feeder.size(feeds))
        if found is not None:
            yield feeds, found


def classifier(net: ResolvedNet) -> tuple[str, str, int, int | None] | None:
    """Of a net that tells classes apart: the blobs of scores and labels, the axis of the classes, and the label that is ignored."""
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
    """The test rows with their classes, of the batches that `passing` gives; None of a net that tells none apart."""
    found = classifier(program.test_net)
    label = None if found is None else BATCH(found[1])
    if found is None or label not in {BATCH(top) for layer in program.test_net.sources for top in layer.tops}:
        return None
    blob, _, axis, ignored = found
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
    """Names of the classes, numbers where the data has none."""
    return program.classes if len(program.classes) == count else tuple(map(str, range(count)))


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Scores (count, classes) as probabilities: as they are if they are some, else their softmax."""
    if (scores >= 0).all() and np.allclose(scores.sum(1), 1, atol=1e-3):
        return scores
    raised = np.exp(scores - scores.max(1, keepdims=True))
    shares: np.ndarray = raised / raised.sum(1, keepdims=True)
    return shares


def images_of(net: ResolvedNet) -> tuple[Layer, str, tuple[int, int, int]] | None:
    """The source of images that a net reads, the blob, and their channels (1 or 3), height and width."""
    for layer in net.sources:
        shape = layer.source.tops[0].shape if layer.source else ()
        if len(shape) == 3 and shape[0] in (1, 3) and all(isinstance(d, int) for d in shape):
            channels, height, width = map(int, shape)
            return layer, layer.tops[0], (channels, height, width)
    return None


def first_images(feeder: Feeder, blob: str, count: int) -> np.ndarray:
    """The first `count` rows at most of a blob of images, (count, channels, height, width)."""
    parts: list[np.ndarray] = []
    for k in range(feeder.batches or 1):
        parts.append(feeder.once(k)[BATCH(blob)])
        if sum(map(len, parts)) >= count:
            break
    return np.concatenate(parts)[:count]
