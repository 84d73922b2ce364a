"""How fast a folder of images becomes batches: netc's source against torchvision's ImageFolder in a DataLoader, one worker each."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

IMAGES, SIZE, CROP, BATCH = 512, 256, 224, 32


def measure(rounds: int) -> dict[str, list[float]]:
    """Images a second of each reader, by turn, over the same JPEG files."""
    with TemporaryDirectory() as folder:
        _write(Path(folder))
        readers = {"netc": lambda: _netc(Path(folder)), "torchvision": lambda: _torchvision(Path(folder))}
        rates: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(rounds):
            for name, reader in readers.items():
                rates[name].append(_rate(reader))
    return rates


def table(rates: dict[str, list[float]]) -> str:
    """Medians as Markdown."""
    best = float(np.median(rates["torchvision"]))
    lines = ["| reader | images a second | torchvision = 1 |", "|---|---|---|"]
    lines += [f"| {name} | {np.median(values):.0f} | {np.median(values) / best:.2f} |" for name, values in rates.items()]
    return "\n".join(lines) + "\n"


def _write(folder: Path) -> None:
    """Smooth noise of two classes, as JPEG files that weigh what photographs do."""
    rng = np.random.default_rng(0)
    for i in range(IMAGES):
        path = folder / ("cats", "dogs")[i % 2] / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC).save(path, quality=90)


def _rate(reader: Callable[[], Iterator[int]]) -> float:
    begin, seen = time.perf_counter(), sum(reader())
    return seen / (time.perf_counter() - begin)


def _netc(folder: Path) -> Iterator[int]:
    from netc import data, registry
    from netc import netc_pb2 as pb

    registry.load()
    layer = pb.LayerParameter(name="data", type="Data", top=["data", "label"])
    layer.data_param.source, layer.data_param.batch_size = str(folder), BATCH
    layer.transform_param.crop_size, layer.transform_param.scale = CROP, 1 / 255
    source = data.open(layer, "TRAIN", 0, ".", 1)
    with data.Prefetch(lambda k: {"data": source.batch(k, 0)[0]}, 4) as prefetch:
        for k in range(IMAGES // BATCH):
            yield len(prefetch(k)["data"])


def _torchvision(folder: Path) -> Iterator[int]:
    import torch
    from torchvision import datasets, transforms

    torch.set_num_threads(1)
    change = transforms.Compose([transforms.RandomCrop(CROP), transforms.ToTensor()])
    images = datasets.ImageFolder(str(folder), change)
    for batch, _ in torch.utils.data.DataLoader(images, BATCH, shuffle=True, num_workers=1):
        yield len(batch)
