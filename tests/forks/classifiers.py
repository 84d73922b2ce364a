"""Nets for classification with layers of forks. Widths and images are smaller than in the originals, the layers are the same."""

from tests.forks.text import Text


def mobilenet_v1() -> str:
    """MobileNet (Howard et al. 2017) by DepthwiseConvolution."""
    net = Text("MobileNet", 1, 3, 64, 64)
    x = _unit(net, "conv1", net.conv("conv1", "data", 8, 3, stride=2, bias_term=False))
    strides, widths = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1), (16, 32, 32, 64, 64, 128, *[128] * 5, 256, 256)
    width = 8
    for k, (stride, wider) in enumerate(zip(strides, widths, strict=True), 2):
        x = net.conv(f"conv{k}/dw", x, width, 3, "DepthwiseConvolution", group=width, stride=stride, bias_term=False, engine="CAFFE")
        x = _unit(net, f"conv{k}/dw", x)
        x, width = _unit(net, f"conv{k}/sep", net.conv(f"conv{k}/sep", x, wider, bias_term=False)), wider
    x = net.pool("pool6", x, pool="AVE", global_pooling=True)
    net.add("Softmax", "prob", net.conv("fc7", x, 10))
    return str(net)


def _unit(net: Text, name: str, x: str, act: str = "ReLU") -> str:
    return net.relu(net.batch_norm(name, x, ("/bn", "/scale")), act)


def mobilenet_v2() -> str:
    """MobileNet v2 (Sandler et al. 2018) by ConvolutionDepthwise and ReLU6."""
    net = Text("MobileNetV2", 1, 3, 64, 64)
    x, width = _unit(net, "conv1", net.conv("conv1", "data", 8, 3, stride=2, bias_term=False), "ReLU6"), 8
    block = 0
    for t, wide, n, s in ((1, 4, 1, 1), (6, 8, 2, 2), (6, 8, 3, 2), (6, 16, 4, 2), (6, 24, 3, 1), (6, 40, 3, 2), (6, 80, 1, 1)):
        for k in range(n):
            name, stride, block, left = f"block{block}", s if k == 0 else 1, block + 1, x
            if t != 1:
                x = _unit(net, f"{name}/expand", net.conv(f"{name}/expand", x, t * width, bias_term=False), "ReLU6")
            dw = net.conv(f"{name}/dw", x, t * width, 3, "ConvolutionDepthwise", stride=stride, bias_term=False)
            x = net.batch_norm(f"{name}/linear", net.conv(f"{name}/linear", _unit(net, f"{name}/dw", dw, "ReLU6"), wide, bias_term=False))
            if stride == 1 and wide == width:
                x = net.add("Eltwise", f"{name}/sum", [left, x])
            width = wide
    x = _unit(net, "conv6", net.conv("conv6", x, 160, bias_term=False), "ReLU6")
    x = net.pool("pool6", x, pool="AVE", global_pooling=True)
    net.add("Softmax", "prob", net.conv("fc7", x, 10))
    return str(net)


def se_resnet50() -> str:
    """SE-ResNet-50 (Hu et al. 2018) by Axpy."""
    net = Text("SE-ResNet-50", 1, 3, 64, 64)
    x = net.relu(net.batch_norm("conv1", net.conv("conv1", "data", 8, 7, stride=2, bias_term=False)))
    x = net.pool("pool1", x, pool="MAX", kernel_size=3, stride=2)
    for stage, (blocks, width) in enumerate(((3, 8), (4, 16), (6, 32), (3, 64)), 2):
        for k in range(1, blocks + 1):
            name, stride = f"conv{stage}_{k}", 2 if stage > 2 and k == 1 else 1
            left = x
            if k == 1:
                left = net.batch_norm(f"{name}_1x1_proj", net.conv(f"{name}_1x1_proj", x, 4 * width, stride=stride, bias_term=False))
            y = net.conv(f"{name}_1x1_reduce", x, width, stride=stride, bias_term=False)
            y = net.conv(f"{name}_3x3", net.relu(net.batch_norm(f"{name}_1x1_reduce", y)), width, 3, bias_term=False)
            y = net.conv(f"{name}_1x1_increase", net.relu(net.batch_norm(f"{name}_3x3", y)), 4 * width, bias_term=False)
            y = net.batch_norm(f"{name}_1x1_increase", y)
            s = net.pool(f"{name}_global_pool", y, pool="AVE", engine="CAFFE", global_pooling=True)
            s = net.conv(f"{name}_1x1_up", net.relu(net.conv(f"{name}_1x1_down", s, width // 4)), 4 * width)
            s = net.add("Sigmoid", f"{name}_prob", s, f"{name}_1x1_up")
            x = net.relu(net.add("Axpy", name, [s, y, left]))
    x = net.pool("pool5/7x7_s1", x, pool="AVE", kernel_size=2, stride=1)
    net.add("Softmax", "prob", net.add("InnerProduct", "classifier", x, inner_product_param={"num_output": 10}))
    return str(net)


def shufflenet() -> str:
    """ShuffleNet of 3 groups (Zhang et al. 2018) by ShuffleChannel."""
    net = Text("ShuffleNet", 1, 3, 64, 64)
    x = net.relu(net.batch_norm("conv1", net.conv("conv1", "data", 12, 3, stride=2, bias_term=False)))
    x, width, number = net.pool("pool1", x, pool="MAX", kernel_size=3, stride=2), 12, 1
    for blocks, wide in ((4, 48), (8, 96), (4, 192)):
        for k in range(blocks):
            name, first = f"resx{number}", k == 0
            inner, outer, group = wide // 4, wide - width if first else wide, 1 if number == 1 else 3
            y = net.conv(f"{name}_conv1", x, inner, group=group, bias_term=False)
            y = net.relu(net.batch_norm(f"{name}_conv1", y))
            if group > 1:
                y = net.add("ShuffleChannel", f"shuffle{number}", y, shuffle_channel_param={"group": 3})
            y = net.conv(f"{name}_conv2", y, inner, 3, "ConvolutionDepthwise", stride=2 if first else 1, bias_term=False)
            y = net.conv(f"{name}_conv3", net.batch_norm(f"{name}_conv2", y), outer, group=3, bias_term=False)
            y = net.batch_norm(f"{name}_conv3", y)
            if first:
                left = net.pool(f"{name}_match_conv", x, pool="AVE", kernel_size=3, stride=2)
                y = net.add("Concat", f"{name}_concat", [left, y])
            else:
                y = net.add("Eltwise", f"{name}_elewise", [x, y], eltwise_param={"operation": "SUM"})
            x, number = net.relu(y), number + 1
        width = wide
    x = net.pool("pool_ave", x, pool="AVE", global_pooling=True)
    net.add("Softmax", "prob", net.conv("fc1000", x, 10))
    return str(net)


def densenet121() -> str:
    """DenseNet-121 (Huang et al. 2017) with `ceil_mode: false`."""
    net = Text("DENSENET_121", 1, 3, 64, 64)
    x = net.relu(net.batch_norm("conv1", net.conv("conv1", "data", 16, 7, stride=2, bias_term=False)))
    x, width = net.pool("pool1", x, pool="MAX", kernel_size=3, stride=2, pad=1, ceil_mode=False), 16
    for stage, blocks in enumerate((6, 12, 24, 16), 2):
        for k in range(1, blocks + 1):
            y = net.conv(f"conv{stage}_{k}/x1", _before(net, f"conv{stage}_{k}/x1", x), 32, bias_term=False)
            y = net.conv(f"conv{stage}_{k}/x2", net.relu(net.batch_norm(f"conv{stage}_{k}/x2", y)), 8, 3, bias_term=False)
            x, width = net.add("Concat", f"concat_{stage}_{k}", [x, y]), width + 8
        x = _before(net, f"conv{stage}_blk", x)
        if stage < 5:
            width //= 2
            x = net.conv(f"conv{stage}_blk", x, width, bias_term=False)
            x = net.pool(f"pool{stage}", x, pool="AVE", kernel_size=2, stride=2)
    x = net.pool("pool5", x, pool="AVE", global_pooling=True)
    net.conv("fc6", x, 10)
    return str(net)


def _before(net: Text, name: str, x: str) -> str:
    """BatchNorm, Scale and ReLU before a convolution, in a blob of their own."""
    y = net.add("BatchNorm", f"{name}/bn", x, batch_norm_param={"eps": 1e-5})
    net.add("Scale", f"{name}/scale", y, y, scale_param={"bias_term": True})
    return net.relu(y)


def yolov2() -> str:
    """YOLOv2 (Redmon and Farhadi 2017) up to its feature map, by Reorg."""
    net = Text("yolov2", 1, 3, 64, 64)
    x, number = "data", 1
    for widths in ((4,), (8,), (16, 8, 16), (32, 16, 32), (64, 32, 64, 32, 64), (128, 64, 128, 64, 128)):
        if number > 1:
            x = net.pool(f"pool{number}", x, pool="MAX", kernel_size=2, stride=2)
        for k, width in enumerate(widths):
            x, number = _leaky(net, f"conv{number}", x, width, 1 if k % 2 else 3), number + 1
        if len(widths) == 5 and widths[0] == 64:
            through = x
    x = _leaky(net, "conv20", _leaky(net, "conv19", x, 128, 3), 128, 3)
    space = net.add("Reorg", "reorg", _leaky(net, "conv21", through, 8, 1), reorg_param={"stride": 2})
    x = _leaky(net, "conv22", net.add("Concat", "concat", [space, x]), 128, 3)
    net.conv("conv23", x, 25)
    return str(net)


def _leaky(net: Text, name: str, x: str, width: int, kernel: int) -> str:
    y = net.batch_norm(name, net.conv(name, x, width, kernel, bias_term=False))
    return net.add("ReLU", f"{name}/relu", y, y, relu_param={"negative_slope": 0.1})
