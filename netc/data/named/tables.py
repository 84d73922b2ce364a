"""Tables that go by name: Fisher's irises, digits of 8 x 8, breast cancer, diabetes.

None has test rows of its own: a fifth of the rows is held out, the same for every net and seed. The means and deviations are
those of the other rows.
"""

from collections.abc import Callable

import numpy as np

from netc.data.named.dataset import DataSet, File, unpacked
from netc.data.named.packages import Package
from netc.data.order import held_out
from netc.data.source import Request, Table, TopSpec
from netc.registry import dataset

TEST_FRACTION = 0.2
FOLDER = "sklearn/datasets/data"
PACKAGE = Package("scikit-learn", FOLDER)
ADDRESSES = (f"https://raw.githubusercontent.com/scikit-learn/scikit-learn/1.8.0/{FOLDER}/",)
MEASURES = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points", "symmetry", "fractal dimension",
)  # fmt: skip


def _rows(count: int) -> dict[str, int]:
    test = round(count * TEST_FRACTION)
    return {"TRAIN": count - test, "TEST": test}


IRIS = DataSet(
    name="iris",
    files=(File("iris.csv", 2734, "f13ffa8fdd56fd8e6c8d16d4081a3fbd3114bcd0aae4256c43205169cd9d1449"),),
    addresses=ADDRESSES,
    licence="CC BY 4.0 (UCI Machine Learning Repository); Fisher 1936",
    tops=(
        TopSpec("float32", (4,), mean=(5.770833, 3.051667, 3.64, 1.155), std=(0.7943966, 0.4330095, 1.758712, 0.7615609)),
        TopSpec("int64", ()),
    ),
    rows=_rows(150),
    classes=("setosa", "versicolor", "virginica"),
    columns=("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"),
    package=PACKAGE,
    url="https://archive.ics.uci.edu/dataset/53/iris",
)

DIGITS = DataSet(
    name="digits",
    files=(
        File(
            "digits.csv",
            264712,
            "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
            57523,
            "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
        ),
    ),
    addresses=ADDRESSES,
    licence="CC BY 4.0 (UCI Machine Learning Repository); Alpaydin and Kaynak 1998",
    tops=(TopSpec("float32", (1, 8, 8)), TopSpec("int64", ())),
    rows=_rows(1797),
    classes=tuple("0123456789"),
    package=PACKAGE,
    url="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
)

BREAST_CANCER = DataSet(
    name="breast_cancer",
    files=(File("breast_cancer.csv", 119913, "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed"),),
    addresses=ADDRESSES,
    licence="CC BY 4.0 (UCI Machine Learning Repository); Wolberg, Street and Mangasarian 1995",
    tops=(
        TopSpec(
            "float32",
            (30,),
            mean=(
                14.13191,
                19.40248,
                92.08319,
                655.1947,
                0.09674673,
                0.1066359,
                0.09135298,
                0.04997795,
                0.1812516,
                0.0632118,
                0.4041119,
                1.216362,
                2.868795,
                40.07535,
                0.007068013,
                0.02602618,
                0.03261491,
                0.01191047,
                0.02063936,
                0.003885363,
                16.29221,
                25.82097,
                107.4983,
                881.8312,
                0.1334019,
                0.2612442,
                0.2806911,
                0.1167671,
                0.2914807,
                0.08499145,
            ),
            std=(
                3.523998,
                4.370921,
                24.33761,
                352.7869,
                0.01389645,
                0.05419877,
                0.08066632,
                0.0391806,
                0.02767178,
                0.007209533,
                0.2809261,
                0.5585262,
                2.068653,
                46.20336,
                0.002992957,
                0.01834481,
                0.03180185,
                0.006235037,
                0.008481516,
                0.002814867,
                4.834926,
                6.2619,
                33.71836,
                565.0482,
                0.0230323,
                0.1614953,
                0.2139177,
                0.0667052,
                0.06408075,
                0.01866362,
            ),
        ),
        TopSpec("int64", ()),
    ),
    rows=_rows(569),
    classes=("malignant", "benign"),
    columns=tuple(form.format(name) for form in ("mean {}", "{} error", "worst {}") for name in MEASURES),
    package=PACKAGE,
    url="https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
)

DIABETES = DataSet(
    name="diabetes",
    files=(
        File(
            "diabetes_data_raw.csv",
            19596,
            "86badf50b4f9436ddd1e497dc0ae1b93166f8120221ee7dca4634fe849f3be7c",
            7073,
            "7fc0ded571454b1982210d3bb43f0aca44eae01a0b8654a3b24022bdb6b38009",
        ),
        File(
            "diabetes_target.csv",
            11050,
            "244713a551f62a291a354212d8a048adec6cb1244b2bc44e66a0698f5006d26d",
            1050,
            "8e53f65eb811df43c206f3534bb3af0e5fed213bc37ed6ba36310157d6023803",
        ),
    ),
    addresses=ADDRESSES,
    licence="none stated by its authors; Efron, Hastie, Johnstone and Tibshirani 2004",
    tops=(
        TopSpec(
            "float32",
            (10,),
            mean=(48.41525, 1.468927, 26.53079, 94.7504, 189.0282, 115.8432, 49.17655, 4.102825, 4.650785, 91.31073),
            std=(13.16647, 0.4990335, 4.463004, 13.72115, 35.22894, 30.65338, 12.54576, 1.291558, 0.5155605, 10.87939),
        ),
        TopSpec("float32", (), mean=(153.3672,), std=(76.84239,)),
    ),
    rows=_rows(442),
    columns=("age", "sex", "bmi", "blood pressure", "s1", "s2", "s3", "s4", "s5", "s6"),
    package=PACKAGE,
    url="https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
)


@dataset("iris", record=IRIS)
def iris(request: Request) -> Table:
    """Fisher's irises: 150 flowers of three species, four measures each (Fisher 1936). A fifth is for testing."""
    return _table(request, IRIS, lambda: _labelled(IRIS, 1))


@dataset("digits", record=DIGITS, noun="images")
def digits(request: Request) -> Table:
    """Handwritten digits, 8 x 8, from 0 to 16 (Alpaydin and Kaynak 1998): 1,797, of which a fifth is for testing."""

    def rows() -> tuple[np.ndarray, np.ndarray]:
        data, label = _labelled(DIGITS, 0)
        return data.reshape(-1, 1, 8, 8), label

    return _table(request, DIGITS, rows)


@dataset("breast_cancer", record=BREAST_CANCER)
def breast_cancer(request: Request) -> Table:
    """Malignant or benign: 30 measures of cell nuclei in 569 images of breast tumours (Wolberg et al. 1995). A fifth is for testing."""
    return _table(request, BREAST_CANCER, lambda: _labelled(BREAST_CANCER, 1))


@dataset("diabetes", record=DIABETES)
def diabetes(request: Request) -> Table:
    """How diabetes progresses in a year, 25 to 346, by ten measures of 442 patients (Efron et al. 2004). A fifth is for testing."""

    def rows() -> tuple[np.ndarray, np.ndarray]:
        data, target = (_numbers(DIABETES, k, 0, delimiter=None) for k in (0, 1))
        return data, target.reshape(-1)

    return _table(request, DIABETES, rows)


def _table(request: Request, record: DataSet, rows: Callable[[], tuple[np.ndarray, np.ndarray]]) -> Table:
    phase = "TRAIN" if request.phase == "TRAIN" else "TEST"
    kept = held_out(sum(record.rows.values()), TEST_FRACTION, phase)
    return Table(record.description(phase), lambda: tuple(column[kept] for column in rows()), has_test_rows=True)


def _labelled(record: DataSet, header: int) -> tuple[np.ndarray, np.ndarray]:
    """All columns but the last, and that as labels."""
    numbers = _numbers(record, 0, header)
    return numbers[:, :-1], numbers[:, -1].astype(np.int64)


def _numbers(record: DataSet, file: int, header: int, delimiter: str | None = ",") -> np.ndarray:
    """The float32 numbers of a file, without its first `header` lines."""
    lines = unpacked(record, record.files[file]).decode().splitlines()[header:]
    return np.array([line.split(delimiter) for line in lines], np.float32)
