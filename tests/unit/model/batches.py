"""A model of split requests: several hashes in one record, and no claims by the ingress.

The world: senders that repeat a request until they have an answer; an ingress or a broker that loses the answer; a
normalizer for each partition that may die, or be replaced while its old self still runs (a zombie, whose transaction
the broker fences). A normalizer resolves the hashes of a record with NCLAIM of ``libs.claims``, at the record's
position. What is to be shown is a matter of where records are placed, and of equal hashes in one record.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Position(NamedTuple):
    """Where a record is."""

    partition: int
    offset: int


class Sender(NamedTuple):
    """One sender's request: the hashes of its parts, and how many attempts are left; none if it is done."""

    hashes: str
    attempts: int


class Normalizer(NamedTuple):
    """One instance for one partition: its epoch, its position, and the hashes it emits in its open transaction."""

    partition: int
    epoch: int = 1
    position: int = 0
    emitted: str = ""
    is_open: bool = False


class Budget(NamedTuple):
    """How often each misfortune may still happen."""

    lost_answers: int = 1
    crashes: int = 1
    zombies: int = 1


class World(NamedTuple):
    """Everything that decides what may happen next. Of each partition: its records, its epoch, what is committed."""

    senders: tuple[Sender, ...]
    logs: tuple[tuple[str, ...], ...]
    normalizers: tuple[Normalizer, ...]
    epochs: tuple[int, ...]
    committed: tuple[int, ...]
    budget: Budget
    owners: tuple[tuple[str, Position], ...] = ()
    events: str = ""


class Rules(NamedTuple):
    """Where the record of an attempt of a sender goes, and which hashes of a record the store is asked about."""

    place: Callable[[int, int], int]
    ask_about: Callable[[str], str]


def by_integration(_sender: int, _attempt: int) -> int:
    """All records of an integration are in one partition."""
    return 0


def by_event_id(sender: int, attempt: int) -> int:
    """Every attempt has an id of its own, and lies anywhere: of two partitions, in either."""
    return (sender + attempt) % 2


def first_of_each(hashes: str) -> str:
    """Of equal hashes in one record the first."""
    return "".join(dict.fromkeys(hashes))


PROTOCOL = Rules(by_integration, first_of_each)


def explore(rules: Rules, *requests: str, attempts: int = 2, budget: Budget | None = None) -> set[str]:
    """Every reachable violation; empty if the protocol holds. A request is the hashes of its parts, a letter each."""
    start = World(
        senders=tuple(Sender(hashes, attempts) for hashes in requests),
        logs=((), ()),
        normalizers=(Normalizer(0), Normalizer(1)),
        epochs=(1, 1),
        committed=(0, 0),
        budget=budget or Budget(),
    )
    seen, queue = {start}, deque([start])
    violations: set[str] = set()
    while queue:
        world = queue.popleft()
        violations.update(_violations(world))
        for following in _steps(world, rules):
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return violations


def _violations(world: World) -> Iterator[str]:
    durable = {hash_ for log in world.logs for hashes in log for hash_ in hashes}
    if len(set(world.events)) < len(world.events):
        yield "two events of one hash"
    is_quiet = not any(sender.attempts for sender in world.senders) and all(
        committed == len(log) for committed, log in zip(world.committed, world.logs, strict=True)
    )
    if is_quiet and durable - set(world.events):
        yield "a durable hash has no event"


def _steps(world: World, rules: Rules) -> Iterator[World]:
    for i, sender in enumerate(world.senders):
        if sender.attempts:
            yield from _sender_steps(world, rules, i, sender)
    for one in world.normalizers:
        yield from _normalizer_steps(world, rules, one)


def _sender_steps(world: World, rules: Rules, i: int, sender: Sender) -> Iterator[World]:
    def left(attempts: int) -> tuple[Sender, ...]:
        return (*world.senders[:i], sender._replace(attempts=attempts), *world.senders[i + 1 :])

    partition = rules.place(i, sender.attempts)
    logs = _with(world.logs, partition, (*world.logs[partition], sender.hashes))
    yield world._replace(senders=left(0), logs=logs)
    if world.budget.lost_answers:
        spent = world.budget._replace(lost_answers=world.budget.lost_answers - 1)
        unlucky = world._replace(senders=left(sender.attempts - 1), budget=spent)
        yield unlucky
        yield unlucky._replace(logs=logs)


def _normalizer_steps(world: World, rules: Rules, one: Normalizer) -> Iterator[World]:
    p = one.partition

    def become(*changed: Normalizer) -> World:
        others = [other for other in world.normalizers if other != one]
        return world._replace(normalizers=tuple(sorted([*others, *changed])))

    if one.position < len(world.logs[p]):
        owners, emitted = dict(world.owners), one.emitted
        here = Position(p, one.position)
        for hash_ in rules.ask_about(world.logs[p][one.position]):
            owner = owners.get(hash_)
            if owner is None or owner.partition != p or owner.offset >= here.offset:
                owners[hash_] = here
                emitted += hash_
        resolved = one._replace(position=one.position + 1, emitted=emitted, is_open=True)
        yield become(resolved)._replace(owners=tuple(sorted(owners.items())))
    if one.is_open and one.epoch == world.epochs[p]:
        done = become(one._replace(emitted="", is_open=False))
        committed = _with(world.committed, p, one.position)
        yield done._replace(committed=committed, events="".join(sorted(world.events + one.emitted)))
    elif one.is_open:
        yield become()  # fenced
    successor = Normalizer(p, world.epochs[p] + 1, world.committed[p])
    epochs = _with(world.epochs, p, successor.epoch)
    budget = world.budget
    if budget.crashes:
        spent = budget._replace(crashes=budget.crashes - 1)
        yield become(successor)._replace(epochs=epochs, budget=spent)
    if budget.zombies and one.epoch == world.epochs[p]:
        spent = budget._replace(zombies=budget.zombies - 1)
        yield become(one, successor)._replace(epochs=epochs, budget=spent)


def _with(items: tuple[T, ...], index: int, item: T) -> tuple[T, ...]:
    return (*items[:index], item, *items[index + 1 :])
