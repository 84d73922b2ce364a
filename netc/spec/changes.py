"""The differences between two nets, field by field."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message


def changes(old: Message, new: Message, at: str = "") -> Iterator[tuple[str, str]]:
    """The path and the change of every field that differs.

    For example `("layers.ip1.inner_product_param.num_output", "16, now 17")`. Layers are matched by name, other list elements by index.
    """
    for field in new.DESCRIPTOR.fields:
        path = f"{at}{'layers' if field.name == 'layer' and not at else field.name}"
        if field.is_repeated:
            yield from _of_list(field, getattr(old, field.name), getattr(new, field.name), path)
        elif field.message_type:
            if old.HasField(field.name) or new.HasField(field.name):
                yield from changes(getattr(old, field.name), getattr(new, field.name), f"{path}.")
        elif _said(old, field) != _said(new, field):
            yield path, f"{_said(old, field)}, now {_said(new, field)}"


def _said(message: Any, field: Any) -> str:
    if field.has_presence and not message.HasField(field.name):
        return "unset"
    value = getattr(message, field.name)
    return str(field.enum_type.values_by_number[value].name if field.enum_type else value)


def _of_list(field: Any, old: Any, new: Any, path: str) -> Iterator[tuple[str, str]]:
    if not field.message_type or field.message_type.GetOptions().map_entry:
        if list(old) != list(new) or (field.message_type and dict(old) != dict(new)):
            yield path, f"{_short(old)}, now {_short(new)}"
        return
    before, after = _by_name(old), _by_name(new)
    for name in before | after:
        if name not in after:
            yield f"{path}.{name}", "gone"
        elif name not in before:
            yield f"{path}.{name}", "new"
        else:
            yield from changes(before[name], after[name], f"{path}.{name}.")
    shared = [[n for n in names if n in before and n in after] for names in (before, after)]
    if shared[0] != shared[1]:
        yield path, "in another order"


def _by_name(items: Any) -> dict[str, Any]:
    """Elements by their names, or else their indices. Two layers of one name, for two phases, become `data` and `data#2`."""
    found: dict[str, Any] = {}
    counts = Counter[str]()
    for k, item in enumerate(items):
        name = getattr(item, "name", "") or str(k)
        counts[name] += 1
        found[f"{name}#{counts[name]}" if counts[name] > 1 else name] = item
    return found


def _short(values: Any) -> str:
    text = ", ".join(map(str, values))
    return f"[{text if len(text) < 60 else text[:57] + '...'}]"
