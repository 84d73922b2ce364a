"""Where relative paths of a net file start: from its own folder, and in Caffe's files first from the current folder.

A net of netc finds its files wherever the command runs. Caffe's files name them from the folder that `caffe` runs in. A source function
needs to know only the first rule: `Places.placed` makes the paths that the second one finds absolute.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from netc import netc_pb2 as pb
from netc.errors import Absent, Diagnostic, near
from netc.files import open_plain
from netc.registry import dataset
from netc.spec.document import Document
from netc.spec.loader import YAML
from netc.spec.paths import published

# Fields of layers that name a file or a folder.
FILES = ("source", "test_source", "validation_source", "mean_file", "label_map_file", "annotations", "test_annotations")
ROOT = "root_folder"  # start of the paths in a list
LISTS = ("image_data_param", "window_data_param", "dense_image_data_param")  # messages whose source is a list of paths below ROOT
PROBED = 200  # lines of a list that show where its paths start


@dataclass(frozen=True)
class Places:
    """The folder of a net file, and whether its paths start from the current folder first, as in Caffe."""

    own: Path = Path(".")
    current: bool = False

    @classmethod
    def of(cls, document: Document) -> "Places":
        """The places of a net. YAML files are netc's own, and a published net reads only its own folder."""
        return cls(Path(document.path).parent, Path(document.path).suffix not in YAML and not published(document.path))

    def tried(self, name: str) -> tuple[Path, ...]:
        """The paths that a name may stand for, in the order of their priority."""
        path = Path(name).expanduser()
        return tuple(dict.fromkeys((path, self.own / path) if self.current else (self.own / path,)))

    def find(self, name: str) -> Path:
        """The first path that exists, else the one in the net's own folder."""
        tried = self.tried(name)
        return next((path for path in tried if there(path)), tried[-1])

    def missing(self, name: str) -> Diagnostic:
        """The error for a file or folder that is in none of the places, with similar names."""
        beside = [p.name for path in self.tried(name) if os.path.isdir(path.parent) for p in path.parent.iterdir()]
        text = f"There is no file or folder {name!r}.{self.looked(name) or ' Paths are relative to the folder of the net.'}"
        return self.kind(None, text, near(Path(name).name, beside) or None)

    @property
    def kind(self) -> type[Diagnostic]:
        """The kind of the error for a path that does not exist. Caffe's files often come without their data."""
        return Absent if self.current else Diagnostic

    def looked(self, name: str) -> str:
        """A sentence that names the paths that a name may stand for, with a space before it; "" for a net of netc."""
        tried = [repr(str(path)) for path in self.tried(name)]
        where = f"{tried[0]}, from the current folder, and for {tried[1]}, from that of the net" if len(tried) > 1 else f"{tried[0]}"
        return f" netc looked for {where}." if self.current else ""

    def placed(self, layer: pb.LayerParameter) -> pb.LayerParameter:
        """The layer, in which the paths that start from the current folder are absolute."""
        found = dict[tuple[str, str], str]()
        for param, field, name in _named(layer) if self.current else ():
            path = self.find(name)
            if path != self.own / name:
                found[param, field] = str(Path.cwd() / path)
        found |= {(param, ROOT): root for param in LISTS if self.current and layer.HasField(param) and (root := self._root(layer, param))}
        if not found:
            return layer
        copy = pb.LayerParameter()
        copy.CopyFrom(layer)
        for (param, field), text in found.items():
            setattr(getattr(copy, param), field, text)
        return copy

    def moved(self, net: pb.NetParameter, folder: Path) -> pb.NetParameter:
        """The net with paths that start from `folder`. Paths that do not exist are unchanged."""
        copy = placed_net(net, self)
        for stated, layer in zip(net.layer, copy.layer, strict=True):
            roots = [(param, ROOT, getattr(layer, param).root_folder) for param in LISTS if layer.HasField(param)]
            for param, field, name in [*_named(layer), *roots]:
                path = self.own / name
                if there(path) and not Path(getattr(getattr(stated, param), field)).is_absolute():
                    setattr(getattr(layer, param), field, os.path.relpath(os.path.realpath(path), os.path.realpath(folder)))
        return copy

    def ambiguous(self, document: Document) -> Iterator[Diagnostic]:
        """A note for each path that stands for two different files: Caffe's is read."""
        for k, layer in enumerate(document.message.layer):
            for param, field, name in _named(layer):
                tried = [path for path in self.tried(name) if there(path)]
                if len(tried) > 1 and not tried[0].samefile(tried[1]):
                    text = f"Both {str(tried[0])!r} and {str(tried[1])!r} exist. netc reads the first one, as Caffe does."
                    yield Diagnostic(document.place("layer", k, param, field), f"Layer {layer.name!r}: {text}")

    def _root(self, layer: pb.LayerParameter, param: str) -> str:
        """The folder that the paths in a list start from, if that is the current one or below it; else ""."""
        message = getattr(layer, param)
        names = list(_listed(self.find(message.source)))
        for folder in self.tried(message.root_folder or "."):
            if any(there(below(folder, name)) for name in names):
                return str(Path.cwd() / folder) if folder != self.own / (message.root_folder or ".") else ""
        return ""


def there(path: Path) -> bool:
    """Whether a path exists. A text that cannot be a path does not."""
    return os.path.exists(path)


def below(root: Path, name: str) -> Path:
    """The path of a line in a list. Caffe also puts the root before a line that begins with a slash."""
    if not name.startswith("/"):
        return root / name
    path = root / name.lstrip("/")
    return path if there(path) else Path(name)


def _named(layer: pb.LayerParameter) -> Iterator[tuple[str, str, str]]:
    """The message, the field and the text of each path in a layer, without the names of data sets."""
    for message, value in layer.ListFields():
        for field, text in value.ListFields() if message.message_type and not message.is_repeated else ():
            if field.name in FILES and isinstance(text, str) and text not in dataset and "://" not in text:
                yield message.name, field.name, text


def _listed(listing: Path) -> Iterable[str]:
    """The paths in the first lines of a list of images or of windows."""
    with suppress(OSError), open_plain(listing) as file:
        lines = [line.decode(errors="replace").strip() for line in islice(file, PROBED)]
        return [text for line in lines for text in (line, line.rpartition(" ")[0]) if text and not text.startswith("#")]
    return ()


def placed_net(net: pb.NetParameter, places: Places) -> pb.NetParameter:
    """A net in which the paths that start from the current folder are absolute."""
    copy = pb.NetParameter()
    copy.CopyFrom(net)
    for layer in copy.layer:
        layer.CopyFrom(places.placed(layer))
    return copy
