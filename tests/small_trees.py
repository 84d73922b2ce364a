"""A small treebank whose labels a net can learn, and a net for it."""

from pathlib import Path

import numpy as np

NET = """\
name: small
layers:
  - TreeData: {source: bank, batch_size: 8, test_batch_size: 5, vocabulary_size: 12, max_height: 6}
  - Embed: {num_output: 4, input_dim: 12, bias_term: false, weight_filler: {type: gaussian, std: 0.1}}
  - TanH
  - RecursiveTensor: {bottom: [embed1, child, width], weight_filler: xavier, tensor_filler: {type: gaussian, std: 0.01}}
  - InnerProduct: {num_output: 3, weight_filler: xavier}
  - Accuracy: {name: root_accuracy, bottom: [ip1, root_label], ignore_label: -1}
  - Accuracy: {ignore_label: -1}
  - SoftmaxWithLoss: {ignore_label: -1}
solver: {type: AdaGrad, base_lr: 0.1, max_iter: 60, test_interval: 15, reset_interval: 25, snapshot: 20, display: 1}
licence: unknown
dataset_licence: unknown
"""
WORDS = {"bad": 0, "awful": 0, "a": 1, "the": 1, "film": 1, "plot": 1, "good": 2, "fine": 2}


def write_trees(folder: Path, net: str = NET, name: str = "small.yaml") -> str:
    """`net`, and the folder `bank` with its three parts; the path of the net file."""
    rng = np.random.default_rng(0)
    (folder / "bank").mkdir()
    for part, count in (("train", 60), ("dev", 17), ("test", 13)):
        lines = [_tree(rng, int(rng.integers(0, 5)))[0] for _ in range(count)]
        (folder / "bank" / f"{part}.txt").write_text("\n".join(lines) + "\n")
    path = folder / name
    path.write_text(net)
    return str(path)


def _tree(rng: np.random.Generator, height: int) -> tuple[str, int]:
    """A tree and its label: the side that more of its words are on."""
    if height == 0:
        word = str(rng.choice(list(WORDS)))
        return f"({WORDS[word]} {word})", WORDS[word] - 1
    (left, a), (right, b) = _tree(rng, height - 1), _tree(rng, int(rng.integers(0, height)))
    return f"({np.sign(a + b) + 1} {left} {right})", a + b
