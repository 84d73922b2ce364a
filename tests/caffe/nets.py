"""Well-known nets in Caffe's vocabulary, written with NetSpec: AlexNet, CaffeNet, GoogLeNet and ResNet-50, batch 8."""

from typing import Any

from netc import netc_pb2 as pb
from netc.caffe import NetSpec, params
from netc.caffe import layers as L

BATCH = 8
AVE, MAX = params.Pooling.AVE, params.Pooling.MAX
LEARN: dict[str, Any] = {
    "param": [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2, "decay_mult": 0}],
    "weight_filler": {"type": "xavier"},
    "bias_filler": {"type": "constant", "value": 0.1},
}


def _begin(size: int) -> NetSpec:
    n = NetSpec()
    n.data, n.label = L.Input(shape=[{"dim": [BATCH, 3, size, size]}, {"dim": [BATCH]}], ntop=2)
    return n


def _ends(n: NetSpec, score: Any) -> pb.NetParameter:
    n.loss = L.SoftmaxWithLoss(score, n.label)
    return n.to_proto()


def _conv(n: NetSpec, name: str, bottom: Any, count: int, size: int, relu: str = "", **fields: Any) -> Any:
    n[name] = L.Convolution(bottom, num_output=count, kernel_size=size, **LEARN, **fields)
    n[relu or f"relu_{name}"] = L.ReLU(n[name], in_place=True)
    return n[name]


def alexnet(pool_first: bool = False) -> pb.NetParameter:
    """Krizhevsky et al. 2012. `pool_first`, pooling before normalization, makes it CaffeNet."""
    n = _begin(227)
    top = n.data
    for k, fields in ((1, {"num": 96, "size": 11, "stride": 4}), (2, {"num": 256, "size": 5, "pad": 2, "group": 2})):
        count, size = fields.pop("num"), fields.pop("size")
        top = _conv(n, f"conv{k}", top, count, size, **dict[str, Any](fields))
        for kind in ("pool", "norm") if pool_first else ("norm", "pool"):
            pool = kind == "pool"
            n[f"{kind}{k}"] = L.Pooling(top, pool=MAX, kernel_size=3, stride=2) if pool else L.LRN(top, local_size=5, alpha=1e-4, beta=0.75)
            top = n[f"{kind}{k}"]
    for k, count, group in ((3, 384, 1), (4, 384, 2), (5, 256, 2)):
        top = _conv(n, f"conv{k}", top, count, 3, pad=1, group=group)
    n.pool5 = L.Pooling(top, pool=MAX, kernel_size=3, stride=2)
    top = n.pool5
    for k in (6, 7):
        n[f"fc{k}"] = L.InnerProduct(top, num_output=4096, **LEARN)
        n[f"relu{k}"] = L.ReLU(n[f"fc{k}"], in_place=True)
        n[f"drop{k}"] = L.Dropout(n[f"fc{k}"], dropout_ratio=0.5, in_place=True)
        top = n[f"fc{k}"]
    n.fc8 = L.InnerProduct(top, num_output=1000, **LEARN)
    return _ends(n, n.fc8)


def caffenet() -> pb.NetParameter:
    """AlexNet with pooling before normalization."""
    return alexnet(pool_first=True)


INCEPTIONS = {  # 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, pool projected
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip


def _inception(n: NetSpec, name: str, bottom: Any) -> Any:
    one, reduce3, three, reduce5, five, project = INCEPTIONS[name]
    at = f"inception_{name}"
    a = _conv(n, f"{at}/1x1", bottom, one, 1)
    b = _conv(n, f"{at}/3x3", _conv(n, f"{at}/3x3_reduce", bottom, reduce3, 1), three, 3, pad=1)
    c = _conv(n, f"{at}/5x5", _conv(n, f"{at}/5x5_reduce", bottom, reduce5, 1), five, 5, pad=2)
    n[f"{at}/pool"] = L.Pooling(bottom, pool=MAX, kernel_size=3, stride=1, pad=1)
    d = _conv(n, f"{at}/pool_proj", n[f"{at}/pool"], project, 1)
    n[f"{at}/output"] = L.Concat(a, b, c, d)
    return n[f"{at}/output"]


def _side_loss(n: NetSpec, name: str, bottom: Any) -> None:
    n[f"{name}/ave_pool"] = L.Pooling(bottom, pool=AVE, kernel_size=5, stride=3)
    top = _conv(n, f"{name}/conv", n[f"{name}/ave_pool"], 128, 1)
    n[f"{name}/fc"] = L.InnerProduct(top, num_output=1024, **LEARN)
    n[f"{name}/relu_fc"] = L.ReLU(n[f"{name}/fc"], in_place=True)
    n[f"{name}/drop_fc"] = L.Dropout(n[f"{name}/fc"], dropout_ratio=0.7, in_place=True)
    n[f"{name}/classifier"] = L.InnerProduct(n[f"{name}/fc"], num_output=1000, **LEARN)
    n[f"{name}/loss"] = L.SoftmaxWithLoss(n[f"{name}/classifier"], n.label, loss_weight=0.3)


def googlenet(side_losses: bool = True) -> pb.NetParameter:
    """Szegedy et al. 2015, with or without its two side losses."""
    n = _begin(224)
    top = _conv(n, "conv1/7x7_s2", n.data, 64, 7, pad=3, stride=2)
    n["pool1"] = L.Pooling(top, pool=MAX, kernel_size=3, stride=2)
    n["norm1"] = L.LRN(n["pool1"], local_size=5, alpha=1e-4, beta=0.75)
    top = _conv(n, "conv2/3x3", _conv(n, "conv2/3x3_reduce", n["norm1"], 64, 1), 192, 3, pad=1)
    n["norm2"] = L.LRN(top, local_size=5, alpha=1e-4, beta=0.75)
    n["pool2"] = L.Pooling(n["norm2"], pool=MAX, kernel_size=3, stride=2)
    top = n["pool2"]
    for name in INCEPTIONS:
        if name in ("4b", "4e") and side_losses:
            _side_loss(n, f"loss{'be'.index(name[1]) + 1}", top)
        top = _inception(n, name, top)
        if name in ("3b", "4e"):
            n[f"pool_{name}"] = L.Pooling(top, pool=MAX, kernel_size=3, stride=2)
            top = n[f"pool_{name}"]
    n["pool5"] = L.Pooling(top, pool=AVE, kernel_size=7, stride=1)
    n["drop5"] = L.Dropout(n["pool5"], dropout_ratio=0.4, in_place=True)
    n["classifier"] = L.InnerProduct(n["pool5"], num_output=1000, **LEARN)
    return _ends(n, n["classifier"])


def _unit(n: NetSpec, name: str, bottom: Any, count: int, size: int, stride: int = 1, relu: bool = True) -> Any:
    """Convolution, BatchNorm, Scale, and ReLU."""
    fields = {"bias_term": False, "weight_filler": {"type": "msra"}, "pad": size // 2, "stride": stride}
    n[f"res{name}"] = L.Convolution(bottom, num_output=count, kernel_size=size, **fields)
    n[f"bn{name}"] = L.BatchNorm(n[f"res{name}"], in_place=True)
    n[f"scale{name}"] = L.Scale(n[f"res{name}"], bias_term=True, in_place=True)
    if relu:
        n[f"res{name}_relu"] = L.ReLU(n[f"res{name}"], in_place=True)
    return n[f"res{name}"]


def resnet50() -> pb.NetParameter:
    """He et al. 2016: 16 blocks of three convolutions."""
    n = _begin(224)
    n.pool1 = L.Pooling(_unit(n, "1", n.data, 64, 7, 2), pool=MAX, kernel_size=3, stride=2)
    top = n.pool1
    for stage, blocks, width in ((2, 3, 64), (3, 4, 128), (4, 6, 256), (5, 3, 512)):
        for k in range(blocks):
            name, stride = f"{stage}{'abcdef'[k]}", 2 if k == 0 and stage > 2 else 1
            side = _unit(n, f"{name}_branch1", top, 4 * width, 1, stride, relu=False) if k == 0 else top
            branch = _unit(n, f"{name}_branch2a", top, width, 1, stride)
            branch = _unit(n, f"{name}_branch2b", branch, width, 3)
            branch = _unit(n, f"{name}_branch2c", branch, 4 * width, 1, relu=False)
            n[f"res{name}"] = L.Eltwise(side, branch)
            n[f"res{name}_relu"] = L.ReLU(n[f"res{name}"], in_place=True)
            top = n[f"res{name}"]
    n.pool5 = L.Pooling(top, pool=AVE, global_pooling=True)
    n.fc1000 = L.InnerProduct(n.pool5, num_output=1000, weight_filler={"type": "xavier"})
    return _ends(n, n.fc1000)
