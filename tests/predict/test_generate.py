"""`netc predict` on models that write texts, forecast series, read sentences and sequences."""

from pathlib import Path

import numpy as np
import pytest

from netc import Model, data
from netc.errors import DataError
from netc.predict import generate
from tests.recurrent_nets import GPT, NET, SERIES, write_letters
from tests.small_nets import netc

SEQUENCES = """\
name: sequences
layers:
  - Data: {source: s.npz, time_major: true, batch_size: 8, test_fraction: 0.2, top: [data, label, cont]}
  - Reverse: {bottom: [data, cont]}
  - GRU: {bottom: [reverse1, cont], num_output: 8, carry: false, weight_filler: xavier}
  - LastStep: {bottom: [gru1, cont]}
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - Accuracy
  - SoftmaxWithLoss
solver: {type: Adam, base_lr: 0.02, momentum: 0.9, max_iter: 60}
licence: unknown
dataset_licence: unknown
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo with a net that writes, two without a memory beyond their steps, one that forecasts, and one for sequences."""
    folder = tmp_path_factory.mktemp("zoo")
    write_letters(folder)
    (folder / "short.yaml").write_text(NET.replace("letters\n", "short\n").replace("carry: true, ", ""))
    (folder / "gpt.yaml").write_text(GPT)
    angle = np.arange(120) / 3
    (folder / "t.csv").write_text("a,b\n" + "".join(f"{k},{10 * np.sin(x):.4f}\n" for k, x in enumerate(angle)))
    (folder / "one.csv").write_text("b\n" + "".join(f"{10 * np.sin(x):.4f}\n" for x in angle))
    (folder / "series.yaml").write_text(SERIES.replace("t.csv", "one.csv"))
    (folder / "two.yaml").write_text(SERIES.replace("name: series", "name: two"))
    rng = np.random.default_rng(0)
    length, label = rng.integers(1, 6, 80), np.arange(80) % 2
    np.savez(folder / "s.npz", data=(rng.normal(size=(80, 5, 3)) / 4 + label[:, None, None]).astype(np.float32), label=label, length=length)
    (folder / "sequences.yaml").write_text(SEQUENCES)
    for name in ("letters", "short", "gpt", "series", "two", "sequences"):
        result = netc("train", folder / f"{name}.yaml", "--runs", folder / "runs", "--zoo", folder / "zoo")
        assert result.exit_code == 0, result.stderr
    return folder / "zoo"


@pytest.mark.parametrize("name", ["letters", "short"])
def test_a_text_goes_on_as_it_was_learned(zoo: Path, name: str) -> None:
    result = netc("predict", name, "--from", zoo, "--prompt", "abcd\nbb", "--length", 8, "--temperature", 0)
    assert result.exit_code == 0 and result.stdout == "abcd\nbbad\nabcd\n\n"


def test_a_prompt_may_be_longer_than_the_window_of_a_net(zoo: Path) -> None:
    model, prompt = Model("gpt", zoo), "abcd\nbbad\n" * 3 + "ab"
    texts = [generate.write(model, p, 12, temperature=0) for p in (prompt, prompt[-8:])]
    assert texts[0] == texts[1] and len(texts[0]) == 12


def test_what_is_written_is_a_function_of_the_seed(zoo: Path) -> None:
    model = Model("letters", zoo)
    texts = [generate.write(model, "a", 40, temperature=3.0, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2] and set(texts[0]) <= set("abcd\n") and len(texts[0]) == 40


def test_a_higher_temperature_draws_more_evenly() -> None:
    p = np.array([0.7, 0.2, 0.1])
    draws = np.linspace(0, 0.999, 1000)
    shares = [np.mean([generate._drawn(p, t, u) == 0 for u in draws]) for t in (0, 0.5, 1, 100)]
    assert shares[0] == 1
    np.testing.assert_allclose(shares[1:], [0.49 / 0.54, 0.7, 1 / 3], atol=5e-3)


def test_a_series_goes_on(zoo: Path) -> None:
    path = zoo.parent / "one.csv"
    result = netc("predict", "series", "--from", zoo, path, "--length", 4)
    assert result.exit_code == 0 and result.stdout.splitlines()[3].startswith(f"{path}: b +4 ")
    values = [float(line.split()[-1]) for line in result.stdout.splitlines()]
    np.testing.assert_allclose(values, 10 * np.sin(np.arange(120, 124) / 3), atol=2.5)
    assert netc("predict", "series", "--from", zoo, path).stdout.splitlines() == result.stdout.splitlines()[:1]
    named = netc("predict", "series", "--from", zoo, zoo.parent / "t.csv")  # the column of that name
    assert named.stdout.split()[-1] == result.stdout.splitlines()[0].split()[-1]


def test_sequences_of_any_length(zoo: Path, tmp_path: Path) -> None:
    model = Model("sequences", zoo)
    rows = np.load(zoo.parent / "s.npz")["data"]
    np.save(tmp_path / "two.npy", rows[:2, :3])
    result = netc("predict", "sequences", "--from", zoo, tmp_path / "two.npy", "--top", 1)
    assert [line.split(": ")[1].split()[0] for line in result.stdout.splitlines()] == ["0", "1"]
    padded = np.pad(rows[:1, :3], [(0, 0), (0, 2), (0, 0)]).transpose(1, 0, 2)
    cont = data.continues(np.array([3]), 5).T
    (first,) = model.predict([str(tmp_path / "two.npy")])[:1]
    np.testing.assert_allclose(model({"data": padded, "cont": cont})["prob"][0], first.outputs["prob"], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("letters", ["--prompt", "ab\nxy"], "prompt:2:1: The character 'x' is not one of the 5 characters of the training text"),
        ("letters", ["--prompt", ""], "the prompt is empty"),
        ("series", ["--prompt", "a"], "the model does not generate text"),
        ("series", ["s.npz"], "s.npz: is not a .csv file; the model forecasts b from the last 6 rows of a table"),
        ("series", ["few.csv"], "few.csv: has 2 rows; the model needs 6"),
        ("series", ["nan.csv"], "nan.csv:3:1: Column 'b' is 'nan'. Expected a number"),
        ("two", ["t.csv", "--length", "2"], "the model forecasts b but also reads a, b, so it can only forecast one step"),
        ("sequences", ["long.npy"], "the sequence has 9 steps; the model takes 1 to 5"),
        ("letters", [], "give INPUTS, or a --prompt"),
    ],
)
def test_what_is_wrong(zoo: Path, name: str, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(zoo.parent)
    (zoo.parent / "few.csv").write_text("b\n1\n2\n")
    (zoo.parent / "nan.csv").write_text("b\n1\nnan\n" + "1\n" * 9)
    np.save(zoo.parent / "long.npy", np.zeros((9, 3), np.float32))
    result = netc("predict", name, "--from", zoo, *arguments)
    assert result.exit_code == 2 and said in result.stderr


def test_a_batch_of_another_shape_is_told(zoo: Path) -> None:
    with pytest.raises(DataError, match="the model expects an input of 5xNx3; got 2x2"):
        Model("sequences", zoo)(np.zeros((2, 2)))


def test_forecasts_and_texts_are_kept(zoo: Path, tmp_path: Path) -> None:
    path = zoo.parent / "one.csv"
    result = netc("predict", "series", "--from", zoo, path, "--length", 10, "-o", tmp_path / "f.npz")
    assert result.exit_code == 0 and not result.stdout, result.stderr
    printed = netc("predict", "series", "--from", zoo, path, "--length", 10).stdout.splitlines()
    np.testing.assert_allclose(np.load(tmp_path / "f.npz")["b"][0], [float(line.split()[-1]) for line in printed], rtol=1e-5)
    assert netc("predict", "series", "--from", zoo, path, "--length", 3, "-o", tmp_path / "f.csv").exit_code == 0
    assert (tmp_path / "f.csv").read_text().startswith("input,b.+1,b.+2,b.+3\n")
    result = netc("predict", "series", "--from", zoo, path, tmp_path / "none.csv")
    assert result.exit_code == 2 and result.stdout.count("b +1") == 1 and "none.csv: is not a .csv file" in result.stderr
