"""The table of checks, and what each check can see."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from netc.commands.data_report import Seen
from netc.compiler.program import Program
from netc.errors import Diagnostic
from netc.net.model import Layer

MOST_PER_CHECK = 5  # warnings of one check to print in full


@dataclass(frozen=True)
class Checked:
    """A program, statistics of its data, and the layers of its training net."""

    program: Program
    seen: tuple[Seen, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.program.train_net.layers

    @cached_property
    def _makers(self) -> Mapping[tuple[str, str], Layer]:
        """The layer that wrote a blob, by reading layer and blob."""
        written: dict[str, Layer] = {}
        makers: dict[tuple[str, str], Layer] = {}
        for layer in self.layers:
            makers |= {(layer.name, blob): written[blob] for blob in layer.bottoms if blob in written}
            written |= dict.fromkeys(layer.tops, layer)
        return makers

    def maker(self, layer: Layer, blob: str) -> Layer | None:
        """The last layer that wrote `blob` before `layer` reads it."""
        return self._makers.get((layer.name, blob))

    def readers(self, blob: str) -> list[Layer]:
        """The layers that read a blob."""
        return [other for other in self.layers if blob in other.bottoms]


Check = Callable[[Checked], Iterator[Diagnostic]]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Decorator that registers a check."""
    CHECKS.append(function)
    return function


def warnings(checked: Checked) -> list[Diagnostic]:
    """The warnings of all checks, each once. If many layers fail one check, only the first, with the number of the others."""
    return list(dict.fromkeys(warning for function in CHECKS for warning in _counted(list(dict.fromkeys(function(checked))))))


def _counted(warned: list[Diagnostic]) -> list[Diagnostic]:
    if len(warned) <= MOST_PER_CHECK:
        return warned
    return [replace(warned[0], text=f"{warned[0].text} (and {len(warned) - 1} more layers like this one)")]


def diagnostic(layer: Layer, text: str, *path: str | int) -> Diagnostic:
    """A warning about a layer, at the field `path` in it."""
    return Diagnostic(layer.at(*path), f"Layer {layer.name!r} ({layer.type}): {text}")
