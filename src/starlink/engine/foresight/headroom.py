"""What the pools' headroom says of tasks, for those who can't read servers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from starlink.api import conditions, quantity
from starlink.api.pool import Pool
from starlink.api.task import Task
from starlink.api.template import Template
from starlink.engine.rounds.pools import BELOW_WATERMARK, amounts
from starlink.planning.world import World
from starlink.scheduling.explaining.amounts import quantity as written
from starlink.scheduling.pool import UNLIMITED
from starlink.scheduling.quotas import quota_key

ASSIGNMENTS = "assignments"


@dataclass(frozen=True, slots=True)
class Share:
    """How many instances a pool's headroom takes at most, and what bounds it."""

    pool: str
    instances: int
    reason: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """A task, how many instances are to be placed, and the pools that they may go to, which take `together` at most.

    `refusal` says what keeps some away beside the shares, `anew` which of the instances run now, and `unseen` what may
    take more of them than the headroom tells."""

    task: Task
    wanted: int
    shares: tuple[Share, ...]
    refusal: str = ""
    together: int = UNLIMITED
    anew: str = ""
    unseen: str = ""

    @property
    def fits(self) -> int:
        """How many instances the headroom takes; a gang is taken whole or not at all."""
        fits = min(self.wanted, self.together, sum(share.instances for share in self.shares))
        return 0 if self.task.spec.placement.gang and fits < self.wanted else fits

    @property
    def short(self) -> bool:
        """Whether it is certain that some have no place."""
        return self.fits < self.wanted and not self.unseen

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known beside the shares, a sentence each."""
        told = (self.anew, self.refusal, self.unseen if self.fits < self.wanted else "")
        return tuple(filter(None, told))


def estimates(world: World, tasks: Sequence[Task]) -> list[Estimate]:
    """The estimates of tasks that are applied together, in the order given: the highest priority takes first, and each
    task sees what those before it took. Servers are not looked at, so that fewer may fit."""
    left = {name: _left(pool) for name, pool in world.pools.items()}
    cohorts = _cohorts(world.pools.values())
    made = {}
    for task in sorted(tasks, key=lambda task: (-task.spec.placement.priority, task.key)):
        _release(_leaving(world, task), left, cohorts)
        made[task.key] = estimate = _within(_estimate(world, task, left), cohorts)
        _take(estimate, left)
        _take_of_cohorts(estimate, cohorts)
    return [made[task.key] for task in tasks]


Left = dict[str, dict[str, int]]
"""What is left of each pool by resource; assignments where they are limited."""


def _left(pool: Pool) -> dict[str, int]:
    left = {name: quantity.amount(name, value) for name, value in pool.status.headroom.items()}
    limit = pool.spec.quota.assignments
    return left if limit is None else {**left, ASSIGNMENTS: max(0, limit - pool.status.assignments)}


@dataclass(frozen=True, slots=True)
class _Cohort:
    """Pools that lend each other what they do not use, and what the quotas of all of them leave together, by key."""

    pools: tuple[str, ...]
    left: dict[str, int]


def _cohorts(pools: Iterable[Pool]) -> list[_Cohort]:
    """The headroom of each of them counts what is lent as its own."""
    members: dict[str, list[Pool]] = {}
    for pool in pools:
        members.setdefault(pool.spec.cohort, []).append(pool)
    found = []
    for name, group in sorted(members.items()):
        quotas = [amounts(pool.spec.quota) for pool in group]
        keys = set[str].intersection(*map(set, quotas)) if name else ()
        left = {key: sum(quota[key] for quota in quotas) - sum(_used(pool, key) for pool in group) for key in keys}
        found.append(_Cohort(tuple(sorted(pool.name for pool in group)), left))
    return found


def _used(pool: Pool, key: str) -> int:
    given = {name: quantity.amount(name, value) for name, value in pool.status.allocated.items()}
    return (
        pool.status.assignments
        if key == ASSIGNMENTS
        else sum(amount for name, amount in given.items() if quota_key(name) == key)
    )


def _within(estimate: Estimate, cohorts: Iterable[_Cohort]) -> Estimate:
    """The estimate, where pools of a cohort together take less than each alone."""
    together, told = 0, []
    shares = {share.pool: share.instances for share in estimate.shares}
    asked = _asked_of_quota(estimate.task)
    for cohort in cohorts:
        alone = sum(shares.get(name, 0) for name in cohort.pools)
        most = min((max(0, left) // asked[key] for key, left in cohort.left.items() if asked.get(key)), default=alone)
        together += min(alone, most)
        if most < alone:
            told.append(f"pools {', '.join(cohort.pools)} lend each other the same quota: together at most {most}")
    return replace(estimate, together=together, refusal="; ".join(told)) if told else estimate


def _take_of_cohorts(estimate: Estimate, cohorts: Iterable[_Cohort]) -> None:
    """From the first pools, as their shares are taken."""
    open_ = estimate.fits
    shares = {share.pool: share.instances for share in estimate.shares}
    for cohort in cohorts:
        taken = min(open_, sum(shares.get(name, 0) for name in cohort.pools))
        open_ -= taken
        for key, amount in _asked_of_quota(estimate.task).items():
            if key in cohort.left:
                cohort.left[key] -= amount * taken


def _asked_of_quota(task: Task) -> dict[str, int]:
    return _of_quota(_asked(task))


def _of_quota(amounts: Mapping[str, int]) -> dict[str, int]:
    """What one instance takes of a quota, by its keys."""
    asked = {ASSIGNMENTS: 1}
    for name, amount in amounts.items():
        if key := quota_key(name):
            asked[key] = asked.get(key, 0) + amount
    return asked


def _estimate(world: World, task: Task, left: Left) -> Estimate:
    named, wanted, anew = task.spec.placement.pool, _wanted(world, task), _told(_leaving(world, task))
    if named and named not in world.pools:
        known = ", ".join(sorted(world.pools)) or "none"
        refusal = f"pool {named!r} does not exist (pools: {known}); create it, or name another in placement.pool"
        return Estimate(task, wanted, (), refusal)
    if task.finding is not None and (nowhere := task.finding.nowhere):
        return Estimate(task, wanted, (), nowhere.message)
    pools = [world.pools[named]] if named else [world.pools[name] for name in sorted(world.pools)]
    shares = tuple(_share(task, pool, left[pool.name], wanted) for pool in pools)
    return Estimate(task, wanted, shares, anew=anew, unseen=_unseen(task, pools))


def _unseen(task: Task, pools: Iterable[Pool]) -> str:
    if not task.spec.placement.pool:
        return "servers in no pool are in no pool's headroom: they may take more"
    new = [pool.name for pool in pools if _is_new(pool) and not next(_closed(task, pool), "")]
    return f"the operator has not told the headroom of pool {new[0]} yet: it may take more" if new else ""


def _is_new(pool: Pool) -> bool:
    return not pool.status.conditions


def _wanted(world: World, task: Task) -> int:
    existing = world.tasks.get(task.key)
    status = existing.status if existing else task.status
    if task.spec.suspend:
        return 0
    open_ = task.completions - status.succeeded
    staying = len(_running(world, task)) - len(_leaving(world, task).held)
    return max(0, (min(task.parallelism, open_) if task.is_batch else task.replicas) - staying)


# What runs now


@dataclass(frozen=True, slots=True)
class _Leaving:
    """What each instance holds that is to be placed anew, and the pool that gets it back: the one where they are, else,
    where that can't be seen, the one where they are wanted."""

    held: tuple[Mapping[str, int], ...] = ()
    pool: str = ""
    wanted: str = ""


def _leaving(world: World, task: Task) -> _Leaving:
    """A task of another pool, or with other requests, has its running instances replaced; a batch lets them finish."""
    existing = world.tasks.get(task.key)
    if existing is None or task.is_batch or task.spec.suspend:
        return _Leaving()
    before, wanted = existing.spec.placement.pool, task.spec.placement.pool
    asked, moves = _asked(task), bool(wanted) and wanted != before
    held = [one for one in _running(world, task) if moves or one != asked]
    return _Leaving(tuple(held[: task.replicas]), before or wanted, wanted)


def _running(world: World, task: Task) -> Sequence[Mapping[str, int]]:
    """What each of its instances asks; by the task's status, where assignments can't be seen."""
    mine, existing = world.assignments.get(task.key), world.tasks.get(task.key)
    if mine is not None:
        return [_requests(a.spec.template) for a in mine if not a.finished and not a.stopping]
    return [_asked(existing)] * existing.status.replicas if existing else ()


def _release(leaving: _Leaving, left: Left, cohorts: Iterable[_Cohort]) -> None:
    """Gives back what they hold, for each is stopped before another is placed in its stead."""
    if leaving.pool not in left:
        return
    its = left[leaving.pool]
    for held in leaving.held:
        for name, amount in held.items():
            its[name] = its.get(name, 0) + amount
        if ASSIGNMENTS in its:
            its[ASSIGNMENTS] += 1
        for cohort in cohorts:
            if leaving.pool in cohort.pools:
                for key in cohort.left:
                    cohort.left[key] += _of_quota(held).get(key, 0)


def _told(leaving: _Leaving) -> str:
    count = len(leaving.held)
    if not count:
        return ""
    told = "1 of them runs now, and is placed anew" if count == 1 else f"{count} of them run now, and are placed anew"
    if not leaving.wanted:
        return told
    if leaving.pool != leaving.wanted:
        return f"{told}: away from pool {leaving.pool}"
    return f"{told}: what {'it holds' if count == 1 else 'they hold'} counts as left"


# What a pool takes


def _share(task: Task, pool: Pool, left: Mapping[str, int], wanted: int) -> Share:
    if closed := next(_closed(task, pool), ""):
        return Share(pool.name, 0, closed)
    if _is_new(pool):
        return Share(pool.name, 0, "new: the operator has not told its headroom yet")
    asked = {**_asked(task), **({ASSIGNMENTS: 1} if ASSIGNMENTS in left else {})}
    if not asked:
        return Share(pool.name, wanted, "asks no resource")
    fits = {name: max(0, left.get(name, 0)) // amount for name, amount in asked.items()}
    least = min(fits, key=lambda name: fits[name])
    told = f"{written(least, left.get(least, 0))} {least} left"
    if least != ASSIGNMENTS:
        told += f", {written(least, asked[least], up=True)} asked for each"
    return Share(pool.name, fits[least], told)


def _asked(task: Task) -> dict[str, int]:
    return _requests(task.spec.template)


def _requests(template: Template) -> dict[str, int]:
    requests = template.resources.requests
    return {name: amount for name, value in requests.items() if (amount := quantity.amount(name, value))}


def _closed(task: Task, pool: Pool) -> Iterator[str]:
    spec, told = pool.spec, pool.status.conditions
    namespace = task.metadata.namespace
    if spec.namespaces and namespace not in spec.namespaces:
        yield f"closed to namespace {namespace} (open to {', '.join(spec.namespaces)})"
    if spec.architectures and task.architectures and not {*spec.architectures} & {*task.architectures}:
        yield f"takes {' or '.join(spec.architectures)}, and {' or '.join(task.architectures)} is wanted"
    for name in (conditions.READY, BELOW_WATERMARK):
        condition = conditions.find(told, name)
        if condition is not None and condition.status == "False":
            yield condition.message


def _take(estimate: Estimate, left: Left) -> None:
    open_ = estimate.fits
    asked = {**_asked(estimate.task), ASSIGNMENTS: 1}
    for share in estimate.shares:
        taken = min(open_, share.instances)
        open_ -= taken
        for name, amount in asked.items():
            if name in left[share.pool]:
                left[share.pool][name] -= amount * taken
