"""SSD's matching, mining and loss, box by box in NumPy: what bbox_util.cpp and multibox_loss_layer.cpp do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

Box = np.ndarray


@dataclass
class Fields:
    """Fields of multibox_loss_param, with Caffe's defaults, and the loss's `normalization`."""

    num_classes: int
    loc_loss_type: str = "SMOOTH_L1"
    conf_loss_type: str = "SOFTMAX"
    loc_weight: float = 1
    share_location: bool = True
    match_type: str = "PER_PREDICTION"
    overlap_threshold: float = 0.5
    use_prior_for_matching: bool = True
    background_label_id: int = 0
    use_difficult_gt: bool = True
    neg_pos_ratio: float = 3
    neg_overlap: float = 0.5
    code_type: str = "CORNER"
    encode_variance_in_target: bool = False
    map_object_to_agnostic: bool = False
    ignore_cross_boundary_bbox: bool = False
    bp_inside: bool = False
    mining_type: str = "MAX_NEGATIVE"
    sample_size: int = 64
    normalization: str = field(default="VALID")

    @property
    def text(self) -> str:
        """The fields in a line of YAML."""
        own = {k: str(v).lower() if isinstance(v, bool) else v for k, v in vars(self).items() if k != "normalization"}
        return ", ".join(f"{k}: {v}" for k, v in own.items()) + f", loss_param: {{normalization: {self.normalization}}}"


def area(box: Box) -> float:
    return 0.0 if box[2] < box[0] or box[3] < box[1] else float((box[2] - box[0]) * (box[3] - box[1]))


def jaccard(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return float(width * height / (area(a) + area(b) - width * height))


def encode(prior: Box, variance: Box, box: Box, f: Fields) -> Box:
    size = prior[2:] - prior[:2]
    if f.code_type == "CENTER_SIZE":
        code = np.concatenate([((box[:2] + box[2:]) / 2 - (prior[:2] + prior[2:]) / 2) / size, np.log((box[2:] - box[:2]) / size)])
    else:
        code = (box - prior) / (np.tile(size, 2) if f.code_type == "CORNER_SIZE" else 1)
    return code if f.encode_variance_in_target else code / variance


def decode(prior: Box, variance: Box, code: Box, f: Fields) -> Box:
    code = code if f.encode_variance_in_target else code * variance
    size = prior[2:] - prior[:2]
    if f.code_type == "CENTER_SIZE":
        center, half = code[:2] * size + (prior[:2] + prior[2:]) / 2, np.exp(code[2:]) * size / 2
        return np.concatenate([center - half, center + half])
    box: Box = prior + code * (np.tile(size, 2) if f.code_type == "CORNER_SIZE" else 1)
    return box


def match(truth: list[Box], boxes: list[Box], f: Fields) -> tuple[np.ndarray, np.ndarray]:
    """For each box: the labelled box (-1: none, -2: ignored), and the largest overlap."""
    index, best = np.full(len(boxes), -1), np.zeros(len(boxes))
    overlaps: dict[tuple[int, int], float] = {}
    for i, box in enumerate(boxes):
        if f.ignore_cross_boundary_bbox and (box.min() < 0 or box.max() > 1):
            index[i] = -2
            continue
        for j, other in enumerate(truth):
            if (o := jaccard(box, other)) > 1e-6:
                best[i] = max(best[i], o)
                overlaps[i, j] = o
    pool = set(range(len(truth)))
    while free := [(-o, i, j) for (i, j), o in overlaps.items() if index[i] == -1 and j in pool]:
        _, i, j = min(free)
        index[i] = j
        pool.remove(j)
    if f.match_type == "PER_PREDICTION":
        for i in range(len(boxes)):
            close = [(-overlaps[i, j], j) for j in range(len(truth)) if overlaps.get((i, j), -1) >= np.float32(f.overlap_threshold)]
            if index[i] == -1 and close:
                index[i] = min(close)[1]
    return index, best


def class_loss(scores: Box, label: int, f: Fields, target: bool = True) -> float:
    if f.conf_loss_type == "SOFTMAX":
        return float(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[label])
    hot = np.arange(len(scores)) == label if target else np.zeros(len(scores))
    return float((np.log1p(np.exp(scores)) - scores * hot).sum())


def box_loss(difference: Box, f: Fields) -> float:
    far = np.abs(difference)
    smooth = np.where(far < 1, difference**2 / 2, far - 0.5)
    return float((difference**2 / 2 if f.loc_loss_type == "L2" else smooth).sum())


def loss(arrays: Mapping[str, np.ndarray], f: Fields) -> float:
    """The loss of predicted boxes (N, priors x 4) and scores (N, priors x classes), for labelled rows (1, 1, M, 8)."""
    loc, conf, priors, label = (arrays[name].astype(np.float64) for name in ("loc", "conf", "priors", "label"))
    rows = label.reshape(-1, 8)
    boxes, variances = priors.reshape(2, -1, 4)
    n, count, background = len(loc), len(boxes), f.background_label_id
    predicted = loc.reshape(n, count, -1, 4)
    total_boxes = total_classes = matches = 0.0
    for image, scores in enumerate(conf.reshape(n, count, f.num_classes)):
        own = [r for r in rows if int(r[0]) == image and (f.use_difficult_gt or not r[7])]
        truth, labels = [r[3:7] for r in own], [int(r[1]) for r in own]
        compared = list(boxes)
        if not f.use_prior_for_matching:
            compared = [decode(*parts, f) for parts in zip(boxes, variances, predicted[image, :, 0], strict=True)]
        index, overlap = match(truth, compared, f)
        targets = [background if j < 0 else background + 1 if f.map_object_to_agnostic else labels[j] for j in index]
        surprise = np.asarray([class_loss(scores[i], targets[i], f) for i in range(count)])
        distance = np.zeros(count)
        for i in np.flatnonzero(index >= 0):
            given = predicted[image, i, 0 if f.share_location else labels[index[i]]]
            difference = given - encode(boxes[i], variances[i], truth[index[i]], f)
            difference = difference / variances[i] if f.encode_variance_in_target else difference
            if f.bp_inside:
                difference = np.where((compared[i] < 0) | (compared[i] > 1), 0, difference)
            distance[i] = box_loss(difference, f)
        used, negatives = index >= 0, np.zeros(count, bool)
        if f.mining_type == "MAX_NEGATIVE":
            eligible = np.flatnonzero((index == -1) & (overlap < f.neg_overlap))
            hard = eligible[np.argsort(-surprise[eligible], kind="stable")][: int(np.float32(used.sum()) * np.float32(f.neg_pos_ratio))]
            negatives[hard] = True
        elif f.mining_type == "HARD_EXAMPLE" and own:
            chosen = np.zeros(count, bool)
            chosen[np.argsort(-(surprise + distance), kind="stable")[: f.sample_size]] = True
            used, negatives = used & chosen, (index == -1) & chosen
        matches += used.sum()
        total_boxes += distance[used].sum()
        total_classes += surprise[used | negatives].sum()
        if f.mining_type == "NONE":
            total_classes += sum(class_loss(scores[i], background, f, target=False) for i in np.flatnonzero(~used))
    count_of = {"VALID": matches, "FULL": n * count, "BATCH_SIZE": n, "NONE": 1}
    return float((f.loc_weight * total_boxes + total_classes) / max(count_of[f.normalization], 1))


def problem(seed: int, images: int = 3, priors: int = 30, classes: int = 4, most: int = 6, locations: int = 1) -> dict[str, Any]:
    """Random predictions, priors and labelled boxes; some boxes are the same, some images have none, unused rows are at the end."""
    rng = np.random.default_rng(seed)
    center, size = rng.uniform(-0.02, 1.02, (priors, 2)), rng.uniform(0.1, 0.4, (priors, 2))
    boxes = np.concatenate([center - size / 2, center + size / 2], axis=1)
    boxes[priors // 2 : priors // 2 + 3] = boxes[0]  # ties
    rows = []
    for image in rng.permutation(images)[: max(1, images - 1)]:
        for number in range(rng.integers(1, most + 1)):
            near = boxes[rng.integers(priors)] + rng.normal(0, 0.03, 4)
            rows.append([image, rng.integers(1, classes), number, *near, rng.random() < 0.3])
    rows += [[*rows[0][:2], 9, *rows[0][3:]]] + [[-1, 0, 0, 0, 0, 0, 0, 0]] * 2
    shuffled = np.asarray(rows, np.float32)[rng.permutation(len(rows))]
    variances = np.tile([0.1, 0.1, 0.2, 0.2], (priors, 1))
    return {
        "loc": rng.normal(0, 0.5, (images, priors * 4 * locations)).astype(np.float32),
        "conf": rng.normal(0, 2, (images, priors * classes)).astype(np.float32),
        "priors": np.stack([boxes.reshape(-1), variances.reshape(-1)])[None].astype(np.float32),
        "label": shuffled[None, None],
    }


def combinations(**values: list[object]) -> list[dict[str, object]]:
    """Each combination of the values."""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def detections(arrays: Mapping[str, np.ndarray], p: Any) -> np.ndarray:
    """DetectionOutput of predicted boxes, scores and priors, as detection_output_layer.cpp does it. `p` is a DetectionOutputParameter."""
    loc, conf, priors = (arrays[name] for name in ("loc", "conf", "priors"))
    boxes, variances = priors.reshape(2, -1, 4)
    code = ("", "CORNER", "CENTER_SIZE", "CORNER_SIZE")[p.code_type]
    f = Fields(p.num_classes, code_type=code, encode_variance_in_target=p.variance_encoded_in_target)
    rows: list[list[float]] = []
    for image, scores in enumerate(conf.reshape(len(conf), len(boxes), p.num_classes)):
        predicted = loc[image].reshape(len(boxes), -1, 4)
        kept: list[tuple[float, int, int, Box]] = []
        for c in range(p.num_classes):
            if c == p.background_label_id:
                continue
            own = predicted[:, 0 if p.share_location else c]
            decoded = [decode(*parts, f) for parts in zip(boxes, variances, own, strict=True)]
            kept += [(float(scores[k, c]), c, k, decoded[k]) for k in _kept(decoded, scores[:, c], p)]
        if 0 <= p.keep_top_k < len(kept):
            best = sorted(kept, key=lambda one: -one[0])[: p.keep_top_k]  # stable
            kept = sorted(best, key=lambda one: one[1])
        rows += [[image, c, score, *box] for score, c, _, box in kept]
    return np.asarray(rows or [[i, *[-1] * 6] for i in range(len(conf))], np.float32)[None, None]


def _kept(boxes: list[Box], scores: np.ndarray, p: Any) -> list[int]:
    """The boxes of a class that stay: ApplyNMSFast."""
    least = p.confidence_threshold if p.HasField("confidence_threshold") else -np.inf
    order = [int(k) for k in np.argsort(-scores, kind="stable") if scores[k] > np.float32(least)]
    order = order[: p.nms_param.top_k] if p.nms_param.HasField("top_k") and p.nms_param.top_k >= 0 else order
    kept: list[int] = []
    for k in order:
        if all(jaccard(boxes[k], boxes[other]) <= p.nms_param.nms_threshold for other in kept):
            kept.append(k)
    return kept
