"""What a net's data may not hold, of every layer that reads labels and of every source: told before the first step, with the row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.api.net import Net
from netc.commands.test import test_command as whole_set
from netc.compiler.compilation import Compilation
from netc.errors import DataError
from netc.spec.job import load_job
from tests.small_nets import netc

SOLVER = "solver: {base_lr: 0.01, max_iter: 4, test_interval: 2}\n"
# Layers that read labels of three classes.
READERS = {
    "SoftmaxWithLoss": "  - SoftmaxWithLoss: {bottom: [ip1, label]}\n",
    "MultinomialLogisticLoss": "  - Softmax: {bottom: ip1, top: prob}\n  - MultinomialLogisticLoss: {bottom: [prob, label]}\n",
    "InfogainLoss": "  - Reshape: {bottom: h, top: gain, shape: {dim: [1, 1, 3, 3]}}\n  - InfogainLoss: {bottom: [ip1, label, gain]}\n",
    "HingeLoss": "  - HingeLoss: {bottom: [ip1, label]}\n",
    "Accuracy": "  - Accuracy: {bottom: [ip1, label]}\n  - EuclideanLoss: {bottom: [ip1, ip1]}\n",
    "Embed": "  - Embed: {bottom: label, input_dim: 3, num_output: 3, weight_filler: xavier}\n  - EuclideanLoss: {bottom: [ip1, embed1]}\n",
    "AUC": "  - AUC: {bottom: [ip1, label]}\n  - EuclideanLoss: {bottom: [ip1, ip1]}\n",
}


def arrays(labels: Mapping[int, float], rows: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and the labels 0, 1, 2, 0, ... with others in their places."""
    label = (np.arange(rows) % 3).astype(np.float32 if any(v != v or v != int(v) for v in labels.values()) else np.int64)
    for row, value in labels.items():
        label[row] = value
    return np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32), label


def write(
    folder: Path,
    layers: str,
    labels: Mapping[int, float] | tuple[()] = (),
    data: str = "Data: {source: rows.npz, batch_size: 4}",
    name: str = "net.yaml",
) -> str:
    """A net, and its rows as arrays."""
    rows, label = arrays(dict(labels))
    np.savez(folder / "rows.npz", data=rows, label=label)
    gain = "  - DummyData: {top: h, shape: {dim: [1, 1, 3, 3]}, data_filler: {type: uniform}}\n" if "gain" in layers else ""
    first = "  - InnerProduct: {bottom: data, num_output: 3, weight_filler: xavier}\n"
    (folder / name).write_text(f"name: read\nlayers:\n  - {data}\n{gain}{first}{layers}{SOLVER}")
    return str(folder / name)


def refused(folder: Path, path: str | Path, *options: Any) -> str:
    """What `netc train` says of a run that does not begin: nothing is left of it."""
    result = netc("train", path, "--no-publish", "--runs", folder / "runs", *options)
    assert result.exit_code == 2 and "onnxruntime" not in result.stderr, result.output
    assert "iteration" not in result.stdout and not list((folder / "runs").rglob("*.safetensors"))
    return result.stderr


@pytest.mark.parametrize("value", [-1, 3, 1.5, float("nan")])
@pytest.mark.parametrize("reader", READERS)
def test_every_layer_that_reads_labels_refuses_what_is_none(tmp_path: Path, reader: str, value: float) -> None:
    said = refused(tmp_path, write(tmp_path, READERS[reader], {7: value, 11: value}))
    named = "NaN" if value != value else f"{value:g}"
    assert f"({reader}): 'label' of TRAIN contains {named} (2 times, first at rows.npz: label[7]); allowed values: whole numbers" in said
    assert "from 0 to 2" in said


def test_labels_that_are_right_are_let_through(tmp_path: Path) -> None:
    for name, layers in READERS.items():
        result = netc("train", write(tmp_path, layers), "--no-publish", "--runs", tmp_path / "runs")
        assert result.exit_code == 0, (name, result.output)


def test_a_label_that_is_ignored_is_one(tmp_path: Path) -> None:
    layers = "  - SoftmaxWithLoss: {bottom: [ip1, label], ignore_label: -1}\n"
    assert netc("train", write(tmp_path, layers, {3: -1}), "--no-publish", "--runs", tmp_path / "whole").exit_code == 0
    said = refused(tmp_path, write(tmp_path, layers + "  - Accuracy: {bottom: [ip1, label]}\n", {3: -1}))
    assert "Layer 'accuracy' (Accuracy): 'label' of TRAIN contains -1 at rows.npz: label[3]" in said and "(SoftmaxWithLoss)" not in said


def test_hinge_counts_the_classes_of_all_axes(tmp_path: Path) -> None:
    rows, label = arrays({2: 4})
    np.savez(tmp_path / "rows.npz", data=rows, label=label)
    path = tmp_path / "net.yaml"
    path.write_text(f"""\
name: read
layers:
  - Data: {{source: rows.npz, batch_size: 4}}
  - InnerProduct: {{bottom: data, num_output: 4, weight_filler: xavier}}
  - Reshape: {{bottom: ip1, top: square, shape: {{dim: [0, 2, 2]}}}}
  - HingeLoss: {{bottom: [square, label]}}
{SOLVER}""")
    assert "contains 4 at rows.npz: label[2]; allowed values: whole numbers from 0 to 3" in refused(tmp_path, path)


@pytest.mark.parametrize("value", [-0.5, 1.25, float("nan")])
def test_targets_of_a_sigmoid_are_probabilities(tmp_path: Path, value: float) -> None:
    rows, _ = arrays({})
    target = np.full((20, 3), 0.5, np.float32)
    path = write(
        tmp_path,
        "  - SigmoidCrossEntropyLoss: {bottom: [ip1, target]}\n",
        data="Data: {source: rows.npz, top: [data, target], batch_size: 4}",
    )
    np.savez(tmp_path / "rows.npz", data=rows, target=target)
    assert netc("train", path, "--no-publish", "--runs", tmp_path / "whole").exit_code == 0
    target[9, 2] = value
    np.savez(tmp_path / "rows.npz", data=rows, target=target)
    named = "NaN" if value != value else f"{value:g}"
    assert f"contains {named} at rows.npz: target[9], element [2]; allowed values: numbers from 0 to 1" in refused(tmp_path, path)


def test_pairs_are_similar_or_not(tmp_path: Path) -> None:
    layers = "  - ContrastiveLoss: {bottom: [ip1, data3, label]}\n".replace("data3", "ip1")
    assert "allowed values: whole numbers from 0 to 1" in refused(tmp_path, write(tmp_path, layers))


def test_row_numbers_of_batch_reindex(tmp_path: Path) -> None:
    layers = "  - BatchReindex: {bottom: [ip1, label], top: mixed}\n  - EuclideanLoss: {bottom: [mixed, ip1]}\n"
    assert "allowed values: whole numbers from 0 to 3 (ip1 has 4 rows)" in refused(tmp_path, write(tmp_path, layers, {5: -1}))


class TestSources:
    """The place of a row is that of its source."""

    LOSS = READERS["SoftmaxWithLoss"]

    def test_csv(self, tmp_path: Path) -> None:
        rows, label = arrays({5: 2.5})
        text = "a,b,c,d,class\n" + "".join(",".join(map(str, [*row, value])) + "\n" for row, value in zip(rows, label, strict=True))
        path = write(tmp_path, self.LOSS, data="Data: {source: rows.csv, batch_size: 4, test_fraction: 0.2}")
        (tmp_path / "rows.csv").write_text(text)
        said = refused(tmp_path, path)
        assert "contains 2.5 at " in said and "rows.csv:7:" in said

    def test_hdf5(self, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py", reason="pip install 'netc[caffe]'")
        rows, label = arrays({13: 3})
        for k in (0, 1):
            with h5py.File(tmp_path / f"{k}.h5", "w") as file:
                file["data"], file["label"] = rows[10 * k : 10 * k + 10], label[10 * k : 10 * k + 10]
        (tmp_path / "list.txt").write_text("0.h5\n1.h5\n")
        path = write(tmp_path, self.LOSS, data="HDF5Data: {source: list.txt, batch_size: 4}")
        assert "contains 3 at" in (said := refused(tmp_path, path)) and "1.h5: label[3]" in said

    def test_image_lists(self, tmp_path: Path) -> None:
        from PIL import Image

        Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "a.png")
        (tmp_path / "list.txt").write_text("a.png 0\n\na.png 2\na.png -1\n")
        path = write(tmp_path, self.LOSS, data="ImageData: {source: list.txt, root_folder: ./, batch_size: 1}")
        assert "contains -1 at" in (said := refused(tmp_path, path)) and "list.txt:4:1" in said

    def test_databases(self, tmp_path: Path) -> None:
        lmdb = pytest.importorskip("lmdb", reason="pip install 'netc[caffe]'")
        with lmdb.open(str(tmp_path / "db")) as opened, opened.begin(write=True) as transaction:
            for k in range(6):
                datum = pb.Datum(channels=4, height=1, width=1, data=bytes(4), label=7 if k == 4 else 0)
                transaction.put(f"row{k}".encode(), datum.SerializeToString())
        path = write(tmp_path, self.LOSS, data="Data: {source: db, backend: LMDB, batch_size: 2}")
        assert "contains 7 at" in (said := refused(tmp_path, path)) and "db: row4" in said

    def test_rows_that_are_held_out(self, tmp_path: Path) -> None:
        """A wrong row among those for testing alone is found before the first step, too."""
        data = "Data: {source: rows.npz, batch_size: 4, test_fraction: 0.5}"
        phases = set()
        for row in range(6):
            said = refused(tmp_path, write(tmp_path, self.LOSS, {row: 9}, data), "--set", "solver.test_initialization=false")
            assert f"contains 9 at rows.npz: label[{row}]" in said
            phases.add(said.partition("'label' of ")[2].partition(" contains")[0])
        assert phases == {"TRAIN", "TEST"}, phases

    def test_what_is_read_batch_by_batch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A column that is too large to be kept is looked at before each step."""
        monkeypatch.setattr("netc.data.batches.Feed.in_memory", lambda self, top: False)
        result = netc("train", write(tmp_path, self.LOSS, {6: -1}), "--no-publish", "--runs", tmp_path / "runs")
        assert result.exit_code == 2
        assert "contains -1 at rows.npz: label[6]; allowed values:" in result.stderr and "of a batch of T" in result.stderr

    def test_plug_ins(self, tmp_path: Path) -> None:
        (tmp_path / "plugin.py").write_text("""\
import numpy as np
from netc import source
from netc.data import Description, Table, TopSpec

class Endless:
    def __getitem__(self, rows):
        return rows % 4

@source(".rows")
def rows(request):
    tops = TopSpec("float32", (4,)), TopSpec("int64", ())
    return Table(Description("mine", tops, None), lambda: (np.zeros((100, 4), np.float32), Endless()))
""")
        (tmp_path / "x.rows").write_text("")
        path = write(tmp_path, self.LOSS, data="Data: {source: x.rows, batch_size: 4}")
        said = netc("train", path, "--no-publish", "--plugin", tmp_path / "plugin.py", "--runs", tmp_path / "runs")
        assert said.exit_code == 2 and "contains 3 at mine: label[3]; allowed values: whole numbers from 0 to 2" in said.stderr

    def test_arrays_in_place(self, tmp_path: Path) -> None:
        path = tmp_path / "net.prototxt"
        path.write_text("""
layer { name: "in" type: "Input" top: "x" top: "label" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" top: "loss" }
""")
        net = Net(str(path))
        net.forward(label=np.array([0, 2], np.float32))
        net.blobs["label"].data[...] = [0, -1]
        with pytest.raises(DataError, match=r"'label' of the net contains -1 at label\[1\]; allowed values: whole numbers from 0 to 2"):
            net.forward()


class TestMadeByLayers:
    """Labels that do not come straight from a source."""

    def test_moved(self, tmp_path: Path) -> None:
        layers = "  - Reshape: {bottom: label, top: column, shape: {dim: [-1, 1]}}\n  - SoftmaxWithLoss: {bottom: [ip1, column]}\n"
        assert "'column' of TRAIN contains -1 at rows.npz: label[7]" in refused(tmp_path, write(tmp_path, layers, {7: -1}))

    def test_cut_out_of_what_is_fed(self, tmp_path: Path) -> None:
        """The other columns may hold anything."""
        layers = "  - Slice: {bottom: two, top: [first, second], axis: 1}\n  - SoftmaxWithLoss: {bottom: [ip1, first]}\n"
        path = write(tmp_path, layers, data="Data: {source: rows.npz, top: [data, two], batch_size: 4, shuffle: false}")
        rows, label = arrays({})
        two = np.stack([label, np.full(20, -7)], 1)
        np.savez(tmp_path / "rows.npz", data=rows, two=two)
        assert netc("train", path, "--no-publish", "--runs", tmp_path / "whole").exit_code == 0
        two[2, 0] = -1
        np.savez(tmp_path / "rows.npz", data=rows, two=two)
        said = netc("train", path, "--no-publish", "--runs", tmp_path / "runs").stderr
        assert "'first' of a batch of TEST contains -1 at rows.npz: two[2], element [0]; allowed values: whole numbers from 0 to 2" in said

    def test_cut_out_of_some_rows(self, tmp_path: Path) -> None:
        """Where rows are left out, no row is named that it is not."""
        layers = "  - Filter: {bottom: [ip1, label, chosen], top: [some, kept]}\n  - SoftmaxWithLoss: {bottom: [some, kept]}\n"
        data = "Data: {source: rows.npz, top: [data, label, chosen], batch_size: 4, shuffle: false}"
        path = write(tmp_path, layers, data=data)
        rows, label = arrays({2: -1, 5: -1})
        chosen = np.ones(20, np.float32)
        chosen[[0, 2]] = 0  # so the first of them is let alone
        np.savez(tmp_path / "rows.npz", data=rows, label=label, chosen=chosen)
        said = netc("train", path, "--no-publish", "--runs", tmp_path / "runs").stderr
        assert "'kept' of a batch of TEST contains -1; allowed values: whole numbers from 0 to 2" in said

    def test_computed_from_what_is_fed(self, tmp_path: Path) -> None:
        layers = "  - Power: {bottom: label, top: less, shift: -1}\n  - SoftmaxWithLoss: {bottom: [ip1, less]}\n"
        path = write(tmp_path, layers, data="Data: {source: rows.npz, batch_size: 4, test_fraction: 0.1}")
        said = netc("train", path, "--no-publish", "--runs", tmp_path / "runs").stderr
        assert "'less' of a batch of T" in said and "contains -1 " in said

    @pytest.mark.parametrize("reader", ["SoftmaxWithLoss", "HingeLoss"])
    def test_computed_from_what_is_learned(self, tmp_path: Path, reader: str) -> None:
        """The run itself looks: no step is made with such labels."""
        layers = (
            "  - InnerProduct: {bottom: data, num_output: 1, bias_filler: {value: -1}, name: guess}\n"
            f"  - Flatten: {{bottom: guess, top: made, axis: 0}}\n  - {reader}: {{bottom: [ip1, made]}}\n"
        )
        path = write(tmp_path, layers)
        result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--set", "solver.test_interval=0")
        assert result.exit_code == 2 and "onnxruntime" not in result.stderr
        assert "'made' of a batch contains -1 (4 times); allowed values: whole numbers from 0 to 2" in result.stderr
        assert not (tmp_path / "runs/read/1/log.jsonl").exists()


def test_netc_test_and_check_find_them_too(tmp_path: Path) -> None:
    path = write(tmp_path, READERS["SoftmaxWithLoss"], {4: -1, 9: -1, 12: 5})
    with pytest.raises(DataError, match=r"of TEST contains -1 \(2 times, first at rows.npz: label\[4\]\), 5 at rows.npz: label\[12\]"):
        whole_set(Compilation.of(load_job(path)), "cpu", 1, [], None)
    result = netc("check", path, "--data")
    assert result.exit_code == 2 and "of TEST contains -1 (2 times, first at rows.npz: label[4]), 5 at rows.npz: label[12]" in result.stderr


def test_validation_rows_are_looked_at_before_the_first_step(tmp_path: Path) -> None:
    data = "Data: {source: rows.npz, validation_source: chosen.npz, test_source: tested.npz, batch_size: 4}"
    path = write(tmp_path, READERS["SoftmaxWithLoss"], data=data)
    for wrong in ("chosen", "tested"):
        for name in ("chosen", "tested"):
            rows, label = arrays({2: -1} if name == wrong else {})
            np.savez(tmp_path / f"{name}.npz", data=rows, label=label)
        said = refused(tmp_path, path, "--set", "solver.test_initialization=false")
        phase = {"chosen": "VALIDATION", "tested": "TEST"}[wrong]
        assert f"of {phase} contains -1 at {wrong}.npz: label[2]" in said
        assert f"of {phase} contains -1 at {wrong}.npz: label[2]" in netc("check", path, "--data").stderr


class TestNaN:
    """The advice is to mend the data, not to learn more slowly."""

    def rows(self, folder: Path, **changes: Any) -> str:
        path = write(folder, READERS["SoftmaxWithLoss"])
        rows, label = arrays({})
        for (row, column), value in changes.get("cells", {}).items():
            rows[row, column] = value
        np.savez(folder / "rows.npz", data=rows, label=label)
        return path

    def test_in_memory(self, tmp_path: Path) -> None:
        said = refused(tmp_path, self.rows(tmp_path, cells={(3, 1): np.nan, (5, 2): np.nan, (6, 0): np.inf}))
        assert "'data' of TRAIN contains infinity at rows.npz: data[6], element [0], NaN (2 times, first at rows.npz: data[3]" in said
        assert "remove these rows from the data, or fill in numbers" in said and "base_lr" not in said

    def test_in_a_top_that_no_layer_reads(self, tmp_path: Path) -> None:
        path = write(tmp_path, "  - EuclideanLoss: {bottom: [ip1, ip1]}\n")
        rows, label = arrays({3: np.nan})
        np.savez(tmp_path / "rows.npz", data=rows, label=label)
        assert netc("train", path, "--no-publish", "--runs", tmp_path / "runs").exit_code == 0

    def test_a_layer_of_ones_own_may_take_it_for_a_gap(self, tmp_path: Path) -> None:
        (tmp_path / "plugin.py").write_text("""\
from netc import layer, op
from netc.graph.ir import constant

@layer("Filled")
def filled(ctx, x):
    return op.Where(op.IsNaN(x), constant(0.0), x)
""")
        path = self.rows(tmp_path, cells={(3, 1): np.nan})
        filled = "  - Filled: {bottom: data, top: whole}\n  - InnerProduct: {bottom: whole"
        Path(path).write_text(Path(path).read_text().replace("  - InnerProduct: {bottom: data", filled))
        result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", "--plugin", tmp_path / "plugin.py")
        assert result.exit_code == 0, result.output

    def test_batch_by_batch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("netc.data.batches.Feed.in_memory", lambda self, top: False)
        path = self.rows(tmp_path, cells={(3, 1): np.nan})
        for options in (
            (),
            ("--set", "solver.test_initialization=false"),
            ("--set", "solver.iter_size=2", "--set", "solver.test_interval=0"),
        ):
            result = netc("train", path, "--no-publish", "--runs", tmp_path / "runs", *options)
            assert result.exit_code == 2 and "contains NaN at rows.npz: data[3], element [1]" in result.stderr, result.output
            assert "base_lr" not in result.stderr

    def test_a_column_by_its_name(self, tmp_path: Path) -> None:
        """Of a plug-in's table."""
        (tmp_path / "plugin.py").write_text("""\
import numpy as np
from netc import source
from netc.data import Description, Table, TopSpec

@source(".nans")
def rows(request):
    rows = np.ones((8, 2), np.float32)
    rows[3, 1] = np.nan
    description = Description("mine", (TopSpec("float32", (2,)), TopSpec("int64", ())), 8, columns=("age", "bmi"))
    return Table(description, lambda: (rows, np.zeros(8, np.int64)))
""")
        (tmp_path / "x.nans").write_text("")
        path = write(tmp_path, READERS["SoftmaxWithLoss"], data="Data: {source: x.nans, batch_size: 4}")
        said = netc("train", path, "--no-publish", "--plugin", tmp_path / "plugin.py", "--runs", tmp_path / "runs").stderr
        assert "'data' of TRAIN contains NaN at mine: data[3], column 'bmi'; remove these rows" in said


def test_labels_of_mixed_rows_are_reported_once(tmp_path: Path) -> None:
    path = write(tmp_path, READERS["SoftmaxWithLoss"], {7: 5}, "Data: {source: rows.npz, batch_size: 4, mixup_alpha: 1}")
    said = refused(tmp_path, path)
    assert "'label' of TRAIN contains 5 at rows.npz: label[7]" in said and "label.partner" not in said
