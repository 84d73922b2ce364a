"""Intended differences from BVLC Caffe 1.0. Everything else is the same, including ties and the rounding of sizes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """What Caffe does and what netc does instead. `types` are the layer types; empty if it is about nets or data in general."""

    types: tuple[str, ...]
    caffe: str
    netc: str


DIFFERENCES = (
    Difference(("Eltwise",), "a SUM in place loses its first bottom", "no layer overwrites values, so the sum has all bottoms"),
    Difference(
        ("Eltwise",), "PROD with stable_prod_grad false divides by the bottom: NaN at 0", "the gradient is the product of the other bottoms"
    ),
    Difference(("Power", "BNLL", "Clip"), "in place, the gradient uses overwritten values", "the gradient uses the input values"),
    Difference(("Power",), "the gradient of x^power is NaN at x = 0", "the gradient is correct at x = 0"),
    Difference(("BatchNorm",), "testing with use_global_stats false changes the statistics", "testing does not change the statistics"),
    Difference(
        ("BatchNorm",), "NVCaffe: the first two batches replace the statistics, after a restart too", "only the first batch replaces them"
    ),
    Difference(("Reorg",), "gklz1982/caffe-yolov2: no gradient arrives", "the gradient is that of the moved values"),
    Difference(("Pooling",), "without padding, a last window can be outside the image (stride above kernel)", "netc drops such a window"),
    Difference(("Pooling",), "blobs need four axes; STOCHASTIC needs a GPU", "one to three spatial axes; STOCHASTIC runs everywhere"),
    Difference(("Accuracy",), "a score of NaN counts as correct", "it counts as wrong"),
    Difference(
        ("SoftmaxWithLoss",),
        "a second top gets a loss_weight by mistake",
        "a second top holds the probabilities, and a gradient flows through it",
    ),
    Difference(("Dropout",), "only debug builds check for a dropout_ratio of 0 or 1", "0 means no dropout, 1 is an error"),
    Difference(("Parameter",), "with iter_size, only the last gradient counts", "gradients add up"),
    Difference(("Data", "ImageData"), "mirror flips images in testing too", "mirror flips images in training only"),
    Difference(
        ("HDF5Data",),
        "shuffles files, and rows within a file, with C's rand, which random_seed does not affect",
        "shuffles the rows of all files together, using random_seed",
    ),
    Difference(("HDF5Output",), "crashes at the second batch", "writes the rows of all batches one after the other"),
    Difference(("MemoryData",), "labels have the shape (N), after a forward pass (N, 1, 1, 1)", "labels always have the shape (N)"),
    Difference(
        ("WindowData",),
        "reads scale from window_data_param and ignores it in transform_param",
        "uses the scale in transform_param; if it is unset, the one in window_data_param",
    ),
    Difference(("Python",), "always runs the code that a net names", "runs it only with --allow-python, and never from a zoo"),
    Difference(
        ("RNN", "LSTM"),
        "no gradient flows through exposed states",
        "gradients flow through exposed states, so a decoder can train its encoder",
    ),
    Difference(("RNN", "LSTM"), "cont is required", "without cont, each column is one sequence, and `carry` sets whether it continues"),
    Difference(("LSTMUnit",), "the gradient of the forget gate is correct only if cont is 0 or 1", "it is correct for any cont"),
    Difference((), "random numbers depend on earlier draws", "each random number depends on the seed, a name and the iteration"),
    Difference(
        (),
        "a test continues where the last one ended; scores are means of batch scores",
        "each test starts at the first row; scores are computed over all rows",
    ),
    Difference(
        ("SoftmaxWithLoss", "MultinomialLogisticLoss", "InfogainLoss", "HingeLoss", "Accuracy", "Embed", "BatchReindex"),
        "a label or index out of range reads other memory; fractions are cut off",
        "both are errors that name the row",
    ),
    Difference(("SigmoidCrossEntropyLoss",), "accepts any number as a target", "a target outside of 0 to 1 is an error that names the row"),
    Difference((), "without random_seed, each run is different", "runs repeat; random_seed: -1 picks a new seed"),
    Difference(
        (), "resuming starts the data again, with other random numbers", "a resumed run is identical, bit for bit, to one without a break"
    ),
    Difference(
        (),
        "snapshots are BINARYPROTO by default",
        "snapshots are .safetensors; snapshot_format writes Caffe's formats and --snapshot reads them",
    ),
    Difference((), "HDF5 snapshots crash if layer names contain /", "netc writes and reads them"),
    Difference((), "test_iter is required", "without test_iter, a test reads the whole test set"),
    Difference((), "old formats of nets inside a solver are not upgraded", "netc upgrades them, like nets in files"),
    Difference(
        (),
        "a file with fields of a Caffe fork does not load",
        "it loads with --allow-unknown or --ignore, with a warning",
    ),
    Difference((), "-level and -stage affect only the training net", "--set state.level=1 and --set state.stage=[x] affect all nets"),
    Difference((), "several GPUs can train a net (NCCL, layer_wise_reduce)", "one device trains a net"),
    Difference((), "debug_info prints means of all blobs in each iteration", "debug_info logs the same as --watch"),
    Difference((), "device_id and engine select the device and the code", "--provider cuda:1 and --target select them"),
    Difference(
        (),
        "in release builds, labels out of range read other memory",
        "a label that is too large ends the run; a negative one counts from the last class",
    ),
)


def table(kind: str | None = None) -> list[str]:
    """The differences of a layer type, or of all types, as lines of text."""
    rows = [d for d in DIFFERENCES if kind is None or kind in d.types]
    return [f"{', '.join(d.types) or 'any'}: Caffe: {d.caffe}. netc: {d.netc}." for d in rows]
