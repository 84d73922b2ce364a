"""Draws a random region of an image for training: SSD's batch sampler (Liu et al. 2016, section 2.2)."""

from collections.abc import Sequence

import numpy as np

from netc import netc_pb2 as pb
from netc.data.detection.boxes import CORNERS, Region, areas, overlaps, shared

PER_TRIAL = 4  # random numbers: scale, ratio, x and y
NUMBERS = PER_TRIAL  # numbers for the choice among the regions come first; one is used, so that the rest is aligned


def numbers_needed(samplers: Sequence[pb.BatchSampler]) -> int:
    """How many random numbers an image needs."""
    return NUMBERS + PER_TRIAL * sum(s.max_trials for s in samplers)


def drawn_region(samplers: Sequence[pb.BatchSampler], boxes: np.ndarray, u: np.ndarray) -> Region | None:
    """One of the regions that the samplers find, None if they find none. `u` are `numbers_needed` numbers between 0 and 1."""
    found, at = list[np.ndarray](), NUMBERS
    for sampler in samplers:
        end = at + PER_TRIAL * sampler.max_trials
        if sampler.use_original_image:
            trials = regions(sampler.sampler, u[at:end].reshape(-1, PER_TRIAL))
            good = trials[satisfied(sampler.sample_constraint, trials, boxes[:, CORNERS].astype(np.float64))]
            found.append(good[: sampler.max_sample] if sampler.HasField("max_sample") else good)
        at = end
    all_found = np.concatenate(found) if found else np.zeros((0, 4))
    if not len(all_found):
        return None
    xmin, ymin, xmax, ymax = all_found[min(int(u[0] * len(all_found)), len(all_found) - 1)].tolist()
    return xmin, ymin, xmax, ymax


def regions(sampler: pb.Sampler, u: np.ndarray) -> np.ndarray:
    """Regions (n, 4) from numbers (n, 4): the scale and the ratio are uniform, within a ratio that fits into the image."""
    scale = sampler.min_scale + (sampler.max_scale - sampler.min_scale) * u[:, 0]
    ratio = sampler.min_aspect_ratio + (sampler.max_aspect_ratio - sampler.min_aspect_ratio) * u[:, 1]
    ratio = np.minimum(np.maximum(ratio, scale**2), 1 / scale**2)
    width, height = np.minimum(scale * np.sqrt(ratio), 1), np.minimum(scale / np.sqrt(ratio), 1)
    left, top = u[:, 2] * (1 - width), u[:, 3] * (1 - height)
    return np.stack([left, top, left + width, top + height], 1)


def satisfied(constraint: pb.SampleConstraint, trials: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Which regions (n, 4) fulfill the constraint for at least one of the boxes (m, 4)."""
    limits = {name: getattr(constraint, name) for name in (f.name for f, _ in constraint.ListFields())}
    if not limits:
        return np.ones(len(trials), bool)
    both, own, whole = shared(trials, corners), areas(corners)[None], areas(trials)[:, None]
    values = {
        "jaccard_overlap": overlaps(trials, corners),
        "sample_coverage": both / np.where(whole > 0, whole, 1),
        "object_coverage": both / np.where(own > 0, own, 1),
    }
    good = np.ones((len(trials), len(corners)), bool)
    for name, value in values.items():
        good &= value >= limits.get(f"min_{name}", -np.inf)
        good &= value <= limits.get(f"max_{name}", np.inf)
    found: np.ndarray = np.logical_or.reduce(good, axis=1)
    return found
