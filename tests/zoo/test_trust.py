"""Whose models are taken: one rule of keys for whatever takes a model, and no older version for the newest."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from netc import Model, zoo
from netc.errors import UntrustedError, ZooError
from netc.zoo import minisign, newest
from tests.small_nets import netc
from tests.zoo.toy import Quiet, contents, onnx_bytes, serving, stated

pytest.importorskip("cryptography", reason="signatures need the extra `sign`")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("me", "other"):
        minisign.generate(folder / name)
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: Path) -> Path:
    """The current folder, with a zoo of an unsigned and a signed model, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    zoo.publish("zoo", "unsigned", contents(), stated())
    zoo.publish("zoo", "signed", contents(), stated(), key=keys / "me.key")
    np.save("x.npy", np.ones((1, 3), np.float32))
    return tmp_path


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    with serving(partial(Quiet, directory=str(place / "zoo"))) as found:
        yield found


@pytest.mark.parametrize("model, key, taken", [
    ("signed", "me", True), ("signed", None, True), ("unsigned", None, True), ("unsigned", "me", False), ("signed", "other", False),
])  # fmt: skip
@pytest.mark.parametrize("way", ["option", "variable"])
@pytest.mark.parametrize("where", ["folder", "address", "path"])
def test_predict_takes_what_is_signed_as_asked(
    place: Path, address: str, keys: Path, model: str, key: str | None, taken: bool, way: str, where: str
) -> None:
    given: list[Any] = [model, "x.npy", "--from", "zoo" if where == "folder" else address]
    if where == "path":
        given = [f"zoo/{model}/1.0.0", "x.npy"]
    pub = str(keys / f"{key}.pub") if key else None
    environment = {"NETC_ZOO_KEY": pub} if pub and way == "variable" else {}
    found = netc("predict", *given, *(["--key", pub] if pub and way == "option" else []), **environment)
    assert found.exit_code == (0 if taken else 1), found.output
    assert taken or "signed" in found.output and not list(place.glob("cache/netc/models/*/*/1.0.0"))


def test_the_api_keeps_to_the_rule(place: Path, address: str, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in ("zoo", address):
        with pytest.raises(ZooError, match="is not signed"):
            Model("unsigned", source, key=str(keys / "me.pub"))
    monkeypatch.setenv("NETC_ZOO_KEY", str(keys / "me.pub"))
    for source in ("zoo", address):
        with pytest.raises(ZooError, match="is not signed"):
            Model("unsigned", source)
        assert Model("signed", source).path.exists()
    found = netc("diff", "unsigned", "signed", NETC_ZOO="zoo")
    assert found.exit_code == 1 and "is not signed" in found.output


def test_a_file_of_nobodys_is_not_signed(place: Path, keys: Path) -> None:
    (place / "own.onnx").write_bytes(onnx_bytes())
    assert netc("predict", "own.onnx", "x.npy", NETC_ZOO_KEY=str(keys / "me.pub")).exit_code == 0  # it came from no zoo
    with pytest.raises(ZooError, match="is not a published model"):
        Model("own.onnx", key=str(keys / "me.pub"))


def test_verify_tells_unsigned_from_damaged(place: Path, address: str, keys: Path) -> None:
    for source in ("zoo", address):
        for model, key in (("unsigned", "me"), ("signed", "other")):
            found = netc("zoo", "verify", model, "--from", source, "--key", keys / f"{key}.pub")
            assert found.exit_code == 1 and found.output.splitlines()[-1] == "intact, but not signed by a trusted key"
        assert netc("zoo", "verify", "signed", "--from", source, "--key", keys / "me.pub").output == "intact\n"
    (place / "zoo/unsigned/1.0.0/labels.txt").write_text("x\n")
    found = netc("zoo", "verify", "unsigned", "--from", "zoo", "--key", keys / "me.pub")
    assert "damaged" in found.output and "is not signed" in found.output


def roll_back(place: Path, keys: Path) -> None:
    """Publish a newer version, have it seen, and serve the zoo as it was before."""
    before = (place / "zoo/index.json").read_bytes()
    zoo.publish(place / "zoo", "signed", contents(b"d\ne\nf\n"), stated(), key=keys / "me.key")
    (place / "before.json").write_bytes(before)


def test_an_old_version_is_not_the_newest(place: Path, address: str, keys: Path) -> None:
    trusted = minisign.public_keys(keys / "me.pub")
    roll_back(place, keys)
    assert zoo.download("signed", address, "to", trusted).version == "1.0.1"
    (place / "zoo/index.json").write_bytes((place / "before.json").read_bytes())
    for spec in ("signed", "signed@latest", "signed@1", "signed@1.0"):
        with pytest.raises(ZooError, match="offers 1.0.0 as the newest version of .*, but had 1.0.1 before"):
            zoo.download(spec, address, "other", trusted)
    found = netc("predict", "signed", "x.npy", "--from", address, "--key", keys / "me.pub")
    assert found.exit_code == 1 and "give its version: signed@1.0.0" in found.output
    assert zoo.download("signed@1.0.0", address, "other", trusted).version == "1.0.0"
    assert zoo.download("signed", address, "unasked").version == "1.0.0"  # nothing is promised of unsigned zoos


def test_what_was_seen_is_kept_and_damage_of_it_is_none(place: Path) -> None:
    newest.remember("https://a/zoo", "toy", "1.0.10")
    newest.remember("https://a/zoo/", "toy", "1.0.9")
    with pytest.raises(ZooError, match="had 1.0.10 before"):
        newest.check("https://a/zoo", "toy", "1.0.9")
    newest.check("https://b/zoo", "toy", "1.0.0")
    for text in (b"", b"[]", b"nonsense", b'{"toy": 7}', b'{"toy": ["x", 7, null]}', b"[" * 10**5):
        newest._path("https://a/zoo").write_bytes(text)
        newest.check("https://a/zoo", "toy", "1.0.0")


def test_untrusted_is_an_error_of_the_zoo(place: Path, keys: Path) -> None:
    with pytest.raises(UntrustedError):
        zoo.download("unsigned", "zoo", "to", minisign.public_keys(keys / "me.pub"))


NET = """\
name: net
layers:
  - DummyData: {top: [data, label], shape: [{dim: [4, 3]}, {dim: [4]}], data_filler: [{type: gaussian, std: 1}, {type: constant, value: 1}]}
  - InnerProduct: {name: ip, num_output: 2}
  - SoftmaxWithLoss
solver: {base_lr: 0.1, max_iter: 1}
"""


def test_weights_by_the_name_of_a_model(place: Path, address: str, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {"ip.weight": np.ones((2, 3), np.float32), "ip.bias": np.ones(2, np.float32)}
    for name, secret in (("plain", None), ("mine", keys / "me.key")):
        zoo.publish("zoo", name, {"start.safetensors": save(arrays)}, stated(), key=secret)
    (place / "net.yaml").write_text(NET)
    for command in (["train", "--no-publish"], ["test"], ["extract-features", "--blobs", "ip", "-o", "f.npz"]):
        for source in ("zoo", address):
            for model, key, code in (("plain", None, 0), ("mine@1.0", "me", 0), ("plain", "me", 2), ("none", None, 2)):
                environment = {"NETC_ZOO": source} | ({"NETC_ZOO_KEY": str(keys / f"{key}.pub")} if key else {})
                found = netc(command[0], "net.yaml", "--weights", model, *command[1:], **environment)
                assert found.exit_code == code, (command, source, model, found.output)
    assert np.load("f.npz")["ip"].shape == (4, 2)
