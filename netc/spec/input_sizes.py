"""`--input-size`: other sizes for the inputs of a net, such as 1x3x224x224, 224x224 or data=1x3x300x300."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netc.errors import Argument, Diagnostic, SpecError, near
from netc.spec.document import Document
from netc.spec.job import Job
from netc.spec.overrides import copy_of

FORM = "NxCxHxW, CxHxW, HxW, or NAME=SIZES"
IMAGE = 4  # axes of an image input


@dataclass(frozen=True)
class InputSize:
    """The sizes of the input `name`; of all image inputs if it is ""."""

    name: str
    sizes: tuple[int, ...]
    text: str

    @classmethod
    def of(cls, text: str) -> "InputSize":
        """Parse an argument. SpecError if it has another form."""
        name, _, sizes = text.rpartition("=")
        parts = re.split(r"[x,*]", sizes.strip().lower())
        if not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            raise SpecError(Diagnostic(Argument(f"--input-size {text}"), f"Expected {FORM} with numbers from 1 on, got {sizes!r}."))
        return cls(name.strip(), tuple(map(int, parts)), text)

    def names(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """The inputs that it is for: the one with its name, else images, else those of as many axes."""
        if self.name:
            return [self.name]
        images = [n for n, s in shapes.items() if len(s) == IMAGE] if len(self.sizes) <= IMAGE else []
        return images or [n for n, s in shapes.items() if len(s) == len(self.sizes)]

    def error(self, text: str, **more: Any) -> SpecError:
        """The error about this argument."""
        return SpecError(Diagnostic(Argument(f"--input-size {self.text}"), text, **more))


def resized(job: Job, texts: Sequence[str]) -> Job:
    """Return `job` with other sizes in its Input layers. SpecError if it has no such input, or if the number of axes differs."""
    sizes = [InputSize.of(text) for text in texts]
    made: dict[int, Document] = {}
    for document in (job.train, *job.tests):
        made[id(document)] = made.get(id(document)) or _with_sizes(document, sizes)
    return replace(job, train=made[id(job.train)], tests=tuple(made[id(d)] for d in job.tests))


def fixes_batch(job: Job, texts: Sequence[str]) -> bool:
    """Whether one of the sizes is for all axes of its input, and so for the batch too."""
    shapes = _shapes(job.tests[0].message if job.tests else job.train.message)
    sizes = [InputSize.of(text) for text in texts]
    return any(len(size.sizes) == len(shapes[name]) for size in sizes for name in size.names(shapes) if name in shapes)


def _with_sizes(document: Document, sizes: Sequence[InputSize]) -> Document:
    message = copy_of(document.message)
    shapes = _shapes(message)
    for size in sizes:
        names = size.names(shapes)
        if not shapes:
            raise size.error("The net has no Input layer. A data layer takes the size of its data.")
        if size.name and size.name not in shapes:
            raise size.error(f"The net has no input {size.name!r}.", suggestion=near(size.name, shapes))
        if not names or (len(names) > 1 and len(size.sizes) == len(shapes[names[0]])):
            known = ", ".join(f"{n} {'x'.join(map(str, s))}" for n, s in shapes.items())
            raise size.error(f"Name the input: `--input-size NAME={size.text}`. The inputs are {known}.")
        for name in names:
            shapes[name] = _sized(size, name, shapes[name])
    for layer in message.layer:
        if layer.type == "Input":
            del layer.input_param.shape[:]
            for top in layer.top:
                layer.input_param.shape.add(dim=shapes[top])
    return replace(document, message=message)


def _shapes(message: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each input in the net file."""
    found: dict[str, tuple[int, ...]] = {}
    for layer in message.layer:
        shapes = layer.input_param.shape if layer.type == "Input" else ()
        found |= {top: tuple(shapes[k % len(shapes)].dim) for k, top in enumerate(layer.top) if shapes}
    return found


def _sized(size: InputSize, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` with the given sizes at its end. One number is the height and the width of an image."""
    given = size.sizes * 2 if len(size.sizes) == 1 and len(shape) == IMAGE else size.sizes
    if len(given) > len(shape) or (len(given) < len(shape) and len(shape) != IMAGE):
        axes = "x".join(map(str, shape))
        raise size.error(f"The input {name!r} is {axes}. Expected {len(shape)} sizes, got {len(size.sizes)}.")
    return (*shape[: len(shape) - len(given)], *given)
