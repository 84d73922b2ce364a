"""The classes of a detector: their names by number, from SSD's label map or from the annotations themselves."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from netc import netc_pb2 as pb
from netc.data.detection.annotated import BACKGROUND
from netc.errors import DataError
from netc.files import read_text

MOST_CLASSES = 100_000


@dataclass(frozen=True)
class Classes:
    """The names for people by number, the background first, and the number of each name in the annotations."""

    names: tuple[str, ...]
    numbers: dict[str, int]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Classes":
        """Classes in this order. The background is added in front, if it is not there."""
        given = tuple(names)
        full = given if given[:1] == (BACKGROUND,) else (BACKGROUND, *given)
        return cls(full, {name: k for k, name in enumerate(full)})


def read_label_map(path: Path) -> Classes:
    """Read a label map. DataError for a file that is none, or that has a number or a name twice.

    Numbers without an item have the name `class K`.
    """
    try:
        found = text_format.Parse(read_text(path), pb.LabelMap())
    except OSError as e:
        raise DataError(f"Cannot read the label map {path}: {e.strerror or e}", field="label_map_file") from e
    except (UnicodeDecodeError, text_format.ParseError) as e:
        wanted = 'Expected entries such as item { name: "cat" label: 1 display_name: "cat" }.'
        raise DataError(f"{path} is not a label map: {e}. {wanted}", field="label_map_file") from e
    if errors := _wrong(path, found.item):
        raise DataError(*errors)
    shown = {item.label: item.display_name or item.name for item in found.item}
    shown.setdefault(0, BACKGROUND)
    numbers = {item.display_name: item.label for item in found.item if item.display_name} | {i.name: i.label for i in found.item}
    return Classes(tuple(shown.get(label, f"class {label}") for label in range(max(shown) + 1)), numbers)


def _wrong(path: Path, items: Sequence[pb.LabelMapItem]) -> list[str]:
    if not items:
        return [f"{path}: The label map has no items."]
    labels, names = Counter(item.label for item in items), Counter(item.name for item in items)
    errors = [f"{path}: {count} items have the label {label}." for label, count in labels.items() if count > 1]
    errors += [f"{path}: {count} items have the name {name!r}." for name, count in names.items() if count > 1]
    wrong = [label for label in labels if not 0 <= label <= MOST_CLASSES]
    return errors + [f"{path}: The label is {label}. Expected 0 to {MOST_CLASSES:,}." for label in wrong]


def label_map(classes: Sequence[str]) -> str:
    """The text of a label map."""
    items = [pb.LabelMapItem(name=name, label=label, display_name=name) for label, name in enumerate(classes)]
    return str(text_format.MessageToString(pb.LabelMap(item=items)))
