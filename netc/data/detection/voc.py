"""Annotations of Pascal VOC: one .xml file for each image, with the objects and their boxes in pixels."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from netc.data.undecodable import UndecodableError
from netc.files import read_file

SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Objects:
    """The objects of an image: names of classes, boxes in pixels, and whether they are difficult.

    `size` is (height, width), 0 if it is unknown.
    """

    names: tuple[str, ...]
    corners: tuple[tuple[float, ...], ...]
    difficult: tuple[bool, ...]
    size: tuple[int, int] = (0, 0)


def read_voc(path: Path) -> Objects:
    """Read the objects of an .xml file. UndecodableError for a file that is no annotation."""
    try:
        content = read_file(path)
        if not content.strip():
            raise ValueError("the file is empty")
        root = ElementTree.fromstring(_without_entities(content))
        if root.tag != "annotation":
            raise ValueError(f"its element is <{root.tag}>, expected <annotation>")
        found = root.findall("object")
        boxes = [tuple(float(_text(item, f"bndbox/{side}")) for side in SIDES) for item in found]
        size = int(float(root.findtext("size/height") or 0)), int(float(root.findtext("size/width") or 0))
        flags = [(item.findtext("difficult") or "0").strip() == "1" for item in found]
        return Objects(tuple(_text(item, "name") for item in found), tuple(boxes), tuple(flags), size)
    except OSError as e:
        raise UndecodableError({0: f"Cannot read {path}: {e.strerror or e}"}) from e
    except (ValueError, ElementTree.ParseError) as e:
        raise UndecodableError({0: f"{path} is not an annotation of Pascal VOC: {e}."}) from e


def _without_entities(content: bytes) -> bytes:
    """The content. ValueError if it defines entities, which could expand to any size."""
    if b"<!ENTITY" in content:
        raise ValueError("it defines entities")
    return content


def _text(item: ElementTree.Element, name: str) -> str:
    found = (item.findtext(name) or "").strip()
    if not found:
        raise ValueError(f"an <object> has no <{name.replace('/', '><')}>")
    return found
