"""`netc help`: every name that a person may ask about, and what is said of one that is not there."""

import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.cli import main
from netc.commands import topics
from netc.report import markdown
from netc.spec.fields import own_fields
from tests.small_nets import netc

registry.load()
TABLES = (registry.layer, registry.optimizer, registry.schedule, registry.filler, registry.dataset, registry.source)


def known() -> set[tuple[str, str]]:
    """(kind, name) of all topics."""
    return {(t.kind, t.name) for t in topics._topics({name: str for name in main.commands})}


def test_every_key_of_the_registries_is_a_topic() -> None:
    names = {name for _, name in known()}
    assert [name for table in TABLES for name in table if name not in names] == []


def test_every_field_is_a_topic_under_each_of_its_names() -> None:
    names = {name for kind, name in known() if kind == "field"}
    wanted = {f"solver.{f.name}" for f in pb.SolverParameter.DESCRIPTOR.fields}
    wanted |= {f"{type_}.{name}" for type_ in registry.layer for name in own_fields(type_)}
    assert wanted <= names


@pytest.mark.parametrize("topic, texts", [
    ("Convolution", ["Convolution\n", "kernel_size: list of uint32", "Size of the kernel along each spatial axis, in pixels."]),
    ("convolution", ["the same small window", "The layer type Convolution: netc help Convolution"]),
    ("solver.momentum", ["SolverParameter.momentum: float", "the fraction of the last update that is kept"]),
    ("lr_policy", ["SolverParameter.lr_policy", "PretrainParameter.lr_policy"]),
    ("Pooling.pool", ["PoolingParameter.pool", "MAX: The maximum.", "AVE: The mean."]),
    ("solver", ["NetParameter.solver", "base_lr: float"]),
    ("relu", ["ReLU\n", "negative_slope: float [0]"]),
    ("Adam", ["Adam (solver type)", "Kingma and Ba", "momentum2: float [0.999]"]),
    ("step", ["step (lr_policy)", "stepsize: int32"]),
    ("xavier", ["xavier (filler)", "variance_norm"]),
    ("mnist", ["mnist (data set)", "Handwritten digits"]),
    (".csv", [".csv (data source)"]),
    ("blob", ["blob: a named array"]),
    ("Momentum", ["momentum: the fraction", "SolverParameter.momentum"]),
    ("zoo list", ["Usage: netc zoo list"]),
    ("zoo", ["# Model zoo", "The command zoo: netc zoo --help"]),
    ("data", ["# Training data", "The layer type Data: netc help Data"]),
])  # fmt: skip
def test_what_a_topic_says(topic: str, texts: list[str]) -> None:
    result = netc("help", topic)
    assert result.exit_code == 0 and [t for t in texts if t not in result.stdout] == []


def test_a_field_of_several_messages_is_told_once_for_each() -> None:
    said = netc("help", "stride").stdout
    assert said.count("ConvolutionParameter.stride:") == said.count("PoolingParameter.stride:") == 1


@pytest.mark.parametrize("name, near", [
    ("Poolin", "'Pooling'"), ("momentun", "'momentum'"), ("solver.momentun", "'solver.momentum'"), ("trainin", "'training'"),
])  # fmt: skip
def test_an_unknown_topic_names_the_near_ones(name: str, near: str) -> None:
    result = netc("help", name)
    assert result.exit_code == 2 and f"there is no topic {name!r} (`netc help` lists the pages). Did you mean {near}" in result.stderr


def test_without_a_topic_the_pages_are_listed() -> None:
    said = netc("help").stdout
    assert all(f"  {name} " in said and topics.title(name) in said for name in topics.PAGES)


def test_a_page_is_laid_out_on_a_terminal_and_plain_elsewhere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    markdown.show("# Title\n\nsome *words*\n")
    assert capsys.readouterr().out == "# Title\n\nsome *words*\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    markdown.show("# Title\n\nsome *words*\n")
    said = capsys.readouterr().out
    assert "Title" in said and "# " not in said and "*words*" not in said


def test_every_synonym_leads_to_a_topic() -> None:
    names = {name for _, name in known()}
    assert {name for meant in topics.SYNONYMS.values() for name in meant} <= names
    assert not {word for word in topics.SYNONYMS if word in names}


@pytest.mark.parametrize(("word", "wanted"), [
    ("lr", "Initial learning rate"), ("augmentation", "TransformationParameter"), ("learning-rates", "Initial learning rate"),
    ("Dense", "InnerProduct"), ("epochs", "max_epoch"), ("Checkpoints", "snapshot"),
])  # fmt: skip
def test_words_of_others(word: str, wanted: str) -> None:
    assert wanted in netc("help", word).stdout
