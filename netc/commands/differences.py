"""Where netc does other than BVLC Caffe 1.0 on purpose; everything else is meant to be the same, ties and roundings of sizes included."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """What Caffe does and what netc does, of some layer types; of nets or data in general where there are none."""

    types: tuple[str, ...]
    caffe: str
    netc: str


DIFFERENCES = (
    Difference(("Eltwise",), "a SUM in place loses its first bottom", "values are never overwritten: it is the sum of all"),
    Difference(
        ("Eltwise",), "PROD with stable_prod_grad false divides by the bottom: NaN at 0", "the gradient is the product of the others"
    ),
    Difference(("Power", "BNLL", "Clip"), "in place, the gradient is formed of overwritten values", "it is that of the values that came"),
    Difference(("Power",), "the gradient of x^power is NaN at x = 0", "it is that of the formula"),
    Difference(("BatchNorm",), "testing with use_global_stats false moves the statistics", "testing leaves them as training made them"),
    Difference(("Pooling",), "without padding, a last window may lie beyond the image (stride above kernel)", "such a window is dropped"),
    Difference(("Pooling",), "blobs of four axes only; STOCHASTIC only on a GPU", "one to three spatial axes; STOCHASTIC everywhere"),
    Difference(("Accuracy",), "a score of NaN counts as correct", "it counts as wrong"),
    Difference(
        ("SoftmaxWithLoss",), "a second top is broken: it gets a loss_weight", "it holds the probabilities, and a gradient flows through it"
    ),
    Difference(("Dropout",), "a dropout_ratio of 0 or 1 is checked in debug builds only", "0 is no dropout, 1 is an error"),
    Difference(("Parameter",), "with iter_size only the last gradient counts", "gradients add up as everywhere"),
    Difference(("Data", "ImageData"), "mirror flips images in testing too", "only in training"),
    Difference(
        ("HDF5Data",),
        "shuffles files, and rows within a file, by C's rand: random_seed has no say",
        "mixes the rows of all files by the seed",
    ),
    Difference(("HDF5Output",), "dies at the second batch", "the rows of all batches follow one another"),
    Difference(("MemoryData",), "labels are (N), after a forward pass (N, 1, 1, 1)", "they stay (N)"),
    Difference(
        ("WindowData",),
        "scale stands in window_data_param, one in transform_param is lost",
        "transform_param's counts; without it the other",
    ),
    Difference(("Python",), "always runs what a net names", "only with --allow-python; never what came out of a zoo"),
    Difference(
        ("RNN", "LSTM"), "exposed states take and give no gradient", "gradients flow through them, so that a decoder trains its encoder"
    ),
    Difference(("RNN", "LSTM"), "a cont must be given", "without one each column is one sequence; `carry` says whether it goes on"),
    Difference(("LSTMUnit",), "the gradient by the forget gate is that of a cont of 0 or 1", "it is that of any cont"),
    Difference((), "random numbers hang on what was drawn before", "each is a function of the seed, a name and the iteration"),
    Difference(
        (), "a test goes on where the last one ended; scores are means of batches", "each begins with the first row; scores are of all rows"
    ),
    Difference(
        ("SoftmaxWithLoss", "MultinomialLogisticLoss", "InfogainLoss", "HingeLoss", "Accuracy", "Embed", "BatchReindex"),
        "a label or index beyond the classes reads other memory; a fraction is cut off",
        "both are errors that name the row",
    ),
    Difference(("SigmoidCrossEntropyLoss",), "takes any number for a target", "a target beyond 0 to 1 is an error that names the row"),
    Difference((), "a solver without random_seed gives another run each time", "runs repeat; random_seed: -1 draws a seed"),
    Difference((), "resuming begins the data anew, with other random numbers", "a resumed run has the bits of one that was not stopped"),
    Difference((), "snapshots are BINARYPROTO by default", "they are .safetensors; snapshot_format writes and --snapshot reads Caffe's"),
    Difference((), "HDF5 snapshots of layers with / in their names abort", "they are written and read"),
    Difference((), "test_iter must be given", "without it a test is one pass over the test set"),
    Difference((), "nets inside a solver are not brought up to date", "they are, as nets in files"),
    Difference(
        (),
        "a text with a field of a fork does not load",
        "it does with --allow-unknown or --ignore, with a warning",
    ),
    Difference((), "-level and -stage reach the net for training only", "--set state.level=1 and --set state.stage=[x] reach all nets"),
    Difference((), "several GPUs train a net (NCCL, layer_wise_reduce)", "one device does"),
    Difference((), "debug_info prints means of all blobs in each iteration", "it logs what --watch logs"),
    Difference((), "device_id and engine choose device and code", "CUDA_VISIBLE_DEVICES and --target do"),
    Difference(
        (),
        "labels out of range read other memory in release builds",
        "one too large ends the run, a negative one counts from the last class",
    ),
)


def table(kind: str | None = None) -> list[str]:
    """The differences of a layer type, or all, as lines."""
    rows = [d for d in DIFFERENCES if kind is None or kind in d.types]
    return [f"{', '.join(d.types) or 'any'}: Caffe: {d.caffe}. netc: {d.netc}." for d in rows]
