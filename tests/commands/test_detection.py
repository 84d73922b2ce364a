"""SSD's own files: nets for training and testing, a solver, a label map and databases, as they are written for SSD's Caffe."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from netc.cli import main
from netc.commands.test import test as scores_of
from tests.data.detection import scenes

SIZE = 32
TRANSFORM = f"""mirror: true mean_value: 104 mean_value: 117 mean_value: 123
    resize_param {{ prob: 1 resize_mode: WARP height: {SIZE} width: {SIZE} interp_mode: LINEAR interp_mode: AREA interp_mode: NEAREST
      interp_mode: CUBIC interp_mode: LANCZOS4 }}
    emit_constraint {{ emit_type: CENTER }}
    distort_param {{ brightness_prob: 0.5 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5 contrast_upper: 1.5 hue_prob: 0.5
      hue_delta: 18 saturation_prob: 0.5 saturation_lower: 0.5 saturation_upper: 1.5 random_order_prob: 0 }}
    expand_param {{ prob: 0.5 max_expand_ratio: 4 }}"""
SAMPLERS = "batch_sampler { max_sample: 1 max_trials: 1 }" + "".join(
    f"""
    batch_sampler {{ sampler {{ min_scale: 0.3 max_scale: 1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 }}
      sample_constraint {{ {limit} }} max_sample: 1 max_trials: 50 }}"""
    for limit in ("min_jaccard_overlap: 0.1", "min_jaccard_overlap: 0.9", "max_jaccard_overlap: 1")
)
TEST = f"""mean_value: 104 mean_value: 117 mean_value: 123
    resize_param {{ prob: 1 resize_mode: WARP height: {SIZE} width: {SIZE} interp_mode: LINEAR }}"""
DATA = """
layer {{ name: "data" type: "AnnotatedData" top: "data" top: "label" include {{ phase: {phase} }}
  transform_param {{ {transform} }}
  data_param {{ source: "{source}" batch_size: {batch} backend: LMDB }}
  annotated_data_param {{ {annotated} label_map_file: "labelmap.prototxt" }} }}
"""
CONVOLUTION = """
layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
  param {{ lr_mult: 1 decay_mult: 1 }} param {{ lr_mult: 2 decay_mult: 0 }}
  convolution_param {{ num_output: {outputs} pad: 1 kernel_size: 3 stride: {stride}
    weight_filler {{ type: "xavier" }} bias_filler {{ type: "constant" }} }} }}
"""
HEAD = """
layer {{ name: "{name}_perm" type: "Permute" bottom: "{name}" top: "{name}_perm" permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "{name}_flat" type: "Flatten" bottom: "{name}_perm" top: "{name}_flat" flatten_param {{ axis: 1 }} }}
"""
PRIOR = """
layer {{ name: "prior{k}" type: "PriorBox" bottom: "{bottom}" bottom: "data" top: "prior{k}"
  prior_box_param {{ min_size: {least} max_size: {most}
  aspect_ratio: 2 flip: true clip: false variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 step: {step} offset: 0.5 }} }}
"""
LOSS = """
layer { name: "mbox_loss" type: "MultiBoxLoss" bottom: "loc" bottom: "conf" bottom: "prior" bottom: "label" top: "mbox_loss"
  include { phase: TRAIN }
  propagate_down: true propagate_down: true propagate_down: false propagate_down: false
  loss_param { normalization: VALID }
  multibox_loss_param { loc_loss_type: SMOOTH_L1 conf_loss_type: SOFTMAX loc_weight: 1 num_classes: 3 share_location: true
    match_type: PER_PREDICTION overlap_threshold: 0.5 use_prior_for_matching: true background_label_id: 0 use_difficult_gt: true
    neg_pos_ratio: 3 neg_overlap: 0.5 code_type: CENTER_SIZE ignore_cross_boundary_bbox: false mining_type: MAX_NEGATIVE } }
"""
OUTPUT = """
layer { name: "rows" type: "Reshape" bottom: "conf" top: "rows" reshape_param { shape { dim: 0 dim: -1 dim: 3 } } }
layer { name: "softmax" type: "Softmax" bottom: "rows" top: "softmax" softmax_param { axis: 2 } }
layer { name: "shares" type: "Flatten" bottom: "softmax" top: "shares" flatten_param { axis: 1 } }
layer { name: "detection_out" type: "DetectionOutput" bottom: "loc" bottom: "shares" bottom: "prior" top: "detection_out"
  include { phase: TEST }
  detection_output_param { num_classes: 3 share_location: true background_label_id: 0 nms_param { nms_threshold: 0.45 top_k: 400 }
    save_output_param { output_directory: "" output_name_prefix: "comp4_det_test_" output_format: "VOC"
      label_map_file: "labelmap.prototxt" name_size_file: "test_name_size.txt" num_test_image: 3 }
    code_type: CENTER_SIZE keep_top_k: 200 confidence_threshold: 0.01 } }
layer { name: "detection_eval" type: "DetectionEvaluate" bottom: "detection_out" bottom: "label" top: "detection_eval"
  include { phase: TEST }
  detection_evaluate_param { num_classes: 3 background_label_id: 0 overlap_threshold: 0.5 evaluate_difficult_gt: false
    name_size_file: "test_name_size.txt" } }
"""
SOLVER = """
train_net: "train.prototxt" test_net: "test.prototxt" test_iter: 2 test_interval: 2 base_lr: 0.001 display: 1 max_iter: 2
lr_policy: "multistep" gamma: 0.1 stepvalue: 1 momentum: 0.9 weight_decay: 0.0005 snapshot: 0 snapshot_prefix: "ssd" solver_mode: GPU
device_id: 0 debug_info: false snapshot_after_train: true test_initialization: false average_loss: 10 iter_size: 1 type: "SGD"
eval_type: "detection" ap_version: "11point" show_per_class_result: true
"""


def body() -> str:
    """A net with two maps, as SSD's scripts write it."""
    text = CONVOLUTION.format(name="conv1", bottom="data", outputs=8, stride=4) + CONVOLUTION.format(
        name="conv2", bottom="conv1", outputs=8, stride=2
    )
    for k, (least, most) in ((1, (8, 16)), (2, (16, 24))):
        for kind, values in (("loc", 4), ("conf", 3)):
            name = f"conv{k}_{kind}"
            text += CONVOLUTION.format(name=name, bottom=f"conv{k}", outputs=4 * values, stride=1) + HEAD.format(name=name)
        text += PRIOR.format(k=k, bottom=f"conv{k}", least=least, most=most, step=4 * k)
    for kind, bottoms, axis in (("loc", "conv{}_loc_flat", 1), ("conf", "conv{}_conf_flat", 1), ("prior", "prior{}", 2)):
        both = "".join(f' bottom: "{bottoms.format(k)}"' for k in (1, 2))
        text += f'layer {{ name: "{kind}" type: "Concat"{both} top: "{kind}" concat_param {{ axis: {axis} }} }}\n'
    return text


def test_the_files_run_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lmdb")
    scenes.write_lmdb(tmp_path / "lmdb")
    (tmp_path / "labelmap.prototxt").write_text(scenes.LABEL_MAP)
    train = DATA.format(phase="TRAIN", transform=TRANSFORM, source="lmdb", batch=2, annotated=SAMPLERS)
    test = DATA.format(phase="TEST", transform=TEST, source="lmdb", batch=2, annotated="")
    (tmp_path / "train.prototxt").write_text(f'name: "ssd"\n{train}{body()}{LOSS}')
    (tmp_path / "test.prototxt").write_text(f'name: "ssd"\n{test}{body()}{OUTPUT}')
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(tmp_path)
    for words in (["check", "solver.prototxt"], ["train", "solver.prototxt", "--no-publish"]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
    assert "detection_eval" in result.output and "nan" not in result.output
    (weights,) = tmp_path.glob("runs/ssd/1/snapshots/*2.safetensors")
    found = scores_of("test.prototxt", str(weights))
    assert isinstance(found["detection_eval"], float) and 0 <= found["detection_eval"] <= 1


def test_a_net_without_its_data_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = DATA.format(phase="TRAIN", transform=TRANSFORM, source="lmdb", batch=2, annotated=SAMPLERS)
    (tmp_path / "train.prototxt").write_text(f'name: "ssd"\n{train}{body()}{LOSS}')
    (tmp_path / "solver.prototxt").write_text('train_net: "train.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 2')
    monkeypatch.chdir(tmp_path)
    checked = CliRunner().invoke(main, ["check", "train.prototxt"])
    assert checked.exit_code == 0, checked.output
    trained = CliRunner().invoke(main, ["train", "solver.prototxt", "--no-publish"])
    assert trained.exit_code == 2 and "There is no file or folder 'lmdb'" in trained.output, trained.output


@pytest.mark.parametrize("kind", ["voc", "coco", "table"])
def test_a_starter_net_trains(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    {"voc": scenes.write_voc, "coco": scenes.write_coco, "table": scenes.write_table}[kind](tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    written = CliRunner().invoke(main, ["init", "pets.yaml", "--data", "set"])
    assert written.exit_code == 0 and "3 images with boxes of 2 classes" in written.output, written.output
    checked = CliRunner().invoke(main, ["check", "pets.yaml"])
    assert checked.exit_code == 0, checked.output
    if kind == "voc":
        trained = CliRunner().invoke(
            main, ["train", "pets.yaml", "--no-publish", "--set", "solver.max_epoch=1", "--set", "layers.data.batch_size=2"]
        )
        assert trained.exit_code == 0 and "map" in trained.output, trained.output
