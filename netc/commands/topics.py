"""`netc help TOPIC`: a page of netc/docs, or the documentation of a name from the registries and the schema."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from inspect import Parameter, getdoc, signature
from typing import Any

from netc import netc_pb2 as pb
from netc import registry
from netc.commands.describe import describe_field, describe_layer, describe_message, summary
from netc.errors import SpecError, near
from netc.spec import comments
from netc.spec.blocks import keys
from netc.spec.fields import own_fields
from netc.spec.other_names import FIELDS, TYPES

# The order of pages in `netc help`.
PAGES = (
    "nets", "blocks", "losses", "training", "fine_tune", "data", "tables", "predict", "zoo", "recurrent", "ctc", "transformers",
    "segmentation", "detection", "trees", "rbm", "autoencoders", "clusters", "gradients", "caffe", "plugins", "step-file",
    "reproducibility", "results", "speed", "cuda", "errors", "words", "inside",
)  # fmt: skip
OLD = ("V1LayerParameter", "V0LayerParameter")  # formats of Caffe before 2015
MESSAGES = [m for name, m in pb.DESCRIPTOR.message_types_by_name.items() if name not in OLD]


AUGMENT = (
    "transform_param", "mirror", "pad", "crop_size", "vertical_flip", "rotation", "random_resized_crop", "color_jitter", "random_erasing",
    "mixup_alpha", "cutmix_alpha",
)  # fmt: skip
# Other words for topics. Names of types and fields in other frameworks (`spec.other_names`) are looked up too.
SYNONYMS = {
    "anomaly": ("clusters", "autoencoders"), "augment": AUGMENT,
    "augmentation": AUGMENT, "checkpoint": ("snapshot", "reproducibility"),
    "clipping": ("clip_gradients", "clip_value"), "clustering": ("clusters", "KMeans"), "cross_entropy": ("SoftmaxWithLoss",),
    "data_augmentation": AUGMENT, "dataset": ("data",), "early_stopping": ("patience", "monitor"),
    "embedding": ("Embed",), "export": ("convert", "step-file"), "gpu": ("cuda", "devices"),
    "find_lr": ("find-lr",), "gpt": ("transformers",), "llm": ("transformers",), "inference": ("predict",),
    "initialization": ("weight_filler", "xavier", "msra"), "knn": ("Nearest",),
    "l1": ("regularization_type",),
    "l2": ("weight_decay",), "learning_rate": ("base_lr", "lr_policy"), "lr": ("base_lr", "lr_policy", "lr_mult"),
    "bounding_boxes": ("detection",), "iou": ("segmentation", "MeanIoU", "DetectionEvaluate"), "ssd": ("detection",),
    "ocr": ("ctc",), "speech": ("ctc",),
    "lr_finder": ("find-lr",), "lr_schedule": ("lr_policy",), "macro": ("blocks",),
    "metrics": ("losses", "Accuracy", "AUC", "R2"), "moving_average": ("ema",),
    "one_cycle": ("onecycle",), "onnx": ("fine_tune", "step-file", "convert"),
    "outliers": ("clusters", "autoencoders"),
    "pretrained": ("fine_tune", "zoo", "pretrain"), "finetune": ("fine_tune",),
    "reduce_on_plateau": ("plateau",), "regularization": ("weight_decay", "Dropout"),
    "restarts": ("cosine",), "resume": ("train", "reproducibility"), "rotate": ("rotation",), "schedule": ("lr_policy",),
    "scheduler": ("lr_policy",), "softmax": ("Softmax", "SoftmaxWithLoss"), "swa": ("ema",),
    "vit": ("transformers",),
    "trainable": ("freeze",), "transfer_learning": ("fine_tune",),
}  # fmt: skip


@dataclass(frozen=True)
class Topic:
    """A help text on `name`, which is of the given `kind`. Pages are Markdown, other texts are plain."""

    kind: str
    name: str
    text: Callable[[], str]

    @property
    def is_page(self) -> bool:
        """Whether the text is Markdown."""
        return self.kind == "page"


def page(name: str) -> str:
    """The Markdown of a page."""
    return (files("netc") / "docs" / f"{name}.md").read_text(encoding="utf-8")


def title(name: str) -> str:
    """The heading of a page."""
    return page(name).partition("\n")[0].removeprefix("# ")


def words() -> dict[str, str]:
    """The glossary from the page `words`: each word and its meaning."""
    rows = [line.strip("| ").split(" | ") for line in page("words").splitlines() if line.startswith("| ")]
    return {word: meaning for word, meaning in rows[1:]}


def contents() -> str:
    """The output of `netc help` without a topic."""
    width = max(map(len, PAGES)) + 2
    lines = ["Pages, each `netc help PAGE`:", "", *(f"  {name.ljust(width)}{title(name)}" for name in PAGES), ""]
    lines += [
        "A topic may also be a command (train), a layer type (Convolution), a solver type (Adam), an lr_policy (step),",
        "a filler (xavier), a data set (mnist), a kind of file (.csv), a field (solver.momentum, kernel_size) or a word (blob).",
    ]
    return "\n".join(lines)


def find(name: str, commands: Mapping[str, Callable[[], str]]) -> list[Topic]:
    """The topics with the name `name`, exact matches first. `commands` has the help texts of commands by name.

    SpecError with suggestions if there are none.
    """
    known = list(_topics(commands))
    topics = [t for t in known if t.name.lower() == name.lower()]
    if not any(t.name == name for t in topics) and (not topics or name in TYPES):  # `Linear` is also a layer of PyTorch
        topics += [t for other in _meant(name) for t in known if t.name == other]
    if not topics:
        raise SpecError(f"there is no topic {name!r} (`netc help` lists the pages). {near(name, {t.name for t in known})}")
    return sorted(topics, key=lambda t: t.name != name)


def _meant(name: str) -> tuple[str, ...]:
    """The topics that a synonym stands for."""
    word = name.lower().replace(" ", "_").replace("-", "_")
    other = {k.lower(): v for k, v in {**{k: t for k, (t, _) in TYPES.items()}, **FIELDS}.items()}
    return SYNONYMS.get(word) or SYNONYMS.get(word.removesuffix("s")) or ((other[word],) if word in other else ())


def _topics(commands: Mapping[str, Callable[[], str]]) -> Iterator[Topic]:
    yield from (Topic("page", name, partial(page, name)) for name in PAGES)
    yield from (Topic("word", word, partial("{}: {}".format, word, meaning)) for word, meaning in words().items())
    yield from (Topic("command", name, text) for name, text in commands.items())
    yield from (Topic("layer type", name, partial(describe_layer, name)) for name in registry.layer)
    tables = (registry.optimizer, _solver_type), (registry.schedule, _policy), (registry.filler, _filler)
    yield from (Topic(table.kind, name, partial(text, name)) for table, text in tables for name in table)
    kinds = {table.kind: table.keys() - registry.layer.keys() for table in (registry.dataset, registry.source)}
    yield from (Topic(kind, name, partial(_source, kind, name)) for kind, names in kinds.items() for name in names)
    yield from (Topic("field", name, partial(_field, field)) for name, field in _fields())
    yield from (Topic("key of blocks", name, partial("{}: {}".format, name, text)) for name, text in keys.TOPICS.items())


def _source(kind: str, name: str) -> str:
    table = registry.dataset if kind == registry.dataset.kind else registry.source
    return f"{name} ({kind})\n\n{getdoc(table[name]) or ''}"


def _solver_type(name: str) -> str:
    function = registry.optimizer[name]
    used = [p.name for p in signature(function).parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
    record = registry.optimizer.records[name]
    used += ["momentum2", "adamw"] if "others" in record else []
    own = ", ".join(f"{field} {value:g}" for field, value in record.get("defaults", {}).items())
    lines = [f"{name} (solver type)", "", summary(function), "", "Fields of the solver that it reads:", *_of(pb.SolverParameter, used)]
    return "\n".join([*lines, *(["", f"Its own defaults: {own}."] if own else [])])


def _policy(name: str) -> str:
    facts = registry.schedule.records[name]
    lists = (("needs", "needs"), ("reads", "reads too"))
    lines = [
        line
        for kind, word in lists
        if kind in facts
        for line in ("", f"Fields of the solver that it {word}:", *_of(pb.SolverParameter, facts[kind]))
    ]
    return "\n".join([f"{name} (lr_policy)", "", summary(registry.schedule[name]), *lines])


def _filler(name: str) -> str:
    return "\n".join(
        [
            f"{name} (filler)",
            "",
            summary(registry.filler[name]),
            "",
            "Fields of a filler:",
            *describe_message(pb.FillerParameter.DESCRIPTOR),
        ]
    )


def _of(message: Any, names: Any) -> Iterator[str]:
    for name in names:
        yield from (f"  {line}" for line in describe_field(message.DESCRIPTOR.fields_by_name[name]))


def _fields() -> Iterator[tuple[str, Any]]:
    """Yield fields by all names that users may try: `momentum`, `solver.momentum`, `Pooling.stride`, `SolverParameter.momentum`."""
    holders = [f for m in MESSAGES for f in m.fields if f.message_type]
    for message in MESSAGES:
        above = {f.name for f in holders if f.message_type is message}
        for field in message.fields:
            yield from ((name, field) for name in (field.name, f"{message.name}.{field.name}", *(f"{a}.{field.name}" for a in above)))
    for type_ in registry.layer:
        yield from ((f"{type_}.{name}", field) for name, (_, field) in own_fields(type_).items())


def _field(field: Any) -> str:
    """Describe a field, with the values of its enum or the fields of its message."""
    lines = list(describe_field(field, f"{field.containing_type.name}.{field.name}"))
    if field.enum_type:
        texts = comments(field.containing_type) | comments(field.enum_type)
        lines += [f"    {v.name}: {texts.get(f'{field.enum_type.full_name}.{v.name}', '')}" for v in field.enum_type.values]
    if field.message_type and field.message_type in MESSAGES:
        lines += ["", *describe_message(field.message_type)]
    return "\n".join(lines)
