"""How the batches of a net are prepared: what a program must do to the rows of the data set before it feeds a model.

First, rows are normalized: (x - mean) * scale. Then training crops a random window and may mirror it; testing crops the center. Finally,
the batch axis moves to its place in the input.
"""

from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict

from netc import data
from netc.data import Description
from netc.graph.contract import BATCH
from netc.net.model import Layer, ResolvedNet
from netc.net.variants import inputs_of
from netc.spec.private_paths import plain_path

CHANNELS = 3
TOKENIZER = "tokenizer.json"
KNOWN = ("crop_size", "mirror", "pad")  # augmentation that has an entry of its own
MIXED = {
    "partner": "the label of the row that is mixed in; the label itself if rows are not mixed",
    "share": "the share of the label, from 0.5 to 1; 1 if rows are not mixed",
}
TREES = (
    "the words of the leaves, tree after tree",
    "the two children of each inner node, by the numbers of nodes: leaves come first, then inner nodes by height",
    "how many inner nodes there are at each height",
    "the labels of all nodes",
    "the labels of the roots, -1 at all other nodes",
)


def batch_facts(net: ResolvedNet, base: str, words: str | tuple[str, ...] = ()) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """How each input is prepared, by its name; and the mean images, by their file names.

    `words` is the vocabulary, or the name of its file. DataError if a mean cannot be read.
    """
    found: dict[str, dict[str, Any]] = {}
    means: dict[str, np.ndarray] = {}
    inputs = inputs_of(net)
    for layer in net.sources:
        assert layer.source is not None
        for k, (name, top) in enumerate(zip(layer.tops, layer.source.tops, strict=False)):
            said: dict[str, Any] = {"source": plain_path(layer.source.name), "role": "input" if k in inputs[layer.name] else "label"}
            said |= {"batch_axis": top.batch_axis} | ({"meaning": text} if (text := meaning(layer, k)) else {})
            if said["role"] == "label" and top.dtype == "int64":
                said |= _classes(layer.source.classes, top.classes)
            if k == 0:
                said |= _reading(layer.source, words) | _pixels(layer)
                said |= _normalised(layer, base, means)
            found[BATCH(name)] = said
    return found, means


def meaning(layer: Layer, top: int) -> str:
    """The meaning of an input that is not simply a row of the data set; "" for other inputs."""
    assert layer.source is not None
    if layer.type == "TreeData":
        return TREES[top]
    if top >= len(layer.source.tops) - len(layer.source.added):
        return MIXED[layer.source.added[top - len(layer.source.tops)]]
    timed = top and top in layer.source.inputs and layer.source.tops[top].batch_axis == 1
    return "0 at the first step of a sequence, 1 at its others, 0 after its end" if timed else ""


def _classes(names: tuple[str, ...], count: int) -> dict[str, Any]:
    """The names of the classes, or their number; empty if neither is known."""
    if names and count in (0, len(names)):
        return {"classes": list(names)}
    return {"classes": count} if count else {}


def _reading(source: Description, words: str | tuple[str, ...]) -> dict[str, Any]:
    """The number of rows, and how columns, texts and windows of a series are read."""
    said: dict[str, Any] = {"rows": source.rows} | source.reading | ({"tokenizer": TOKENIZER} if source.tokenizer else {})
    if words and source.tops[0].dtype == "int64":
        said["vocabulary"] = words if isinstance(words, str) else list(words)
    return said


def _pixels(layer: Layer) -> dict[str, Any]:
    """The order of the channels, the size after resizing, the crop, and mirroring."""
    assert layer.source is not None
    param, top, images = layer.param.transform_param, layer.source.tops[0], layer.param.image_data_param
    if len(top.shape) != 3 or top.dtype != "float32":
        return {}
    order = layer.source.channels if top.shape[0] == CHANNELS else "grey" if top.shape[0] == 1 else ""
    size = [param.resize_height or images.new_height, param.resize_width or images.new_width]
    said: dict[str, Any] = {"channels": order} if order else {}
    said |= {"resize": size} if all(size) else {}
    said |= {"crop": {"size": list(top.shape[1:]), "training": "random", "testing": "central"}} if param.crop_size else {}
    if param.pad:
        said |= {"crop": {"size": list(top.shape[1:]), "training": "random", "testing": "central"}}
        said |= {"pad": {"pixels": param.pad, "mode": param.PadMode.Name(param.pad_mode), "only": "in training"}}
    said |= {"mirror": "in training, by chance"} if param.mirror else {}
    others = MessageToDict(param, preserving_proto_field_name=True).items()
    random = {name: value for name, value in others if name in data.augmentations(param) and name not in KNOWN}
    return said | ({"augmentation": random} if random else {})


def _normalised(layer: Layer, base: str, means: dict[str, np.ndarray]) -> dict[str, Any]:
    """The mean and the scale: a number, one number per channel, or the name of the file of a mean image."""
    assert layer.source is not None
    said: dict[str, Any]
    top, param = layer.source.tops[0], layer.param.transform_param
    if top.dtype != "float32" or layer.type == "TreeData":
        return {}
    norm = data.normalisation(param, top.sizes, Path(base), cropped=True)
    windows = layer.type == "WindowData" and not param.HasField("scale")
    said = {"mean": 0.0, "scale": float(np.float32(layer.param.window_data_param.scale)) if windows else _plain(norm.factor)}
    if norm.mean is not None and norm.mean.size <= (top.sizes or (1,))[0]:
        said["mean"] = _plain(norm.mean)
    elif norm.mean is not None:
        said["mean"] = name = f"mean{len(means) + 1 if means else ''}.npy"
        means[name] = norm.mean if layer.type == "WindowData" else _whole(layer, base)
    return said


def _whole(layer: Layer, base: str) -> np.ndarray:
    """The mean image in the size that rows have before the crop."""
    mean = np.squeeze(data.read_blob(Path(base) / layer.param.transform_param.mean_file))
    return np.ascontiguousarray(mean[None] if mean.ndim == 2 else mean, np.float32)


def _plain(array: np.ndarray) -> float | list[float]:
    return float(array.reshape(())) if array.size == 1 else [float(v) for v in array.reshape(-1)]


def kept_words(words: tuple[str, ...]) -> bool:
    """Whether a file can list one word per line. Tokens of a text may themselves be line breaks."""
    return bool(words) and all(word.splitlines() == [word] for word in words)
