"""`netc init`: a net file to start from."""

import os
from pathlib import Path

from netc import data, registry
from netc import netc_pb2 as pb
from netc.errors import DataError, RunError, SpecError

IMAGES = """\
# {name}: a small convolutional net for images of {classes} classes. Train it with: netc train {path}
name: {name}
layers:
  - Data: {{source: {source}, batch_size: 64, test_batch_size: 100{data}, scale: 0.00390625}}
  - Convolution: {{num_output: 20, kernel_size: 5, weight_filler: xavier}}
  - Pooling: {{kernel_size: 2, stride: 2}}
  - Convolution: {{num_output: 50, kernel_size: 5, weight_filler: xavier}}
  - Pooling: {{kernel_size: 2, stride: 2}}
  - InnerProduct: {{num_output: 200, weight_filler: xavier}}
  - ReLU
  - InnerProduct: {{num_output: {classes}, weight_filler: xavier}}
  - Accuracy
  - SoftmaxWithLoss
solver:
  base_lr: 0.01
  momentum: 0.9
  weight_decay: 0.0005
  max_epoch: 10
  test_interval: 200
"""

TABLE = """\
# {name}: a small net for the rows of a table with {classes} classes. Train it with: netc train {path}
name: {name}
layers:
  - Data: {{source: {source}, batch_size: 16, test_batch_size: 64{data}}}
  - InnerProduct: {{num_output: 32, weight_filler: xavier}}
  - ReLU
  - InnerProduct: {{num_output: {classes}, weight_filler: xavier}}
  - Accuracy
  - SoftmaxWithLoss
solver:
  type: Adam
  base_lr: 0.01
  momentum: 0.9
  max_epoch: 50
  test_interval: 50
"""

TEXT = """\
# {name}: an LSTM that learns to go on with a text of {classes} characters. Train it with: netc train {path}
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

LICENCE = "licence: unknown  # of the published model: an SPDX name such as Apache-2.0\n"
DATASET_LICENCE = "dataset_licence: unknown  # of the training data, likewise\n"


def starter(path: str, name: str, source: str, classes: int, images: bool, named: bool) -> str:
    """The text of a starter net. `named` sets have test rows and a licence of their own; of others a fifth is held out."""
    licences = LICENCE + ("" if named else DATASET_LICENCE)
    if source.endswith(".txt"):
        return TEXT.format(path=path, name=name, source=source, classes=classes) + licences
    held_out = "" if named else ", test_fraction: 0.2"
    size = "" if named or not images else ", resize_height: 28, resize_width: 28"
    return (IMAGES if images else TABLE).format(path=path, name=name, source=source, classes=classes, data=held_out + size) + licences


def write_starter(path: str, source: str) -> None:
    """Write a starter net for a data set by name, a .csv, .npz or .txt file, or a folder of images. Never over a file that is there."""
    target = Path(path)
    if target.exists():
        raise SpecError(f"{path}: is there already; it is not overwritten")
    registry.load()
    named = source in registry.dataset
    relative = source if named else os.path.relpath(source, target.parent)
    layer = pb.LayerParameter(name="data", type="Data", top=["data", "label"])
    layer.data_param.source, layer.data_param.batch_size = relative, 1
    if Path(source).is_dir():
        layer.transform_param.resize_height = layer.transform_param.resize_width = 28
    if Path(source).suffix == ".txt":
        layer.data_param.steps, layer.data_param.test_fraction = 64, 0.1
    found = data.describe(layer, "TRAIN", str(target.parent))
    if found.tops[0].batch_axis and not found.tokens:
        raise DataError(f"{source}: its rows are sequences; write the net by hand, with RNN, LSTM or GRU, and LastStep")
    classes = len(found.classes) or _labels(layer, found, str(target.parent))
    if not classes:
        raise DataError(f"{source}: its labels are no classes; write the net by hand, `netc layers` lists what there is")
    images = len(found.tops[0].shape) == 3 and (named or Path(source).is_dir())
    try:
        target.write_text(starter(path, target.stem, relative, classes, images, named))
    except OSError as e:
        raise RunError(f"{path}: cannot be written: {e.strerror or e}") from e


def _labels(layer: pb.LayerParameter, found: data.Description, base: str) -> int:
    """How many classes the labels of an array file count; 0 where they are no whole numbers."""
    if len(found.tops) < 2 or found.tops[1] != data.TopSpec("int64", ()) or not found.rows:
        return 0
    layer.data_param.batch_size = found.rows
    return int(data.open(layer, "TEST", 0, base).batch(0)[1].max()) + 1
