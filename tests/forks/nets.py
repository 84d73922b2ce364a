"""The nets by name, and random weights for them."""

from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np

from netc.compiler.lower import lower
from netc.formats.caffe_weights import write_weights
from netc.net.resolve import resolve
from netc.spec import parse_prototxt
from tests.forks import classifiers, dense

NETS: dict[str, Callable[[], str]] = {
    "mobilenet_v1": classifiers.mobilenet_v1, "mobilenet_v2": classifiers.mobilenet_v2, "se_resnet50": classifiers.se_resnet50,
    "shufflenet": classifiers.shufflenet, "densenet121": classifiers.densenet121, "yolov2": classifiers.yolov2,
    "pspnet50": dense.pspnet50, "segnet": dense.segnet, "enet": dense.enet, "hed": dense.hed, "openpose": dense.openpose,
}  # fmt: skip
Weights = dict[str, list[np.ndarray]]
RANGES = {"variance": (0.5, 1.5), "scale": (0.5, 1.5), "slope": (0.1, 0.9), "weight": (1, 1)}  # those of BatchNorm, BN, Scale and PReLU


def weights_of(text: str, seed: int = 0) -> Weights:
    """Random weights by layer name: kernels that keep the variance, and statistics and factors around 1."""
    random, found = np.random.RandomState(seed), Weights()
    lowered = lower(resolve(parse_prototxt(text), "TEST"))
    for layer, blobs in lowered.layer_blobs.items():
        found[layer] = []
        for blob in blobs:
            shape, name = tuple(map(int, blob.shape)), blob.node.name.rpartition(".")[2]
            if len(shape) in (2, 4) and shape[0] != 1 or (name == "weight" and shape != (1,)):
                array = random.normal(size=shape) * np.sqrt(2 / max(1, prod(shape[1:])))
            else:
                array = random.uniform(*RANGES[name], shape) if name in RANGES else 0.1 * random.normal(size=shape)
            found[layer].append(array.astype(np.float32))
    return found


def end_of(text: str) -> str:
    """The last blob, or the scores before the softmax, which shows less."""
    last = parse_prototxt(text).message.layer[-1]
    return str(last.bottom[0] if last.type == "Softmax" else last.top[0])


def image_of(text: str, seed: int = 1) -> np.ndarray:
    """Random numbers for the input of a net."""
    shape = tuple(parse_prototxt(text).message.layer[0].input_param.shape[0].dim)
    image: np.ndarray = np.random.RandomState(seed).normal(size=shape).astype(np.float32)
    return image


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """Write a net and its weights, as .prototxt and .caffemodel."""
    text = NETS[name]()
    net, model = folder / f"{name}.prototxt", folder / f"{name}.caffemodel"
    net.write_text(text)
    write_weights(model, parse_prototxt(text).message, weights_of(text))
    return net, model
