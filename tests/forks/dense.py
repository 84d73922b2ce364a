"""Nets with a result for each pixel, in the vocabulary of forks. Widths and images are smaller than in the originals."""

from typing import Any

from tests.forks.text import Text

ONE: dict[str, Any] = {"type": '"constant"', "value": 1}
PSPNET: dict[str, Any] = {"slope_filler": ONE, "bias_filler": {"type": '"constant"'}, "frozen": True, "momentum": 0.95}


def pspnet50() -> str:
    """PSPNet on ResNet-50 (Zhao et al. 2017), by its BN and Interp."""
    net = Text("pspnet50", 1, 3, 57, 57)

    def unit(name: str, x: str, width: int, kernel: int = 1, act: bool = True, **more: Any) -> str:
        y = net.conv(name, x, width, kernel, bias_term=False, **more)
        y = net.add("BN", f"{name}/bn", y, bn_param=PSPNET)
        return net.relu(y) if act else y

    x = unit("conv1_1_3x3_s2", "data", 8, 3, stride=2)
    x = unit("conv1_3_3x3", unit("conv1_2_3x3", x, 8, 3), 16, 3)
    x = net.pool("pool1_3x3_s2", x, pool="MAX", kernel_size=3, stride=2, pad=1)
    for stage, (blocks, width, hole) in enumerate(((3, 8, 1), (4, 16, 1), (6, 16, 2), (3, 32, 4)), 2):
        for k in range(1, blocks + 1):
            name, stride = f"conv{stage}_{k}", 2 if stage == 3 and k == 1 else 1
            y = unit(f"{name}_1x1_reduce", x, width, stride=stride)
            y = unit(f"{name}_3x3", y, width, 3, pad=hole, dilation=hole)
            y = unit(f"{name}_1x1_increase", y, 4 * width, act=False)
            left = unit(f"{name}_1x1_proj", x, 4 * width, act=False, stride=stride) if k == 1 else x
            x = net.relu(net.add("Eltwise", name, [left, y], eltwise_param={"operation": "SUM"}))
    levels = []
    for k, size in enumerate((8, 4, 3, 2)):
        y = net.pool(f"conv5_3_pool{k}", x, pool="AVE", kernel_size=size, stride=size)
        y = unit(f"conv5_3_pool{k}_conv", y, 8)
        levels.append(net.add("Interp", f"conv5_3_pool{k}_interp", y, interp_param={"height": 8, "width": 8}))
    x = unit("conv5_4", net.add("Concat", "conv5_3_concat", [x, *levels]), 16, 3)
    x = net.conv("conv6", net.add("Dropout", "conv5_4_dropout", x, x, dropout_param={"dropout_ratio": 0.1}), 5)
    net.add("Interp", "conv6_interp", x, interp_param={"zoom_factor": 8})
    return str(net)


def segnet(mode: str = "INFERENCE", data: int = 1) -> str:
    """SegNet (Badrinarayanan et al. 2017), by its BN and Upsample. The height of 45 does not divide by 2."""
    net = Text("segnet", data, 3, 45, 60)

    def unit(name: str, x: str, width: int) -> str:
        y = net.conv(name, x, width, 3)
        net.add("BN", f"{name}_bn", y, y, bn_param={"scale_filler": ONE, "shift_filler": {"value": 0.001}, "bn_mode": mode})
        return net.relu(y)

    x, widths, sizes = "data", ((8, 8), (16, 16), (24, 24, 24), (32, 32, 32), (32, 32, 32)), {}
    height, wide = 45, 60
    for k, stage in enumerate(widths, 1):
        for j, width in enumerate(stage, 1):
            x = unit(f"conv{k}_{j}", x, width)
        x = net.pool(f"pool{k}", x, [f"pool{k}", f"pool{k}_mask"], pool="MAX", kernel_size=2, stride=2)
        sizes[k] = (
            {"upsample_h": height, "upsample_w": wide} if k > 3 else {"scale": 2, "pad_out_h": height % 2 == 1, "pad_out_w": wide % 2 == 1}
        )
        height, wide = (height + 1) // 2, (wide + 1) // 2
    for k in range(5, 0, -1):
        x = net.add("Upsample", f"upsample{k}", [x, f"pool{k}_mask"], upsample_param=sizes[k])
        for j in range(len(widths[k - 1]), 0, -1):
            last = widths[max(0, k - 2)][-1] if j == 1 else widths[k - 1][0]
            x = net.conv("conv1_1_D", x, 5, 3) if (k, j) == (1, 1) else unit(f"conv{k}_{j}_D", x, last)
    net.add("Softmax", "prob", x)
    return str(net)


class _ENet(Text):
    """The layers of ENet, and the masks of its poolings."""

    def __init__(self) -> None:
        super().__init__("ENet", 1, 3, 32, 64)
        self.masks: list[str] = []

    def norm(self, name: str, x: str, act: bool = True) -> str:
        """BN, and PReLU unless the unit ends a branch."""
        mode = {"scale_filler": ONE, "shift_filler": {"value": 0.001}, "bn_mode": "INFERENCE"}
        y = self.add("BN", f"bn{name}", x, bn_param=mode)
        return self.add("PReLU", f"prelu{name}", y) if act else y

    def unit(self, name: str, x: str, width: int, act: bool = True, **more: Any) -> str:
        """A convolution without bias, BN and PReLU."""
        return self.norm(name, self.conv(f"conv{name}", x, width, bias_term=False, **more), act)

    def joined(self, name: str, left: str, y: str) -> str:
        """The sum of both branches."""
        return self.add("PReLU", f"prelu{name}_4", self.add("Eltwise", f"eltwise{name}_4", [left, y]))

    def down(self, name: str, x: str, width: int) -> str:
        """A block that halves the image, by a pooling whose mask the decoder reads."""
        y = self.unit(f"{name}_1", self.unit(f"{name}_0", x, width // 4, kernel=2, stride=2, pad=0), width // 4, kernel=3)
        left = self.pool(f"pool{name}_4", x, [f"pool{name}_4", f"pool{name}_4_mask"], pool="MAX", kernel_size=2, stride=2)
        self.masks.append(f"pool{name}_4_mask")
        return self.joined(name, self.unit(f"{name}_4", left, width, False), self.unit(f"{name}_2", y, width, False))

    def plain(self, name: str, x: str, width: int, hole: int = 1) -> str:
        """A block of the same size."""
        y = self.unit(f"{name}_1", self.unit(f"{name}_0", x, width // 4), width // 4, kernel=3, pad=hole, dilation=hole)
        return self.joined(name, x, self.unit(f"{name}_2", y, width, False))

    def asymmetric(self, name: str, x: str, width: int) -> str:
        """A block with a 5 x 1 and a 1 x 5 convolution."""
        y = self.unit(f"{name}_0", x, width // 4)
        for step, (h, w) in (("1_a", (5, 1)), ("1_b", (1, 5))):
            param = {"num_output": width // 4, "bias_term": step == "1_b", "kernel_h": h, "kernel_w": w, "pad_h": h // 2, "pad_w": w // 2}
            y = self.add("Convolution", f"conv{name}_{step}", y, convolution_param=param)
        return self.joined(name, x, self.unit(f"{name}_2", self.norm(f"{name}_1", y), width, False))

    def up(self, name: str, x: str, width: int) -> str:
        """A block that doubles the image, by the mask of the pooling that halved it."""
        left = self.unit(f"{name}_4", x, width, False)
        left = self.add("Upsample", f"upsample{name}_4", [left, self.masks.pop()], upsample_param={"scale": 2})
        y = self.unit(f"{name}_0", x, width // 4)
        y = self.unit(f"{name}_1", y, width // 4, type_="Deconvolution", kernel=2, stride=2, pad=0)
        return self.joined(name, left, self.unit(f"{name}_2", y, width, False))


def enet() -> str:
    """ENet (Paszke et al. 2016) with its encoder and decoder."""
    net = _ENet()
    pooled = net.pool("pool0_1", "data", pool="MAX", kernel_size=2, stride=2)
    x = net.add("Concat", "concat0_1", [net.conv("conv0_1", "data", 5, 3, stride=2), pooled], concat_param={"axis": 1})
    x = net.down("1_0", net.norm("0_1", x), 16)
    for k in range(1, 5):
        x = net.plain(f"1_{k}", x, 16)
    x = net.down("2_0", x, 32)
    for stage in (2, 3):
        for k, hole in enumerate((1, 2, 0, 4, 1, 8, 0, 16), 1):
            x = net.plain(f"{stage}_{k}", x, 32, hole) if hole else net.asymmetric(f"{stage}_{k}", x, 32)
    x = net.plain("4_2", net.plain("4_1", net.up("4_0", x, 16), 16), 16)
    x = net.plain("5_1", net.up("5_0", x, 8), 8)
    net.conv("deconv6_0_0", x, 4, kernel=2, type_="Deconvolution", stride=2, pad=0)
    return str(net)


def hed() -> str:
    """HED (Xie and Tu 2015), whose layers `crop` all have one name."""
    net = Text("HED", 1, 3, 40, 50)
    x, sides = "data", []
    for k, (count, width) in enumerate(((2, 8), (2, 16), (3, 16), (3, 24), (3, 24)), 1):
        if k > 1:
            x = net.pool(f"pool{k - 1}", x, pool="MAX", kernel_size=2, stride=2)
        for j in range(1, count + 1):
            x = net.relu(net.conv(f"conv{k}_{j}", x, width, 3, pad=35 if (k, j) == (1, 1) else 1))
        y = net.conv(f"score-dsn{k}", x, 1)
        if k > 1:
            size = 2 ** (k - 1)
            y = net.conv(f"upsample_{size}", y, 1, 2 * size, "Deconvolution", pad=0, stride=size)
        sides.append(net.add("Crop", "crop", [y, "data"], f"upscore-dsn{k}", crop_param={"axis": 2, "offset": 35 - (0 if k > 1 else 1)}))
    fused = net.conv("new-score-weighting", net.add("Concat", "concat", sides, "concat-upscore", concat_param={"axis": 1}), 1)
    net.add("Sigmoid", "sigmoid-fuse", fused)
    return str(net)


def openpose() -> str:
    """OpenPose (Cao et al. 2017) with the input of 1 x 1 of its deploy file: the poolings are larger than their bottoms."""
    net = Text("openpose", 1, 3, 1, 1)
    x = "data"
    for k, widths in enumerate(((8, 8), (12, 12), (16, 16, 16, 16), (24, 24)), 1):
        for j, width in enumerate(widths, 1):
            x = net.relu(net.conv(f"conv{k}_{j}", x, width, 3))
        x = net.pool(f"pool{k}_stage1", x, pool="MAX", kernel_size=2, stride=2) if k < 4 else x
    features = net.relu(net.conv("conv4_4_CPM", net.relu(net.conv("conv4_3_CPM", x, 16, 3)), 8, 3))
    x = features
    for stage in range(1, 7):
        tops = []
        for branch, outputs in (("L1", 38), ("L2", 19)):
            y, kernels = x, (3, 3, 3, 1, 1) if stage == 1 else (7, 7, 7, 7, 7, 1, 1)
            for k, kernel in enumerate(kernels, 1):
                width = outputs if k == len(kernels) else 8
                y = net.conv(f"conv{k}_stage{stage}_{branch}", y, width, kernel)
                y = y if k == len(kernels) else net.relu(y)
            tops.append(y)
        x = net.add("Concat", f"concat_stage{stage + 1}", [*tops, features], concat_param={"axis": 1}) if stage < 6 else x
    net.add("Concat", "net_output", tops[::-1], concat_param={"axis": 1})
    return str(net)
