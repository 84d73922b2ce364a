"""Record what OpenCV's dnn module computes for the nets, in opencv.npz.

python -m tests.forks.record_opencv write FOLDER    # with netc: nets, weights and images
python tests/forks/record_opencv.py run FOLDER      # with OpenCV, which may be another environment
"""

import sys
from pathlib import Path

import numpy as np


def write_all(folder: Path) -> None:
    """Write each net with its weights and its image."""
    from tests.forks.nets import NETS, image_of, write

    for name, text in NETS.items():
        write(name, folder)
        np.save(folder / f"{name}.npy", image_of(text()))


def run_all(folder: Path) -> None:
    """Run each net that OpenCV can read, and save the results beside this file."""
    import cv2  # type: ignore[import-not-found]  # only where OpenCV is installed

    found = {}
    for net in sorted(folder.glob("*.prototxt")):
        try:
            model = cv2.dnn.readNetFromCaffe(str(net), str(net.with_suffix(".caffemodel")))
            model.setInput(np.load(net.with_suffix(".npy")), "data")
            found[net.stem] = model.forward()
            print(net.stem, found[net.stem].shape)
        except cv2.error as e:
            print(net.stem, "cannot be read:", str(e).strip().splitlines()[0][:200])
    np.savez_compressed(Path(__file__).with_name("opencv.npz"), **found)


if __name__ == "__main__":
    {"write": write_all, "run": run_all}[sys.argv[1]](Path(sys.argv[2]))
