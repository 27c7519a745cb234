"""Which fields does a manager own? Sets of paths, kept as the tree that metadata.managedFields writes.

A node is a dict of path elements (`f:name`, `k:{"key":"v"}`, `v:"item"`); the element `.` says that the node itself
is a member.
"""

import json
from collections.abc import Iterator
from typing import TypeAlias, cast

from hypersdk.model.base import JsonObject

Tree: TypeAlias = "dict[str, Tree | None]"
SELF = "."


def from_fields_v1(fields: JsonObject) -> Tree:
    """Read fieldsV1, where a leaf `{}` is a member by itself."""
    tree: Tree = {}
    for element, value in fields.items():
        if element == SELF:
            tree[SELF] = None
        elif isinstance(value, dict):
            tree[element] = from_fields_v1(value) if value else {SELF: None}
    return tree


def to_fields_v1(tree: Tree) -> JsonObject:
    """Write fieldsV1."""
    written: JsonObject = {}
    for element in sorted(tree):
        node = tree[element]
        if node is None:
            written[SELF] = {}
        else:
            written[element] = {} if set(node) == {SELF} else to_fields_v1(node)
    return written


def union(left: Tree, right: Tree) -> Tree:
    """Members of either."""
    merged = dict(left)
    for element, node in right.items():
        mine = merged.get(element)
        merged[element] = node if node is None or mine is None else union(mine, node)
    return merged


def difference(left: Tree, right: Tree) -> Tree:
    """Members of the left that are not members of the right."""
    rest: Tree = {}
    for element, node in left.items():
        if element not in right:
            rest[element] = node
        elif node is not None:
            below = difference(node, cast("Tree", right[element]))
            if below:
                rest[element] = below
    return rest


def intersection(left: Tree, right: Tree) -> Tree:
    """Members of both."""
    both: Tree = {}
    for element, node in left.items():
        if element not in right:
            continue
        if node is None:
            both[element] = None
            continue
        below = intersection(node, cast("Tree", right[element]))
        if below:
            both[element] = below
    return both


def without_below(tree: Tree, gone: Tree) -> Tree:
    """The tree without the members of `gone` and everything below them."""
    rest: Tree = {}
    for element, node in tree.items():
        cut = gone.get(element)
        if node is None or cut is None:
            if element not in gone:
                rest[element] = node
        elif SELF not in cut:
            below = without_below(node, cut)
            if below:
                rest[element] = below
    return rest


def paths(tree: Tree, prefix: str = "") -> Iterator[str]:
    """Every member as people write it (`.spec.disks[name="root"].size`), those of a level before those below it."""
    nodes = [(prefix + _shown(element), node) for element, node in sorted(tree.items()) if node is not None]
    for path, node in nodes:
        if SELF in node:
            yield path
    for path, node in nodes:
        yield from paths(node, path)


def _shown(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "v":
        return f"[={rest}]"
    keys = cast("JsonObject", json.loads(rest))
    return "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(keys.items())) + "]"
