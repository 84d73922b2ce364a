"""Which version a name stands for: numbers, their beginnings, `latest`, and aliases that move."""

from pathlib import Path

import pytest

from netc import zoo
from netc.errors import UnknownModelError, ZooError
from tests.small_nets import netc
from tests.zoo.toy import contents, stated


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """A zoo with toy 1.0.0, 1.2.9, 1.2.10, 1.10.0, 2.0.0 and 10.0.0."""
    for version in ("1.2.10", "1.0.0", "10.0.0", "1.2.9", "2.0.0", "1.10.0"):
        zoo.publish(tmp_path / "zoo", "toy", contents(version.encode()), stated(), version)
    return tmp_path / "zoo"


@pytest.mark.parametrize(
    "spec, wanted",
    [
        ("toy", "10.0.0"),
        ("toy@latest", "10.0.0"),
        ("toy@1", "1.10.0"),
        ("toy@1.2", "1.2.10"),
        ("toy@1.2.9", "1.2.9"),
        ("toy@1.10", "1.10.0"),
        ("toy@2", "2.0.0"),
        ("toy@10", "10.0.0"),
    ],
)
def test_what_a_version_stands_for(versions: Path, spec: str, wanted: str) -> None:
    assert zoo.find(versions, spec).version == wanted
    assert zoo.download(spec, versions, versions.parent / "to").version == wanted


@pytest.mark.parametrize("spec", ["toy@3", "toy@1.1", "toy@1.2.1", "toy@stable", "toy@0"])
def test_what_there_is_instead(versions: Path, spec: str) -> None:
    with pytest.raises(UnknownModelError, match=f"no version {spec[4:]}; it has 1.0.0, 1.2.9, 1.2.10, 1.10.0, 2.0.0, 10.0.0"):
        zoo.find(versions, spec)


def test_aliases_move_and_go(versions: Path) -> None:
    assert zoo.alias(versions, "toy@1.2", "stable") == {"stable": "1.2.10"}
    assert zoo.alias(versions, "toy@2", "next") == {"stable": "1.2.10", "next": "2.0.0"}
    assert zoo.find(versions, "toy@stable").version == "1.2.10"
    zoo.alias(versions, "toy@next", "stable")
    assert zoo.find(versions, "toy@stable").version == zoo.find(versions, "toy@next").version == "2.0.0"
    assert zoo.find(versions, "toy").aliases == () and zoo.find(versions, "toy@2").aliases == ("next", "stable")
    zoo.publish(versions, "toy", contents(), stated(seed=5))
    assert zoo.find(versions, "toy@stable").version == "2.0.0", "publishing leaves aliases as they are"
    assert zoo.alias(versions, "toy", None, ["next"]) == {"stable": "2.0.0"}
    with pytest.raises(UnknownModelError, match="no alias 'stabel'. Did you mean 'stable'"):
        zoo.alias(versions, "toy", None, ["stabel"])
    assert zoo.verify(versions) == []


@pytest.mark.parametrize("word", ["latest", "1.0", "1", "Stable", "../x", "a.b", "x" * 41])
def test_what_is_no_alias(versions: Path, word: str) -> None:
    with pytest.raises(ZooError, match="an alias has characters"):
        zoo.alias(versions, "toy", word)
    assert not (versions / "toy/aliases.json").exists()


def test_the_commands(versions: Path) -> None:
    result = netc("zoo", "alias", "toy@1.0.0", "stable", "--zoo", versions)
    assert result.exit_code == 0 and result.stdout == "toy@stable is toy@1.0.0\n"
    assert netc("zoo", "alias", "toy", "--zoo", versions).stdout == "toy@stable is toy@1.0.0\n"
    assert "toy@1.0.0 (stable)  " in netc("zoo", "list", "--from", versions).stdout
    assert '"version": "1.0.0"' in netc("zoo", "show", "toy@stable", "--from", versions).stdout
    result = netc("zoo", "alias", "toy@7", "stable", "--zoo", versions)
    assert result.exit_code == 2 and "no version 7" in result.stderr
    (versions / "toy/2.0.0/manifest.json").write_text("{")
    result = netc("zoo", "reindex", "--zoo", versions)
    assert result.exit_code == 1 and "toy/2.0.0/manifest.json: is not JSON" in result.stderr
