"""Nets that come with netc go by name: they are copied to nets/, never over a file, with the files that they name."""

import os
from pathlib import Path

import pytest

from netc.errors import RunError, SpecError
from netc.spec.shipped import names, net_file
from tests.conftest import ROOT
from tests.small_nets import netc

NETS = ROOT / "nets"


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder as the current one."""
    monkeypatch.chdir(tmp_path)


def found(name: str) -> tuple[str, list[str]]:
    """The file that a name stands for, and what was said."""
    said = list[str]()
    return net_file(name, said.append), said


def wrong(name: str) -> str:
    """The error for a name."""
    with pytest.raises(SpecError) as caught:
        net_file(name, pytest.fail)
    return str(caught.value)


def files() -> list[str]:
    """All files below the current folder."""
    return sorted(str(p) for p in Path().rglob("*") if p.is_file())


def test_every_net_of_the_folder_goes_by_its_name() -> None:
    assert set(names()) >= {p.stem for p in NETS.iterdir() if p.suffix in (".yaml", ".prototxt")}
    assert names()["lenet"] == names()["nets/lenet.yaml"] == "lenet.yaml" and names()["nets/lenet.prototxt"] == "lenet.prototxt"


@pytest.mark.parametrize("name", sorted(names()))
def test_a_shipped_net_is_copied_with_the_files_that_it_names(name: str) -> None:
    path, said = found(name)
    assert netc("config", path).exit_code == 0
    assert said == [f"copied {' and '.join([path, *(f for f in files() if f != path)])}, which netc ships"]
    assert all(Path(f).read_bytes() == (ROOT / f).read_bytes() for f in files())


def test_what_a_net_does_not_name_stays_where_it_is() -> None:
    found("deep_autoencoder")  # its comment speaks of deep_autoencoder_pretrained.yaml
    assert files() == ["nets/deep_autoencoder.yaml"]


def test_a_file_is_never_overwritten() -> None:
    Path("nets").mkdir()
    Path("nets/iris.csv").write_text("mine")
    assert found("logistic") == ("nets/logistic.yaml", ["copied nets/logistic.yaml, which netc ships"])
    Path("nets/logistic.yaml").write_text("mine too")
    assert found("logistic") == found("nets/logistic.yaml") == ("nets/logistic.yaml", [])
    assert Path("nets/iris.csv").read_text() == "mine" and Path("nets/logistic.yaml").read_text() == "mine too"


def test_a_file_of_that_name_comes_first() -> None:
    Path("lenet").touch()
    assert found("lenet") == ("lenet", []) and files() == ["lenet"]


def test_a_name_may_mean_a_file_with_a_suffix() -> None:
    Path("lenet.yaml").touch()
    assert wrong("lenet") == "lenet: There is no such file. Did you mean 'lenet.yaml'?" and files() == ["lenet.yaml"]


def test_an_unknown_name_says_what_is_near() -> None:
    assert wrong("lenett") == "lenett: There is no such file. Did you mean 'lenet'?"
    assert wrong("nets/mpl.yaml") == "nets/mpl.yaml: There is no such file. Did you mean 'nets/mlp.yaml'?"
    assert wrong("zzz").startswith("zzz: There is no such file. The nets that come with netc are autoencoder, breast_cancer, ")
    assert wrong("zzz.yaml").startswith("zzz.yaml: There is no such file. The nets that come with netc are autoencoder, breast_cancer, ")
    assert files() == []
    Path("own.yaml").write_text("name: own")
    assert wrong("zzzzzzzz.txt") == "zzzzzzzz.txt: There is no such file. The net files in this folder are own.yaml."


@pytest.mark.parametrize("name", ["other/lenet.yaml", "../lenet", "/lenet.yaml", "lenet\0", "x" * 300])
def test_other_paths_are_left_to_their_reader(name: str) -> None:
    if name == "lenet\0":
        assert "There is no such file" in wrong(name)
    else:
        assert found(name) == (name, [])
    assert files() == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of folders")
def test_a_copy_that_cannot_be_written_is_an_error() -> None:
    Path("nets").write_text("a file, where the folder should be")
    with pytest.raises(RunError, match="Cannot write .*nets/lenet.yaml: File exists"):
        net_file("lenet", pytest.fail)


@pytest.mark.parametrize("command", [
    "check logistic", "config logistic", "draw logistic -o net.svg", "compile logistic", "convert logistic", "diff logistic mlp",
    "data show logistic", "time logistic --iterations 1", "train logistic --set solver.max_epoch=1",
], ids=lambda c: c.split()[0])  # fmt: skip
def test_commands_take_the_name(command: str) -> None:
    result = netc(*command.split())
    assert "copied nets/logistic.yaml and nets/iris.csv, which netc ships" in result.stderr
    assert result.exit_code == (1 if command.startswith("diff") else 0), result.output


def test_a_data_set_of_that_name_is_shown_as_such() -> None:
    assert netc("data", "show", "breast_cancer").exit_code == 0 and files() == []
