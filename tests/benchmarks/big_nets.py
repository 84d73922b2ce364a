"""Deploy nets of the size that users convert, in Caffe's and its forks' vocabulary, and random weights for them.

`python -m tests.benchmarks.big_nets` prints the seconds and the memory of `netc check` and `netc convert` as a Markdown table.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.formats.caffe_weights import to_blob
from netc.spec import parse_prototxt

RUN = "import resource, sys; from netc.cli import main\ntry: main(prog_name='netc')\nfinally: u = resource.getrusage(resource.RUSAGE_SELF); print(f'measured {u.ru_utime + u.ru_stime:.3f} {u.ru_maxrss}', file=sys.stderr)"  # noqa: E501  # one argument of Python


def layer(name: str, kind: str, bottoms: str, param: str = "", top: str = "") -> str:
    """A layer of a net file. `bottoms` are separated by spaces; the top has the layer's name."""
    reads = " ".join(f'bottom: "{b}"' for b in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {reads} top: "{top or name}" {param} }}'


def _input(size: int) -> str:
    return layer("data", "Input", "", f"input_param {{ shape {{ dim: 1 dim: 3 dim: {size} dim: {size} }} }}")


def _convolution(width: int, kernel: str, stride: int = 1, pad: str = "", bias: bool = False) -> str:
    window = f"kernel_size: {kernel}" if "x" not in kernel else "kernel_h: {} kernel_w: {}".format(*kernel.split("x"))
    border = pad if not pad or "pad" in pad else f"pad: {pad}"
    return f"convolution_param {{ num_output: {width} {window} stride: {stride} {border} {'' if bias else 'bias_term: false'} }}"


def _normalised(name: str, bottom: str, width: int, kernel: str, stride: int = 1, pad: str = "", relu: bool = True) -> Iterator[str]:
    yield layer(name, "Convolution", bottom, _convolution(width, kernel, stride, pad))
    yield layer(f"{name}/bn", "BatchNorm", name, "batch_norm_param { use_global_stats: true }", name)
    yield layer(f"{name}/scale", "Scale", name, "scale_param { bias_term: true }", name)
    if relu:
        yield layer(f"{name}/relu", "ReLU", name, "", name)


def resnet152() -> str:
    """ResNet-152 for images of 224 x 224 (He et al. 2015, table 1)."""
    lines = [_input(224), *_normalised("conv1", "data", 64, "7", 2, "3")]
    lines.append(layer("pool1", "Pooling", "conv1", "pooling_param { kernel_size: 3 stride: 2 }"))
    below = "pool1"
    for stage, (blocks, width) in enumerate(((3, 64), (8, 128), (36, 256), (3, 512)), 2):
        for block in range(blocks):
            name, stride = f"res{stage}_{block}", 2 if stage > 2 and not block else 1
            shortcut = below
            if not block:
                shortcut = f"{name}_branch1"
                lines += _normalised(shortcut, below, 4 * width, "1", stride, relu=False)
            lines += _normalised(f"{name}a", below, width, "1", stride)
            lines += _normalised(f"{name}b", f"{name}a", width, "3", 1, "1")
            lines += _normalised(f"{name}c", f"{name}b", 4 * width, "1", relu=False)
            lines += [layer(name, "Eltwise", f"{shortcut} {name}c"), layer(f"{name}_relu", "ReLU", name, "", name)]
            below = name
    lines.append(layer("pool5", "Pooling", below, "pooling_param { pool: AVE kernel_size: 7 }"))
    return "\n".join((*lines, *_classified("pool5")))


def _classified(below: str) -> list[str]:
    return [layer("fc1000", "InnerProduct", below, "inner_product_param { num_output: 1000 }"), layer("prob", "Softmax", "fc1000")]


# Inception-ResNet-v2 (Szegedy et al. 2016, figures 16 to 19): branches of (width, kernel, pad), and the width that they return to.
BLOCKS = {
    "a": (((32, "1", ""),), ((32, "1", ""), (32, "3", "1")), ((32, "1", ""), (48, "3", "1"), (64, "3", "1"))),
    "b": (((192, "1", ""),), ((128, "1", ""), (160, "1x7", "pad_h: 0 pad_w: 3"), (192, "7x1", "pad_h: 3 pad_w: 0"))),
    "c": (((192, "1", ""),), ((192, "1", ""), (224, "1x3", "pad_h: 0 pad_w: 1"), (256, "3x1", "pad_h: 1 pad_w: 0"))),
}


def inception_resnet_v2() -> str:
    """Inception-ResNet-v2 for images of 299 x 299, with a shorter stem."""
    lines = [_input(299), *_normalised("stem1", "data", 32, "3", 2), *_normalised("stem2", "stem1", 64, "3", 1, "1")]
    lines.append(layer("pool1", "Pooling", "stem2", "pooling_param { kernel_size: 3 stride: 2 }"))
    lines += [*_normalised("stem3", "pool1", 80, "1"), *_normalised("stem4", "stem3", 192, "3")]
    lines.append(layer("pool2", "Pooling", "stem4", "pooling_param { kernel_size: 3 stride: 2 }"))
    lines += _normalised("stem5", "pool2", 320, "1")
    below = "stem5"
    for kind, count, width in (("a", 10, 320), ("b", 20, 1088), ("c", 10, 2080)):
        if kind != "a":
            lines += _normalised(f"reduce_{kind}", below, width, "3", 2)
            below = f"reduce_{kind}"
        for k in range(count):
            name, ends = f"inception_{kind}{k}", []
            for b, branch in enumerate(BLOCKS[kind]):
                inner = below
                for c, (channels, kernel, pad) in enumerate(branch):
                    lines += _normalised(f"{name}_{b}{c}", inner, channels, kernel, 1, pad)
                    inner = f"{name}_{b}{c}"
                ends.append(inner)
            lines.append(layer(f"{name}_concat", "Concat", " ".join(ends)))
            lines.append(layer(f"{name}_up", "Convolution", f"{name}_concat", _convolution(width, "1", bias=True)))
            lines.append(layer(name, "Eltwise", f"{below} {name}_up", "eltwise_param { operation: SUM coeff: 1 coeff: 0.17 }"))
            lines.append(layer(f"{name}_relu", "ReLU", name, "", name))
            below = name
    lines += _normalised("conv_end", below, 1536, "1")
    lines.append(layer("pool5", "Pooling", "conv_end", "pooling_param { pool: AVE global_pooling: true }"))
    lines.append(layer("drop", "Dropout", "pool5", "dropout_param { dropout_ratio: 0.2 }", "pool5"))
    return "\n".join((*lines, *_classified("pool5")))


# SSD-512 (Liu et al. 2016): the source of a head, its smallest and largest box, aspect ratios, step.
HEADS = (
    ("conv4_3_norm", 35.84, 76.8, (2,), 8), ("fc7", 76.8, 153.6, (2, 3), 16), ("conv6_2", 153.6, 230.4, (2, 3), 32),
    ("conv7_2", 230.4, 307.2, (2, 3), 64), ("conv8_2", 307.2, 384.0, (2, 3), 128), ("conv9_2", 384.0, 460.8, (2,), 256),
    ("conv10_2", 460.8, 537.6, (2,), 512),
)  # fmt: skip


def ssd512(classes: int = 21) -> str:
    """VGG-SSD-512 with its detections."""
    lines, below = [_input(512)], "data"
    for stage, (count, width) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
        for k in range(1, count + 1):
            lines += _rectified(f"conv{stage}_{k}", below, width, "3", 1, "1")
            below = f"conv{stage}_{k}"
        window = "kernel_size: 3 stride: 1 pad: 1" if stage == 5 else "kernel_size: 2 stride: 2"
        lines.append(layer(f"pool{stage}", "Pooling", below, f"pooling_param {{ {window} }}"))
        below = f"pool{stage}"
    lines += _rectified("fc6", below, 1024, "3", 1, "pad: 6 dilation: 6")
    lines += _rectified("fc7", "fc6", 1024, "1")
    below = "fc7"
    for stage, width in ((6, 256), (7, 128), (8, 128), (9, 128), (10, 128)):
        lines += _rectified(f"conv{stage}_1", below, width, "1")
        lines += _rectified(f"conv{stage}_2", f"conv{stage}_1", 2 * width, "4" if stage == 10 else "3", 1 if stage == 10 else 2, "1")
        below = f"conv{stage}_2"
    scale = 'norm_param { across_spatial: false channel_shared: false scale_filler { type: "constant" value: 20 } }'
    lines.append(layer("conv4_3_norm", "Normalize", "conv4_3", scale))
    parts: dict[str, list[str]] = {"loc": [], "conf": [], "priorbox": []}
    for source, smallest, largest, ratios, step in HEADS:
        boxes = 2 + 2 * len(ratios)
        for part, width in (("loc", 4), ("conf", classes)):
            name = f"{source}_mbox_{part}"
            lines.append(layer(name, "Convolution", source, _convolution(boxes * width, "3", 1, "1", True)))
            lines.append(layer(f"{name}_perm", "Permute", name, "permute_param { order: 0 order: 2 order: 3 order: 1 }"))
            lines.append(layer(f"{name}_flat", "Flatten", f"{name}_perm", "flatten_param { axis: 1 }"))
            parts[part].append(f"{name}_flat")
        text = f"min_size: {smallest} max_size: {largest} {' '.join(f'aspect_ratio: {r}' for r in ratios)} flip: true clip: false"
        prior = f"prior_box_param {{ {text} variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 step: {step} offset: 0.5 }}"
        lines.append(layer(f"{source}_mbox_priorbox", "PriorBox", f"{source} data", prior))
        parts["priorbox"].append(f"{source}_mbox_priorbox")
    lines += [layer(f"mbox_{part}", "Concat", " ".join(names), f"concat_param {{ axis: {1 + (part == 'priorbox')} }}")
              for part, names in parts.items()]  # fmt: skip
    shape = f"reshape_param {{ shape {{ dim: 0 dim: -1 dim: {classes} }} }}"
    lines.append(layer("mbox_conf_reshape", "Reshape", "mbox_conf", shape))
    lines.append(layer("mbox_conf_softmax", "Softmax", "mbox_conf_reshape", "softmax_param { axis: 2 }"))
    lines.append(layer("mbox_conf_flatten", "Flatten", "mbox_conf_softmax", "flatten_param { axis: 1 }"))
    nms = "nms_param { nms_threshold: 0.45 top_k: 400 } code_type: CENTER_SIZE keep_top_k: 200 confidence_threshold: 0.01"
    detection = f"detection_output_param {{ num_classes: {classes} share_location: true background_label_id: 0 {nms} }}"
    lines.append(layer("detection_out", "DetectionOutput", "mbox_loc mbox_conf_flatten mbox_priorbox", detection))
    return "\n".join(lines)


def _rectified(name: str, bottom: str, width: int, kernel: str, stride: int = 1, pad: str = "") -> list[str]:
    return [
        layer(name, "Convolution", bottom, _convolution(width, kernel, stride, pad, True)),
        layer(f"{name}_relu", "ReLU", name, "", name),
    ]


NETS: dict[str, Callable[[], str]] = {
    "ResNet-152": resnet152, "Inception-ResNet-v2": inception_resnet_v2, "SSD-512": ssd512,
}  # fmt: skip


def write(name: str, folder: Path) -> tuple[Path, Path]:
    """Write a net and random weights of it into a folder."""
    from netc.compiler.compilation import Compilation
    from netc.spec.job import load_job

    net, weights = folder / "deploy.prototxt", folder / "w.caffemodel"
    net.write_text(NETS[name]())
    lowered = Compilation.of(load_job(str(net))).nets.deploy[0]
    message, random = parse_prototxt(net.read_text()).message, np.random.default_rng(0)
    for spec in message.layer:
        for k, blob in enumerate(lowered.layer_blobs[spec.name]):
            array = random.standard_normal(tuple(map(int, blob.shape)), np.float32) * 0.05
            if spec.type == "BatchNorm":
                array = np.ones(1, np.float32) if k == 2 else np.abs(array) + k
            elif spec.type == "Scale":
                array += 1 - k
            spec.blobs.append(to_blob(array))
    weights.write_bytes(pb.NetParameter(layer=message.layer).SerializeToString())
    return net, weights


def measured(*arguments: str) -> tuple[float, float]:
    """Seconds of computing and MiB of a command of netc on one core. Other work on the machine does not count."""
    core = {min(os.sched_getaffinity(0))}
    command = [sys.executable, "-c", RUN, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, core))
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds, size = re.findall(r"^measured (\S+) (\S+)$", done.stderr, re.MULTILINE)[-1]
    return float(seconds), int(size) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", nargs="+", choices=list(NETS), default=list(NETS))
    print("| net | layers | check: seconds | MiB | convert: seconds | MiB |\n|---|---|---|---|---|---|")
    for name in parser.parse_args().net:
        with tempfile.TemporaryDirectory() as folder:
            net, weights = write(name, Path(folder))
            count = net.read_text().count("layer {")
            figures = [*measured("check", str(net)), *measured("convert", str(net), str(weights), "-o", f"{folder}/n.onnx")]
            print(f"| {name} | {count} | {figures[0]:.1f} | {figures[1]:.0f} | {figures[2]:.1f} | {figures[3]:.0f} |")


if __name__ == "__main__":
    main()
