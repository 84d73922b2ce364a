"""Texts, series and sequences that go by name. Those whose data is nowhere are skipped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import data
from netc.data.named import sequences
from netc.data.named.lookup import found, unpacked
from netc.errors import DataError
from tests.data.layers import columns_of, data_layer
from tests.data.named.records import builtin
from tests.some import some

LAYERS = {
    "tinyshakespeare": {"steps": 50},
    "sunspots": {"steps": 10},
    "japanese_vowels": {},
    "sst_sentences": {"most_tokens": 1000},
    "sst_sentences2": {"most_tokens": 1000},
}


def layer(name: Any, **fields: Any) -> Any:
    made = data_layer(name, 30, **(LAYERS[name] | fields))
    if name.startswith(("japanese", "sst")):
        made.top[:] = ["data", "label", "cont"]
    return made


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETC_DATA", str(tmp_path))
    monkeypatch.setattr(sequences, "unpacked", None)


@pytest.mark.parametrize("name", LAYERS)
def test_a_description_needs_no_data(name: Any, nowhere: None) -> None:
    assert data.describe(layer(name), "TRAIN").rows


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_the_data_is_as_described(name: Any, phase: str) -> None:
    try:
        unpacked(builtin(name), builtin(name).files[0])
    except DataError as e:
        pytest.skip(str(e))
    fields = {"test_fraction": 0.1} if name in ("tinyshakespeare", "sunspots") else {}
    opened = data.open(layer(name, **fields), phase, seed=0)
    rows = some(opened.rows)
    for top, array in zip(opened.description.tops, opened.batch(0), strict=True):
        assert array.shape == top.with_batch(min(30, rows)) and array.dtype == top.dtype
        assert not top.classes or 0 <= array.min() <= array.max() < top.classes
    columns = columns_of(opened)[0][np.arange(rows)]  # every row is there
    assert len(columns) == rows


def test_what_is_said_of_the_sunspots_spread() -> None:
    try:
        rows = columns_of(data.open(layer("sunspots"), "TRAIN", seed=0))[0].rows
    except DataError as e:
        pytest.skip(str(e))
    np.testing.assert_allclose(
        [rows[:247].mean(), rows[:247].std()], [builtin("sunspots").options[s][0] for s in ("mean", "std")], rtol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("sunspots", {"steps": 0}, "`steps` is missing. Add the number of years of a window"),
        ("sst_sentences", {"most_tokens": 0}, "`most_tokens` is missing. Add the size of the vocabulary"),
        ("japanese_vowels", {"steps": 20}, "Row 1 is a sequence of 26 steps. Expected 1 to 20"),
    ],
)
def test_what_is_wrong(name: str, fields: dict[str, Any], said: str) -> None:
    vowels = builtin("japanese_vowels")
    if name == "japanese_vowels" and some(vowels.package).place is None and not all(found(vowels, file) for file in vowels.files):
        pytest.skip("netc data fetch japanese_vowels")
    with pytest.raises(DataError, match=said):
        data.open(layer(name, **fields), "TRAIN", seed=0)
