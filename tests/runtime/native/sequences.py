"""Calls of kernels over sequences and trees, with arrays for them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from netc.data.brackets import read_trees
from netc.data.sources.trees import Forest
from netc.data.vocabulary import Vocabulary
from netc.graph.ir import Value
from netc.graph.training_ops import recurrent, recursive
from tests.runtime.native.arrays import RNG, Array, normal, uniform

Row = tuple[Any, ...]  # a function on values and its arrays


def marks(steps: int, n: int, cont: bool) -> list[Array]:
    return [RNG.integers(0, 2, (steps, n, 1)).astype(np.float32)] if cont else []


def lstm(steps: int, n: int, hidden: int, cont: bool, keep: int = 1) -> Row:
    arrays = normal(steps, n, 4 * hidden), normal(4 * hidden, hidden), normal(n, hidden), normal(n, hidden), *marks(steps, n, cont)
    return lambda *v: recurrent.lstm(*v, keep=keep), *arrays


def gru(steps: int, n: int, hidden: int, cont: bool, keep: int = 1) -> Row:
    arrays = normal(steps, n, 3 * hidden), normal(3 * hidden, hidden), normal(hidden), normal(n, hidden), *marks(steps, n, cont)
    return lambda *v: recurrent.gru(*v, keep=keep), *arrays


def back_in_time(function: Callable[..., Any], arrays: Sequence[Array], given: Sequence[bool]) -> Row:
    """`function` of the arrays that are given; the others are left out."""

    def call(*values: Value) -> Any:
        rest = iter(values)
        return function(*(next(rest) if there else None for there in given))

    return call, *(a for a, there in zip(arrays, given, strict=True) if there)


def lstm_grad(steps: int, n: int, hidden: int, cont: bool, last: bool) -> Row:
    wh, kept = normal(4 * hidden, hidden), [uniform(steps, n, k * hidden) for k in (3, 1, 1, 1)]
    arrays = normal(steps, n, hidden), normal(n, hidden), normal(n, hidden), wh, *marks(steps, n, True), *kept
    return back_in_time(recurrent.lstm_grad, arrays, [True, last, last, True, cont, *[True] * 4])


def gru_grad(steps: int, n: int, hidden: int, cont: bool, last: bool) -> Row:
    wh, kept = normal(3 * hidden, hidden), [uniform(steps, n, k * hidden) for k in (1, 2, 1, 1)]
    arrays = normal(steps, n, hidden), normal(n, hidden), wh, normal(n, hidden), *marks(steps, n, True), *kept
    return back_in_time(recurrent.gru_grad, arrays, [True, last, True, True, cont, *[True] * 4])


TREES = "(2 (3 (1 a) (0 b)) (4 c))\n(1 (2 (0 a) (1 (2 b) (3 (4 c) (0 d)))) (1 (1 a) (2 b)))\n(0 a)"


def forest(copies: int = 1) -> tuple[int, Array, Array, int]:
    """The leaves, `child` and `width` of a batch of trees, and how many nodes it has."""
    trees = tuple(read_trees("\n".join([TREES] * copies), "trees"))
    word, child, width, label, _ = Forest(trees, Vocabulary.of("abcd", 4), 6).batch(np.arange(len(trees)))
    return len(word), child, width, len(label)


def recursion(size: int, tensor: bool, copies: int = 1) -> Row:
    leaves, child, width, _ = forest(copies)
    scale = np.float32(0.5 / size)  # so that sums stay where tanh is not flat
    weights = normal(size, 2 * size) * scale, normal(size), *([normal(size, 2 * size, 2 * size) * scale] if tensor else [])
    return recursive.recursive, normal(leaves, size), child, width, *weights


def recursion_grad(size: int, tensor: bool, copies: int = 1) -> Row:
    _, child, width, nodes = forest(copies)
    maps = [normal(int(n), size, 2 * size) for n in width] if tensor else []
    return recursive.recursive_grad, normal(nodes, size), uniform(nodes, size), child, width, normal(size, 2 * size), *maps
