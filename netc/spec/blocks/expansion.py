"""Expand the blocks and repeats of a net to layers.

Blobs whose names are not known yet are references, see `netc.spec.blocks.references`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from yaml.nodes import MappingNode, Node, ScalarNode

from netc import registry
from netc.errors import Diagnostic, Place, Suggestion, near
from netc.spec.blocks.definitions import Block, Definitions, definitions
from netc.spec.blocks.items import Item, Repeat, Use, children, item_of
from netc.spec.blocks.keys import NET_KEYS, REPEAT_KEYS, USE_KEYS
from netc.spec.blocks.references import after
from netc.spec.blocks.text import DIGITS, NAME
from netc.spec.blocks.values import BlobNode, Budget, Frame, Value
from netc.spec.document import Origin
from netc.spec.reading import Reading
from netc.spec.yaml_nodes import at, given, named

MOST_LAYERS = 10_000
DEEPEST = 40  # blocks within blocks
LISTS = ("layers", "layer")
LACKING = ("blocks",)  # among the broken parts of a reading: its net lacks layers, because a block or a use is wrong


@dataclass(frozen=True)
class Entry:
    """A layer of the net: its node, a reference to the blob that it reads by default, and the first part of its name."""

    node: Node
    newest: str
    scope: str = ""
    origin: Origin | None = None


def plain_entries(nodes: Sequence[Node]) -> list[Entry]:
    """The entries of layers without blocks and repeats."""
    return [Entry(node, after(k)) for k, node in enumerate(nodes)]


def expanded(reading: Reading, root: MappingNode) -> tuple[MappingNode, list[Entry] | None]:
    """A net without the keys of blocks, and its layers; None if its text has no blocks. Errors are added to `reading`."""
    keys = {key.value for key, _ in root.value if isinstance(key, ScalarNode)}
    if not keys & NET_KEYS.keys() and "$" not in reading.text and "repeat" not in reading.text:
        return root, None
    errors = len(reading.errors)
    registry.load()  # a block must not have the name of a layer type
    found = definitions(reading, root)
    rest = [(key, value) for key, value in root.value if not (isinstance(key, ScalarNode) and key.value in NET_KEYS)]
    layers = next((value for key, value in rest if isinstance(key, ScalarNode) and key.value in LISTS), None)
    walk = _Walk(reading, found)
    if layers is not None:
        origin, values = Origin(reading.path), dict[str, Value]()
        walk.items(children(layers), Frame(origin, "", values, walk.budget, top=True), after(0))
    if len(reading.errors) > errors:
        reading.broken.add(LACKING)
    else:
        reading.warnings.extend(
            Diagnostic(block.place, f"Block {name!r} is not used.")
            for name, block in found.blocks.items()
            if name not in walk.used and block.place.file == reading.path
        )
    return MappingNode(root.tag, rest, root.start_mark, root.end_mark), walk.entries


@dataclass
class _Walk:
    """Walks the items of a net and appends its layers to `entries`."""

    reading: Reading
    found: Definitions
    entries: list[Entry] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)  # of the uses of a block in a scope
    scopes: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.budget = Budget(self.reading)

    def items(self, nodes: Sequence[Node], frame: Frame, newest: str) -> str:
        """Expand items. Returns the reference to the newest blob after them."""
        for node in nodes:
            item = item_of(node)
            inner = replace(frame, names={**frame.names, "last": _blob(node, newest)}) if self._reads(newest) else frame
            if isinstance(item, Repeat):
                newest = self._repeat(item, inner, newest)
            elif item is not None and item.name in self.found.blocks:
                newest = self._use(item, self.found.blocks[item.name], inner, newest)
            elif self.found.complete or not isinstance(item, Use) or item.name in registry.layer:
                newest = self._layer(node, item, inner, newest)
        return newest

    def _reads(self, newest: str) -> bool:
        return newest != after(0) or bool(self.entries)

    def _layer(self, node: Node, item: Item | None, frame: Frame, newest: str) -> str:
        if len(self.entries) == MOST_LAYERS:
            self.budget.left = 0
        self._check_type(item, frame)
        origin = None if frame.top else frame.origin
        fields = dict(item.pairs) if isinstance(item, Use) else {}
        inner = _without_result(node, item) if isinstance(item, Use) and "as" in {key.value for key in fields} else node
        self.entries.append(Entry(frame.made(inner, "field"), newest, frame.scope, origin))
        return self._result({key.value: value for key, value in fields.items()}, frame, after(len(self.entries)))

    def _check_type(self, item: Item | None, frame: Frame) -> None:
        """An unknown type that is similar to the name of a block is an error."""
        if not isinstance(item, Use) or item.name in registry.layer or item.name[:1].isupper():
            return
        if suggestion := near(item.name, self.found.blocks):
            frame.error(item.kind, f"There is no layer type or block {item.name!r}.", suggestion)

    def _repeat(self, item: Repeat, frame: Frame, newest: str) -> str:
        fields = dict(self._fields(item, item.key, frame, REPEAT_KEYS, "A repeat"))
        place = frame.origin.place(at(item.key))
        count = frame.made(fields["repeat"], "argument")
        rounds = int(count.value) if isinstance(count, ScalarNode) and DIGITS.fullmatch(count.value) else 0
        if not 1 <= rounds <= MOST_LAYERS:
            frame.error(fields["repeat"], f"`repeat` must be a whole number from 1 to {MOST_LAYERS}, got {named(count)}.")
            rounds = 0
        if not item.items:
            frame.error(item.key, "The repeat has no `layers`.")
        newest = self._start(fields, frame, newest)
        for k in range(rounds if item.items else 0):
            notes = f"in round {k + 1} of the repeat at {_where(place)}", *frame.origin.notes
            number = Value(ScalarNode("tag:yaml.org,2002:int", str(k + 1), item.key.start_mark, item.key.end_mark), frame.scope)
            origin = replace(frame.origin, notes=notes)
            newest = self.items(item.items, replace(frame, origin=origin, top=False, names={**frame.names, "i": number}), newest)
        return self._result(fields, frame, newest)

    def _use(self, item: Use, block: Block, frame: Frame, newest: str) -> str:
        self.used.add(block.name)
        if block.name in self.found.unusable:
            return newest
        errors = len(self.reading.errors)
        known = {**dict.fromkeys(block.parameters, ""), **USE_KEYS}
        fields = dict(self._fields(item, item.kind, frame, known, f"Block {block.name!r}", block))
        missing = [n for n, default in block.parameters.items() if default is None and n not in fields]
        if missing:
            names = " and ".join(f"`{n}`" for n in missing)
            self._wrong(frame, item.kind, f"Block {block.name!r} needs the parameter{'s' if len(missing) > 1 else ''} {names}.", block)
        if len(frame.origin.notes) >= DEEPEST:
            self._wrong(frame, item.kind, f"The blocks are nested more than {DEEPEST} deep.", block)
        if len(self.reading.errors) > errors:
            return newest
        start = self._start(fields, frame, newest)
        scope = self._scope(fields, item, block, frame)
        notes = f"in block {block.name!r}, used at {_where(frame.origin.place(at(item.kind)))}", *frame.origin.notes
        values = {n: frame.argument(value) for n, value in fields.items() if n not in USE_KEYS}
        read = {"in": _blob(item.kind, start)} if self._reads(start) else {}
        inner = Frame(Origin(block.place.file, notes), scope, values, self.budget, names=read)
        for name, default in block.parameters.items():
            if name not in values and default is not None:
                values[name] = inner.argument(default)
        return self._result(fields, frame, self.items(block.items, inner, start))

    def _fields(
        self, item: Item, key: Node, frame: Frame, known: Mapping[str, str], what: str, block: Block | None = None
    ) -> Iterator[tuple[str, Node]]:
        """The fields of a repeat or a use. Unknown fields, and those that occur twice, are errors."""
        seen = set()
        if isinstance(item, Use) and isinstance(item.node, MappingNode) and not item.pairs:
            value = item.node.value[0][1]
            if not isinstance(value, MappingNode) and (not isinstance(value, ScalarNode) or given(value)) and value is not item.kind:
                self._wrong(frame, value, f"Expected the parameters of {item.name!r} as a mapping, got {named(value)}.", block)
        for name, value in item.pairs:
            if name.value not in known:
                kind = "parameter" if isinstance(item, Use) else "field"
                self._wrong(frame, name, f"{what} has no {kind} {name.value!r}.", block, near(name.value, known))
            elif name.value in seen:
                frame.error(name, f"`{name.value}` is set twice.")
            else:
                seen.add(name.value)
                yield name.value, value

    def _wrong(self, frame: Frame, node: Node, text: str, block: Block | None, suggestion: Suggestion | None = None) -> None:
        """Add an error in the use of a block, which also names the line of the block."""
        details = (f"block {block.name!r} is defined at {_where(block.place)}",) if block else ()
        place = frame.origin.place(at(node))
        self.reading.report(Diagnostic(place, text, suggestion, details=details))

    def _start(self, fields: Mapping[str, Node], frame: Frame, newest: str) -> str:
        """The reference to the blob that `from` names, or else to the newest blob."""
        if "from" not in fields:
            return newest
        node = frame.made(fields["from"], "blob")
        if isinstance(node, ScalarNode) and given(node):
            return str(node.value)
        frame.error(fields["from"], f"`from` must be the name of a blob, got {named(node)}.")
        return newest

    def _result(self, fields: Mapping[str, Node], frame: Frame, newest: str) -> str:
        """Give the newest blob the name that `as` states. Returns its reference."""
        if "as" in fields:
            name = fields["as"]
            if not isinstance(name, ScalarNode) or not NAME.fullmatch(name.value):
                frame.error(name, f"`as` must be a name of letters, digits and `_`, got {named(name)}.")
            else:
                frame.values[name.value] = _blob(name, newest)
        return newest

    def _scope(self, fields: Mapping[str, Node], item: Use, block: Block, frame: Frame) -> str:
        """The first part of the names of the layers of a use, such as `basic3/`."""
        place = frame.origin.place(at(item.kind))
        if "name" in fields:
            node = frame.made(fields["name"], "argument")
            if not isinstance(node, ScalarNode) or not given(node) or isinstance(node, BlobNode):
                frame.error(fields["name"], f"`name` must be a text, got {named(node)}.")
                return frame.scope
            scope = f"{frame.scope}{node.value}/"
            if scope in self.scopes:
                text = f"The name {node.value!r} is taken by the block at {_where(self.scopes[scope])}."
                frame.error(fields["name"], f"{text} In a repeat, write `name: {node.value}$i`.")
        else:
            stem = f"{frame.scope}{block.name}"
            self.counts[stem] += 1
            while (scope := f"{stem}{self.counts[stem]}/") in self.scopes:
                self.counts[stem] += 1
        self.scopes.setdefault(scope, place)
        return scope


def _without_result(node: Node, item: Use) -> Node:
    """The node of a layer without the field `as`, which is no field of the layer."""
    if not isinstance(node, MappingNode):
        return node
    spelled = any(key is item.kind for key, _ in node.value)
    items = [(key, _without_result(value, item) if spelled else value) for key, value in node.value if key.value != "as"]
    return MappingNode(node.tag, items, node.start_mark, node.end_mark, node.flow_style)


def _blob(node: Node, reference: str) -> Value:
    return Value(BlobNode("", reference, node.start_mark, node.end_mark), "")


def _where(place: Place) -> str:
    return f"{place.file}:{place.line}:{place.column}"
