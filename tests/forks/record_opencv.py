"""Record what OpenCV's dnn module computes for the nets, in opencv.npz.

python -m tests.forks.record_opencv write FOLDER    # with netc: nets, weights and images
python tests/forks/record_opencv.py run FOLDER      # with OpenCV, which may be another environment
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

SWAPPED = ("se_resnet50",)  # OpenCV 4.14 computes Axpy as a y + x, not as SENet's axpy_layer.cpp


def write_all(folder: Path) -> None:
    """Write each net with its weights and its image."""
    from tests.forks.nets import NETS, end_of, image_of, write

    for name, text in NETS.items():
        write(name, folder)
        np.save(folder / f"{name}.npy", image_of(text()))
        (folder / f"{name}.end").write_text(end_of(text()))


def run_all(folder: Path) -> None:
    """Run each net that OpenCV can read, and save the results beside this file."""
    cv2 = import_module("cv2")  # only where OpenCV is installed

    found: dict[str, Any] = {}
    for net in sorted(path for path in folder.glob("*.prototxt") if path.stem not in SWAPPED):
        try:
            text = net.read_text().replace('"DepthwiseConvolution"', '"Convolution"')  # which OpenCV lacks; the groups are the same
            files = (text.encode(), net.with_suffix(".caffemodel").read_bytes())
            model = cv2.dnn.readNetFromCaffe(*(np.frombuffer(data, np.uint8) for data in files))
            model.setInput(np.load(net.with_suffix(".npy")), "data")
            found[net.stem] = model.forward(net.with_suffix(".end").read_text())
            print(net.stem, found[net.stem].shape)
        except cv2.error as e:
            print(net.stem, "cannot be read:", str(e).strip().splitlines()[0][:200])
    np.savez_compressed(Path(__file__).with_name("opencv.npz"), **found)


if __name__ == "__main__":
    {"write": write_all, "run": run_all}[sys.argv[1]](Path(sys.argv[2]))
