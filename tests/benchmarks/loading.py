"""How fast a folder of photographs becomes augmented batches: netc against torchvision's ImageFolder in a DataLoader.

`python -m tests.benchmarks.loading [--rounds 3] [--output FILE]` draws 2,000 JPEG files of 500 x 375 pixels, and reads them with
one and two workers each: decode, resize to 256 x 256, crop 224 at random, mirror, change brightness, contrast, saturation and hue,
normalize. netc decodes each image again in each epoch here, as it does with folders that do not fit into memory. The readers take turns.
"""

import argparse
import io
import platform
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

SIZE, CROP, BATCH = 256, 224, 32
PICTURES = 100  # different ones; their files are copies
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Reader = Callable[[], Iterator[int]]


@dataclass
class Measured:
    """Of one reader, by turn: images a second, and CPU milliseconds of all its threads and processes for an image."""

    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.loading", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--turn", type=int, default=2000, help="images that a reader reads before the next one's turn")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        draw(Path(folder) / "few", 2 * BATCH)
        draw(Path(folder) / "all", arguments.images)
        found = measure(Path(folder) / "all", arguments.rounds, arguments.workers, arguments.turn)
    text = report(found, arguments.images)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


def draw(folder: Path, count: int) -> None:
    """Noise of several scales in two classes, as JPEG files that weigh what photographs of their size do."""
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(min(count, PICTURES)):
        total = np.zeros((375, 500, 3), np.float32)
        for cells, weight in ((4, 90), (16, 50), (64, 25), (256, 12)):
            coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
            total += (np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC), np.float32) - 127.5) * (weight / 90)
        buffer = io.BytesIO()
        Image.fromarray(np.clip(total + 127.5, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
        pictures.append(buffer.getvalue())
    for i in range(count):
        path = folder / ("cats", "dogs")[i % 2] / f"{i:05}.jpg"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(pictures[i % len(pictures)])


def measure(folder: Path, rounds: int, workers: list[int], turn: int) -> dict[str, Measured]:
    """The speed of each reader. A turn on a few images, which also loads the libraries, comes first."""
    kinds: dict[str, Callable[[Path, int], Iterator[int]]] = {"netc": _netc, "torchvision": _torchvision}
    readers = {f"{name}, {_workers(n)}": (kind, n) for n in workers for name, kind in kinds.items()}
    found = {name: Measured() for name in readers}
    few = folder.parent / "few"
    for kind, number in readers.values():
        sum(kind(few, number))
    for _ in range(rounds):
        for name, (kind, number) in readers.items():
            begin, cpu = time.perf_counter(), _cpu()
            count = sum(islice(kind(folder, number), turn // BATCH))
            found[name].rates.append(count / (time.perf_counter() - begin))
            found[name].cpu.append(1000 * (_cpu() - cpu) / count)
    return found


def report(found: dict[str, Measured], images: int) -> str:
    """The results as Markdown: medians, and ratios to torchvision with as many workers."""
    lines = ["# Loading augmented photographs", "", *(" ".join((__doc__ or "").split("\n\n")[1].split()).replace("  ", " "),), ""]
    lines += ["| reader | images a second | torchvision = 1 | CPU ms an image | torchvision = 1 |", "|---|---|---|---|---|"]
    for name, own in found.items():
        peer = found[f"torchvision, {name.partition(', ')[2]}"]
        rate, other, cpu, others = (float(np.median(values)) for values in (own.rates, peer.rates, own.cpu, peer.cpu))
        lines.append(f"| {name} | {rate:.0f} | {rate / other:.2f} | {cpu:.1f} | {cpu / others:.2f} |")
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "pillow", "numpy"))
    turns = len(next(iter(found.values())).rates)
    lines += ["", f"{images:,} images, medians of {turns} turns. {packages}; Python {platform.python_version()}."]
    return "\n".join([*lines, "Other programs ran on the machine, so compare ratios.", ""])


def _workers(number: int) -> str:
    return f"{number} worker{'s' if number > 1 else ''}"


def _cpu() -> float:
    """CPU seconds of this process and of its ended children."""
    both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def _netc(folder: Path, workers: int) -> Iterator[int]:
    from unittest.mock import patch

    from netc import data, registry
    from netc import netc_pb2 as pb

    registry.load()
    layer = pb.LayerParameter(name="data", type="Data", top=["data", "label"])
    layer.data_param.source, layer.data_param.batch_size = str(folder), BATCH
    param = layer.transform_param
    param.resize_height = param.resize_width = SIZE
    param.crop_size, param.mirror, param.workers = CROP, True, workers
    for name, value in JITTER.items():
        setattr(param.color_jitter, name, value)
    param.mean_value.extend(255 * v for v in MEAN)
    param.std_value.extend(255 * v for v in STD)
    with patch("netc.data.sources.image_folder.MEMORY", 0):
        source = data.open(layer, "TRAIN", 0, ".", 1)
    assert source.rows is not None
    with data.Prefetch(lambda k: source.batch(k)[0], 4) as prefetch:
        for k in range(source.rows // BATCH):
            yield len(prefetch(k))


def _torchvision(folder: Path, workers: int) -> Iterator[int]:
    import torch
    from torchvision import datasets, transforms

    torch.set_num_threads(1)
    steps = [
        *(transforms.Resize((SIZE, SIZE)), transforms.RandomCrop(CROP), transforms.RandomHorizontalFlip()),
        *(transforms.ColorJitter(**JITTER), transforms.ToTensor(), transforms.Normalize(MEAN, STD)),
    ]
    images = datasets.ImageFolder(str(folder), transforms.Compose(steps))
    for batch, _ in torch.utils.data.DataLoader(images, BATCH, shuffle=True, drop_last=True, num_workers=workers):
        yield len(batch)


if __name__ == "__main__":
    main()
