"""A zoo with one tiny model, in a directory and on a server."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from netc import zoo
from netc.zoo import fetch
from tests.zoo.toy import Quiet, contents, serving, stated


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause before a broken connection is made again."""
    monkeypatch.setattr(fetch, "PAUSE", 0)


@pytest.fixture
def toy_zoo(tmp_path: Path) -> Path:
    zoo.publish(tmp_path / "zoo", "toy", contents(), stated())
    return tmp_path / "zoo"


@pytest.fixture
def served(toy_zoo: Path) -> Iterator[str]:
    with serving(partial(Quiet, directory=str(toy_zoo))) as address:
        yield address
