"""Some of the databases with something wrong in them; `python -m tests.fuzz_databases` reads 2,000 of a kind."""

from pathlib import Path

import pytest

from netc import registry
from tests import fuzz_databases


@pytest.mark.parametrize("kind", ["leveldb", "lmdb"])
def test_each_is_refused_or_gives_what_was_written(kind: str, tmp_path: Path) -> None:
    if kind == "lmdb":
        pytest.importorskip("lmdb")
    registry.load()
    seeds = fuzz_databases.seeds(kind, tmp_path)
    ends = {fuzz_databases.read(tmp_path / "case", *fuzz_databases.mutated(number, kind, seeds)) for number in range(400)}
    assert {"right", "refused"} <= ends <= {"right", "refused", "another value" if kind == "lmdb" else "cut between batches"}
