"""`netc data show` of tables: files, nets that read tables, and what is refused."""

from pathlib import Path

from tests.small_nets import netc
from tests.table.tables import customers, write_table


def test_a_file_as_a_page_and_in_the_terminal(tmp_path: Path) -> None:
    path = write_table(tmp_path / "people.csv", customers())
    result = netc("data", "show", path, "--label", "left", "-o", tmp_path / "a.html")
    assert result.exit_code == 0 and result.stdout == f"{tmp_path / 'a.html'} is written\n", result.output
    assert "<h1>people.csv</h1>" in (tmp_path / "a.html").read_text()
    lines = netc("data", "show", path).stdout.splitlines()
    assert next(line for line in lines if line.startswith("plan")).split()[1:5] == ["category", "0", "%", "3"]
    assert "  Add --label COLUMN to see how well each column predicts it." in lines


def test_the_table_of_a_net(tmp_path: Path) -> None:
    path = write_table(tmp_path / "people.csv", customers())
    assert netc("init", path, "--label", "left", "-o", tmp_path / "net.yaml").exit_code == 0
    text = (tmp_path / "net.yaml").read_text().replace("age: number", "age: category", 1)
    (tmp_path / "net.yaml").write_text(text)
    result = netc("data", "show", tmp_path / "net.yaml")
    assert result.exit_code == 0 and "the label left: 2 classes" in result.stdout, result.output
    age = next(line for line in result.stdout.splitlines() if line.startswith("age"))
    assert age.split()[1] == "category"


def test_what_is_refused_is_said(tmp_path: Path) -> None:
    path = write_table(tmp_path / "people.csv", customers())
    result = netc("data", "show", path, "--label", "lft")
    assert result.exit_code == 2 and "There is no column 'lft'. Did you mean 'left'?" in result.stderr
    (tmp_path / "empty.csv").write_text("a,b\n")
    result = netc("data", "show", tmp_path / "empty.csv", "-o", tmp_path / "b.html")
    assert result.exit_code == 2 and "There are no rows" in result.stderr and not (tmp_path / "b.html").exists()
    assert "are not images; use a .html file" in netc("data", "show", path, "-o", tmp_path / "b.png").stderr
    assert "--layer selects a data layer of a net file" in netc("data", "show", path, "--layer", "x").stderr
    result = netc("data", "show", "mnist", "--label", "x")
    assert result.exit_code == 2 and "It is not shown as a table, so --label has no meaning" in result.stderr
