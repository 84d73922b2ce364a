"""Tables of data layers: each made once, its rows loaded once, whoever reads them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.data import Description, Learned, Request, Table, Tables, TopSpec
from netc.registry import source
from tests.data.layers import data_layer

ROWS = np.arange(20, dtype=np.float32)


@pytest.fixture
def calls(tmp_path: Path) -> Counter[str]:
    """A source of 20 rows, `x.once` if one table serves all phases and `x.each` if not; how often it is asked and its rows loaded."""
    counts: Counter[str] = Counter()
    for kind in ("once", "each"):
        (tmp_path / f"x.{kind}").touch()

        @source(f".{kind}")
        def rows(request: Request, kind: str = kind) -> Table:
            """Rows that count how often they are asked for."""
            counts[f"asked in {request.phase}"] += 1

            def load() -> tuple[np.ndarray, ...]:
                counts["loaded"] += 1
                return ROWS[:, None], (ROWS % 2).astype(np.int64)

            tops = TopSpec("float32", (1,)), TopSpec("int64", ())
            return Table(Description("x", tops, 20, ("even", "odd")), load, all_phases=kind == "once")

    return counts


def layer(kind: str) -> pb.LayerParameter:
    return data_layer(f"x.{kind}", 5, test_fraction=0.25, shuffle=False)


def test_one_table_serves_training_and_testing(calls: Counter[str], tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    train = tables.reader(layer("once"), "TRAIN")
    test = tables.reader(layer("once"), "TEST", Learned.of(train.description))
    assert (train.description.rows, test.description.rows) == (15, 5) and calls == {"asked in TRAIN": 1}
    rows = [*(train.open(0).batch(k)[0] for k in range(3)), test.open(0).batch(0)[0]]
    assert sorted(np.concatenate(rows)[:, 0]) == ROWS.tolist() and calls == {"asked in TRAIN": 1, "loaded": 1}
    assert train.open(0) is train.open(0)


def test_a_source_that_may_differ_by_phase_is_asked_in_each(calls: Counter[str], tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    known = Learned.of(tables.reader(layer("each"), "TRAIN").description)
    tables.reader(layer("each"), "TEST", known)
    assert calls == {"asked in TRAIN": 1, "asked in TEST": 1}


def test_other_rows_have_a_table_of_their_own(calls: Counter[str], tmp_path: Path) -> None:
    tables, known = Tables(tmp_path), Learned(classes=("odd", "even"))
    tables.reader(layer("once"), "TRAIN")
    tables.reader(layer("once"), "TEST", known)
    assert calls == {"asked in TRAIN": 1, "asked in TEST": 1}


def test_another_seed_reads_again(calls: Counter[str], tmp_path: Path) -> None:
    reader = Tables(tmp_path, seed=1).reader(layer("once"), "TRAIN")
    reader.open(1)
    assert calls["asked in TRAIN"] == 1
    reader.open(2)
    assert calls["asked in TRAIN"] == 2


def test_the_same_rows_in_other_batches(calls: Counter[str], tmp_path: Path) -> None:
    reader = Tables(tmp_path).reader(layer("once"), "TRAIN")
    other = layer("once")
    other.data_param.batch_size, other.transform_param.scale = 3, 2
    assert reader.read_by(other).source().batch(0)[0].tolist() == (2 * reader.source().batch(0)[0][:3]).tolist()
    assert calls == {"asked in TRAIN": 1, "loaded": 1}
