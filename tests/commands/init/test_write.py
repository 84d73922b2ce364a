"""Which net file `netc init` writes, and from which data."""

from pathlib import Path

import pytest
import yaml

from netc.commands.init.nets import WIDTH, wrapped
from netc.commands.init.write import net_name
from tests.small_nets import netc, write_arrays

NAMES = {
    "titanic3.csv": "titanic3",
    "../a b/titanic3.csv.gz": "titanic3",
    "photos/": "photos",
    "My Photos, 2/": "My_Photos_2",
    "v1.2": "v1.2",
    "data.2024.csv": "data.2024",
    "*.csv": "net",
    "postgresql://me@host:5432/shop?sslmode=off": "shop",
    "https://example.org/a/b.parquet#x": "b",
    "sqlite:///shop.db": "shop",
    "mnist": "mnist",
    ".csv": "csv",
}


@pytest.mark.parametrize("data, name", NAMES.items())
def test_the_net_has_the_name_of_its_data(data: str, name: str) -> None:
    assert net_name(data) == name


@pytest.mark.parametrize(
    "arguments, path",
    [
        (["small.npz"], "small.yaml"),
        (["sub/small.npz", "-o", "other.yml"], "other.yml"),
        (["--data", "small.npz"], "small.yaml"),
        (["mine.yaml", "--data", "small.npz"], "mine.yaml"),
        (["-o", "mine.yaml", "--data", "sub/small.npz"], "mine.yaml"),
        (["mine.yaml"], "mine.yaml"),
        ([], "net.yaml"),
        (["digits"], "digits.yaml"),
    ],
)
def test_the_net_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], path: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    write_arrays(tmp_path)
    write_arrays(tmp_path / "sub")
    result = netc("init", *arguments)
    assert result.exit_code == 0 and result.stdout.startswith(f"{path} is written, for "), result.output
    assert [p.name for p in tmp_path.glob("*.y*ml")] == [path] and netc("check", path).exit_code == 0
    again = netc("init", *arguments)
    assert again.exit_code == 2 and "exists already" in again.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a.yaml", "--data", "iris", "-o", "b.yaml"], "The net file is named twice: a.yaml and, with -o, b.yaml. Remove one of them."),
        (["net.prototxt", "--data", "iris"], "Expected a name that ends in .yaml or .yml."),
        (["iris", "-o", "net.json"], "Expected a name that ends in .yaml or .yml."),
        (["there_is_none.csv"], "There is no file 'there_is_none.csv'."),
        (["there_is_none.csv", "--label", "a"], "There is no file 'there_is_none.csv'."),
        (["iriss"], "'iriss' is neither a data set nor a file or folder. Did you mean 'iris'?"),
        (["mnist", "--label", "digit"], "mnist: its labels are fixed, so `--label digit` has no meaning."),
    ],
)
def test_arguments_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    result = netc("init", *arguments)
    assert result.exit_code == 2 and message in result.stderr and not list(tmp_path.iterdir()), result.output


@pytest.mark.parametrize("name", ["a, b", "2024", "true", "it's", "a#b", "a: b", "[x]", "é ü", 'a"b', "a\\b", "null", "? - a", "&a"])
def test_any_name_of_a_file_can_stand_in_a_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_arrays(tmp_path).rename(f"{name}.npz")
    assert netc("init", f"{name}.yaml", "--data", f"{name}.npz").exit_code == 0
    result = netc("check", f"{name}.yaml")
    assert result.exit_code == 0 and "32x1x12x12" in result.stdout, result.output


def test_long_layers_have_several_lines() -> None:
    fields = [f"field_{k}: {k}" for k in range(20)]
    text = wrapped("  - Data: {", fields, "      ") + "}"
    assert max(map(len, text.splitlines())) <= WIDTH and yaml.safe_load(text) == [{"Data": {f"field_{k}": k for k in range(20)}}]
