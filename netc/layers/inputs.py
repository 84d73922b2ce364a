"""Layers that bring data into the net. The data sources are already described when the net is resolved, so nothing is opened here."""

from pathlib import Path

import numpy as np

from netc import data
from netc import netc_pb2 as pb
from netc.graph.ir import Value, constant
from netc.layers.context import Context, dims
from netc.net.model import DEPLOY
from netc.registry import layer


@layer("Input", stem="data", bottoms=(0, 0), tops=(1, None))
def input_(ctx: Context) -> tuple[Value, ...]:
    """Blobs that the caller feeds, with the shapes in input_param: one for all tops, or one per top."""
    shapes, tops = ctx.param.input_param.shape, ctx.layer.tops
    if len(shapes) not in (1, len(tops)):
        raise ctx.error(f"There are {len(shapes)} `shape` for {len(tops)} tops. Add one for all, or one for each.", "input_param", "shape")
    for i, shape in enumerate(shapes):
        if any(d < 1 for d in shape.dim):
            raise ctx.error(f"The shape is {dims(tuple(shape.dim))}. Each `dim` must be 1 or more.", "input_param", "shape", i)
    return tuple(ctx.input(top, "float32", tuple(shapes[k % len(shapes)].dim)) for k, top in enumerate(tops))


@layer("Data", bottoms=(0, 0), tops=(1, None), source=True, messages=("transform_param", "data_param"))
def data_(ctx: Context) -> tuple[Value, ...]:
    """Batches of a data set: a name (`mnist`), arrays (.npy, .npz), a table (.csv), a folder of images by class, an LMDB or LevelDB.

    `netc.data` describes the sources. In training and testing, netc transforms the samples in the data layer. In a deployed net, the
    transformations are the first nodes.
    """
    batch = ctx.layer.batch_size
    assert batch is not None
    specs = [(name, ctx.described[name]) for name in ctx.layer.tops]
    tops = tuple(ctx.input(name, top.dtype, top.with_batch(batch), top.batch_axis) for name, top in specs)
    return (_transformed(ctx, tops[0]), *tops[1:]) if ctx.phase == DEPLOY else tops


@layer("ContinuationIndicator", stem="indicator", bottoms=(0, 0))
def continuation_indicator(ctx: Context) -> Value:
    """The `cont` (T, N) of a recurrent layer: 0 at the first of `time_step` steps and 1 at the others.

    It is the same for each of the `batch_size` sequences.
    """
    p = ctx.param.continuation_indicator_param
    for field in ("time_step", "batch_size"):
        if getattr(p, field) < 1:
            raise ctx.error(f"`{field}` is missing. Expected 1 or more.", "continuation_indicator_param", field)
    cont = np.ones((p.time_step, p.batch_size), np.float32)
    cont[0] = 0
    return constant(cont)


@layer("DummyData", bottoms=(0, 0), tops=(1, None), source=True)
def dummy_data(ctx: Context) -> tuple[Value, ...]:
    """Blobs of given shapes, filled by data_filler. A constant filler runs once, a random one in each step."""
    return data_(ctx)


@layer("ImageData", bottoms=(0, 0), tops=(1, 2), source=True, messages=("transform_param", "image_data_param"))
def image_data(ctx: Context) -> tuple[Value, ...]:
    """Images and labels from a text file with a path and a whole number per line. Blue comes before red, as in OpenCV."""
    return data_(ctx)


@layer("ImageSegData", bottoms=(0, 0), tops=(1, 3), source=True, messages=("transform_param", "image_data_param"))
def image_seg_data(ctx: Context) -> tuple[Value, ...]:
    """Images and masks from a text file with an image and its mask per line (`label_type: PIXEL`), of DeepLab and PSPNet.

    By default a line has a whole number, which all pixels get. A third top holds the height and width of each image.
    """
    return data_(ctx)


@layer("DenseImageData", bottoms=(0, 0), tops=(1, 2), source=True, messages=("transform_param", "dense_image_data_param"))
def dense_image_data(ctx: Context) -> tuple[Value, ...]:
    """Images and masks from a text file with an image and its mask per line, of SegNet and ENet."""
    return data_(ctx)


@layer("HDF5Data", bottoms=(0, 0), tops=(1, None), source=True)
def hdf5_data(ctx: Context) -> tuple[Value, ...]:
    """Arrays from HDF5 files. Each top reads the HDF5 dataset of its own name. `source` lists the files."""
    return data_(ctx)


@layer("MemoryData", bottoms=(0, 0), tops=(1, 2), source=True, messages=("transform_param", "memory_data_param"))
def memory_data(ctx: Context) -> tuple[Value, ...]:
    """Images and labels that a Python program passes to the net with `Net.set_input_arrays`."""
    return data_(ctx)


@layer("WindowData", bottoms=(0, 0), tops=(1, 2), source=True, messages=("transform_param", "window_data_param"))
def window_data(ctx: Context) -> tuple[Value, ...]:
    """Regions of images with their classes, drawn at random from a list and warped to squares of crop_size. Class 0 is background."""
    return data_(ctx)


@layer("AnnotatedData", bottoms=(0, 0), tops=(1, 2), source=True, messages=("transform_param", "data_param", "annotated_data_param"))
def annotated_data(ctx: Context) -> tuple[Value, ...]:
    """Images with boxes for detection: a database of AnnotatedDatum, a folder with Pascal VOC's or COCO's files, a table, `shape_boxes`.

    The second top is SSD's label blob 1 x 1 x boxes x 8: number of the image, label, instance, xmin, ymin, xmax, ymax, difficult.
    Coordinates are parts of the image. Each image has the same number of rows; rows without a box are -1. Blue comes before red.
    """
    return data_(ctx)


@layer("Parameter", stem="param", bottoms=(0, 0))
def parameter(ctx: Context) -> Value:
    """A trainable parameter as a blob of the net. It has the shape `shape` and starts at zero."""
    shape = tuple(ctx.param.parameter_param.shape.dim)
    if any(d < 1 for d in shape) or not ctx.param.parameter_param.HasField("shape"):
        raise ctx.error(f"Each `dim` of the shape must be 1 or more, got {dims(shape)}.", "parameter_param", "shape")
    return ctx.weight("value", shape, pb.FillerParameter())


@layer(
    "TreeData", bottoms=(0, 0), tops=(3, 5), default_tops=("word", "child", "width", "label", "root_label"), source=True,
    messages=("data_param", "tree_data_param"),
)  # fmt: skip
def tree_data(ctx: Context) -> tuple[Value, ...]:
    """Trees with a label at every node, in brackets: the treebank `sst`, a file, or a folder with train.txt, test.txt and dev.txt.

    It has five tops: the words of the leaves, the children of the inner nodes, the number of inner nodes at each height, the labels of
    all nodes, and the labels of the roots. In a batch, leaves come first, then inner nodes by height. The numbers of both vary from
    batch to batch.
    """
    return data_(ctx)


def _transformed(ctx: Context, x: Value) -> Value:
    """(x - mean) * scale / std, the same as the source applies in testing."""
    assert ctx.layer.source is not None and ctx.layer.reader is not None
    top, base = ctx.layer.source.tops[0], Path(ctx.layer.document.path).parent
    if top.dtype != "float32":
        return x
    if missing := ctx.layer.reader.missing_mean:
        raise missing
    norm = data.normalisation(ctx.param.transform_param, top.sizes, base, cropped=True)
    y = x if norm.mean is None else x - constant(norm.mean)
    return y if np.all(norm.factor == 1) else y * constant(norm.factor)
