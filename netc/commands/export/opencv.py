"""`netc convert --compare opencv`: the converted model against OpenCV's own reader of Caffe's files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from netc.commands.export import sample
from netc.compiler.program import Program
from netc.errors import SpecError
from netc.runtime.session import Session


@dataclass(frozen=True)
class Comparison:
    """By output: the largest absolute difference, and the largest relative one. `reason`: why OpenCV has nothing to compare with."""

    outputs: dict[str, tuple[float, float]]
    reason: str = ""

    def lines(self) -> Sequence[str]:
        """What users read."""
        if self.reason:
            return (f"OpenCV: {self.reason}",)
        return tuple(f"OpenCV: {name} differs by at most {far:.2g}, relative {rel:.2g}" for name, (far, rel) in self.outputs.items())

    @property
    def as_json(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"reason": self.reason} | {n: {"absolute": far, "relative": rel} for n, (far, rel) in self.outputs.items()}


def compare(program: Program, weights: Sequence[str], model: onnx.ModelProto) -> Comparison:
    """Run the model and OpenCV's dnn on one random input. SpecError if OpenCV is not installed."""
    try:
        import cv2
    except ImportError as e:
        raise SpecError("--compare opencv: OpenCV is not installed. Install it: pip install opencv-python-headless") from e
    lowered = program.deploy[0]
    feeds = sample.inputs_of(model, lowered)
    ours = Session(model).run(feeds)
    try:
        net = cv2.dnn.readNetFromCaffe(program.job.train.path, *weights[:1])
        for name, array in feeds.items():
            net.setInput(array, name)
        theirs = dict(zip(ours, net.forward(list(ours)), strict=True))
    except cv2.error as e:
        return Comparison({}, f"it cannot run this net ({' '.join(str(e.err or e).split())[:120]})")
    return Comparison({name: _differences(np.asarray(theirs[name]), ours[name]) for name in ours})


def _differences(wanted: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """The largest difference, and that relative to the largest value. OpenCV may leave out or add axes of size 1."""
    if wanted.size == found.size:
        wanted = wanted.reshape(found.shape)
    far, size = sample.largest(wanted, found)
    return far, far / size if size else far
