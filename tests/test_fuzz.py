"""Some of the files with something wrong in them; `python -m tests.fuzz` reads 2,000."""

from pathlib import Path

import pytest

from netc import registry
from tests import fuzz


@pytest.mark.parametrize("suffix", [".prototxt", ".yaml", ".caffemodel"])
def test_each_is_refused_with_a_place_or_loads(suffix: str, tmp_path: Path) -> None:
    registry.load()
    target, files, ends = fuzz.target_net(), fuzz.seeds(), set()
    fuzz.neighbours(tmp_path)
    for number in range(150):
        kind, data = fuzz.mutated(number, files)
        if kind == suffix:
            (tmp_path / f"case{suffix}").write_bytes(data)
            ends.add(fuzz.read(tmp_path / f"case{suffix}", target))
    assert ends == {"loads", "refused"}


@pytest.mark.parametrize(
    "text",
    [
        "layers: [{Input: {shape: {dim: [1, 1, 4, 4]}}}, {Pooling: {kernel_size: 1073741824, pad: 1073741823}}]",
        "layers: [{Input: {shape: {dim: [2, 3, 8, 8]}}}, {Convolution: {num_output: 2147483647, kernel_size: 3}}]",
    ],
)
def test_sizes_without_measure(text: str, tmp_path: Path) -> None:
    registry.load()
    (tmp_path / "case.yaml").write_text(text)
    assert fuzz.read(tmp_path / "case.yaml", fuzz.target_net()) == "refused"


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_sequence_without_measure_is_a_loop(kind: str, tmp_path: Path) -> None:
    registry.load()
    net = f"layers: [{{Input: {{shape: {{dim: [65537, 2, 3]}}}}}}, {{{kind}: {{num_output: 4, weight_filler: xavier}}}}]"
    (tmp_path / "case.yaml").write_text(net)
    assert fuzz.read(tmp_path / "case.yaml", fuzz.target_net()) == "loads"
