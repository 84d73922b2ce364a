"""The average precision of detections over a full test set: the area under the curve of precision over recall, class by class.

11point is the mean of the best precisions at a recall of 0, 0.1, ... 1 and more (Pascal VOC 2007). MaxIntegral is the area under the best
precision at each recall and more (VOC 2010 on). Integral is the sum of the precisions at each object that is found.
"""

from collections.abc import Callable

import numpy as np

from netc import netc_pb2 as pb
from netc.layers.whole import Record, Tops

POINTS = 11
CLOSE = np.float32(1e-6)  # a recall of 3 of 10 has reached .3, however it is rounded


def at_points(precision: np.ndarray, recall: np.ndarray, found: np.ndarray) -> float:
    """The mean of the best precisions at eleven recalls and more."""
    points = np.arange(POINTS) / (POINTS - 1)
    return float(np.mean([precision[recall >= point - CLOSE].max(initial=0.0) for point in points]))


def under_best(precision: np.ndarray, recall: np.ndarray, found: np.ndarray) -> float:
    """The area under the best precision at each recall and more."""
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best * np.diff(recall, prepend=0.0)).sum())


def under_curve(precision: np.ndarray, recall: np.ndarray, found: np.ndarray) -> float:
    """The sum of the precision at each object that is found."""
    return float((precision * np.diff(recall, prepend=0.0)).sum())


VERSIONS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "11point": at_points,
    "MaxIntegral": under_best,
    "Integral": under_curve,
}
DEFAULT = "Integral"


def version_of(param: pb.LayerParameter) -> str:
    """The version of the average precision that a layer states."""
    return param.detection_evaluate_param.ap_version or DEFAULT


def average_precision(score: np.ndarray, right: np.ndarray, objects: int, version: str) -> float:
    """The average precision of a class from scores of detections, whether each finds an object, and the number of objects.

    Detections of one score keep their order.
    """
    order = np.argsort(-score.astype(np.float64), kind="stable")
    found = right[order].astype(np.int64)
    hits = np.cumsum(found)
    return VERSIONS[version](hits / np.arange(1, len(hits) + 1), hits / objects, found) if len(hits) else 0.0


def mean_average_precision(param: pb.LayerParameter, record: Record) -> Tops:
    """The mean over the classes with objects, and the value of each class but the background; NaN for one without objects."""
    p = param.detection_evaluate_param
    label, score, right, counts = (record[name] for name in ("label", "score", "right", "counts"))
    each = []
    for number in range(int(p.num_classes)):
        if number == p.background_label_id:
            continue
        own, objects = (label == number) & (counts > 0), int(record["objects"][number])
        each.append(average_precision(score[own], right[own], objects, version_of(param)) if objects else np.nan)
    values = np.array(each)
    return (float(np.nanmean(values)) if np.isfinite(values).any() else 0.0), values
