"""`netc layers --forks`: what forks of Caffe have, and whether netc has it too."""

from netc.commands.of_forks import rows, table
from netc.commands.topics import page
from netc.spec import forks
from tests.small_nets import netc


def test_the_command_lists_types_fields_and_repositories() -> None:
    lines = netc("layers", "--forks").stdout.splitlines()
    assert lines == table() and len(rows()) == len(list(forks.rows()))
    assert any(line.split()[:2] == ["Permute", "permute_param"] and "yes" in line and "SSD" in line for line in lines)
    assert "SSD: weiliu89/caffe, branch ssd" in lines


def test_one_type_alone() -> None:
    assert [row.what for row in rows("MultiStageMeanfield")] == ["MultiStageMeanfield"] and rows("MultiStageMeanfield")[0].status == "no"
    assert len(netc("layers", "--forks", "Permute").stdout.splitlines()) == 4


def test_the_page_has_a_row_for_each_fork() -> None:
    lines = [line for line in page("caffe").splitlines() if line.startswith("| ") and line.count("|") == 4]
    for name, _ in forks.FORKS.values():
        assert any(name in line.split("|")[1] for line in lines), name
