"""The models that come with netc are whole, and do what they did."""

from tests.conftest import ZOO, needs_zoo
from tests.small_nets import netc


@needs_zoo
def test_every_published_file_is_as_it_was_published() -> None:
    result = netc("zoo", "verify", "--run", "--from", ZOO)
    assert result.exit_code == 0 and "intact" in result.stdout, result.stdout
