"""Record what torchvision computes for fixed parameters: `python -m tests.data.transforms.record_torch` with torch and torchvision.

Recorded with torch 2.14.1 and torchvision 0.29.1. Values are float32 in [0, 1], so a value of netc is 255 times as large.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / "torchvision.npz"
ANGLES = (-170.0, -33.5, 10.0, 90.0)
CROPS = ((3, 5, 11, 6), (0, 0, 5, 17), (8, 2, 3, 4))  # top, left, height, width
SIZES = ((8, 8), (12, 20))
FACTORS = (0.3, 1.0, 1.7)
HUES = (-0.5, -0.21, 0.05, 0.4)


def images() -> np.ndarray:
    """An image of noise, and one of few colors with gray pixels: (2, 3, 15, 18) bytes."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (3, 15, 18))
    few = random.choice([0, 128, 255], (3, 15, 18))
    few[:, :, ::3] = few[:1, :, ::3]
    return np.stack([noise, few]).astype(np.uint8)


def record() -> dict[str, np.ndarray]:
    """The values of torchvision, by operation."""
    import torch
    from torchvision.transforms import functional as f
    from torchvision.transforms.functional import InterpolationMode

    x = torch.from_numpy(images().astype(np.float32) / 255)
    found = {
        "rotate": [f.rotate(x, a, InterpolationMode.BILINEAR) for a in ANGLES],
        "rotate_nearest": [f.rotate(x, a, InterpolationMode.NEAREST) for a in ANGLES[:3]],
        "rotate_crop": [f.crop(f.rotate(x, a, InterpolationMode.BILINEAR, center=[8, 8.5]), *CROPS[0]) for a in ANGLES],
        "brightness": [f.adjust_brightness(x, v) for v in FACTORS],
        "contrast": [f.adjust_contrast(x, v) for v in FACTORS],
        "contrast_gray": [f.adjust_contrast(x[:, :1], v) for v in FACTORS],
        "saturation": [f.adjust_saturation(x, v) for v in FACTORS],
        "hue": [f.adjust_hue(x, v) for v in HUES],
        "grayscale": [f.rgb_to_grayscale(x, 3)],
    }
    for size in SIZES:
        name = f"resized_crop_{size[0]}x{size[1]}"
        found[name] = [f.resized_crop(x, *crop, size, InterpolationMode.BILINEAR, antialias=True) for crop in CROPS]
    return {name: torch.stack(values).numpy() for name, values in found.items()}


if __name__ == "__main__":
    np.savez_compressed(FILE, allow_pickle=False, **record())
