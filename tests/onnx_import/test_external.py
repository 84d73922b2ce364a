"""Weights in other files."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import external_data_helper, helper

from netc.errors import SpecError
from netc.onnx_import import load
from tests.onnx_import.files import model, normal, same, saved

SIZE = 4 * 40 * 4


def outside(folder: Path, change: Callable[[onnx.TensorProto], None] = lambda t: None, location: str = "w.bin") -> Path:
    """A file whose weight is in another one."""
    made = model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["N", 4]}, ["y"], {"w": normal(4, 40)})
    tensor = made.graph.initializer[0]
    target = folder / location
    if ".." not in location and not Path(location).is_absolute():
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(bytes(8) + tensor.raw_data)
    external_data_helper.set_external_data(tensor, location, offset=8, length=SIZE)
    tensor.ClearField("raw_data")
    change(tensor)
    return saved(made, folder)


def setting(key: str, value: str) -> Callable[[onnx.TensorProto], None]:
    def change(tensor: onnx.TensorProto) -> None:
        next(e for e in tensor.external_data if e.key == key).value = value

    return change


def test_weights_in_another_file(tmp_path: Path) -> None:
    path = outside(tmp_path, location="data/w.bin")
    assert list(same(path, {"x": normal(2, 4)})) == ["w"]
    file = load(path)
    data = tmp_path / "data" / "w.bin"
    assert file.files == (path, data)
    assert file.sha256 == hashlib.sha256(path.read_bytes() + data.read_bytes()).hexdigest()
    np.testing.assert_array_equal(file.array("w"), normal(4, 40))


def test_one_file_has_the_hash_of_its_bytes(tmp_path: Path) -> None:
    path = saved(model([helper.make_node("Relu", ["x"], ["y"])], {"x": ["N", 4]}, ["y"]), tmp_path)
    assert load(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_they_can_be_forbidden(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"Cannot read m\.onnx: The tensor 'w' is in another file, 'w\.bin'\. Expected one file"):
        load(outside(tmp_path), external=False)


# Places that are refused: how the tensor is changed, and the sentence.
REFUSED: dict[str, tuple[Callable[[onnx.TensorProto], None], str]] = {
    "outside the folder": (setting("location", "../w.bin"), r"in '\.\./w\.bin', outside the folder of the model"),
    "anywhere": (setting("location", "/etc/passwd"), "in '/etc/passwd', outside the folder of the model"),
    "on another drive": (setting("location", "a\\..\\..\\w.bin"), "outside the folder of the model"),
    "nowhere": (setting("location", ""), "outside the folder of the model"),
    "missing": (setting("location", "none.bin"), r"There is no file 'none\.bin' beside the model\. It holds the tensor 'w'"),
    "too short": (setting("offset", "9"), r"w\.bin ends before the data of the tensor 'w'\. It has 648 bytes"),
    "of another size": (setting("length", "600"), r"The tensor 'w' has 600 bytes\. Its shape \[4, 40\] needs 640"),
    "at no number": (setting("offset", "x"), r"The place of the tensor 'w' in w\.bin is no number"),
    "before the file": (setting("offset", "-1"), r"w\.bin ends before the data"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_places_that_are_refused(case: str, tmp_path: Path) -> None:
    change, message = REFUSED[case]
    with pytest.raises(SpecError, match=message):
        load(outside(tmp_path, change))


def test_links_are_refused(tmp_path: Path) -> None:
    path = outside(tmp_path)
    (tmp_path / "w.bin").rename(tmp_path / "real.bin")
    (tmp_path / "w.bin").symlink_to(tmp_path / "real.bin")
    with pytest.raises(SpecError, match=r"in 'w\.bin', which is a link\. Expected a regular file"):
        load(path)
