"""An explicit-state model of the deduplication protocol: one hash, every interleaving.

The world: senders that repeat a request until they have an answer; an ingress that may die before any step; a broker
that may append a record and lose the acknowledgement; a normalizer that may die, or be replaced while its old self
still runs (a zombie, whose transaction the broker fences); records that become dead letters, and an operator who
replays each of them once, at any time after that; a store that may lose the key, fall back to a snapshot, or get the
key back from the events; and the end of the window, after which the same request is a new event.

The window is far longer than anything under way: it ends while no answer is awaited and no record unread.

`explore` walks all of it breadth first, so the trace of a violation is a shortest one. The protocol is a value with
five rules, in the words of ``libs.claims``; the tests run the product's rules and the ones that were rejected.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Key(NamedTuple):
    """The store's value: whether a 200 was granted, and the offset of the record that becomes the event."""

    granted: bool
    owner: int


class Record(NamedTuple):
    """A record on the log: one that can be read or not, or the replay of the dead letter at an offset."""

    readable: bool = True
    origin: int | None = None


class Request(NamedTuple):
    """One sender's request: where its ingress stands, and how many attempts the sender has left."""

    at: str  # start, publish, claim, answer, answered, gave up
    attempts: int
    offset: int = -1
    status: int = 0


class Normalizer(NamedTuple):
    """One instance: its epoch, its position, and the (offset, emit?) results of its open transaction."""

    epoch: int
    position: int
    batch: tuple[tuple[int, bool], ...] = ()


class Budget(NamedTuple):
    """How often each misfortune may still happen."""

    ingress_crashes: int = 1
    normalizer_crashes: int = 1
    zombies: int = 1
    key_losses: int = 0
    rollbacks: int = 0
    rebuilds: int = 0
    expiries: int = 0
    unreadable: int = 0


class World(NamedTuple):
    """Everything that decides what may happen next, and what has been promised in this window.

    `begin` is the offset at which the window began: of the records from there one is to become an event.
    """

    requests: tuple[Request, ...]
    budget: Budget
    normalizers: tuple[Normalizer, ...] = (Normalizer(1, 0),)
    log: tuple[Record, ...] = ()  # all of one hash
    key: Key | None = None
    snapshot: tuple[Key | None] | None = None
    epoch: int = 1
    committed: int = 0
    events: tuple[int, ...] = ()
    granted: int = 0
    promised: bool = False  # 2xx answered
    empty_promises: int = 0  # 2xx answered while nothing was durable
    begin: int = 0


class Rules(NamedTuple):
    """A protocol: each rule maps the key (and an offset) to the key after and its answer, a status or "emit?".

    `claim_first` is the order that loses events: claim the key, then publish. So does restoring from what is not
    committed.
    """

    touch: Callable[[Key | None], tuple[Key | None, int | None]]
    claim: Callable[[Key | None, int], tuple[Key | None, int]]
    resolve: Callable[[Key | None, int], tuple[Key | None, bool]]
    replay: Callable[[Key | None, int, int], tuple[Key | None, bool]]
    restore: Callable[[Key | None], Key]
    claim_first: bool = False
    fenced: bool = True
    restore_uncommitted: bool = False


def touch(key: Key | None) -> tuple[Key | None, int | None]:
    """TOUCH of ``libs.claims``."""
    if key is None:
        return None, None
    return key._replace(granted=True), 204 if key.granted else 200


def claim(key: Key | None, offset: int) -> tuple[Key | None, int]:
    """CLAIM of ``libs.claims``."""
    if key is None:
        return Key(granted=True, owner=offset), 200
    return key._replace(granted=True), 204 if key.granted else 200


def resolve(key: Key | None, offset: int) -> tuple[Key | None, bool]:
    """NCLAIM of ``libs.claims``: drop only after an earlier owner."""
    if key is None:
        return Key(granted=False, owner=offset), True
    if key.owner < offset:
        return key, False
    return key._replace(owner=offset), True


def replay(key: Key | None, origin: int, _offset: int) -> tuple[Key | None, bool]:
    """RCLAIM of ``libs.claims``: drop if anybody else is the owner."""
    if key is None:
        return Key(granted=False, owner=origin), True
    return key, key.owner == origin


def restore(key: Key | None) -> Key:
    """RESTORE of ``libs.claims``, for an event that is committed: its owner is before all that can still come."""
    return Key(granted=True, owner=-1) if key is None else key


PROTOCOL = Rules(touch, claim, resolve, replay, restore)

Step = tuple[str, World]


def explore(rules: Rules, budget: Budget, *, senders: int = 2, attempts: int = 2) -> dict[str, list[str]]:
    """Every reachable violation with the steps that lead to it; empty if the protocol holds."""
    return explore_from(World(requests=(Request("start", attempts),) * senders, budget=budget), rules)


def explore_from(start: World, rules: Rules) -> dict[str, list[str]]:
    """Explore what can become of a world that already has a past."""
    came_from: dict[World, Step | None] = {start: None}
    queue = deque([start])
    violations: dict[str, list[str]] = {}
    while queue:
        world = queue.popleft()
        for violation in _violations(world):
            if violation not in violations:
                violations[violation] = _trace(world, came_from)
        for name, following in _steps(world, rules):
            if following not in came_from:
                came_from[following] = (name, world)
                queue.append(following)
    return violations


def _trace(world: World, came_from: dict[World, Step | None]) -> list[str]:
    names: list[str] = []
    while step := came_from[world]:
        name, world = step
        names.append(name)
    return names[::-1]


def _violations(world: World) -> Iterator[str]:
    if world.empty_promises:
        yield "2xx without a durable record"
    if world.granted > 1:
        yield "two 200"
    if len(world.events) > 1:
        yield "two events"
    if _is_quiet(world) and not world.events:
        if len(world.log) > world.begin:
            yield "a durable request became no event"
        if world.promised:
            yield "a promised request became no event"


def _is_quiet(world: World) -> bool:
    senders_done = all(request.at in {"answered", "gave up"} for request in world.requests)
    normalizers_done = all(one.position == len(world.log) and not one.batch for one in world.normalizers)
    all_replayed = not any(_is_open(world, offset) for offset in range(len(world.log)))
    return senders_done and normalizers_done and all_replayed and world.committed == len(world.log)


def _is_open(world: World, offset: int) -> bool:
    """Whether the record is, or will be, a dead letter that is not replayed."""
    return not world.log[offset].readable and all(record.origin != offset for record in world.log)


def _steps(world: World, rules: Rules) -> Iterator[Step]:
    for i in range(len(world.requests)):
        yield from _sender_steps(world, rules, i)
    for i in range(len(world.normalizers)):
        yield from _normalizer_steps(world, rules, i)
    for offset in range(world.committed):
        if _is_open(world, offset):
            yield f"the dead letter {offset} is replayed", world._replace(log=(*world.log, Record(origin=offset)))
    yield from _misfortunes(world)
    yield from _remedies(world, rules)
    if world.budget.expiries and world.key is not None and _is_idle(world):
        spent = world.budget._replace(expiries=world.budget.expiries - 1)
        yield (
            "the window ends",
            world._replace(
                key=None, snapshot=None, events=(), granted=0, promised=False, begin=len(world.log), budget=spent
            ),
        )


def _is_idle(world: World) -> bool:
    """Whether nothing is under way; a sender may still have a repetition in mind."""
    senders_idle = all(request.at in {"start", "answered", "gave up"} for request in world.requests)
    normalizers_idle = all(one.position == len(world.log) and not one.batch for one in world.normalizers)
    return senders_idle and normalizers_idle and world.committed == len(world.log)


def _sender_steps(world: World, rules: Rules, i: int) -> Iterator[Step]:
    request = world.requests[i]
    if request.at in {"answered", "gave up"}:
        return

    def become(changed: Request, after: World = world) -> World:
        return after._replace(requests=(*after.requests[:i], changed, *after.requests[i + 1 :]))

    again = Request("start", request.attempts - 1) if request.attempts > 1 else Request("gave up", 0)
    if world.budget.ingress_crashes:
        spent = world.budget._replace(ingress_crashes=world.budget.ingress_crashes - 1)
        yield f"sender {i}: ingress dies at {request.at}", become(again, world._replace(budget=spent))

    match request.at:
        case "start":
            key, status = rules.touch(world.key)
            to = request._replace(at="publish") if status is None else request._replace(at="answer", status=status)
            if status is None and rules.claim_first:
                key = Key(granted=True, owner=len(world.log))
            yield f"sender {i}: touch -> {status}", become(to, world._replace(key=key))
        case "publish":
            to = request._replace(at="claim", offset=len(world.log))
            for appended, name in _appends(world):
                yield f"sender {i}: {name} at {to.offset}", become(to, appended)
                yield f"sender {i}: {name}, acknowledgement lost, 503", become(again, appended)
            yield f"sender {i}: not appended, 503", become(again)
        case "claim":
            key, status = (world.key, 200) if rules.claim_first else rules.claim(world.key, request.offset)
            to = request._replace(at="answer", status=status)
            yield f"sender {i}: claim -> {status}", become(to, world._replace(key=key))
        case _:
            told = world._replace(
                granted=world.granted + (request.status == 200),
                promised=True,
                empty_promises=world.empty_promises + (len(world.log) == world.begin),
            )
            yield f"sender {i}: {request.status}", become(request._replace(at="answered"), told)


def _appends(world: World) -> Iterator[tuple[World, str]]:
    yield world._replace(log=(*world.log, Record())), "appended"
    if world.budget.unreadable:
        spent = world.budget._replace(unreadable=world.budget.unreadable - 1)
        yield world._replace(log=(*world.log, Record(readable=False)), budget=spent), "appended, but unreadable"


def _normalizer_steps(world: World, rules: Rules, i: int) -> Iterator[Step]:
    one = world.normalizers[i]

    def become(*changed: Normalizer, after: World = world) -> World:
        return after._replace(normalizers=(*after.normalizers[:i], *changed, *after.normalizers[i + 1 :]))

    if one.position < len(world.log) and len(one.batch) < 2:
        record = world.log[one.position]
        if record.origin is not None:
            key, emit = rules.replay(world.key, record.origin, one.position)
        else:
            key, emit = rules.resolve(world.key, one.position) if record.readable else (world.key, False)
        to = one._replace(position=one.position + 1, batch=(*one.batch, (one.position, emit)))
        yield (
            f"normalizer {one.epoch}: {'emit' if emit else 'drop'} {one.position}",
            become(to, after=world._replace(key=key)),
        )
    if one.batch and (one.epoch == world.epoch or not rules.fenced):
        done = world._replace(
            committed=max(world.committed, one.position),
            events=(*world.events, *(offset for offset, emit in one.batch if emit)),
        )
        yield f"normalizer {one.epoch}: commit", become(one._replace(batch=()), after=done)
    elif one.batch:
        yield f"normalizer {one.epoch}: fenced", become()
    if world.budget.normalizer_crashes:
        spent = world.budget._replace(normalizer_crashes=world.budget.normalizer_crashes - 1)
        reborn = Normalizer(world.epoch + 1, world.committed)
        after = world._replace(epoch=world.epoch + 1, budget=spent)
        yield f"normalizer {one.epoch}: dies", become(reborn, after=after)


def _misfortunes(world: World) -> Iterator[Step]:
    budget = world.budget
    if budget.zombies:
        successor = Normalizer(world.epoch + 1, world.committed)
        yield (
            "a successor starts while the old normalizer lives",
            world._replace(
                normalizers=(*world.normalizers, successor),
                epoch=world.epoch + 1,
                budget=budget._replace(zombies=budget.zombies - 1),
            ),
        )
    if budget.key_losses and world.key is not None:
        yield "the key is lost", world._replace(key=None, budget=budget._replace(key_losses=budget.key_losses - 1))
    if budget.rollbacks and world.snapshot is None and world.key is not None:
        yield "a snapshot is taken", world._replace(snapshot=(world.key,))
    if budget.rollbacks and world.snapshot is not None:
        yield (
            "the store falls back to the snapshot",
            world._replace(
                key=world.snapshot[0], snapshot=None, budget=budget._replace(rollbacks=budget.rollbacks - 1)
            ),
        )


def _remedies(world: World, rules: Rules) -> Iterator[Step]:
    open_batches = [result for one in world.normalizers for result in one.batch if rules.restore_uncommitted]
    if world.budget.rebuilds and (world.events or any(emit for _, emit in open_batches)):
        spent = world.budget._replace(rebuilds=world.budget.rebuilds - 1)
        yield "the key is restored", world._replace(key=rules.restore(world.key), budget=spent)
