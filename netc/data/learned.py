"""What a trained net needs to read other rows: columns, classes in order, means and standard deviations.

It passes from the training rows to test rows, snapshots and run folders. So results do not depend on the order of columns in a file.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from netc import netc_pb2 as pb
from netc.data.fitted import FittedColumn, from_json
from netc.data.sheet import SUFFIXES
from netc.data.source import Description
from netc.data.subwords import is_tokenizer, vocabulary
from netc.registry import dataset


@dataclass(frozen=True)
class Learned:
    """The columns of the first top, the label column, the classes, and whether the label is a numeric target (`measures`).

    `spreads` are the mean and standard deviation of the columns and of the label.

    `anew`: training continues on other rows, which have their own label, mean and standard deviation. They also have their own classes,
    unless all of them are among these.

    The classes of a text are its vocabulary, and `tokenizer` splits it, if it has one. `fitted` are the columns of a Table layer, and
    `rules` say how their cells are read.
    """

    columns: tuple[str, ...] = ()
    label: str = ""
    classes: tuple[str, ...] = ()
    measures: bool = False
    spreads: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()
    anew: bool = False
    fitted: tuple[FittedColumn, ...] = ()
    rules: tuple[pb.ColumnParameter, ...] = ()
    tokenizer: str = ""

    @classmethod
    def of(cls, described: Description) -> "Learned":
        """Return the `Learned` of a source of training rows."""
        measures = len(described.tops) > 1 and described.tops[1].dtype == "float32"
        spreads = tuple((top.mean, top.std) for top in described.tops)
        label, fitted = described.target or described.label, described.tops[0].fitted
        return cls(described.columns, label, described.classes, measures, spreads, fitted=fitted, rules=described.rules,
                   tokenizer=described.tokenizer)  # fmt: skip

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "Learned":
        """Read the result of `as_json`.

        KeyError, TypeError or ValueError for anything else, because the values may come from an untrusted file.
        """
        columns, classes, label = tuple(said["columns"]), tuple(said["classes"]), said["label"]
        spreads = tuple((tuple(map(float, mean)), tuple(map(float, std))) for mean, std in said["spreads"])
        if not all(isinstance(name, str) for name in (*columns, *classes, label)) or not isinstance(said["measures"], bool):
            raise TypeError("names of columns and classes are text")
        "".join((*columns, *classes, label)).encode()  # a ValueError for text that no net file can contain
        if any(len(mean) != len(std) for mean, std in spreads) or (spreads and columns and len(spreads[0][0]) not in (0, len(columns))):
            raise ValueError("a mean and a deviation belong to each column")
        fitted = tuple(from_json(column) for column in said.get("fitted", ()))
        try:
            rules = tuple(ParseDict(rule, pb.ColumnParameter()) for rule in said.get("rules", ()))
        except ParseError as e:
            raise ValueError(str(e)) from e
        tokenizer = said.get("tokenizer", "")
        if tokenizer and not is_tokenizer(tokenizer):
            raise ValueError("a tokenizer is the text of a file tokenizer.json")
        return cls(columns, label, classes, said["measures"], spreads, fitted=fitted, rules=rules, tokenizer=tokenizer)

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        fitted, rules = (
            [column.as_json() for column in self.fitted],
            [MessageToDict(rule, preserving_proto_field_name=True) for rule in self.rules],
        )
        return asdict(replace(self, fitted=(), rules=())) | {"fitted": fitted, "rules": rules}

    @property
    def _lists_tokens(self) -> bool:
        """Whether the classes of a text are its tokens, and not classes of whole texts."""
        return not self.tokenizer or self.classes == vocabulary(self.tokenizer)

    @property
    def said(self) -> bool:
        """Whether there is anything that other rows must share."""
        return bool(self.columns or self.classes or self.measures or self.tokenizer)

    def for_training(self) -> "Learned":
        """The requirements for other rows if training continues on them."""
        return replace(self, measures=False, spreads=(), anew=True)

    def stated_in(self, layer: pb.LayerParameter, found: Collection[str] = ()) -> pb.LayerParameter:
        """Return a data layer that reads its rows by these columns and classes. It keeps its own label_column.

        `found` are the classes of the rows, if they are known.
        """
        filled = pb.LayerParameter()
        filled.CopyFrom(layer)
        param = filled.data_param
        if self.columns and is_table(layer):
            param.columns[:] = self.columns
            if self.label and not param.label_column:
                param.label_column = self.label
        if self.measures and (is_table(layer) or param.image_column):
            param.regression = True
        if layer.type == "Table" and not filled.table_param.columns:
            filled.table_param.columns.extend(self.rules)
        text = param.steps and not is_table(layer) and self._lists_tokens  # these are inputs of the net
        ours = self.classes and (text or not self.anew or (found and not param.classes and {*found} <= {*self.classes}))
        if ours and layer.type == "Data":
            param.classes[:] = self.classes
        return filled

    def spread_of(self, described: Description) -> Description:
        """Return the description of other rows, with the means and standard deviations of the training rows."""
        if len(self.spreads) < len(described.tops) or self.columns != described.columns:
            return described
        tops = zip(described.tops, self.spreads, strict=False)
        return replace(described, tops=tuple(replace(top, mean=mean, std=std) for top, (mean, std) in tops))


Known = Mapping[str, Learned]  # by the name of a source's first top
NOTHING: Known = MappingProxyType({})


def rows_said(known: Known) -> dict[str, Any]:
    """The metadata about the training rows in a file of weights, by the first top of each source."""
    return {top: learned.as_json() for top, learned in known.items() if learned.said}


def stated(net: pb.NetParameter, known: Known) -> pb.NetParameter:
    """Return a net whose table layers state the columns and classes that they read."""
    filled = pb.NetParameter()
    filled.CopyFrom(net)
    for layer in filled.layer:
        if (is_table(layer) or layer.type == "Table") and layer.top and layer.top[0] in known:
            layer.CopyFrom(known[layer.top[0]].stated_in(layer))
    return filled


def is_table(layer: pb.LayerParameter) -> bool:
    """Whether a layer reads a table of numbers from a text file. A table that lists images is none."""
    param = layer.data_param
    is_text = layer.type == "Data" and param.source not in dataset and Path(param.source).suffix.lower() in SUFFIXES
    return is_text and not param.image_column
