"""Modules of Python layers that say `import caffe`."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import netc.caffe as caffe
from netc.layers.pycaffe import MODULES, as_caffe
from tests.small_nets import netc

NET = """\
name: "python"
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: [1, 3] }} }} }}
layer {{ name: "double" type: "Python" bottom: "data" top: "double" python_param {{ module: "{}" layer: "Doubler" param_str: "2" }} }}
"""
METHODS = """
    def setup(self, bottom, top):
        self.factor = float(self.param_str_) if factor() else 0

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        import caffe.io
        from caffe.proto import caffe_pb2
        top[0].data[...] = self.factor * caffe.io.blobproto_to_array(caffe.io.array_to_blobproto(bottom[0].data)) * caffe_pb2.TEST

    def backward(self, top, propagate_down, bottom):
        pass
"""
HELPER = """\
import caffe
import caffe.proto.caffe_pb2 as pb
from caffe import layers as L, params as P, TRAIN
from caffe.io import load_image
from caffe.pycaffe import Net

def factor():
    return pb.NetParameter and caffe.io.caffe_pb2 is pb and Net is caffe.Net and TRAIN == 0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A package with a layer and a helper, whose names no other test has imported."""
    name = f"layers_{request.node.name.split('[')[0]}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    (tmp_path / name / "helper.py").write_text(HELPER)
    start = f"import caffe\nfrom {name}.helper import factor\n\n\nclass Doubler(caffe.Layer):\n"
    (tmp_path / name / "doubler.py").write_text(start + METHODS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/net.prototxt").write_text(NET.format(f"{name}.doubler"))
    return tmp_path


def test_import_caffe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # the module is found from the current folder, as in Caffe
    monkeypatch.setattr("netc.caffe.state._allows_python", True)
    net = caffe.Net("nets/net.prototxt", caffe.TEST)
    net.blobs["data"].data[...] = [1, 2, 3]
    np.testing.assert_array_equal(net.forward()["double"], [[2, 4, 6]])
    assert not MODULES.keys() & sys.modules.keys()


def test_check_on_the_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    result = netc("--allow-python", "check", "nets/net.prototxt")
    assert result.exit_code == 0, result.output


def test_a_pycaffe_that_is_installed_comes_back() -> None:
    other = ModuleType("caffe")
    sys.modules["caffe"] = other
    try:
        with as_caffe():
            own = import_module("caffe")
            assert own is caffe and own is not other
        assert sys.modules["caffe"] is other and "caffe.io" not in sys.modules
        with pytest.raises(ValueError, match="an error"), as_caffe():
            raise ValueError("an error")
        assert sys.modules["caffe"] is other
    finally:
        del sys.modules["caffe"]


def test_the_messages_under_the_names_of_pycaffe() -> None:
    messages = import_module("netc.caffe.proto.caffe_pb2")
    from netc.caffe.proto import caffe_pb2

    assert messages is caffe_pb2 is caffe.io.caffe_pb2 is caffe.proto.caffe_pb2
