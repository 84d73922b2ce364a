"""What a net for segmentation found: test images, their masks and the predicted ones."""

import numpy as np
from markupsafe import Markup

from netc.graph.contract import BATCH
from netc.predict.readable import COLORS
from netc.registry import section
from netc.report import images
from netc.report.html import figure
from netc.report.run import Run
from netc.report.test_rows import class_names, classifier, images_of

SHOWN = 10


@section("Masks", model=True)
def masks(run: Run) -> Markup | None:
    """The first test images, the classes of their pixels, and the predicted classes."""
    source, found = images_of(run.made.test_net), classifier(run.made.test_net)
    if source is None or found is None or found[2] != 1:
        return None
    layer, blob, (_, height, width) = source
    scores, label, *_ = found
    described = {name: top for name, top in zip(layer.tops, layer.source.tops if layer.source else (), strict=False)}
    if label not in described or described[label].shape[-2:] != (height, width):
        return None
    rows: list[list[np.ndarray]] = [[], [], []]
    for feeds, values in run.batches({"scores": scores}):
        for kept, array in zip(rows, (feeds[BATCH(blob)], feeds[BATCH(label)], values["scores"].argmax(1)), strict=True):
            kept.append(array[:SHOWN])
        if sum(map(len, rows[0])) >= SHOWN:
            break
    seen, true, predicted = (np.concatenate(kept)[:SHOWN] for kept in rows)
    pictures = [images.shown(seen, float(seen.min()), float(seen.max())), _colored(true), _colored(predicted)]
    count = int(values["scores"].shape[1])
    names = ", ".join(class_names(run.made, count)[:SHOWN])
    caption = f"From top to bottom: test images, their masks, and the predicted masks. The classes are {names}."
    return figure(images.image(images.grid(images.small(np.concatenate(pictures)), len(seen)), "masks", 1 if width > 64 else 2), caption)


def _colored(labels: np.ndarray) -> np.ndarray:
    """Classes (count, height, width), with or without an axis for one channel, as images. Ignored labels have a color too."""
    flat = labels.reshape(len(labels), *labels.shape[-2:]).astype(int)
    colors: np.ndarray = np.array(COLORS, np.uint8)[flat % len(COLORS)]
    return colors
