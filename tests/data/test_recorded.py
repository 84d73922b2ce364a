"""Data layers against what Caffe's delivered from the same files, one test a recorded case."""

from pathlib import Path

import numpy as np
import pytest

from netc import data
from netc.api.net import Net
from netc.spec import parse_prototxt
from tests.layers.nets import about
from tests.recorded import FOLDER, index

DATA = FOLDER / "data"
CASES = {entry["file"].removesuffix(".npz"): entry for entry in index("data")}

pytestmark = pytest.mark.skipif(not CASES, reason=f"no recorded results in {FOLDER}")


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"memory"}))
def test_recorded(name: str) -> None:
    with np.load(DATA / f"{name}.npz") as file:
        arrays = {k: file[k] for k in file.files}
    (layer,) = parse_prototxt(str(arrays["prototxt"])).message.layer
    opened = data.open(layer, str(arrays["phase"]), 0, DATA)
    for number in range(int(arrays["passes"])):
        batch = opened.batch(number)
        for top, got in zip(layer.top, batch, strict=True):
            expected = arrays[f"out{number}_{top}"]
            assert got.shape == expected.shape
            np.testing.assert_array_equal(got.astype(np.float32), expected)


@about("MemoryData")
def test_memory(tmp_path: Path) -> None:
    with np.load(DATA / "memory.npz") as case, np.load(DATA / "memory_input.npz") as given:
        (tmp_path / "net.prototxt").write_text(str(case["prototxt"]))
        net = Net(str(tmp_path / "net.prototxt"), phase=str(case["phase"]))
        net.set_input_arrays(given["data"], given["label"])
        for number in range(int(case["passes"])):
            got = net.forward()
            np.testing.assert_array_equal(got["data"], case[f"out{number}_data"])
            np.testing.assert_array_equal(got["label"], case[f"out{number}_label"].reshape(-1))
