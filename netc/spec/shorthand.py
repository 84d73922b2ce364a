"""Default names, bottoms and tops of layers in YAML files: Caffe's conventions, from the records of layer types."""

from collections import Counter
from collections.abc import Iterable

from netc import netc_pb2 as pb
from netc import registry
from netc.registry import LayerType


def stem(of_type: LayerType) -> str:
    """The stem of a layer's default name."""
    return of_type.stem or ("data" if of_type.source else "loss" if of_type.loss else of_type.name.lower())


def nth_name(of_type: LayerType, count: int) -> str:
    """The default name with a number: conv1, conv2, ... or, for types that usually occur once, loss, loss2, ..."""
    single = of_type.single or of_type.scores or of_type.bottoms[1] == 0 or of_type.writes_nothing
    return stem(of_type) if count == 1 and single else f"{stem(of_type)}{count}"


def number_of(of_type: LayerType, name: str) -> int:
    """The number in one of a type's default names; 0 for any other name."""
    first = stem(of_type)
    digits = name.removeprefix(first)
    if name == nth_name(of_type, 1):
        return 1
    plain = name.startswith(first) and digits.isdecimal() and digits.isascii() and len(digits) < 10
    return int(digits) if plain and name == nth_name(of_type, int(digits)) else 0


def default_bottoms(of_type: LayerType, newest: str | None) -> list[str] | None:
    """The blobs that a layer reads by default, given the newest blob. None if there is no default."""
    least, most = of_type.bottoms
    if most == 0:
        return []
    if of_type.several or (least > 1 and not of_type.reads_label):
        return None
    if newest is None:
        return None if of_type.name in registry.layer else []
    return [newest, "label"] if of_type.reads_label else [newest]


def default_tops(of_type: LayerType, layer: pb.LayerParameter, by_default: bool) -> list[str]:
    """The blobs that a layer writes by default. `by_default`: its bottoms are defaults too."""
    if of_type.writes_nothing:
        return []
    if of_type.default_tops or of_type.source:
        tops = of_type.default_tops or ("data", "label")
        return list(tops if isinstance(tops, tuple) else tops(layer))
    return list(layer.bottom) if by_default and of_type.in_place else [layer.name]


def newest_after(of_type: LayerType, tops: Iterable[str], newest: str | None) -> str | None:
    """The newest blob after a layer: its first top. Losses and metrics do not change it."""
    return newest if of_type.scores else next(iter(tops), newest)


class Names:
    """The names of a net's layers, for choosing default names that are free."""

    def __init__(self, taken: Iterable[str] = ()):
        self._taken = Counter(taken)
        self._least: dict[str, tuple[LayerType, int]] = {}  # by a type's first name: all smaller numbers are in use

    def free(self, of_type: LayerType) -> str:
        """The first default name of a type that no layer has."""
        return nth_name(of_type, self._first(of_type))

    def is_default(self, of_type: LayerType, name: str) -> bool:
        """Whether `name`, which one layer has, equals the default name that the layer would get."""
        number = number_of(of_type, name)
        return 0 < number < self._first(of_type) and self._taken[name] == 1

    def add(self, name: str) -> None:
        """Add the name of a layer."""
        self._taken[name] += 1

    def remove(self, name: str) -> None:
        """Remove the name of a layer."""
        self._taken[name] -= 1
        for key, (of_type, least) in self._least.items() if not self._taken[name] else ():
            if 0 < (number := number_of(of_type, name)) < least:
                self._least[key] = of_type, number

    def _first(self, of_type: LayerType) -> int:
        number = self._least.get(nth_name(of_type, 1), (of_type, 1))[1]
        while self._taken[nth_name(of_type, number)]:
            number += 1
        self._least[nth_name(of_type, 1)] = of_type, number
        return number
