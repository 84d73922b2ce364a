"""Names, versions and specs: what is taken and what is refused."""

import pytest

from netc.errors import ZooError
from netc.zoo.names import is_file_name, is_model_name, model_name, parse_spec, version_key
from netc.zoo.publish import next_version


@pytest.mark.parametrize("name", ["lenet", "mnist-5.1_b", "3d", "a.b.c"])
def test_good_names(name: str) -> None:
    assert is_model_name(name) and is_file_name(name)


@pytest.mark.parametrize(
    "name",
    [".", "..", "a..b", ".hidden", "a.", "-rf", "a/b", "a\\b", "/etc", "LeNet", "é", "a:b", "~", "", "a b", "a\n"]
    + ["a\0", "a" * 101, None, 3]
    + ["con", "nul.onnx", "com1", "lpt9.npz", "l\u0435net", "ﬁle", "a\u200b"],
)
def test_bad_names(name: object) -> None:
    assert not is_model_name(name) and not is_file_name(name)


def test_the_card_alone_may_have_capitals() -> None:
    assert is_file_name("README.md") and not is_file_name("Readme.md")
    assert not is_file_name("readme.md"), "where case does not count it would be the card"
    assert not is_file_name("manifest.json") and not is_model_name("index.json")


@pytest.mark.parametrize(
    "name", ["layers.py", "kernels.so", "a.tar.dll", "weights.pkl", "page.html", "x.svg", "run.sh", "model.pt", "a.mjs"]
)
def test_what_could_run_is_no_file_of_a_model(name: str) -> None:
    assert is_model_name(name) and not is_file_name(name)


def test_versions_order_by_number() -> None:
    assert sorted(["1.10.0", "1.9.0", "10.0.0", "1.9.10"], key=version_key) == ["1.9.0", "1.9.10", "1.10.0", "10.0.0"]
    assert next_version([]) == "1.0.0"
    assert next_version(["1.10.0", "1.9.7"]) == "1.10.1"


@pytest.mark.parametrize("text", ["1.0.0.0", "01.0.0", "1.0.-1", "1.0.0-rc1", "v1.0.0", "1.0.٣", "1.0.0\n", ""])
def test_bad_versions(text: str) -> None:
    with pytest.raises(ZooError, match="1.0.0; got"):
        version_key(text)
    with pytest.raises(ZooError, match="alias; got"):
        parse_spec(f"lenet@{text}")


def test_specs() -> None:
    assert parse_spec("lenet") == parse_spec("lenet@latest") == ("lenet", "latest")
    for version in ("1", "1.10", "1.10.0", "stable"):
        assert parse_spec(f"lenet@{version}") == ("lenet", version)
    with pytest.raises(ZooError, match="NAME@VERSION"):
        parse_spec("../lenet@1.0.0")


@pytest.mark.parametrize(
    "net, wanted",
    [("LeNet", "lenet"), ("LeNet (MNIST)", "lenet-mnist"), ("SqueezeNet v1.1", "squeezenet-v1.1"), ("..", "net")]
    + [("_x", "x"), ("", "net"), ("a" * 99 + ".b", "a" * 99), ("__ .a", "a")],
)
def test_model_name_of_a_net(net: str, wanted: str) -> None:
    assert model_name(net) == wanted and is_model_name(wanted)
