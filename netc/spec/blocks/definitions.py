"""Read the definitions of blocks: `blocks:` of a net file, and of the files that it includes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yaml.nodes import MappingNode, Node, ScalarNode

from netc import registry
from netc.errors import Diagnostic, Place, SpecError, near, not_utf8
from netc.files import open_plain
from netc.spec import paths
from netc.spec.blocks.items import Repeat, Use, children, item_of
from netc.spec.blocks.keys import BLOCK_KEYS, NAMES, NET_KEYS, USE_KEYS
from netc.spec.blocks.text import NAME, names_in
from netc.spec.reading import Reading
from netc.spec.yaml_compose import compose
from netc.spec.yaml_nodes import at, given, named, pairs

MOST_FILES = 100
MOST_BLOCKS = 500
MOST_PARAMETERS = 100  # of a block
MOST_BYTES = 1 << 22  # of an included file
SUFFIXES = (".yaml", ".yml")
RESERVED = NAMES.keys() | USE_KEYS.keys()


@dataclass(frozen=True)
class Block:
    """A block: its items, and its parameters with their defaults; None if a parameter is required. `results` are names that `as` gives."""

    name: str
    place: Place
    items: tuple[Node, ...]
    parameters: Mapping[str, Node | None]
    results: frozenset[str]


@dataclass(frozen=True)
class Definitions:
    """The blocks of a net by name. `unusable` are those with errors; their uses give no further errors.

    `complete`: all included files could be read.
    """

    blocks: Mapping[str, Block]
    unusable: frozenset[str]
    complete: bool


def definitions(reading: Reading, root: MappingNode) -> Definitions:
    """Read the blocks that a net file defines or includes. Errors are added to `reading`."""
    reader = _Reader({}, set(), {}, [], paths.published(reading.path))
    reader.file(reading, root, (Path(reading.path).resolve(),))
    blocks = reader.blocks
    uses = {name: {u for n in block.items for u in _used(n) if u in blocks} for name, block in blocks.items()}
    reached = {name: _reached(name, uses) for name in blocks}
    endless = [name for name in blocks if name in reached[name]]
    for ring in _rings(endless, uses, reached):
        chain = " -> ".join(f"{name!r} ({blocks[name].place.file}:{blocks[name].place.line})" for name in (*ring, ring[0]))
        reading.report(Diagnostic(blocks[ring[0]].place, f"Block {ring[0]!r} uses itself: {chain}."))
    unusable = reader.wrong.union(endless)
    return Definitions(blocks, frozenset(unusable | {n for n in blocks if reached[n] & unusable}), not reader.unread)


def _used(node: Node) -> Iterator[str]:
    """The names of the types and blocks that an item uses."""
    item = item_of(node)
    if isinstance(item, Use):
        yield item.name
    elif item is not None:
        for inner in item.items:
            yield from _used(inner)


def _reached(name: str, uses: Mapping[str, set[str]]) -> set[str]:
    """The blocks that a block uses, directly or through others."""
    found: set[str] = set()
    todo = list(uses[name])
    while todo:
        if (next_ := todo.pop()) not in found:
            found.add(next_)
            todo += uses[next_]
    return found


def _rings(endless: Sequence[str], uses: Mapping[str, set[str]], reached: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """One ring of uses for each group of blocks that use each other."""
    done: set[str] = set()
    for start in endless:
        if start in done:
            continue
        group = {n for n in endless if start in reached[n] and n in reached[start]}
        done |= group
        ring = [start]
        while (following := min(uses[ring[-1]] & group)) not in ring:
            ring.append(following)
        yield ring[ring.index(following) :]


@dataclass(frozen=True)
class _Reader:
    """Reads files with definitions. All fields but the last grow while it reads; `unread` are files with errors."""

    blocks: dict[str, Block]
    wrong: set[str]
    done: dict[Path, Place]
    unread: list[str]
    published: bool

    def file(self, reading: Reading, root: MappingNode, chain: tuple[Path, ...]) -> None:
        """Read the definitions of a file. `chain` are the files from the net file to this one."""
        for key, value in pairs(reading, root):
            if key.value == "blocks":
                self._blocks(reading, value)
            elif key.value == "include":
                self._includes(reading, value, chain)
            elif len(chain) > 1:
                text = f"An included file contains only `blocks` and `include`, got {key.value!r}."
                reading.error(at(key), text, near(key.value, NET_KEYS))

    def _blocks(self, reading: Reading, node: Node) -> None:
        if not children(node):
            return
        if not isinstance(node, MappingNode):
            reading.error(at(node), f"`blocks` must be a mapping from names to lists of layers, got {named(node)}.")
            return
        for key, value in pairs(reading, node):
            before = self.blocks.get(key.value)
            if before:
                reading.error(at(key), f"Block {key.value!r} is defined twice, first at {before.place}.")
                continue
            errors = len(reading.errors)
            if len(self.blocks) == MOST_BLOCKS:
                reading.error(at(key), f"There are too many blocks. The limit is {MOST_BLOCKS}.")
                return
            if not NAME.fullmatch(key.value):
                reading.error(at(key), f"{key.value!r} is no name for a block. Use letters, digits and `_`, and begin with a letter.")
            elif key.value in registry.layer:
                reading.error(at(key), f"{key.value!r} is a layer type. Give the block another name.")
            elif key.value in NAMES or key.value in ("repeat", "layers", "type"):
                reading.error(at(key), f"{key.value!r} has a meaning of its own. Give the block another name.")
            self.blocks[key.value] = self._block(reading, key, value)
            if len(reading.errors) > errors:
                self.wrong.add(key.value)

    def _block(self, reading: Reading, key: ScalarNode, node: Node) -> Block:
        layers, declared = self._parts(reading, node) if isinstance(node, MappingNode) else (node, None)
        items = children(layers) if layers is not None else ()
        if not items:
            reading.error(at(key), f"Block {key.value!r} has no layers.")
        results = {r for n in items for r in _results(n)}
        found = dict.fromkeys(n for item in items for n in names_in(item) if n not in results and n not in NAMES)
        parameters = dict.fromkeys(found) if declared is None else self._declared(reading, key.value, declared, found)
        if len(parameters) > MOST_PARAMETERS:
            reading.error(at(key), f"Block {key.value!r} has {len(parameters)} parameters. The limit is {MOST_PARAMETERS}.")
        for name in parameters.keys() & (results | RESERVED):
            reading.error(at(key), f"Block {key.value!r}: {name!r} cannot be a parameter, because it has another meaning in blocks.")
        return Block(key.value, Place(reading.path, *at(key)), items, parameters, frozenset(results))

    def _parts(self, reading: Reading, node: MappingNode) -> tuple[Node | None, Node | None]:
        """The values of `layers` and `parameters` of a block."""
        found: dict[str, Node] = {}
        for name, value in pairs(reading, node):
            if name.value not in BLOCK_KEYS:
                text = f"A block is a list of layers, or a mapping with `layers` and `parameters`, got {name.value!r}."
                reading.error(at(name), text, near(name.value, BLOCK_KEYS))
            elif name.value in found:
                reading.error(at(name), f"`{name.value}` is set twice.")
            else:
                found[name.value] = value
        return found.get("layers"), found.get("parameters")

    def _declared(self, reading: Reading, block: str, node: Node, found: Mapping[str, None]) -> dict[str, Node | None]:
        """The declared parameters with their defaults. Those that the block does not use are errors, and so are undeclared ones."""
        made: dict[str, Node | None] = {}
        listed = [(n, None) for n in children(node)] if not isinstance(node, MappingNode) else pairs(reading, node)
        for name, default in listed:
            if not isinstance(name, ScalarNode) or not NAME.fullmatch(name.value):
                reading.error(at(name), f"A parameter must be a name of letters, digits and `_`, got {named(name)}.")
            elif name.value in made:
                reading.error(at(name), f"Block {block!r} has the parameter {name.value!r} twice.")
            else:
                unset = default is None or (isinstance(default, ScalarNode) and not given(default))
                made[name.value] = None if unset else default
        inner = {n for default in made.values() if default is not None for n in names_in(default)}
        for name_ in found:
            if name_ not in made:
                reading.error(at(node), f"Block {block!r} uses `${name_}`, which is no parameter.", near(name_, {*made, *NAMES}))
        for name_ in made:
            if name_ not in found and name_ not in inner:
                text = f"Block {block!r} does not use its parameter {name_!r}."
                reading.warnings.append(Diagnostic(Place(reading.path, *at(node)), text))
        return made

    def _includes(self, reading: Reading, node: Node, chain: tuple[Path, ...]) -> None:
        for item in children(node):
            if not isinstance(item, ScalarNode) or not given(item):
                self.unread.append("")
                reading.error(at(item), f"`include` must be the path of a YAML file, got {named(item)}.")
            elif wrong := self._include(reading, item, chain):
                self.unread.append(item.value)
                reading.error(at(item), f"Cannot include {item.value!r}: {wrong}")

    def _include(self, reading: Reading, node: ScalarNode, chain: tuple[Path, ...]) -> str:
        """Read an included file. Returns what prevents it, or ""."""
        name, folder = node.value, Path(reading.path).parent
        if self.published and not paths.inside(folder, name):
            return "It is outside of the folder of the net, which comes from a zoo."
        if Path(name).suffix not in SUFFIXES:
            return f"Expected a file that ends in {' or '.join(SUFFIXES)}."
        try:
            path = (folder / Path(name).expanduser()).resolve()
            if path in chain:
                return f"The files include each other: {' -> '.join(p.name for p in (*chain[chain.index(path) :], path))}."
            if path in self.done:
                return ""
            if len(self.done) == MOST_FILES:
                return f"The limit is {MOST_FILES} files."
            self.done[path] = Place(reading.path, *at(node))
            with open_plain(path) as file:
                data = file.read(MOST_BYTES + 1)
        except (OSError, ValueError) as e:
            return f"{getattr(e, 'strerror', '') or e}."
        if len(data) > MOST_BYTES:
            return f"It has more than {MOST_BYTES >> 20} MB."
        self._read(reading, data, str(folder / name), (*chain, path), Place(reading.path, *at(node)))
        return ""

    def _read(self, reading: Reading, data: bytes, file: str, chain: tuple[Path, ...], by: Place) -> None:
        """Read the text of an included file, and add its errors to those of the file that includes it."""
        note = f"in a file that {by} includes"
        try:
            text = data.decode("utf-8-sig")
            inner = Reading(file, text)
            root = compose(text, file)
            if isinstance(root, MappingNode):
                self.file(inner, root, chain)
            elif root is not None:
                inner.error(at(root), f"Expected a mapping with `blocks`, got {named(root)}.")
            reading.included.extend([text, *inner.included])
            reading.warnings.extend(inner.warnings)
            found: Sequence[Diagnostic] = inner.errors
        except UnicodeDecodeError as e:
            found = [not_utf8(file, e)]
        except SpecError as e:
            found = e.diagnostics
        for d in found:
            self.unread.append(file)
            reading.report(replace(d, details=(*d.details, note)))


def _results(node: Node) -> Iterator[str]:
    """The names that `as` gives in an item, and in the items of a repeat."""
    item = item_of(node)
    if item is None:
        return
    yield from (value.value for key, value in item.pairs if key.value == "as" and isinstance(value, ScalarNode))
    if isinstance(item, Repeat):
        for inner in item.items:
            yield from _results(inner)
