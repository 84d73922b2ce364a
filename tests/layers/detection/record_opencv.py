"""Records what OpenCV's Caffe importer computes for DetectionOutput, PriorBox and the nets of `nets.py`.

    python -m tests.layers.detection.nets FOLDER
    python tests/layers/detection/record_opencv.py FOLDER/*.prototxt

The second command needs NumPy and opencv-python alone, which the tests do not need. The values are in opencv.npz.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("opencv.npz")
NETS = 50
# By net: the blobs to compare, and the layers that write them.
OUTPUTS = {
    "vgg_ssd": {"detection_out": "detection_out"},
    "mobilenet_ssd": {"detection_out": "detection_out"},
    "faster_rcnn": {"rois": "proposal", "bbox_pred": "bbox_pred", "cls_prob": "cls_prob"},
    "rfcn": {"rois": "proposal", "bbox_pred": "bbox_pred_reshape", "cls_prob_reshape": "cls_prob_reshape"},
}
Arrays = dict[str, np.ndarray]


def detection_net(seed: int) -> tuple[str, Arrays]:
    """The fields of a random DetectionOutput, and its bottoms. OpenCV crashes if `keep_top_k` or `top_k` is -1."""
    rng = np.random.default_rng(seed)
    images, count, classes = int(rng.integers(1, 4)), int(rng.integers(5, 200)), int(rng.integers(2, 9))
    shared, encoded = bool(rng.random() < 0.7), bool(rng.random() < 0.3)
    background = int(rng.choice([0, 0, classes - 1, 0 if shared else -1]))
    fields = [
        f"num_classes: {classes} share_location: {str(shared).lower()} background_label_id: {background}",
        f"code_type: {rng.choice(['CORNER', 'CENTER_SIZE'])} variance_encoded_in_target: {str(encoded).lower()}",
        f"keep_top_k: {rng.choice([5, 20, 200, 1000])}",
        f"nms_param {{ nms_threshold: {rng.choice([0.1, 0.3, 0.45, 0.7, 1.0])} top_k: {rng.choice([3, 20, 100, 400])} }}",
        *([f"confidence_threshold: {rng.choice([0.01, 0.2, 0.5])}"] if rng.random() < 0.8 else []),
    ]
    center, size = rng.uniform(-0.05, 1.05, (count, 2)), rng.uniform(0.05, 0.5, (count, 2))
    boxes = np.concatenate([center - size / 2, center + size / 2], axis=1)
    variances = np.tile([0.1, 0.1, 0.2, 0.2], (count, 1))
    scores = rng.dirichlet(np.full(classes, 0.5), (images, count))
    loc = rng.normal(0, 0.1 if encoded else 1, (images, count * 4 * (1 if shared else classes)))
    priors = np.stack([boxes.reshape(-1), variances.reshape(-1)])[None]
    arrays = {"loc": loc, "conf": scores.reshape(images, -1), "priors": priors}
    return " ".join(fields), {name: a.astype(np.float32) for name, a in arrays.items()}


def prior_net(seed: int) -> tuple[str, Arrays]:
    """The fields of a random PriorBox, and its bottoms."""
    rng = np.random.default_rng(seed)
    least = rng.choice(np.arange(10, 90), int(rng.integers(1, 3)), replace=False)
    ratios = rng.choice([2, 3, 1.5, 1], int(rng.integers(0, 4)), replace=False)
    fields = [f"min_size: {n}" for n in least] + [f"aspect_ratio: {r}" for r in ratios]
    fields += [f"max_size: {n + int(rng.integers(5, 60))}" for n in least] if rng.random() < 0.6 else []
    fields += [f"flip: {str(bool(rng.random() < 0.7)).lower()} clip: {str(bool(rng.random() < 0.5)).lower()}"]
    fields += ["variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"] if rng.random() < 0.7 else ["variance: 0.3"]
    fields += [f"step: {rng.integers(8, 40)}"] if rng.random() < 0.4 else []
    fields += [f"offset: {rng.choice([0.25, 0.5, 0])}"] if rng.random() < 0.5 else []
    cells, image = rng.integers(1, 12, 2), rng.integers(50, 400, 2)
    return " ".join(fields), {"x": np.ones((1, 2, *cells), np.float32), "z": np.ones((1, 3, *image), np.float32)}


def prototxt(type_: str, param: str, fields: str, arrays: Arrays) -> str:
    """A net of Input layers and one layer `y`."""
    inputs = [
        f'layer {{ name: "{n}" type: "Input" top: "{n}" input_param {{ shape {{ {" ".join(f"dim: {d}" for d in a.shape)} }} }} }}'
        for n, a in arrays.items()
    ]
    bottoms = " ".join(f'bottom: "{n}"' for n in arrays)
    return "\n".join([*inputs, f'layer {{ name: "y" type: "{type_}" {bottoms} top: "y" {param} {{ {fields} }} }}'])


def run(text: str, arrays: Arrays, weights: str = "", outputs: Sequence[str] = ()) -> list[np.ndarray]:
    """These blobs, or the last one, as OpenCV computes them."""
    import cv2

    read = [np.frombuffer(text.encode(), np.uint8), *([np.fromfile(weights, np.uint8)] if weights else [])]
    model: Any = cv2.dnn.readNetFromCaffe(*read)
    for name, array in arrays.items():
        model.setInput(array, name)
    return [np.asarray(a, np.float32) for a in (model.forward(list(outputs)) if outputs else [model.forward()])]


def main() -> None:
    found: dict[str, Any] = {}
    for seed in range(NETS):
        text, arrays = detection_net(seed)
        if "variance_encoded_in_target: true" in text:  # OpenCV wants priors without variances then
            arrays["priors"] = arrays["priors"][:, :1]
        boxes = run(prototxt("DetectionOutput", "detection_output_param", text, arrays), arrays)[0]
        found[f"detection/{seed}"] = boxes[:, :, : 1 + int(np.flatnonzero(boxes.any((0, 1, 3))).max(initial=-1))]  # without rows of zeros
        text, arrays = prior_net(seed)
        found[f"priors/{seed}"] = run(prototxt("PriorBox", "prior_box_param", text, arrays), arrays)[0]
    for path in map(Path, sys.argv[1:]):  # that `python -m tests.layers.detection.nets FOLDER` wrote
        with np.load(path.with_suffix(".npz")) as file:
            arrays = {name: file[name] for name in file.files}
        outputs = OUTPUTS[path.stem]
        results = run(path.read_text(), arrays, str(path.with_suffix(".caffemodel")), list(outputs.values()))
        found |= {f"{path.stem}/{blob}": a for blob, a in zip(outputs, results, strict=True)}
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
