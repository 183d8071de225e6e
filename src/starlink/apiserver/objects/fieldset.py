"""Sets of fields, as the trees that managedFields holds (FieldsV1). Pure.

A tree maps path elements to trees: `f:name` a field, `k:{"name":"x"}` an entry of a list map, `v:"x"` an entry of
a set. An empty tree is a member of the set, as is one with `.`; the root stands for no field, so an empty root is
the empty set. Rules: https://github.com/kubernetes-sigs/structured-merge-diff
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from starlink.apiserver.memo import remembered
from starlink.apiserver.schema.structure import Node, child

Tree = dict[str, Any]
_SELF = "."
_LEAF: Tree = {}  # one for all: trees are never changed
_LONGEST_SHOWN = 1000
_LOOSE = Node(preserve=True)


def owned(node: Node, value: Any) -> Tree:
    """The fields that an applied configuration claims."""
    if granular(node, value):
        if isinstance(value, dict):
            return {
                f"f:{name}": _claim(node, name, owned(child(node, name) or _LOOSE, part))
                for name, part in value.items()
            }
        return {element(node, item): _member(owned(node.items or _LOOSE, item)) for item in value}
    return {}


def _claim(node: Node, name: str, tree: Tree) -> Tree:
    """A key of a map is a member even where it has fields below it; a field of a struct is not."""
    return tree if name in node.properties else _member(tree)


def twins(node: Node, value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The path of each list with owners of its entries that has one twice, and what tells that entry from others."""
    if not granular(node, value):
        return
    if isinstance(value, dict):
        for name, part in value.items():
            yield from twins(child(node, name) or _LOOSE, part, f"{path}.{name}")
        return
    seen = set()
    for item in value:
        known = element(node, item)
        if known in seen:
            yield path, _key(known)
        seen.add(known)
        yield from twins(node.items or _LOOSE, item, f"{path}{_key(known)}")


def _key(known: str) -> str:
    kind, _, text = known.partition(":")
    keys = msgspec.json.decode(text) if kind == "k" else {"": msgspec.Raw(text.encode())}
    return f"[{','.join(f'{name}={msgspec.json.encode(part).decode()}' for name, part in keys.items())}]"


def compare(node: Node, old: Any, new: Any) -> tuple[Tree, Tree]:
    """The fields of two objects that were changed or added, and those that were removed."""
    changed, removed = (None, None) if _same(old, new) else _compare(node, old, new)
    return changed or {}, removed or {}


def _same(old: Any, new: Any) -> bool:
    return old is new or (type(old) is type(new) and bool(old == new))


def _compare(node: Node, old: Any, new: Any) -> tuple[Tree | None, Tree | None]:
    """Of values that are not the same."""
    if not (granular(node, old) and granular(node, new) and type(old) is type(new)):
        return whole(node, new), _children(whole(node, old)) or None
    if isinstance(new, dict):
        return _compare_parts(old, new, "f:", lambda name: child(node, name) or _LOOSE)
    items = node.items or _LOOSE
    before, after = ({element(node, item): item for item in many} for many in (old, new))
    return _compare_parts(before, after, "", lambda _name: items)


def _compare_parts(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str, below: Callable[[str], Node]
) -> tuple[Tree | None, Tree | None]:
    """Of what has names, which a tree has with `prefix`."""
    changed: Tree = {}
    removed: Tree = {}
    for name, part in new.items():
        if name not in old:
            changed[prefix + name] = whole(below(name), part)
        elif not _same(old[name], part):
            inner_changed, inner_removed = _compare(below(name), old[name], part)
            if inner_changed is not None:
                changed[prefix + name] = inner_changed
            if inner_removed is not None:
                removed[prefix + name] = inner_removed
    for name, part in old.items():
        if name not in new:
            removed[prefix + name] = whole(below(name), part)
    return changed or None, removed or None


def whole(node: Node, value: Any) -> Tree:
    """Every field of a value that is new, itself included."""
    if type(value) is dict and not node.atomic_map:
        return _whole_object(node, value)
    if type(value) is list and granular(node, value):
        items = node.items or _LOOSE
        return _member({element(node, item): whole(items, item) for item in value})
    return _LEAF


def _whole_object(node: Node, value: Tree) -> Tree:
    known = node.repeats.of(value) if node.repeats is not None else None
    if known is not None and known.fields is not None:
        return known.fields
    tree: Tree = {_SELF: _LEAF} if value else _LEAF
    for name, part in value.items():
        deep = type(part) is dict or type(part) is list
        tree["f:" + name] = whole(child(node, name) or _LOOSE, part) if deep else _LEAF
    if known is not None:
        known.fields = tree
    return tree


def granular(node: Node, value: Any) -> bool:
    """Whether the parts of a value have owners of their own."""
    if isinstance(value, dict):
        return not node.atomic_map
    return isinstance(value, list) and node.list_type in ("map", "set")


def element(node: Node, item: Any) -> str:
    """The path element of an entry of a list map or a set."""
    if node.list_type == "map" and isinstance(item, dict):
        if len(node.keys) == 1 and type(named := item.get(node.keys[0])) is str:
            return _named(node.keys[0], named)
        below = node.items.properties if node.items else {}
        keys = {
            key: item.get(key, below[key].default if key in below and below[key].has_default else None)
            for key in sorted(node.keys)
        }
        return "k:" + msgspec.json.encode({key: value for key, value in keys.items() if value is not None}).decode()
    return "v:" + msgspec.json.encode(item).decode()


@remembered(1024)
def _named(key: str, name: str) -> str:
    """The path element of an entry that has one key. Most are few words, such as the types of conditions."""
    return "k:" + msgspec.json.encode({key: name}).decode()


def _member(tree: Tree) -> Tree:
    return {_SELF: {}, **tree} if tree else tree


def _is_member(tree: Tree) -> bool:
    return not tree or _SELF in tree


def _made(member: bool, children: Tree) -> Tree | None:
    """A tree below the root; None when nothing is in it."""
    if children:
        return {_SELF: {}, **children} if member else children
    return {} if member else None


def union(*trees: Tree) -> Tree:
    """What is in any of them, in one walk however many they are."""
    filled = [tree for tree in trees if tree]
    if len(filled) < 2:
        return filled[0] if filled else {}
    below: dict[str, list[Tree]] = {}
    for tree in filled:
        for name, part in tree.items():
            below.setdefault(name, []).append(part)
    return {name: parts[0] if len(parts) == 1 else _union(parts) for name, parts in below.items()}


def _union(trees: Sequence[Tree]) -> Tree:
    children = union(*map(_children, trees))
    return _made(any(map(_is_member, trees)), children) or {}


def difference(one: Tree, other: Tree) -> Tree:
    """What is in `one` and not in `other`."""
    return _combined(one, other, keep_alone=True, member=lambda a, b: a and not b)


def intersection(one: Tree, other: Tree) -> Tree:
    """What is in both."""
    return _combined(one, other, keep_alone=False, member=lambda a, b: a and b)


def _combined(one: Tree, other: Tree, *, keep_alone: bool, member: Callable[[bool, bool], bool]) -> Tree:
    left: Tree = {}
    for name, tree in one.items():
        if name == _SELF:
            continue
        if name not in other:
            if keep_alone:
                left[name] = tree
            continue
        children = _combined(tree, other[name], keep_alone=keep_alone, member=member)
        found = _made(member(_is_member(tree), _is_member(other[name])), children)
        if found is not None:
            left[name] = found
    return left


def _children(tree: Tree) -> Tree:
    return {name: below for name, below in tree.items() if name != _SELF}


def without(tree: Tree, gone: Tree) -> Tree:
    """`tree` without the leaves of `gone` and everything below them."""
    left = {}
    for name, below in tree.items():
        if name not in gone:
            left[name] = below
        elif gone[name]:
            rest = without(_children(below), gone[name])
            if rest:
                left[name] = rest
    return left


def paths(tree: Tree, prefix: str = "") -> Iterator[str]:
    """The members as people read them: `.spec.ports[name="web"].port`."""
    for name, below in tree.items():
        if name == _SELF:
            continue
        here = prefix + _shown(name)
        if _is_member(below):
            yield here
        yield from paths(_children(below), here)


def _shown(name: str) -> str:
    kind, _, text = name.partition(":")
    if len(text) > _LONGEST_SHOWN:
        return f"{'.' if kind == 'f' else '['}{text[:_LONGEST_SHOWN]}…"
    if kind == "f":
        return f".{text}"
    if kind == "v":
        return f"[={text}]"
    keys = msgspec.json.decode(text)
    return "[" + ",".join(f"{key}={msgspec.json.encode(value).decode()}" for key, value in keys.items()) + "]"
