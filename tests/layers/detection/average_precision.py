"""A straight mean average precision: loops over classes, detections and objects, as SSD's C++ computes it."""

import numpy as np


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


def judged(detections: np.ndarray, objects: np.ndarray, label: int, difficult: bool, threshold: float) -> tuple[list[int], int]:
    """For each detection of a class, from the highest score down: 1 right, 0 wrong, -1 does not count; and the number of objects."""
    own = [row for row in detections if row[1] == label]
    found, taken = list[int](), set[int]()
    for row in sorted(own, key=lambda row: -row[2]):
        best, which = -1.0, -1
        for k, other in enumerate(objects):
            if other[0] == row[0] and other[1] == label and (size := overlap(row[3:7], other[3:7])) > best:
                best, which = size, k
        if best < threshold:
            found.append(0)
        elif not difficult and objects[which][7]:
            found.append(-1)
        else:
            found.append(int(which not in taken))
            taken.add(which)
    return found, sum(1 for row in objects if row[0] >= 0 and row[1] == label and (difficult or not row[7]))


def average_precision(marks: list[int], objects: int, version: str) -> float:
    """The area under precision over recall of one class."""
    hits, precision, recall = 0, list[float](), list[float]()
    for count, mark in enumerate((mark for mark in marks if mark >= 0), 1):
        hits += mark
        precision.append(hits / count)
        recall.append(hits / objects)
    if version == "11point":
        best = [max((p for p, r in zip(precision, recall, strict=True) if r >= t / 10 - 1e-6), default=0) for t in range(11)]
        return sum(best) / 11
    total, before = 0.0, 0.0
    for k, (p, r) in enumerate(zip(precision, recall, strict=True)):
        total += (max(precision[k:]) if version == "MaxIntegral" else p) * (r - before)
        before = r
    return total


def each(
    detections: np.ndarray, objects: np.ndarray, classes: int, version: str, difficult: bool = True, threshold: float = 0.5
) -> list[float]:
    """The average precision of each class from 1 on, NaN for one without objects."""
    values = []
    for label in range(1, classes):
        marks, count = judged(detections, objects, label, difficult, threshold)
        values.append(average_precision(marks, count, version) if count else np.nan)
    return values
