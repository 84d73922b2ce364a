"""Net files that are long by repetition, written by functions."""

from collections.abc import Iterator


def resnet(depth: int, batch: int) -> str:
    """A residual net on 32 x 32 images (He et al. 2015, section 4.2) of `depth` 6n + 2, with 1 x 1 convolutions where blocks widen."""
    lines = [*_head(f"resnet{depth}", batch, 3, 32), *_normalised("conv1", "data", 16, 3)]
    below = "conv1"
    for stage, width in enumerate((16, 32, 64)):
        for block in range((depth - 2) // 6):
            name, stride = f"res{stage}_{block}", 2 if stage and not block else 1
            lines += _normalised(f"{name}a", below, width, 3, stride)
            lines += _normalised(f"{name}b", f"{name}a", width, 3, relu=False)
            if stride == 2:
                lines += _normalised(f"{name}s", below, width, 1, stride, relu=False)
                below = f"{name}s"
            lines += [
                f"  - Eltwise: {{name: {name}, bottom: [{below}, {name}b], top: {name}}}",
                f"  - ReLU: {{bottom: {name}, top: {name}}}",
            ]
            below = name
    lines += [
        f"  - Pooling: {{name: pool, pool: AVE, global_pooling: true, bottom: {below}, top: pool}}",
        *_classified("loss", "pool", 10),
        "solver: {base_lr: 0.1, momentum: 0.9, weight_decay: 0.0001, max_iter: 64000}",
    ]
    return "\n".join(lines) + "\n"


# Outputs of the 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5 and pool projections (Szegedy et al. 2014, table 1).
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


def googlenet(batch: int) -> str:
    """Caffe's bvlc_googlenet with its two side losses. Without Dropout, so that every contender's loss can be compared."""
    lines = [
        *_head("googlenet", batch, 3, 224),
        *_convolved("conv1", "data", 64, 7, 2),
        "  - Pooling: {name: pool1, kernel_size: 3, stride: 2, bottom: conv1, top: pool1}",
        "  - LRN: {name: norm1, local_size: 5, alpha: 0.0001, beta: 0.75, bottom: pool1, top: norm1}",
        *_convolved("conv2r", "norm1", 64, 1),
        *_convolved("conv2", "conv2r", 192, 3),
        "  - LRN: {name: norm2, local_size: 5, alpha: 0.0001, beta: 0.75, bottom: conv2, top: norm2}",
        "  - Pooling: {name: pool2, kernel_size: 3, stride: 2, bottom: norm2, top: pool2}",
    ]
    below = "pool2"
    for name, widths in INCEPTIONS.items():
        if name in ("4a", "5a"):
            lines.append(f"  - Pooling: {{name: pool{name}, kernel_size: 3, stride: 2, bottom: {below}, top: pool{name}}}")
            below = f"pool{name}"
        lines += _inception(name, below, *widths)
        below = name
        if name in ("4a", "4d"):
            lines += _side_loss(f"side{name}", below)
    lines += [
        f"  - Pooling: {{name: pool, pool: AVE, kernel_size: 7, stride: 1, bottom: '{below}', top: pool}}",
        *_classified("loss", "pool", 1000),
        "solver: {base_lr: 0.01, momentum: 0.9, weight_decay: 0.0002, max_iter: 2400000}",
    ]
    return "\n".join(lines) + "\n"


def _head(name: str, batch: int, channels: int, size: int) -> list[str]:
    shape = f"[{{dim: [{batch}, {channels}, {size}, {size}]}}, {{dim: {batch}}}]"
    return [f"name: {name}", "layers:", f"  - Input: {{top: [data, label], shape: {shape}}}"]


def _normalised(name: str, bottom: str, width: int, kernel: int, stride: int = 1, relu: bool = True) -> Iterator[str]:
    shape = f"num_output: {width}, kernel_size: {kernel}, stride: {stride}, pad: {kernel // 2}"
    yield f"  - Convolution: {{name: {name}, {shape}, bias_term: false, weight_filler: msra, bottom: {bottom}, top: {name}}}"
    yield f"  - BatchNorm: {{name: {name}_bn, bottom: {name}, top: {name}}}"
    yield f"  - Scale: {{name: {name}_scale, bias_term: true, bottom: {name}, top: {name}}}"
    if relu:
        yield f"  - ReLU: {{name: {name}_relu, bottom: {name}, top: {name}}}"


def _convolved(name: str, bottom: str, width: int, kernel: int, stride: int = 1) -> Iterator[str]:
    shape = f"num_output: {width}, kernel_size: {kernel}, stride: {stride}, pad: {kernel // 2}"
    yield f"  - Convolution: {{name: '{name}', {shape}, weight_filler: xavier, bottom: '{bottom}', top: '{name}'}}"
    yield f"  - ReLU: {{name: '{name}_relu', bottom: '{name}', top: '{name}'}}"


def _inception(name: str, bottom: str, *widths: int) -> Iterator[str]:
    one, three_reduce, three, five_reduce, five, pool = widths
    yield from _convolved(f"{name}_1", bottom, one, 1)
    yield from _convolved(f"{name}_3r", bottom, three_reduce, 1)
    yield from _convolved(f"{name}_3", f"{name}_3r", three, 3)
    yield from _convolved(f"{name}_5r", bottom, five_reduce, 1)
    yield from _convolved(f"{name}_5", f"{name}_5r", five, 5)
    yield f"  - Pooling: {{name: '{name}_p', kernel_size: 3, stride: 1, pad: 1, bottom: '{bottom}', top: '{name}_p'}}"
    yield from _convolved(f"{name}_pp", f"{name}_p", pool, 1)
    parts = ", ".join(f"'{name}_{part}'" for part in ("1", "3", "5", "pp"))
    yield f"  - Concat: {{name: '{name}', bottom: [{parts}], top: '{name}'}}"


def _side_loss(name: str, bottom: str) -> Iterator[str]:
    yield f"  - Pooling: {{name: {name}_pool, pool: AVE, kernel_size: 5, stride: 3, bottom: '{bottom}', top: {name}_pool}}"
    yield from _convolved(f"{name}_conv", f"{name}_pool", 128, 1)
    yield f"  - InnerProduct: {{name: {name}_fc, num_output: 1024, weight_filler: xavier, bottom: {name}_conv, top: {name}_fc}}"
    yield f"  - ReLU: {{name: {name}_relu, bottom: {name}_fc, top: {name}_fc}}"
    yield from _classified(f"{name}_loss", f"{name}_fc", 1000, weight=0.3)


def _classified(name: str, bottom: str, classes: int, weight: float = 1.0) -> Iterator[str]:
    yield f"  - InnerProduct: {{name: {name}_score, num_output: {classes}, weight_filler: xavier, bottom: {bottom}, top: {name}_score}}"
    yield f"  - SoftmaxWithLoss: {{name: {name}, bottom: [{name}_score, label], top: {name}, loss_weight: {weight}}}"
