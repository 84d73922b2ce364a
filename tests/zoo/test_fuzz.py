"""Some of the files with something wrong in them; `python -m tests.zoo.fuzz` reads 5,000 of each kind."""

from pathlib import Path

import pytest

from tests.zoo import fuzz


@pytest.fixture(scope="module")
def originals() -> dict[str, bytes]:
    return fuzz.originals()


@pytest.mark.parametrize("kind", fuzz.NAMES)
def test_each_is_refused_with_a_place_or_loads(kind: str, originals: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / fuzz.NAMES[kind]
    assert fuzz.end(kind, path, originals[kind]) == "loads"
    ends = {fuzz.end(kind, path, fuzz.mutated(kind, number, originals[kind])) for number in range(150)}
    assert "refused" in ends and ends <= {"refused", "loads"}
