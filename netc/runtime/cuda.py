"""Check whether onnxruntime can run on an NVIDIA GPU here, and count the GPUs."""

import ctypes
import sys
from pathlib import Path

import onnx
import onnxruntime as ort

from netc.errors import RunError
from netc.runtime.guard import guarded

PROVIDER = "CUDAExecutionProvider"
DEVICE = "device_id"  # the provider option for the index of a device
DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def missing(index: int) -> str | None:
    """Why GPU `index` cannot be used, in a sentence; None if it can."""
    if PROVIDER not in ort.get_available_providers():
        return "this onnxruntime is built without CUDA (install onnxruntime-gpu)"
    if not Path("/proc/driver/nvidia/version").exists() and not Path(r"C:\Windows\System32\nvcuda.dll").exists():
        return "no NVIDIA driver is loaded"
    probe = onnx.parser.parse_model('<ir_version: 10, opset_import: ["": 21]> g (float[1] x) => (float[1] y) { y = Identity(x) }')
    options = ort.SessionOptions()
    options.log_severity_level = 4
    providers = [(PROVIDER, {DEVICE: str(index)})]
    try:
        session = guarded(ort.InferenceSession, probe.SerializeToString(), options, providers, enable_fallback=0)
    except RunError as e:
        count = "" if devices() is not None else " (the driver does not say how many devices there are)"
        return f"device {index} cannot be used{count}: {e}"
    return None if PROVIDER in session.get_providers() else "its libraries do not load: pip install 'onnxruntime-gpu[cuda,cudnn]'"


def devices() -> int | None:
    """The number of GPUs that the driver offers to this process; None if unknown."""
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError:
        return None
    count = ctypes.c_int()
    return count.value if driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 else None
