"""Sentences as trees, with the prediction for every node."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from netc.graph.contract import BATCH
from netc.registry import section
from netc.report.charts import LETTER
from netc.report.html import figure, paragraph, row
from netc.report.run import Run

RIGHT, WRONG = 3, 3
LEAST_WORDS, MOST_WORDS = 4, 14
LEVEL, RADIUS, MARGIN = 38, 10, 14


@dataclass(frozen=True)
class Node:
    """A node of a tree, with its index in the batch. `span` has the x positions of its first and last word."""

    number: int
    x: float
    height: int
    children: tuple["Node", ...]
    word: str = ""


@section("Trees", model=True)
def trees(run: Run) -> Markup | None:
    """Test sentences with a correct root and some with a wrong root: those without unknown words, highest probability first."""
    source = next((x for x in run.made.test_net.sources if x.type == "TreeData"), None)
    classified = run.classified
    if source is None or classified is None:
        return None
    feeds = run.feeder.once(0)
    word, child, _, label, root_label = (feeds[BATCH(top)] for top in source.tops[:5])
    first = classified.batch == 0
    scores = np.full((len(label), len(classified.names)), np.nan, np.float32)
    scores[classified.place[first]] = classified.scores[first]
    drawn: dict[bool, list[tuple[int, float, int]]] = {True: [], False: []}
    for root in map(int, np.flatnonzero(root_label >= 0)):
        leaves = _words(root, word, child)
        if LEAST_WORDS <= len(leaves) <= MOST_WORDS and np.isfinite(scores[root]).all():
            unknown = int((word[leaves] == 0).sum())
            drawn[bool(scores[root].argmax() == label[root])].append((unknown, -float(scores[root].max()), root))
    chosen = [("right", sorted(drawn[True])[:RIGHT]), ("wrong", sorted(drawn[False])[:WRONG])]
    names = ", ".join(f"{k} {n}" if str(k) != n else n for k, n in enumerate(classified.names))
    lead = paragraph(
        "The predicted class of each node. A wrong prediction is crossed out, with the true class next to it. Classes: {}.", names
    )
    parts = []
    for kind, roots in chosen:
        for _, score, number in roots:
            picture = tree_svg(number, word, child, label, scores, run.made.vocabulary)
            parts.append(figure(picture, f"The root is {kind}, with a probability of {-score:.0%}."))
    return lead + row(*parts)


def _words(root: int, word: np.ndarray, child: np.ndarray) -> list[int]:
    """The leaves below a node from left to right."""
    stack, leaves = [root], []
    while stack:
        node = stack.pop()
        if node < len(word):
            leaves.append(node)
        else:
            stack += [int(c) for c in reversed(child[node - len(word)])]
    return leaves


def tree_svg(root: int, word: np.ndarray, child: np.ndarray, label: np.ndarray, scores: np.ndarray, vocabulary: tuple[str, ...]) -> Markup:
    """Draw a tree with its words at the bottom."""
    places: dict[int, tuple[float, str]] = {}
    right = float(MARGIN)
    for leaf in _words(root, word, child):
        text = vocabulary[word[leaf]] if word[leaf] < len(vocabulary) else str(word[leaf])
        width = max(2 * RADIUS + 14, len(text) * LETTER + 12)
        places[leaf] = right + width / 2, text
        right += width
    tree = _placed(root, len(word), child, places)
    bottom = MARGIN + tree.height * LEVEL + RADIUS
    parts = [Markup("").join(_drawn(tree, tree.height, label, scores))]
    parts += [
        Markup('<text x="{:.1f}" y="{:g}" text-anchor="middle">{}</text>').format(x, bottom + 24, text) for x, text in places.values()
    ]
    size = Markup('viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}"').format(right + MARGIN, bottom + 32)
    return Markup('<svg role="img" {}><title>tree</title>{}</svg>').format(size, Markup("").join(parts))


def _placed(node: int, leaves: int, child: np.ndarray, places: dict[int, tuple[float, str]]) -> Node:
    if node < leaves:
        return Node(node, places[node][0], 0, (), places[node][1])
    below = tuple(_placed(int(c), leaves, child, places) for c in child[node - leaves])
    return Node(node, sum(b.x for b in below) / len(below), 1 + max(b.height for b in below), below)


def _drawn(node: Node, top: int, label: np.ndarray, scores: np.ndarray) -> list[Markup]:
    """Draw a subtree. Edges come first, so that nodes cover them."""
    y = MARGIN + RADIUS + (top - node.height) * LEVEL
    shapes = []
    for below in node.children:
        end = MARGIN + RADIUS + (top - below.height) * LEVEL
        shapes.append(Markup('<path class="edge" d="M{:.1f} {:g}H{:.1f}V{:g}"/>').format(node.x, y, below.x, end))
    for below in node.children:
        shapes += _drawn(below, top, label, scores)
    return [*shapes, *_node(node, y, int(label[node.number]), scores[node.number])]


def _node(node: Node, y: float, label: int, scores: np.ndarray) -> list[Markup]:
    if not np.isfinite(scores).all():
        return [Markup('<circle class="unlabelled" cx="{:.1f}" cy="{:g}" r="4"/>').format(node.x, y)]
    taken = int(scores.argmax())
    share = taken / max(1, len(scores) - 1) * 2 - 1  # ordered classes: from one end of the scale to the other
    colour, strength = ("--bad" if share < 0 else "--good"), abs(share)
    form = '<circle cx="{:.1f}" cy="{:g}" r="{}" fill="var({})" fill-opacity="{:.2f}" stroke="var(--soft)"/>'
    ground = Markup('<circle cx="{:.1f}" cy="{:g}" r="{}" fill="var(--paper)"/>').format(node.x, y, RADIUS)
    shapes = [ground, Markup(form).format(node.x, y, RADIUS, colour, 0.15 + 0.75 * strength)]
    shapes.append(Markup('<text x="{:.1f}" y="{:g}" text-anchor="middle" class="in">{}</text>').format(node.x, y + 4, taken))
    if taken != label and label >= 0:
        a, b = node.x - RADIUS * 0.7, node.x + RADIUS * 0.7
        shapes.append(Markup('<path class="wrong" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(a, y + RADIUS * 0.7, b, y - RADIUS * 0.7))
        shapes.append(Markup('<text x="{:.1f}" y="{:g}" class="truth">{}</text>').format(node.x + RADIUS + 3, y + 4, label))
    return shapes
