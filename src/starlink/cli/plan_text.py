"""What a plan says of the objects themselves: what changes of each, and by which hash exactly that is applied. Pure."""

import shlex
from collections.abc import Sequence

from starlink.cli.changes import changes
from starlink.cli.deleting import leaving
from starlink.cli.hints import Command
from starlink.cli.intended import Intended
from starlink.cli.planned import plan_hash
from starlink.cli.screen import NO_SCREEN, Screen
from starlink.cli.tables import one_line


def render_changes(intended: Sequence[Intended], most: int | None = None, screen: Screen = NO_SCREEN) -> str:
    """The changes of each object, of more than `most` fields the first."""
    return "".join(
        [f"{screen.title('changes:')}\n", *(f"  {line}\n" for one in intended for line in _lines(one, most))]
    )


def _lines(one: Intended, most: int | None) -> list[str]:
    if not one.is_seen:
        return [f"{one.name}: what changes is not shown, for {one.unchecked}"]
    if one.before is None:
        return [f"{one.name} is new"]
    going = leaving(one.placed.kind, one.before)
    found = changes(one.before, one.after)
    if not found:
        return [f"{one.name}: {one_line(going) or 'nothing'}"]
    hidden = len(found) - len(found[:most])
    more = [f"  and {hidden} more fields; --all shows them"] if hidden else []
    return [f"{one.name}:{f' {one_line(going)}' if going else ''}", *(f"  {change}" for change in found[:most]), *more]


def keeps_all(intended: Sequence[Intended]) -> bool:
    """Whether none of the objects is being deleted."""
    return not any(one.before is not None and leaving(one.placed.kind, one.before) for one in intended)


def render_hash(intended: Sequence[Intended], words: Sequence[str], command: Command) -> str:
    """The hash, and the command that applies what it was made of, with the words of `starlink apply`."""
    unseen = next((one for one in intended if not one.is_seen), None)
    if unseen is not None:
        return f"this plan has no hash, for {unseen.unchecked}\n"
    hash_ = plan_hash([(one.placed, one.before) for one in intended])
    apply = command(f"apply {shlex.join([*words, '--plan', hash_])}")
    return f"plan {hash_}; to apply this and nothing else:\n  {apply}\n"
