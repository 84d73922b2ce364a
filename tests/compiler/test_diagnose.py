"""One run reports the errors of a text and of its net. A layer with an error causes no further errors, nor do layers that depend on it."""

from pathlib import Path

import numpy as np
import pytest

from netc.compiler import compilation
from netc.compiler.nets import JobNets
from netc.compiler.program import program
from netc.errors import SpecError
from netc.registry import load
from netc.spec.job import read_job

load()
DATA = "  - Input: {top: [data, label], shape: [{dim: [8, 1, 12, 12]}, {dim: 8}]}\n"


def places(tmp_path: Path, layers: str, solver: str = "") -> list[tuple[str, str]]:
    (tmp_path / "n.yaml").write_text(f"layers:\n{DATA}{layers}{solver}")
    with pytest.raises(SpecError) as caught:
        compilation.load(str(tmp_path / "n.yaml"))
    return [(str(f.place).removeprefix(f"{tmp_path}/n.yaml:"), f.sentence) for f in caught.value.diagnostics]


def test_a_value_that_cannot_be_read_leaves_what_hangs_on_it_unjudged(tmp_path: Path) -> None:
    found = places(
        tmp_path,
        "  - Convolution: {bottom: data, num_output: ten, kernel_size: 30}\n  - Pooling: {kernel_size: 99}\n"
        "  - Pooling: {bottom: data, kernel_size: 30}\n",
    )
    assert [place for place, _ in found] == ["3:45", "5:29"]


def test_near_names_are_taken_for_what_is_meant_below(tmp_path: Path) -> None:
    found = places(tmp_path, "  - Convolution: {bottom: data, num_outputs: 4, kernal_size: 5}\n  - Relu\n  - Pooling: {kernel_size: 9}\n")
    assert [place for place, _ in found] == ["3:33", "3:49", "4:5", "5:15"]
    assert found[-1][1] == "Layer 'pool1' (Pooling): A kernel of 9 does not fit into 8 (padding included)."


def test_a_layer_whose_name_is_unknown_leaves_blobs_unjudged(tmp_path: Path) -> None:
    found = places(tmp_path, "  - Xyzzy: {bottom: data, top: z, fields: 1}\n  - ReLU: {bottom: z, top: z}\n  - ReLU: {bottom: nothing}\n")
    assert [place for place, _ in found] == ["3:5", "5:12"]


def test_a_field_that_is_meant_and_there_is_not_taken_twice(tmp_path: Path) -> None:
    found = places(tmp_path, "  - Pooling: {bottom: data, kernel_size: 2, kernal_size: 30}\n")
    assert len(found) == 1 and "has no field 'kernal_size'" in found[0][1]


def test_a_solver_in_doubt_is_not_asked_for_more(tmp_path: Path) -> None:
    found = places(tmp_path, "  - ReLU: {bottom: data, top: r}\n", "solver: {base_lr: fast, max_iter: 5, lr_policy: step}\n")
    assert [place for place, _ in found] == ["4:19"]
    found = places(tmp_path, "  - ReLU: {bottom: data, top: r}\n", "solver: {learning_rate: 1, lr_policy: step}\n")
    assert [text for _, text in found] == [
        "SolverParameter has no field 'learning_rate'. netc calls it 'base_lr'.",
        "Solver: `gamma` is missing, which `lr_policy` 'step' needs.",
        "Solver: `stepsize` is missing, which `lr_policy` 'step' needs.",
    ]


def test_nets_of_protobuf_text_and_of_caffes_old_form(tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_text(
        'layers { name: "d" type: DATA top: "data" top: "label" data_param { source: "mnist" bach_size: 8 } }\n'
        'layers { name: "c" type: CONVOLUTION bottom: "dta" top: "c" convolution_param { num_output: x kernel_size: 3 } }\n'
        'layers { name: "p" type: POOLING bottom: "data" top: "p" pooling_param { kernel_size: 40 } }\n'
    )
    with pytest.raises(SpecError) as caught:
        compilation.load(str(tmp_path / "n.prototxt"))
    found = [str(f.place).removeprefix(f"{tmp_path}/n.prototxt:") for f in caught.value.diagnostics]
    assert found == ["1:85", "2:38", "2:93", "3:74"]


class TestSeveralSources:
    """Two data layers of one net."""

    def errors(
        self, folder: Path, rows: tuple[int, int] = (20, 20), batches: tuple[int, int] = (4, 4), shuffle: str = "false", solver: str = ""
    ) -> list[str]:
        np.savez(folder / "a.npz", data=np.zeros((rows[0], 3), np.float32))
        np.savez(folder / "b.npz", label=np.zeros(rows[1], np.int64))
        path = folder / "two.yaml"
        path.write_text(f"""\
layers:
  - Data: {{source: a.npz, top: data, batch_size: 4, test_batch_size: {batches[0]}, shuffle: {shuffle}}}
  - Data: {{source: b.npz, top: label, batch_size: 4, test_batch_size: {batches[1]}, shuffle: {shuffle}}}
  - InnerProduct: {{bottom: data, num_output: 2}}
  - SoftmaxWithLoss: {{bottom: [ip1, label]}}
{solver}""")
        return [f.text for f in JobNets(read_job(str(path))).all_errors()]

    def test_side_by_side(self, tmp_path: Path) -> None:
        assert self.errors(tmp_path) == []

    def test_of_other_lengths(self, tmp_path: Path) -> None:
        training, testing = self.errors(tmp_path, rows=(20, 18))
        assert "It compares rows of data layer 'data' with those of 'data2', which do not stay aligned: they" in training
        assert "For testing, 'data' has 20 rows in batches of 4 and 'data2' has 18 rows in batches of 4" in testing

    def test_in_other_batches(self, tmp_path: Path) -> None:
        assert any("For testing, 'data' has 20 rows in batches of 4" in text for text in self.errors(tmp_path, batches=(4, 5)))

    def test_shuffled_apart(self, tmp_path: Path) -> None:
        (found,) = self.errors(tmp_path, shuffle="true")
        assert "each is shuffled separately (`shuffle: false` keeps the order). Read both from one source." in found


WIDTHS = """\
solver: {base_lr: 0.1, max_iter: 3, test_iter: [1]}
layers:
  - DummyData: {name: a, top: [data, label], shape: [{dim: [2, 8]}, {dim: [2]}], include: {phase: TRAIN}}
  - DummyData: {name: b, top: [data, label], shape: [{dim: [2, 6]}, {dim: [2]}], include: {phase: TEST}}
  - Dropout: {bottom: data, top: data}
  - InnerProduct: {bottom: data, num_output: 3, weight_filler: xavier}
  - SoftmaxWithLoss: {bottom: [ip1, label]}
"""


@pytest.mark.parametrize("mistake", ["", "  - ReLU: {bottom: nothing}\n"])
def test_widths_that_differ_between_the_phases(tmp_path: Path, mistake: str) -> None:
    (tmp_path / "n.yaml").write_text(WIDTHS + mistake)
    with pytest.raises(SpecError) as caught:
        program(read_job(str(tmp_path / "n.yaml")))
    wanted = "weights would be 3x8 in phase TRAIN and 3x6 in phase TEST. TRAIN has layer 'a'"
    if mistake:
        assert "reads 'nothing'" in str(caught.value)
    else:
        assert [str(f.place) for f in caught.value.diagnostics] == [f"{tmp_path}/n.yaml:6:5"]
        assert wanted in str(caught.value) and f"n.yaml:3:5) with data 2x8, label 2, TEST has layer 'b' ({tmp_path}/n.yaml:4:5)" in str(
            caught.value
        )


def test_a_layer_that_is_another_in_each_phase(tmp_path: Path) -> None:
    text = WIDTHS.replace("6]}, {dim: [2]}]", "8]}, {dim: [2]}]").replace(
        "  - InnerProduct: {", "  - InnerProduct: {name: ip1, top: ip1, include: {phase: TRAIN}, "
    )
    text += "  - InnerProduct: {name: ip1, top: ip1, bottom: data, num_output: 5, include: {phase: TEST}}\n  - Silence: {bottom: ip1}\n"
    (tmp_path / "n.yaml").write_text(text.replace("[ip1, label]}", "[ip1, label], include: {phase: TRAIN}}"))
    with pytest.raises(SpecError, match="n.yaml:8:5. with ip1 Nx5. Give both the same width"):
        program(read_job(str(tmp_path / "n.yaml")))
