"""Signatures: made, checked, and refused where anything is other than it was signed."""

import base64
import stat
from pathlib import Path

import pytest

from netc import zoo
from netc.errors import ZooError
from netc.zoo import minisign
from tests.small_nets import netc
from tests.zoo.toy import contents, stated

pytest.importorskip("cryptography", reason="signatures need the extra `sign`")

# The example of jedisct1/rust-minisign-verify: a file that says "test".
PUBLIC = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
SIGNATURE = b"""\
untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1556193335\tfile:test
y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with me.key, me.pub, other.key and other.pub."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("me", "other"):
        minisign.generate(folder / name)
    return folder


def test_a_signature_of_minisign(keys: Path) -> None:
    known = minisign.public_keys(PUBLIC)
    minisign.check(SIGNATURE, b"test", known, "test")
    assert known[0].text == PUBLIC
    with pytest.raises(ZooError, match="is not a signature of this file"):
        minisign.check(SIGNATURE, b"Test", known, "test")
    with pytest.raises(ZooError, match="E7620F1842B4E81F, which is not trusted"):
        minisign.check(SIGNATURE, b"test", minisign.public_keys(keys / "me.pub"), "test")


def test_signed_and_checked(keys: Path) -> None:
    made = minisign.sign(b"data", keys / "me.key", "toy 1.0.0")
    minisign.check(made, b"data", minisign.public_keys(keys / "me.pub"), "here")
    assert b"\ntrusted comment: toy 1.0.0\n" in made
    for wrong in (
        made.replace(b"toy 1.0.0", b"toy 2.0.0"),
        made.replace(b"\n", b"\n\n", 1),
        made[:-10],
        b"",
        b"\xff" * 100,
        made.replace(made.splitlines()[1], base64.b64encode(bytes(74))),
    ):
        with pytest.raises(ZooError, match="here: (is not a signature|is not in minisign|has an unknown type)"):
            minisign.check(wrong, b"data", minisign.public_keys(keys / "me.pub"), "here")


def test_keys(keys: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE((keys / "me.key").stat().st_mode) == 0o600
    with pytest.raises(ZooError, match="me.key: File exists; netc never overwrites a key"):
        minisign.generate(keys / "me")
    both = tmp_path / "trusted"
    both.write_text("# whom we trust\n" + "".join((keys / f"{n}.pub").read_text() for n in ("me", "other")))
    assert len(minisign.public_keys(both)) == 2
    for name in ("me", "other"):
        minisign.check(minisign.sign(b"x", keys / f"{name}.key", "x"), b"x", minisign.public_keys(both), "x")
    for wrong in (keys / "me.key", tmp_path / "none", "RWshort", tmp_path):
        with pytest.raises(ZooError, match="neither a public key|contains no public key|is not in minisign"):
            minisign.public_keys(wrong)
    with pytest.raises(ZooError, match="is not in minisign's format"):
        minisign.sign(b"x", keys / "me.pub", "x")
    raw = bytearray(base64.b64decode((keys / "me.key").read_text().splitlines()[1]))
    for at, said in ((2, "has a password"), (70, "is corrupt")):
        changed = raw.copy()
        changed[at] ^= 255
        (tmp_path / "changed.key").write_text(f"untrusted comment: x\n{base64.b64encode(changed).decode()}\n")
        with pytest.raises(ZooError, match=said):
            minisign.sign(b"x", tmp_path / "changed.key", "x")


def test_a_signed_zoo(keys: Path, tmp_path: Path) -> None:
    here, public = tmp_path / "zoo", minisign.public_keys(keys / "me.pub")
    zoo.publish(here, "toy", contents(), stated(), key=keys / "me.key")
    zoo.publish(here, "bare", contents(), stated())
    assert [e.signed for e in zoo.entries(here)] == [False, True]
    assert zoo.verify(here, "toy", keys=public) == [] and zoo.verify(here) == []
    assert zoo.verify(zoo.download("toy", here, tmp_path / "to", public).path, keys=public) == []
    assert "is not signed" in zoo.verify(here, "bare", keys=public)[0]
    with pytest.raises(ZooError, match="bare/1.0.0: is not signed"):
        zoo.download("bare", here, tmp_path / "to", public)
    with pytest.raises(ZooError, match="which is not trusted"):
        zoo.download("toy", here, tmp_path / "other", minisign.public_keys(keys / "other.pub"))
    assert netc("zoo", "sign", "bare", keys / "me.key", "--zoo", here).exit_code == 0
    assert zoo.verify(here, keys=public) == []
    assert netc("zoo", "verify", "--from", here, "--key", keys / "me.pub").exit_code == 0
    assert netc("zoo", "verify", "--from", here, "--key", keys / "other.pub").exit_code == 1


def test_a_signature_of_another_model(keys: Path, tmp_path: Path) -> None:
    here, public = tmp_path / "zoo", minisign.public_keys(keys / "me.pub")
    for seed in (0, 1):
        zoo.publish(here, "toy", contents(), stated(seed=seed), key=keys / "me.key")
    (here / "toy/1.0.1/manifest.json.minisig").write_bytes((here / "toy/1.0.0/manifest.json.minisig").read_bytes())
    assert "is not a signature of this file" in zoo.verify(here, "toy", keys=public)[0]


def test_a_damaged_model_is_not_signed(keys: Path, toy_zoo: Path) -> None:
    (toy_zoo / "toy/1.0.0/labels.txt").write_text("other")
    with pytest.raises(ZooError, match="was not signed, because the model is damaged"):
        zoo.sign_model(toy_zoo, "toy", keys / "me.key")


def test_without_the_library(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(ZooError, match=r"pip install 'netc\[sign\]'"):
        minisign.public_keys(keys / "me.pub")
