"""A published model of a table, made once for all tests that read it."""

from pathlib import Path

import pytest

from tests.table.published import publish


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the published model of the mixed table. The net file is three folders above."""
    return publish(tmp_path_factory.mktemp("mixed"))
