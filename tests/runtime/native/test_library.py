"""What a library of kernels says of itself."""

from inspect import Parameter, signature
from pathlib import Path

import onnxruntime
import pytest

from netc import registry
from netc.errors import RunError
from netc.graph.ir import TRAINING
from netc.runtime import native
from tests.runtime.native.conftest import OPS, needs_kernels

registry.load()


@needs_kernels
def test_every_library_has_the_same_kernels() -> None:
    first, *others = map(native.kernels, native.libraries())
    assert len({kernel.op for kernel in first}) == len(first) > 20
    for other in others:
        assert sorted(other, key=lambda kernel: kernel.op) == sorted(first, key=lambda kernel: kernel.op)


@needs_kernels
@pytest.mark.parametrize("op", sorted(OPS))
def test_a_kernel_has_the_inputs_of_its_op(op: str) -> None:
    (kernel,) = (k for k in native.kernels(native.libraries()[0]) if k.op == op)
    assert kernel.domain == TRAINING
    parameters = signature(registry.training_op.find(op)).parameters.values()
    named = [p for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    assert [a.name for a in kernel.inputs[: len(named)]] == [p.name for p in named]
    more = any(p.kind is Parameter.VAR_POSITIONAL for p in parameters)
    assert (len(kernel.inputs) > len(named)) == more
    for argument, parameter in zip(kernel.inputs, named, strict=False):
        assert argument.optional == ("None" in str(parameter.annotation)), argument.name


def test_a_file_that_is_no_library_of_kernels_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / f"bad{native.SUFFIX}"
    path.write_bytes(b"no library")
    with pytest.raises(RunError, match=r"it does not load \(.*bad"):
        native.kernels(path)
    assert native.kernels_of(None) == frozenset()


def test_a_library_that_does_not_describe_its_ops_is_to_be_built_again() -> None:
    other = next(Path(onnxruntime.__file__).parent.rglob("onnxruntime_pybind11_state*"))
    with pytest.raises(RunError, match="it was built from other sources; build it again with .*onnxruntime_pybind11_state"):
        native.kernels(other)
