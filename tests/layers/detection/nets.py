"""Deployed nets that find objects, as prototxt with the topologies of their papers. `width` scales the channels, so that they run fast.

`python -m tests.layers.detection.nets FOLDER` writes them with random weights and inputs, for record_opencv.py.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Lines = list[str]


def layer(type_: str, name: str, bottoms: str | Sequence[str], tops: str | Sequence[str] = "", fields: str = "") -> str:
    read = [bottoms] if isinstance(bottoms, str) else bottoms
    write = [tops or name] if isinstance(tops, str) else tops
    ends = " ".join([f'bottom: "{b}"' for b in read if b] + [f'top: "{t}"' for t in write])
    return f'layer {{ name: "{name}" type: "{type_}" {ends} {fields} }}'


def data(name: str, *dims: int) -> str:
    return layer("Input", name, "", name, f"input_param {{ shape {{ {' '.join(f'dim: {d}' for d in dims)} }} }}")


def conv(name: str, bottom: str, outputs: int, kernel: int, more: str = "", filler: str = 'type: "xavier"') -> str:
    filler = f'weight_filler {{ {filler} }} bias_filler {{ type: "uniform" min: -0.1 max: 0.1 }}'
    return layer("Convolution", name, bottom, name, f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} {more} {filler} }}")


def relu(name: str) -> str:
    return layer("ReLU", f"{name}_relu", name, name)


def convs(prefix: str, bottom: str, outputs: int, count: int) -> tuple[Lines, str]:
    """3x3 convolutions in a row, and the name of the last one."""
    lines: Lines = []
    for k in range(1, count + 1):
        lines += [conv(f"{prefix}_{k}", bottom, outputs, 3, "pad: 1"), relu(f"{prefix}_{k}")]
        bottom = f"{prefix}_{k}"
    return lines, bottom


def pool(name: str, bottom: str, fields: str = "kernel_size: 2 stride: 2") -> str:
    return layer("Pooling", name, bottom, name, f"pooling_param {{ pool: MAX {fields} }}")


def ssd_head(sources: Iterable[tuple[str, int, str]], classes: int, output: str) -> Lines:
    """The predictions of SSD from each source (blob, priors of a cell, fields of prior_box_param), and what comes after them."""
    lines: Lines = []
    heads: dict[str, list[str]] = {"loc": [], "conf": [], "priorbox": []}
    for blob, count, fields in sources:
        for kind, outputs in (("loc", 4 * count), ("conf", classes * count)):
            name = f"{blob}_mbox_{kind}"
            lines += [
                conv(name, blob, outputs, 3, "pad: 1"),
                layer("Permute", f"{name}_perm", name, "", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
                layer("Flatten", f"{name}_flat", f"{name}_perm", "", "flatten_param { axis: 1 }"),
            ]
            heads[kind].append(f"{name}_flat")
        lines.append(layer("PriorBox", f"{blob}_mbox_priorbox", [blob, "data"], "", f"prior_box_param {{ {fields} }}"))
        heads["priorbox"].append(f"{blob}_mbox_priorbox")
    axis = {"loc": 1, "conf": 1, "priorbox": 2}
    lines += [layer("Concat", f"mbox_{k}", v, "", f"concat_param {{ axis: {axis[k]} }}") for k, v in heads.items()]
    shape = f"reshape_param {{ shape {{ dim: 0 dim: -1 dim: {classes} }} }}"
    output = f"num_classes: {classes} share_location: true background_label_id: 0 code_type: CENTER_SIZE {output}"
    return [
        *lines,
        layer("Reshape", "mbox_conf_reshape", "mbox_conf", "", shape),
        layer("Softmax", "mbox_conf_softmax", "mbox_conf_reshape", "", "softmax_param { axis: 2 }"),
        layer("Flatten", "mbox_conf_flatten", "mbox_conf_softmax", "", "flatten_param { axis: 1 }"),
        layer("DetectionOutput", "detection_out", ["mbox_loc", "mbox_conf_flatten", "mbox_priorbox"], "",
              f"detection_output_param {{ {output} }}"),
    ]  # fmt: skip


VARIANCES = "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"


def vgg(width: float, last_pool: str) -> Lines:
    """VGG-16's convolutions."""
    lines, bottom = [], "data"
    for stage, (outputs, count) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], start=1):
        more, last = convs(f"conv{stage}", bottom, max(4, int(outputs * width)), count)
        bottom = f"pool{stage}"
        lines += more
        if stage < 5 or last_pool:
            lines.append(pool(bottom, last, "kernel_size: 2 stride: 2" if stage < 5 else last_pool))
    return lines


def vgg_ssd(width: float = 0.125, size: int = 300, classes: int = 21) -> str:
    """SSD300 on VGG-16 (Liu et al. 2016)."""
    wide = max(8, int(1024 * width))
    lines = [
        data("data", 1, 3, size, size), *vgg(width, "kernel_size: 3 stride: 1 pad: 1"),
        conv("fc6", "pool5", wide, 3, "pad: 6 dilation: 6"), relu("fc6"), conv("fc7", "fc6", wide, 1), relu("fc7"),
    ]  # fmt: skip
    bottom = "fc7"
    for k, more in ((6, "pad: 1 stride: 2"), (7, "pad: 1 stride: 2"), (8, ""), (9, "")):
        small = max(4, int((256 if k == 6 else 128) * width))
        lines += [conv(f"conv{k}_1", bottom, small, 1), relu(f"conv{k}_1"), conv(f"conv{k}_2", f"conv{k}_1", 2 * small, 3, more)]
        bottom = f"conv{k}_2"
        lines.append(relu(bottom))
    norm = 'norm_param { across_spatial: false scale_filler { type: "constant" value: 20 } channel_shared: false }'
    lines.append(layer("Normalize", "conv4_3_norm", "conv4_3", "", norm))
    sizes = [(30, 60, 8, 4), (60, 111, 16, 6), (111, 162, 32, 6), (162, 213, 64, 6), (213, 264, 100, 4), (264, 315, 300, 4)]
    blobs = ["conv4_3_norm", "fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2"]
    sources = [
        (
            blob,
            count,
            f"min_size: {least} max_size: {most} {'aspect_ratio: 3' if count == 6 else ''} aspect_ratio: 2 "
            f"clip: false step: {step} {VARIANCES}",
        )
        for blob, (least, most, step, count) in zip(blobs, sizes, strict=True)
    ]
    output = "nms_param { nms_threshold: 0.45 top_k: 400 } keep_top_k: 200 confidence_threshold: 0.01"
    return "\n".join(['name: "VGG_SSD"', *lines, *ssd_head(sources, classes, output)])


def separable(name: str, bottom: str, inputs: int, outputs: int, stride: int) -> Lines:
    """A depthwise convolution and a pointwise one, each with BatchNorm and Scale."""
    return [
        *normalized(f"{name}/dw", bottom, inputs, 3, f"pad: 1 stride: {stride} group: {inputs}"),
        *normalized(name, f"{name}/dw", outputs, 1, ""),
    ]  # fmt: skip


def normalized(name: str, bottom: str, outputs: int, kernel: int, more: str, gain: float = 1) -> Lines:
    """A convolution with BatchNorm, Scale and ReLU."""
    return [
        conv(name, bottom, outputs, kernel, f"{more} bias_term: false", 'type: "msra"'),
        layer("BatchNorm", f"{name}/bn", name, name),
        layer("Scale", f"{name}/scale", name, name, f"scale_param {{ bias_term: true filler {{ value: {gain} }} }}"),
        layer("ReLU", f"{name}/relu", name, name),
    ]


def mobilenet_ssd(width: float = 0.25, size: int = 300, classes: int = 21) -> str:
    """MobileNet-SSD, with its own sizes of priors, from conv11 and conv13 on."""
    lines = [data("data", 1, 3, size, size), *normalized("conv0", "data", max(8, int(32 * width)), 3, "pad: 1 stride: 2")]
    inputs, bottom = max(8, int(32 * width)), "conv0"
    stages = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for k, (outputs, stride) in enumerate(stages, start=1):
        lines += separable(f"conv{k}", bottom, inputs, max(8, int(outputs * width)), stride)
        inputs, bottom = max(8, int(outputs * width)), f"conv{k}"
    for k, outputs in ((14, 512), (15, 256), (16, 256), (17, 128)):
        lines += normalized(f"conv{k}_1", bottom, max(8, int(outputs * width / 2)), 1, "")
        lines += normalized(f"conv{k}_2", f"conv{k}_1", max(8, int(outputs * width)), 3, "pad: 1 stride: 2")
        bottom = f"conv{k}_2"
    blobs = ["conv11", "conv13", "conv14_2", "conv15_2", "conv16_2", "conv17_2"]
    sizes = [(60, None), (105, 150), (150, 195), (195, 240), (240, 285), (285, 300)]
    sources = [
        (blob, 6 if most else 3,
         f"min_size: {least} {f'max_size: {most} aspect_ratio: 3' if most else ''} aspect_ratio: 2 flip: true clip: false {VARIANCES}")
        for blob, (least, most) in zip(blobs, sizes, strict=True)
    ]  # fmt: skip
    output = "nms_param { nms_threshold: 0.45 top_k: 100 } keep_top_k: 100 confidence_threshold: 0.05"
    return "\n".join(['name: "MobileNet-SSD"', *lines, *ssd_head(sources, classes, output)])


def rpn(bottom: str, width: float, stride: int, top_n: int) -> Lines:
    """Faster R-CNN's region proposal network. Small regions stay, since OpenCV does not read `min_size`."""
    small = 'type: "gaussian" std: 0.01'
    anchors = "base_size: 16 ratio: 0.5 ratio: 1 ratio: 2 scale: 8 scale: 16 scale: 32"
    return [
        conv("rpn_conv", bottom, max(8, int(512 * width)), 3, "pad: 1"), relu("rpn_conv"),
        conv("rpn_cls_score", "rpn_conv", 18, 1, "", small), conv("rpn_bbox_pred", "rpn_conv", 36, 1, "", small),
        layer("Reshape", "rpn_cls_score_reshape", "rpn_cls_score", "", "reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } }"),
        layer("Softmax", "rpn_cls_prob", "rpn_cls_score_reshape"),
        layer("Reshape", "rpn_cls_prob_reshape", "rpn_cls_prob", "", "reshape_param { shape { dim: 0 dim: 18 dim: -1 dim: 0 } }"),
        layer("Proposal", "proposal", ["rpn_cls_prob_reshape", "rpn_bbox_pred", "im_info"], "rois",
              f"proposal_param {{ feat_stride: {stride} {anchors} min_size: 0 pre_nms_topn: 6000 post_nms_topn: {top_n} "
              "nms_thresh: 0.7 }"),
    ]  # fmt: skip


def dense(name: str, bottom: str, outputs: int) -> str:
    filler = 'weight_filler { type: "xavier" } bias_filler { type: "uniform" min: -0.1 max: 0.1 }'
    return layer("InnerProduct", name, bottom, name, f"inner_product_param {{ num_output: {outputs} {filler} }}")


def faster_rcnn(width: float = 0.125, height: int = 224, width_of_image: int = 288, classes: int = 21) -> str:
    """Faster R-CNN on VGG-16 (Ren et al. 2015)."""
    wide = max(16, int(4096 * width / 4))
    return "\n".join([
        'name: "VGG_faster_rcnn"', data("data", 1, 3, height, width_of_image), data("im_info", 1, 3), *vgg(width, ""),
        *rpn("conv5_3", width, 16, 30),
        layer("ROIPooling", "roi_pool5", ["conv5_3", "rois"], "pool5",
              "roi_pooling_param { pooled_w: 7 pooled_h: 7 spatial_scale: 0.0625 }"),
        dense("fc6", "pool5", wide), relu("fc6"), layer("Dropout", "drop6", "fc6", "fc6"),
        dense("fc7", "fc6", wide), relu("fc7"), dense("cls_score", "fc7", classes), dense("bbox_pred", "fc7", 4 * classes),
        layer("Softmax", "cls_prob", "cls_score"),
    ])  # fmt: skip


def residual(name: str, bottom: str, inner: int, outputs: int, stride: int, dilation: int, project: bool) -> Lines:
    """A bottleneck of ResNet, with BatchNorm and Scale."""
    pad = f"pad: {dilation} dilation: {dilation}"
    lines = [
        *normalized(f"{name}_a", bottom, inner, 1, f"stride: {stride}"),
        *normalized(f"{name}_b", f"{name}_a", inner, 3, pad),
        *normalized(f"{name}_c", f"{name}_b", outputs, 1, "", 0.3)[:3],
    ]
    if project:
        lines += normalized(f"{name}_p", bottom, outputs, 1, f"stride: {stride}")[:3]
    lines.append(layer("Eltwise", name, [f"{name}_p" if project else bottom, f"{name}_c"]))
    return [*lines, relu(name)]


def rfcn(width: float = 0.125, height: int = 224, width_of_image: int = 288, classes: int = 21) -> str:
    """R-FCN on ResNet-50 (Dai et al. 2016), with boxes that all classes share."""
    lines = [
        data("data", 1, 3, height, width_of_image), data("im_info", 1, 3),
        *normalized("conv1", "data", max(8, int(64 * width)), 7, "pad: 3 stride: 2"), pool("pool1", "conv1", "kernel_size: 3 stride: 2"),
    ]  # fmt: skip
    bottom = "pool1"
    for stage, (count, inner) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)], start=2):
        for k in range(count):
            name, own = f"res{stage}{'abcdef'[k]}", max(4, int(inner * width))
            lines += residual(name, bottom, own, 4 * own, 2 if stage in (3, 4) and not k else 1, 2 if stage == 5 else 1, not k)
            bottom = name
    lines += rpn("res4f", width, 16, 30)
    lines += [conv("conv_new_1", bottom, max(16, int(1024 * width)), 1), relu("conv_new_1")]
    for kind, outputs in (("cls", classes), ("bbox", 8)):
        lines += [
            conv(f"rfcn_{kind}", "conv_new_1", outputs * 49, 1),
            layer("PSROIPooling", f"psroipooled_{kind}_rois", [f"rfcn_{kind}", "rois"], "",
                  f"psroi_pooling_param {{ spatial_scale: 0.0625 output_dim: {outputs} group_size: 7 }}"),
            layer("Pooling", f"ave_{kind}_rois", f"psroipooled_{kind}_rois", "", "pooling_param { pool: AVE kernel_size: 7 stride: 7 }"),
        ]  # fmt: skip
    lines += [
        layer("Softmax", "cls_prob", "ave_cls_rois"),
        layer("Reshape", "cls_prob_reshape", "cls_prob", "cls_prob_reshape", f"reshape_param {{ shape {{ dim: -1 dim: {classes} }} }}"),
        layer("Reshape", "bbox_pred_reshape", "ave_bbox_rois", "bbox_pred", "reshape_param { shape { dim: -1 dim: 8 } }"),
    ]  # fmt: skip
    return "\n".join(['name: "ResNet50_R-FCN"', *lines])


NETS = {"vgg_ssd": vgg_ssd(0.0625), "mobilenet_ssd": mobilenet_ssd(), "faster_rcnn": faster_rcnn(0.0625), "rfcn": rfcn()}


def write(folder: Path, name: str) -> tuple[Path, dict[str, Any]]:
    """Write a net with random weights, and its inputs. Return the path of the prototxt, and the inputs."""
    from netc.caffe import TEST, Net

    rng, path = np.random.default_rng(0), folder / f"{name}.prototxt"
    path.write_text(NETS[name])
    net = Net(str(path), TEST)
    for layer_name, blobs in net.params.items():
        if layer_name.endswith("/bn"):
            blobs[0].data[...] = rng.normal(0, 0.1, blobs[0].data.shape)
            blobs[1].data[...] = rng.uniform(0.5, 1.5, blobs[1].data.shape)
            blobs[2].data[...] = 1
    net.save(str(path.with_suffix(".caffemodel")))
    inputs: dict[str, Any] = {blob: rng.normal(0, 1, net.blobs[blob].data.shape).astype(np.float32) for blob in net.inputs}
    if "im_info" in inputs:
        inputs["im_info"][...] = [*inputs["data"].shape[2:], 1]
    np.savez(path.with_suffix(".npz"), **inputs)
    return path, inputs


if __name__ == "__main__":
    for each in NETS:
        write(Path(sys.argv[1]), each)
