"""A batch of trees for the recursive net, of the sizes that sentences of the Stanford Sentiment Treebank have: 27 of 19 words each."""

import numpy as np

from netc.data.brackets import read_trees
from netc.data.sources.trees import Forest
from netc.data.vocabulary import Vocabulary

TREES, WORDS, VOCABULARY, LEVELS = 27, 19, 6000, 30

NET = """\
name: rntn
layers:
  - Input: {top: word, shape: {dim: LEAVES}}
  - Input: {top: child, shape: {dim: [INNER, 2]}}
  - Input: {top: width, shape: {dim: LEVELS}}
  - Input: {top: label, shape: {dim: NODES}}
  - Embed: {bottom: word, num_output: 25, input_dim: VOCABULARY, bias_term: false, weight_filler: {type: gaussian, std: 0.1}}
  - TanH
  - RecursiveTensor: {bottom: [embed1, child, width], weight_filler: {type: uniform, min: -0.1, max: 0.1},
      tensor_filler: {type: uniform, min: -0.01, max: 0.01}}
  - InnerProduct: {num_output: 5, weight_filler: xavier}
  - SoftmaxWithLoss
solver: {base_lr: 0.01, max_iter: 100}
"""


def batch() -> dict[str, np.ndarray]:
    """The blobs of one batch, by name. Its trees are as high as those of sentences: most nodes part from their first word alone."""
    rng = np.random.default_rng(0)
    text = "\n".join(_tree(rng, int(rng.integers(WORDS // 2, WORDS + WORDS // 2 + 2))) for _ in range(TREES))
    trees = tuple(read_trees(text, "random trees"))
    vocabulary = Vocabulary.of((f"w{k}" for k in range(VOCABULARY)), VOCABULARY)
    word, child, width, label, _ = Forest(trees, vocabulary, LEVELS).batch(np.arange(TREES))
    return {"word": word, "child": child, "width": width, "label": label}


def net() -> str:
    """The text of a net for that batch."""
    made = batch()
    sizes = {"LEAVES": len(made["word"]), "INNER": len(made["child"]), "NODES": len(made["label"])}
    text = NET.replace("LEVELS", str(LEVELS)).replace("VOCABULARY", str(VOCABULARY))
    for name, size in sizes.items():
        text = text.replace(name, str(size))
    return text


def _tree(rng: np.random.Generator, words: int) -> str:
    label = rng.integers(0, 5)
    if words == 1:
        return f"({label} w{rng.integers(0, VOCABULARY)})"
    left = 1 if rng.random() < 0.75 else int(rng.integers(1, words))
    return f"({label} {_tree(rng, left)} {_tree(rng, words - left)})"
