"""The pages of an LMDB file, in the 64-bit layout of liblmdb 0.9 (lmdb.h, mdb.c): a tree of keys and values.

liblmdb maps the file and trusts it, so a damaged file can end the process. This reader checks each number before it follows it:

* magic numbers and transactions of the two meta pages,
* the number, kind and bounds of every page that it visits,
* nodes that fill their page without a gap,
* the order of keys, and the counts of pages and entries.

LMDB has no checksums. So a changed byte within a value cannot be detected, and one in a key only if it breaks the order.
"""

import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from netc.files import open_plain

MAGIC, VERSION = 0xBEEFC0DE, 1
HEADER, NODE, META = struct.Struct("<QHHHH"), struct.Struct("<HHHH"), struct.Struct("<IIQQ")
TREE, END = struct.Struct("<IHHQQQQQ"), struct.Struct("<QQ")
BRANCH, LEAF, OVERFLOW, PAGE_META, KINDS = 1, 2, 4, 8, 0x6F
BIG = 1  # node flag: its value is on separate pages
NO_PAGE = 2**64 - 1
PAGE_SIZES = tuple(1 << k for k in range(8, 17))
MOST_DEPTH, MOST_KEY = 32, 511


class PageError(ValueError):
    """A page of the file is invalid."""


@dataclass(frozen=True)
class Tree:
    """The tree of a database: its root page, and its expected content."""

    page_size: int
    last_page: int
    depth: int
    branches: int
    leaves: int
    overflow: int
    entries: int
    root: int


@dataclass
class Rows:
    """Sorted keys. For each value: its position in the file, its size, and its separate page (0: within a leaf)."""

    keys: list[bytes] = field(default_factory=list)
    places: "array[int]" = field(default_factory=partial(array, "Q"))
    sizes: "array[int]" = field(default_factory=partial(array, "Q"))
    pages: "array[int]" = field(default_factory=partial(array, "Q"))


def read_rows(path: Path) -> Rows:
    """All rows of a file, without their values. PageError if the file is damaged, truncated or not an LMDB. OSError."""
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        tree = _tree(file, size)
        rows, seen = Rows(), {BRANCH: 0, LEAF: 0, OVERFLOW: 0}
        if tree.entries or tree.root != NO_PAGE:
            for number, page in _leaves(file, tree, seen):
                _read_leaf(number, page, tree, rows, seen, size)
    counted = seen[BRANCH], seen[LEAF], seen[OVERFLOW], len(rows.keys)
    if counted != (tree.branches, tree.leaves, tree.overflow, tree.entries):
        said = f"{tree.branches}, {tree.leaves} and {tree.overflow} pages (branches, leaves, of large values) and {tree.entries} entries"
        raise PageError(f"it should have {said}; {', '.join(map(str, counted[:3]))} and {counted[3]} are there")
    large = [page for page in rows.pages if page]
    if len(set(large)) != len(large):
        raise PageError("two entries have the same value's pages")
    return rows


def read_values(path: Path, rows: Rows, chosen: Sequence[int]) -> list[tuple[bytes, bytes]]:
    """The keys and values of some rows. PageError if the file has changed since `read_rows`."""
    found = []
    with open_plain(path) as file:
        for row in chosen:
            page, size = rows.pages[row], rows.sizes[row]
            file.seek(rows.places[row] - (HEADER.size if page else 0))
            content = file.read(size + (HEADER.size if page else 0))
            if page and len(content) >= HEADER.size:
                number, _, kind, _, _ = HEADER.unpack_from(content)
                if number != page or kind & KINDS != OVERFLOW:
                    raise PageError(f"page {page} is not the value of {rows.keys[row]!r}")
                content = content[HEADER.size :]
            if len(content) != size:
                raise PageError(f"the file ends within the value of {rows.keys[row]!r}")
            found.append((rows.keys[row], content))
    return found


def _tree(file: BinaryIO, size: int) -> Tree:
    """The newest tree. Both meta pages must be intact, because the older one leads to outdated rows."""
    first = file.read(HEADER.size + META.size + TREE.size)
    if len(first) < HEADER.size + META.size + TREE.size or META.unpack_from(first, HEADER.size)[0] != MAGIC:
        raise PageError("it does not begin like an LMDB file")
    (page_size,) = struct.unpack_from("<I", first, HEADER.size + META.size)
    if page_size not in PAGE_SIZES:
        raise PageError(f"its page size is {page_size}, which LMDB does not use")
    metas = [_meta(file, number, page_size) for number in (0, 1)]
    (older, _), (newer, tree) = sorted(metas, key=lambda meta: meta[0])
    if newer and (newer - older != 1 or metas[newer % 2][0] != newer):
        raise PageError(f"its meta pages are of the transactions {metas[0][0]} and {metas[1][0]}, which do not follow one another")
    if tree.depth > MOST_DEPTH or (tree.root == NO_PAGE) != (tree.entries == 0):
        raise PageError(f"it has {tree.entries} entries in a tree of depth {tree.depth}")
    if (most := size // page_size) < tree.leaves + tree.branches + 2:
        raise PageError(f"it has {most} pages; its tree alone takes {tree.leaves + tree.branches + 2}: the file was cut short")
    return tree


def _meta(file: BinaryIO, number: int, page_size: int) -> tuple[int, Tree]:
    """The transaction number of a meta page, and its tree."""
    file.seek(number * page_size)
    content = file.read(HEADER.size + META.size + 2 * TREE.size + END.size)
    if len(content) < HEADER.size + META.size + 2 * TREE.size + END.size:
        raise PageError("the file ends within its meta pages")
    page, _, kind, _, _ = HEADER.unpack_from(content)
    magic, version, _, _ = META.unpack_from(content, HEADER.size)
    if (page, kind & KINDS, magic) != (number, PAGE_META, MAGIC):
        raise PageError(f"page {number} is no meta page")
    if version != VERSION:
        raise PageError(f"it is of version {version} of LMDB's format; version {VERSION} is read")
    at = HEADER.size + META.size
    own_size, *_ = TREE.unpack_from(content, at)
    _, flags, depth, branches, leaves, overflow, entries, root = TREE.unpack_from(content, at + TREE.size)
    if own_size != page_size:
        raise PageError(f"page {number} says that pages have {own_size} bytes, page 0 says {page_size}")
    if flags:
        raise PageError("its keys are in an order of their own, or have several values; Caffe's have neither")
    last, transaction = END.unpack_from(content, at + 2 * TREE.size)
    return transaction, Tree(page_size, last, depth, branches, leaves, overflow, entries, root)


def _leaves(file: BinaryIO, tree: Tree, seen: dict[int, int]) -> Iterator[tuple[int, bytes]]:
    """The leaves from left to right: page number and content."""
    visited = set[int]()
    waiting = [(tree.root, 1)]
    while waiting:
        number, depth = waiting.pop()
        if number in visited or not 2 <= number <= tree.last_page:
            raise PageError(f"a branch leads to page {number}{' a second time' if number in visited else ', which does not exist'}")
        visited.add(number)
        file.seek(number * tree.page_size)
        page = file.read(tree.page_size)
        wanted = LEAF if depth == tree.depth else BRANCH
        if len(page) < tree.page_size:
            raise PageError(f"it has no page {number}: the file was cut short")
        own, _, kind, _, _ = HEADER.unpack_from(page)
        if own != number or kind & KINDS != wanted:
            raise PageError(f"page {number} is no {'leaf' if wanted == LEAF else 'branch'} of the tree")
        seen[wanted] += 1
        if wanted == LEAF:
            yield number, page
            continue
        children = [low | high << 16 | flags << 32 for low, high, flags, _, _ in _nodes(number, page, large=False)]
        waiting += [(child, depth + 1) for child in reversed(children)]


def _read_leaf(number: int, page: bytes, tree: Tree, rows: Rows, seen: dict[int, int], size: int) -> None:
    for low, high, flags, key_size, at in _nodes(number, page, large=True):
        start = at + NODE.size + key_size
        key, length = page[at + NODE.size : start], low | high << 16
        if not 0 < key_size <= MOST_KEY or (rows.keys and key <= rows.keys[-1]):
            raise PageError(f"page {number}: the key {key[:40]!r} is out of order")
        place, own = number * tree.page_size + start, 0
        if flags == BIG:
            (own,) = struct.unpack_from("<Q", page, start)
            place = own * tree.page_size + HEADER.size
            seen[OVERFLOW] += -(-(HEADER.size + length) // tree.page_size)
            if not 2 <= own <= tree.last_page:
                raise PageError(f"page {number}: the value of {key[:40]!r} is on page {own}, which does not exist")
        if place + length > size:
            raise PageError(f"the value of {key[:40]!r} goes beyond the end: the file was cut short")
        rows.keys.append(key)
        rows.places.append(place)
        rows.sizes.append(length)
        rows.pages.append(own)


def _nodes(number: int, page: bytes, large: bool) -> Iterator[tuple[int, int, int, int, int]]:
    """The nodes of a page: low, high, flags, size and position of the key. They must fill the page from `upper` to its end."""
    _, _, _, lower, upper = HEADER.unpack_from(page)
    count, left = (lower - HEADER.size) // 2, len(page) - upper
    if lower % 2 or not HEADER.size + 2 <= lower <= upper <= len(page):
        raise PageError(f"page {number}: its nodes are from {lower} to {upper}")
    places = struct.unpack_from(f"<{count}H", page, HEADER.size)
    if len(set(places)) != count:
        raise PageError(f"page {number}: two of its nodes are at one place")
    for at in places:
        if not upper <= at <= len(page) - NODE.size:
            raise PageError(f"page {number}: a node is at {at}")
        low, high, flags, key_size = NODE.unpack_from(page, at)
        if large and flags not in (0, BIG):
            raise PageError(f"page {number}: a node of another kind: databases within the database, or several values of a key")
        own = 0 if not large else 8 if flags == BIG else low | high << 16
        taken = NODE.size + key_size + own
        left -= taken + taken % 2
        if at + taken > len(page) or left < 0:
            raise PageError(f"page {number}: a node at {at} goes beyond its place")
        yield low, high, flags, key_size, at
    if left:
        raise PageError(f"page {number}: {left} bytes belong to no node")
