"""The nets that `netc init` writes: for images, tables with classes, tables with a number to predict, and texts."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from shlex import quote

from netc.errors import DataError

STEPS = 800  # iterations to train on a small data set, within the limits of epochs below
LEAST_EPOCHS, MOST_EPOCHS = 10, 60
SMALL = 4000  # below this number of images, a net has half the channels
WIDTH = 110  # characters of a line
LEAST_SIDE = 4  # pixels per side after the last pooling

SOLVER = """\
solver:
  type: Adam
  base_lr: {rate}
  momentum: 0.9
  weight_decay: {decay}
  lr_policy: cosine
  max_epoch: {epochs}
  test_interval: {interval}
"""

TEXT = """\
# {name}: an LSTM that predicts the next of {classes} different characters. Train it with: netc train {path}
name: {name}
layers:
  - Data: {{source: {source}, batch_size: 32, steps: 64, test_fraction: 0.1}}
  - Embed: {{num_output: 64, bias_term: false, weight_filler: {{type: gaussian, std: 0.3}}}}
  - LSTM: {{num_output: 256, carry: true, weight_filler: {{type: uniform, min: -0.08, max: 0.08}}}}
  - InnerProduct: {{num_output: {classes}, axis: 2, weight_filler: {{type: uniform, min: -0.08, max: 0.08}}}}
  - Accuracy: {{axis: 2}}
  - SoftmaxWithLoss: {{axis: 2}}
solver:
  type: Adam
  base_lr: 0.004
  momentum: 0.9
  clip_gradients: 5
  max_iter: 3000
  test_interval: 500
"""

LICENCE = "licence: unknown  # licence of the published model: an SPDX name such as Apache-2.0\n"
DATASET_LICENCE = "dataset_licence: unknown  # licence of the training data, also an SPDX name\n"
PLAIN = re.compile(r"[A-Za-z_./~](?:[\w./+@~-]| (?=[\w./+@~]))*")
CONSTANTS = ("true", "false", "yes", "no", "on", "off", "null", "~", ".nan", ".inf")


@dataclass(frozen=True)
class About:
    """What every starter net needs: its name, its file, its data source, and its numbers of training, test and validation rows.

    `fields` are further fields of the data layer, as YAML.
    """

    name: str
    path: str
    source: str
    trained: int
    tested: int = 0
    validated: int = 0
    fields: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return self.trained + self.tested + self.validated

    def held_out(self, fraction: float) -> "About":
        """A copy that holds out a fraction of the rows for testing. DataError if there are too few rows."""
        tested = round(self.trained * fraction)
        if not 0 < tested < self.trained:
            raise DataError(f"{self.source}: It has {self.trained} rows. Expected at least 3, to hold out some of them for testing.")
        return replace(self, trained=self.trained - tested, tested=tested).with_fields(f"test_fraction: {fraction:g}")

    def with_parts(self, counts: Mapping[str, int]) -> "About":
        """A copy whose rows for TEST and VALIDATION are in parts of their own. VALIDATION stands in for TEST if there is no other."""
        tested, validated = counts.get("TEST", 0), counts.get("VALIDATION", 0)
        return replace(self, tested=tested or validated, validated=validated if tested else 0)

    def with_fields(self, *fields: str) -> "About":
        """A copy with further fields of the data layer."""
        return replace(self, fields=(*self.fields, *fields))

    def head(self, what: str) -> list[str]:
        """The first lines of the file."""
        return [f"# {self.name}: {what}. Train it with: netc train {quote(self.path)}", f"name: {scalar(self.name)}", "layers:"]

    def data(self, batch: int, *more: str) -> str:
        """The data layer. A small test set becomes one batch."""
        tested = self.tested if 0 < self.tested <= 1000 else 100
        fields = [f"source: {scalar(self.source)}", f"batch_size: {batch}", f"test_batch_size: {tested}", *self.fields]
        rest = f",\n{wrapped('      ', more, '      ')}" if more else ""
        return f"{wrapped('  - Data: {', fields, '      ')}{rest}}}"

    def solver(self, batch: int, rate: float, decay: float) -> str:
        """The solver, with enough epochs for a few hundred iterations of a small data set, and about ten tests."""
        an_epoch = max(1, self.trained // batch)
        epochs = min(MOST_EPOCHS, max(LEAST_EPOCHS, -(-STEPS // an_epoch)))
        return SOLVER.format(rate=rate, decay=decay, epochs=epochs, interval=max(1, epochs * an_epoch // 10))


@dataclass(frozen=True)
class Picture:
    """Properties of the images: (channels, height, width), preprocessing, and whether a mirrored image keeps its class.

    `side` is the size that images of different sizes are resized to. It is 0 if all have one size.
    """

    shape: tuple[int, ...]
    side: int
    mirror: bool
    mean: float
    scale: float


def images(about: About, classes: int, picture: Picture) -> str:
    """A net for images: 3 x 3 convolutions and poolings until few pixels remain. 0 classes: it predicts a number.

    Images of different sizes are resized a little larger than the input of the net, to make room for random crops.
    """
    batch, more, side = 32 if about.rows < SMALL else 64, [], picture.side
    if side:
        more += [f"resize_height: {side * 9 // 8}", f"resize_width: {side * 9 // 8}", f"crop_size: {side}"]
    if picture.mirror:
        more.append("mirror: true")
    shorter = side or min(picture.shape[1:])
    poolings = min(max(2, min(4, (shorter // LEAST_SIDE).bit_length() - 1)), (shorter - 1).bit_length())
    purpose = f"for images of {classes} classes" if classes else "that predicts a number from images"
    lines = [*about.head(f"a small convolutional net {purpose}")]
    lines.append(about.data(batch, *more, f"mean_value: {picture.mean:g}", f"scale: {picture.scale:g}"))
    for k in range(poolings):
        channels = (16 if about.rows < SMALL else 32) << min(k, 2)
        lines.append(f"  - Convolution: {{num_output: {channels}, kernel_size: 3, pad: 1, weight_filler: msra}}")
        lines += ["  - ReLU", "  - Pooling: {kernel_size: 2, stride: 2}"]
    lines += ["  - Dropout: {dropout_ratio: 0.5}", *(_classifier(classes) if classes else _regressor("ip1"))]
    return "\n".join([*lines, about.solver(batch, 0.001, 0.0005)])


def table(about: About, classes: int, standardize: bool) -> str:
    """A net with one hidden layer for tables with classes. Columns are standardized if the source has their statistics."""
    lines = [*about.head(f"a small net for the rows of a table with {classes} classes"), about.data(16)]
    lines += [*(["  - Standardize"] if standardize else []), *_hidden(), *_classifier(classes)]
    return "\n".join([*lines, about.solver(16, 0.005, 0.01)])


def regression(about: About, standardize: bool, targets: int = 1) -> str:
    """A net with one hidden layer for regression. It learns standardized targets; the output has the units of the table."""
    what = "a number" if targets == 1 else f"{targets} numbers"
    lines = [*about.head(f"a small net that predicts {what} from the rows of a table"), about.data(16)]
    lines += [*(["  - Standardize"] if standardize else []), *_hidden(), *_regressor("ip2", targets)]
    return "\n".join([*lines, about.solver(16, 0.003, 0.01)])


def text(about: About, classes: int) -> str:
    """An LSTM for texts, character by character."""
    return TEXT.format(path=quote(about.path), name=scalar(about.name), source=scalar(about.source), classes=classes)


def scalar(text: str) -> str:
    """A text as YAML, within a mapping in braces: with quotes unless every reader takes it for the same text without them."""
    return text if PLAIN.fullmatch(text) and text.lower() not in CONSTANTS else json.dumps(text, ensure_ascii=not text.isprintable())


def wrapped(start: str, items: Sequence[str], indent: str) -> str:
    """Items with commas between them, on as many lines as they need."""
    lines = [start + items[0]]
    for item in items[1:]:
        if len(lines[-1]) + len(item) + 3 > WIDTH:
            lines[-1], line = lines[-1] + ",", indent + item
            lines.append(line)
        else:
            lines[-1] += f", {item}"
    return "\n".join(lines)


def licences(known: bool) -> str:
    """The last lines of every starter net, which publishing needs. `known` means that the data set states its own licence."""
    return LICENCE + ("" if known else DATASET_LICENCE)


def _hidden() -> list[str]:
    return ["  - InnerProduct: {num_output: 32, weight_filler: xavier}", "  - ReLU"]


def _classifier(classes: int) -> list[str]:
    return [f"  - InnerProduct: {{num_output: {classes}, weight_filler: xavier}}", "  - Accuracy", "  - SoftmaxWithLoss"]


def _regressor(output: str, targets: int = 1) -> list[str]:
    """Layers that learn standardized targets, and give the output the units of the label."""
    return [
        f"  - InnerProduct: {{name: {output}, num_output: {targets}, weight_filler: xavier}}",
        "  - Standardize: {bottom: label, top: target}",
        f"  - EuclideanLoss: {{bottom: [{output}, target]}}",
        f"  - Standardize: {{bottom: {output}, name: forecast, blob: label, inverse: true}}",
        "  - R2: {top: [r2, rmse]}",
    ]
