"""What a plan says of tasks: where their instances would go, and why not, as text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlink.api.task import Task
from starlink.cli.description import Line, Section, wrapped
from starlink.cli.screen import NO_SCREEN, Screen, Tone
from starlink.cli.tables import Column, aligned, slot_ranges, some
from starlink.planning.telling import in_words

if TYPE_CHECKING:
    from starlink.engine.foresight.headroom import Estimate
    from starlink.engine.foresight.preview import Preview, Row
    from starlink.engine.foresight.what_if import WhatIf

_MOST_VICTIMS = 20


def render(preview: Preview, most: int | None = None, screen: Screen = NO_SCREEN) -> str:
    """The preview as text, of more rows than `most` the first."""
    notes = (line for note in _notes(preview, most) for line in wrapped(note, screen.width, "  "))
    table = Section("", _COLUMNS, _rows(preview, most)).render(screen) if preview.rows else ()
    return "".join(f"{line}\n" for line in (_head(preview, screen), *table, *notes))


_COLUMNS = [Column(title) for title in ("SLOTS", "ACTION", "SERVER", "REASON")]


def _head(preview: Preview, screen: Screen) -> str:
    changes = any(row.action != "keep" for row in preview.rows)
    tone = Tone.BAD if preview.falls_short else Tone.UNDER_WAY if changes else Tone.GOOD
    return screen.marked(f"{screen.title(f'task {preview.task.key}')}{_kind(preview.task)}: {_summary(preview)}", tone)


def _rows(preview: Preview, most: int | None) -> list[Line]:
    return [
        Line((slot_ranges(row.slots, row.server), row.action, _where(row), _why(row))) for row in preview.rows[:most]
    ]


def _notes(preview: Preview, most: int | None) -> list[str]:
    """What is said below the rows."""
    why = in_words(preview.why) if preview.why else ""
    hidden = len(preview.rows) - len(preview.rows[:most])
    lines = [f"and {hidden} more rows; --all shows them"] if hidden else []
    lines += [f"stops {v.assignment} on {v.server} (priority {v.priority})" for v in preview.victims[:_MOST_VICTIMS]]
    unnamed = len(preview.victims) - _MOST_VICTIMS
    lines += [f"stops {unnamed} more"] if unnamed > 0 else []
    if preview.unknown:
        lines.append("any architecture is taken here: the operator looks inside the artifact once it is applied")
    removed = [f"{name} {count}" for name, count in preview.removed if count]
    lines.append(f"filters removed, of {preview.servers} servers: {', '.join(removed) or 'none'}")
    if preview.unplaced and preview.more:
        lines.append(f"of {preview.desired} instances only the next {preview.looked_at} are looked at")
    if preview.unplaced:
        lines.append(f"{preview.unplaced} can't be placed: {why}")
    elif preview.waiting or (preview.held and why):
        lines.append(why)
    elif preview.waited:
        lines.append(in_words(preview.waited))
    elif preview.more and not preview.rounds:
        lines.append("more follow once these are placed")
    if preview.held and not preview.rounds and (preview.absent or not why):
        lines.append(_held(preview))
    return lines + ([f"after {preview.rounds} rounds the rest is not looked at"] if preview.rounds else [])


_LEAVES = {"Outdated": "its template changes"}
_SEQUELS = {
    "NotHeard": ", once its agent is heard again",
    "NoServer": ", and no server takes it",
    "Stays": ", but it stays",
    "NotLookedAt": ", but not in what is looked at",
}


def _why(row: Row) -> str:
    """Why that becomes of the row's instances. How full a server is, is told of new ones alone."""
    if row.action == "keep" and not row.leaves:
        return "nothing of it changes"
    leaves = _LEAVES.get(row.leaves, row.leaves) + _SEQUELS.get(row.sequel, "")
    choice = str(row.choice) if row.choice and (row.action == "create" or not row.choice.fit) else ""
    return "; ".join(filter(None, (leaves, choice)))


def _where(row: Row) -> str:
    return f"{row.server} -> {row.to}" if row.to not in ("", row.server) else row.server


def _held(preview: Preview) -> str:
    """Why instances stay that are to be replaced."""
    stay = (
        f"{preview.held} {'stays' if preview.held == 1 else 'stay'} as {'it is' if preview.held == 1 else 'they are'}"
    )
    if not preview.absent:
        return stay
    missing = f"{preview.absent} of {preview.desired} instances {'is' if preview.absent == 1 else 'are'} missing"
    return f"{stay}: update.maxUnavailable is {preview.task.spec.update.max_unavailable}, and {missing}"


def _kind(task: Task) -> str:
    placement = task.spec.placement
    told = [f"priority {placement.priority}"] if placement.priority else []
    told += ["gang"] if placement.gang else []
    told += ["fixed counts"] if task.spec.servers else []
    return f" ({', '.join(told)})" if told else ""


def _summary(preview: Preview) -> str:
    counts: Counter[str] = Counter()
    for row in preview.rows:
        counts[row.action] += len(row.slots)
    told = [f"{counts[action]} to {action}" for action in ("create", "replace", "stop") if counts[action]]
    told += [f"{counts['keep']} kept"] if counts["keep"] else []
    told += [f"{preview.waiting} to wait for quota"] if preview.waiting else []
    told += [f"{preview.unplaced} without a place"] if preview.unplaced else []
    told += [f"{len(preview.victims)} of others to stop"] if preview.victims else []
    return ", ".join(told) or "nothing to do"


def render_estimates(estimates: Sequence[Estimate], lacking: str) -> str:
    """What the pools' headroom says, as text; `lacking` names what can't be read."""
    lines = []
    for one in estimates:
        lines.append(f"task {one.task.key}{_kind(one.task)}: {_judged(one)}")
        lines += [f"  pool {share.pool}: at most {share.instances} ({share.reason})" for share in one.shares]
        lines += [f"  {note}" for note in one.notes]
    lines.append(f"{lacking} can't be read by you: judged by the pools' headroom; labels, taints, ports and "
                 "neighbours may leave room for fewer")  # fmt: skip
    return "\n".join(lines) + "\n"


def _judged(one: Estimate) -> str:
    if not one.wanted:
        return "nothing more to place"
    instances = "instance" if one.wanted == 1 else "instances"
    return f"{one.fits} of {one.wanted} {instances} to place {'fits' if one.fits == 1 else 'fit'} the headroom"


def render_what_if(found: WhatIf, pool: str) -> str:
    """What the added servers would change, as text."""
    servers = "1 more server" if len(found.added) == 1 else f"{len(found.added)} more servers"
    lines = [f"with {servers}{f' in pool {pool}' if pool else ''}: {some(found.added)}"]
    if not found.outcomes:
        return f"{lines[0]}\n  nothing lacks a place as it is\n"
    rows = [
        (str(one.task), f"{one.missing}{'+' if one.more else ''}", str(one.missing - one.still), str(one.still),
         some(one.servers, 3) or "none of them")
        for one in found.outcomes
    ]  # fmt: skip
    lines += aligned(("TASK", "MISSING", "WOULD FIT", "STILL MISSING", "ON"), rows)
    short = [one for one in found.outcomes if one.still]
    lines += [f"  {one.task}: {one.still} still missing: {in_words(one.why) if one.why else ''}" for one in short]
    return "\n".join(lines) + "\n"
