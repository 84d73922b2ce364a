"""The solver's ap_version counts for the layers that state none."""

from pathlib import Path

from netc.spec.job import load_job

NET = """
layer { name: "data" type: "Input" top: "d" top: "label"
  input_param { shape { dim: 1 dim: 1 dim: 3 dim: 7 } shape { dim: 1 dim: 1 dim: 2 dim: 8 } } }
layer { name: "a" type: "DetectionEvaluate" bottom: "d" bottom: "label" top: "a" detection_evaluate_param { num_classes: 3 } }
layer { name: "b" type: "DetectionEvaluate" bottom: "d" bottom: "label" top: "b"
  detection_evaluate_param { num_classes: 3 ap_version: "Integral" } }
"""


def versions(folder: Path, solver: str) -> list[str]:
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text(f'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 test_iter: 1 {solver}')
    job = load_job(str(folder / "solver.prototxt"))
    assert job.train is job.tests[0]
    return [layer.detection_evaluate_param.ap_version for layer in job.test.message.layer[1:]]


def test_the_solver_states_the_version(tmp_path: Path) -> None:
    assert versions(tmp_path, 'eval_type: "detection" ap_version: "11point" show_per_class_result: true') == ["11point", "Integral"]
    assert versions(tmp_path, "") == ["", "Integral"]
