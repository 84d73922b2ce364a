"""Which arrays of a file are rows, labels, training, validation and test arrays."""

import numpy as np
import pytest

from netc.data.array_roles import ArrayName, Header, choose, counterpart
from netc.errors import DataError

NAMES = {
    "x": ("x", None),
    "x_train": ("x", "TRAIN"),
    "X_train": ("x", "TRAIN"),
    "Xtrain": ("x", "TRAIN"),
    "xtest": ("x", "TEST"),
    "trainX": ("x", "TRAIN"),
    "testLabels": ("labels", "TEST"),
    "train_images": ("images", "TRAIN"),
    "images_val": ("images", "VALIDATION"),
    "y_valid": ("y", "VALIDATION"),
    "arr_0": ("arr_0", None),
    "train_val": ("train_val", None),
}


@pytest.mark.parametrize("name, parts", NAMES.items())
def test_names(name: str, parts: tuple[str, str | None]) -> None:
    assert ArrayName.of(name) == ArrayName(*parts)


def there(**shapes: tuple[int, ...]) -> dict[str, Header]:
    return {name: (shape, np.dtype(np.float32)) for name, shape in shapes.items()}


CHOSEN = {
    "X, y": there(X=(9, 3), y=(9,)),
    "data, label": there(label=(9,), data=(9, 3), extra=(9,)),
    "x_train, y_train": there(x_train=(9, 3), y_train=(9,), x_test=(4, 3), y_test=(4,)),
    "train_images, train_labels": there(test_images=(4, 3), train_images=(9, 3), train_labels=(9,), test_labels=(4,)),
    "arr_0, arr_1": there(arr_0=(9, 3), arr_1=(9,)),
    "arr_1, arr_0": there(arr_0=(9, 1), arr_1=(9, 8, 8)),
    "x_train, kind_train": there(x_train=(9, 3), kind_train=(9,), x_test=(4, 3), kind_test=(4,)),
    "spectra, y": there(spectra=(9, 3), y=(9,), wavelengths=(3,)),
}


@pytest.mark.parametrize("names", CHOSEN)
def test_rows_and_labels(names: str) -> None:
    assert ", ".join(choose("a.npz", CHOSEN[names])) == names


def test_the_user_names_the_labels() -> None:
    assert choose("a.npz", there(x=(9, 3), age=(9,), kind=(9,)), "kind") == ("x", "kind")
    assert choose("a.npz", there(x=(9, 3), y=(9,), kind=(9,)), "kind") == ("x", "kind")


REFUSED = {
    "It is not clear which array has the rows and which has the labels. There are a (9 float32), b (9 float32). Name the": there(
        a=(9,), b=(9,)
    ),
    "It is not clear which array has the rows": there(x=(9, 3), images=(9, 4), y=(9,)),
    "There is one array, x (9x3 float32), and no labels.": there(x=(9, 3)),
    "It is a sparse matrix of SciPy.": there(indices=(9,), indptr=(9,), format=(), shape=(2,), data=(9,)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_not_clear(message: str) -> None:
    with pytest.raises(DataError) as caught:
        choose("a.npz", REFUSED[message])
    assert f"a.npz: {message}" in str(caught.value)


def test_a_label_that_is_not_there() -> None:
    with pytest.raises(DataError, match="There is no array 'z'. There are x .9x3 float32., y .9 float32."):
        choose("a.npz", there(x=(9, 3), y=(9,)), "z")


def test_counterparts() -> None:
    names = there(x_train=(9, 3), y_train=(9,), x_test=(4, 3), X_val=(2, 3), data=(9,), data_test=(9,))
    assert [counterpart("x_train", phase, names) for phase in ("TEST", "VALIDATION")] == ["x_test", "X_val"]
    assert counterpart("y_train", "TEST", names) is None and counterpart("data", "TEST", names) == "data_test"
