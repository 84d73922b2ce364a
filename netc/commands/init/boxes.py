"""A starter net for images with boxes: a small SSD."""

import json

from netc import data
from netc import netc_pb2 as pb
from netc.commands.init.starter import HELD_OUT, Starter, Wanted
from netc.data.detection.kinds import has_boxes, lists_boxes
from netc.data.sheet import SUFFIXES as TABLES
from netc.errors import DataError

SIDE = 128  # pixels of the input
PRIORS = 4  # at each place of a map
MAPS = ((16, 32), (32, 64), (64, 112))  # the smallest and largest prior box of each map, in pixels

NET = """# A small SSD (Liu et al. 2016) for {count:,} images with boxes of {named}: see `netc help detection`.
name: {name}
blocks:
  conv: # a convolution with its normalization
    - Convolution: {{num_output: $n, kernel_size: 3, pad: 1, stride: $stride, bias_term: false, weight_filler: msra}}
    - BatchNorm: {{top: $last, moving_average_fraction: 0.9}}
    - Scale: {{top: $last, bias_term: true}}
    - ReLU
  values: # of {priors} prior boxes at each place: four numbers that move each, or its scores of {classes} classes
    - Convolution: {{bottom: $map, num_output: $n, kernel_size: 3, pad: 1, weight_filler: xavier}}
    - Permute: {{order: [0, 2, 3, 1]}}
    - Flatten
layers:
  - AnnotatedData:
      source: {source}
      batch_size: 8{tested}
      mean_value: 128
      scale: 0.01
      mirror: true
      resize_param: {{height: {side}, width: {side}}}
      emit_constraint: {{emit_type: CENTER}}
      batch_sampler:
        - {{max_sample: 1, max_trials: 1}}
        - sampler: {{min_scale: 0.5, max_scale: 1, min_aspect_ratio: 0.7, max_aspect_ratio: 1.4}}
          sample_constraint: {{min_jaccard_overlap: 0.1}}
          max_sample: 1
          max_trials: 20
  - conv: {{n: 16, stride: 2}}
  - conv: {{n: 32, stride: 2}}
  - conv: {{n: 32, stride: 1}}
  - conv: {{n: 64, stride: 2}}
  - conv: {{n: 64, stride: 1, as: map1}} # 16 x 16
  - conv: {{n: 96, stride: 2}}
  - conv: {{n: 96, stride: 1, as: map2}} # 8 x 8
  - conv: {{n: 96, stride: 2, as: map3}} # 4 x 4
{heads}
  - MultiBoxLoss: {{bottom: [loc, conf, prior, label], num_classes: {classes}, code_type: CENTER_SIZE}}
  - Reshape: {{name: rows, bottom: conf, shape: {{dim: [0, -1, {classes}]}}}}
  - Softmax: {{name: shares, bottom: rows, axis: 2}}
  - Flatten: {{name: flat, bottom: shares}}
  - DetectionOutput:
      name: boxes
      bottom: [loc, flat, prior]
      num_classes: {classes}
      code_type: CENTER_SIZE
      nms_param: {{nms_threshold: 0.45, top_k: 200}}
      keep_top_k: 100
      confidence_threshold: 0.01
  - DetectionEvaluate: {{bottom: [boxes, label], num_classes: {classes}, evaluate_difficult_gt: false, top: [map, ap]}}
solver:
  type: Adam
  base_lr: 0.003
  momentum: 0.9
  lr_policy: cosine
  max_epoch: 40
  weight_decay: 0.0005
"""


def recognise(wanted: Wanted) -> bool:
    """Whether the data has boxes: a folder or a file of annotations, or a database of SSD."""
    if wanted.is_named or wanted.is_address or not wanted.path.exists():
        return False
    return has_boxes(wanted.path) or (wanted.path.suffix.lower() in TABLES and lists_boxes(wanted.path))


def starter(wanted: Wanted) -> Starter:
    """A net for the images. DataError if their boxes cannot be read, or if a database does not name its classes."""
    layer = pb.LayerParameter(name="data", type="AnnotatedData", top=["data", "label"])
    layer.data_param.source, layer.data_param.batch_size = wanted.source, 1
    layer.transform_param.resize_param.height = layer.transform_param.resize_param.width = SIDE
    described = data.describe(layer, "TRAIN", wanted.base)
    if not described.classes:
        raise DataError(f"{wanted.data}: The database has no names of classes. Write the net yourself, with its `label_map_file`.")
    classes, parts = len(described.classes), wanted.parts
    lines = [f"{field}: {json.dumps(path, ensure_ascii=False)}" for field, path in parts.items()]
    if not described.set_apart and "test_source" not in parts:
        lines.append(f"test_fraction: {HELD_OUT}")
    text = NET.format(
        name=wanted.target.stem, source=json.dumps(wanted.source, ensure_ascii=False), count=described.rows or 0, classes=classes,
        named=", ".join(described.classes[1:4]) + (", ..." if classes > 4 else ""), tested="".join(f"\n      {line}" for line in lines),
        side=SIDE, priors=PRIORS, heads="\n".join(_heads(classes)),
    )  # fmt: skip
    return Starter(text, f"{described.rows or 0:,} images with boxes of {classes - 1} classes")


def _heads(classes: int) -> list[str]:
    """The lines of the predictions from each map, and of the prior boxes."""
    lines = [f"  - values: {{map: $map{k}, n: {PRIORS * 4}, as: loc{k}}}" for k in range(1, len(MAPS) + 1)]
    lines += [f"  - values: {{map: $map{k}, n: {PRIORS * classes}, as: conf{k}}}" for k in range(1, len(MAPS) + 1)]
    for what in ("loc", "conf"):
        joined = ", ".join(f"${what}{k + 1}" for k in range(len(MAPS)))
        lines.append(f"  - Concat: {{name: {what}, bottom: [{joined}]}}")
    for k, (least, most) in enumerate(MAPS, 1):
        sizes = f"min_size: {least}, max_size: {most}, aspect_ratio: 2, variance: [0.1, 0.1, 0.2, 0.2]"
        lines.append(f"  - PriorBox: {{name: prior{k}, bottom: [$map{k}, data], {sizes}}}")
    return [*lines, f"  - Concat: {{name: prior, bottom: [{', '.join(f'prior{k + 1}' for k in range(len(MAPS)))}], axis: 2}}"]
