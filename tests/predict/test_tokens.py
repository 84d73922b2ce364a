"""Nets on the tokens of a tokenizer, from training to what the published model writes and says."""

import json
import sys
from pathlib import Path

import pytest

from netc import Model
from netc.errors import DataError
from netc.predict.generate import write
from tests.small_nets import netc

pytest.importorskip("tokenizers", reason="pip install 'netc[tokens]'")

WRITES = """\
name: writes
layers:
  - Data: {source: t.txt, batch_size: 8, steps: 12, test_fraction: 0.2, tokens: BPE, most_tokens: 280}
  - Embed: {num_output: 16, bias_term: false, weight_filler: {type: gaussian, std: 0.3}}
  - GRU: {num_output: 32, carry: true, weight_filler: {type: uniform, min: -0.2, max: 0.2}}
  - InnerProduct: {num_output: 280, axis: 2, weight_filler: xavier}
  - SoftmaxWithLoss: {axis: 2}
solver: {type: Adam, base_lr: 0.02, momentum: 0.9, max_iter: 60, snapshot: 30}
licence: unknown
dataset_licence: unknown
"""
TELLS = """\
name: tells
layers:
  - Data: {source: reviews, batch_size: 8, steps: 16, test_fraction: 0.25, tokens: WORDPIECE, most_tokens: 60, top: [data, label, cont]}
  - Embed: {num_output: 8, bias_term: false, weight_filler: {type: gaussian, std: 0.3}}
  - GRU: {bottom: [embed1, cont], num_output: 8, carry: false, weight_filler: xavier}
  - LastStep: {bottom: [gru1, cont]}
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - Accuracy
  - SoftmaxWithLoss
solver: {type: Adam, base_lr: 0.02, momentum: 0.9, max_iter: 40}
licence: unknown
dataset_licence: unknown
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both nets, their data, their runs and a zoo."""
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "t.txt").write_text("the cat sat on the mat.\nthe dog sat on the log.\n" * 60)
    for name, words in (("good", "a fine film, truly fine"), ("bad", "a bad film and a long one")):
        (folder / "reviews" / name).mkdir(parents=True)
        for k in range(16):
            (folder / "reviews" / name / f"{k}.txt").write_text(f"{words} {k}")
    for name, net in (("writes", WRITES), ("tells", TELLS)):
        (folder / f"{name}.yaml").write_text(net)
        result = netc("train", folder / f"{name}.yaml", "--runs", folder / "runs", "--zoo", folder / "zoo")
        assert result.exit_code == 0, result.stderr
    return folder


def test_a_model_writes(place: Path) -> None:
    model = Model("writes", str(place / "zoo"))
    assert " sat on the" in write(model, "the cat", 12, 0)
    with pytest.raises(DataError, match="the prompt is empty"):
        write(model, "", 12)
    assert model.metadata["tokens"] == "tokens" and json.loads(model.metadata["tokenizer"])["model"]["type"] == "BPE"


def test_a_model_tells_texts_apart(place: Path) -> None:
    model = Model("tells", str(place / "zoo"))
    assert [p.best[0][0] for p in model.predict(["a fine film", "a bad film and a long one"])] == ["good", "bad"]


def test_the_tokenizer_is_kept_with_the_model(place: Path) -> None:
    said = [json.loads(p.read_text()) for p in (place / "zoo/writes/1.0.0/tokenizer.json", place / "runs/writes/1/tokenizer.json")]
    assert said[0] == said[1] and said[0]["model"]["type"] == "BPE"
    roles = {f["name"]: f["role"] for f in json.loads((place / "zoo/writes/1.0.0/manifest.json").read_text())["files"]}
    assert roles["tokenizer.json"] == "tokenizer"
    assert "tokenizer: tokenizer.json" in (place / "zoo/writes/1.0.0/net.yaml").read_text()
    training = json.loads((place / "zoo/writes/1.0.0/train.json").read_text())
    assert training["batch"][0]["tokenizer"] == "tokenizer.json"


def test_the_loss_of_a_character_is_that_of_a_token_by_its_length(place: Path) -> None:
    scores = json.loads((place / "zoo/writes/1.0.0/metrics.json").read_text())
    assert 1 < scores["loss"] / scores["loss_per_character"] < 8
    assert "loss_per_character" not in json.loads((place / "zoo/tells/1.0.0/metrics.json").read_text())


def test_a_run_continues_with_its_own_tokenizer(place: Path, tmp_path: Path) -> None:
    runs = ("--runs", place / "runs", "--no-publish")
    result = netc("train", place / "writes.yaml", "--resume", "--set", "solver.max_iter=70", *runs)
    assert result.exit_code == 0, result.stderr
    weights = place / "runs/writes/1/snapshots/iter_00000060.safetensors"
    (tmp_path / "t.txt").write_text("zebras and quagmires, " * 100)
    other = tmp_path / "writes.yaml"
    other.write_text(WRITES)
    assert netc("test", other, "--weights", weights).exit_code == 0
    refused = netc("test", other, "--weights", weights, "--set", "layers.data.most_tokens=270")
    assert refused.exit_code == 2 and "--set layers.data.most_tokens=270: Layer 'data': `most_tokens` is 270" in refused.stderr


def test_a_model_names_the_library_that_it_lacks(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netc.data import subwords

    subwords._tokenizer.cache_clear()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DataError, match=r"pip install 'netc\[tokens\]'"):
        Model("tells", str(place / "zoo")).predict(["a fine film"])
    refused = netc("check", place / "writes.yaml")
    assert refused.exit_code == 2 and "pip install 'netc[tokens]'" in refused.stderr and "Traceback" not in refused.stderr


def test_samples_are_shown_as_text(place: Path) -> None:
    shown = netc("data", "show", place / "writes.yaml").stdout
    assert "different tokens" in shown
    assert "the cat sat on" in shown
