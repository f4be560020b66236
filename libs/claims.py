"""The deduplication protocol's store: publish, then claim, with an owner position.

A key is written only after its record is durable, so losing the store loses no event. A value is
``<flag>:<partition>:<offset>``: flag 1 if a 200 was granted for the hash, 0 if it is durable but no 200 was; the
position names the one record of this hash that becomes an event.

====================  =====================================================================================
TOUCH(k)              nil -> MISS; flag 0 -> flag 1, renew -> GRANTED; flag 1 -> renew -> DUPLICATE
CLAIM(k, p, o)        nil -> 1:p:o -> GRANTED; flag 0 -> flag 1, renew -> GRANTED; flag 1 -> renew -> DUPLICATE
NCLAIM(k, p, o)       nil -> 0:p:o -> emit; owner in p before o -> renew -> drop; else owner := p:o, renew -> emit
RCLAIM(k, p, o)       nil -> 0:p:o -> emit; owner is p:o -> renew -> emit; else renew -> drop
====================  =====================================================================================

TOUCH and CLAIM are the ingress's, before and after it publishes; NCLAIM is the normalizer's, in partition order.
A store that has lost its keys gets them back with RESTORE, from the events that exist; what is there stays.

RCLAIM is NCLAIM for a replayed dead letter, and p:o is where it was first. That may be the owner, because the ingress
claimed for it; no event came of it, and what followed was dropped for its sake, so it may become one now. If the owner
is another record, an equal request has become the event, or will. The owner never moves to the place of the replay:
what lies in between would then take over from it, when a normalizer that was replaced comes to it once more.
"""

import asyncio
import enum
import logging
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.messages import Position
from libs.redis import KeptScript, Script

log = logging.getLogger(__name__)

WINDOW: Final = timedelta(days=7)
_KEYS_PER_CALL: Final = 512

# What the client raises when Redis does not answer. uvloop answers a write to a connection that was reset a moment ago
# with a RuntimeError, where asyncio's own loop raises a ConnectionResetError later.
FAILURES: Final = (RedisError, OSError, RuntimeError)


def name_of(key: str) -> str:
    """The name under which the claim of a hash is stored."""
    return f"inlet:dedup:{key}"


class Answer(enum.IntEnum):
    """What TOUCH and CLAIM answer. GRANTED_ELSEWHERE: granted, but another record of the hash is the owner."""

    MISS = 0
    GRANTED = 1
    DUPLICATE = 2
    GRANTED_ELSEWHERE = 3


_ANSWERS: Final = tuple(Answer)


class Replayed(NamedTuple):
    """A replay of the record that was at `origin`, which is its place in the claims."""

    origin: Position

    def __str__(self) -> str:
        return f"={self.origin}"


class ClaimsUnavailableError(Exception):
    """The store did not answer; the call may or may not have taken effect."""


class Claims(Protocol):
    """The store as the services see it. Every call raises `ClaimsUnavailableError` when it cannot answer."""

    def touch(self, key: str) -> Awaitable[Answer]:
        """Ask whether this hash was seen; a MISS claims nothing."""
        ...

    def claim(self, key: str, position: Position) -> Awaitable[Answer]:
        """Claim a hash for the durable record at `position`."""
        ...

    async def resolve(self, records: Sequence[tuple[str, Position | Replayed]]) -> list[bool]:
        """NCLAIM, or RCLAIM, each (hash, position) in this order; True where the record becomes an event."""
        ...

    async def ping(self) -> None:
        """Return if the store answers."""
        ...


_TOUCH: Final = """
local window, answers = ARGV[1], {}
for i, key in ipairs(KEYS) do
  local value = redis.call('GET', key)
  if not value then
    answers[i] = 0
  elseif string.sub(value, 1, 1) == '0' then
    redis.call('SET', key, '1' .. string.sub(value, 2), 'PX', window)
    answers[i] = 3
  else
    redis.call('PEXPIRE', key, window)
    answers[i] = 2
  end
end
return answers
"""

_CLAIM: Final = """
local window, answers = ARGV[1], {}
for i, key in ipairs(KEYS) do
  local value, position = redis.call('GET', key), ARGV[i + 1]
  if not value then
    redis.call('SET', key, '1:' .. position, 'PX', window)
    answers[i] = 1
  elseif string.sub(value, 1, 1) == '0' then
    redis.call('SET', key, '1' .. string.sub(value, 2), 'PX', window)
    answers[i] = string.sub(value, 3) == position and 1 or 3
  else
    redis.call('PEXPIRE', key, window)
    answers[i] = 2
  end
end
return answers
"""

_RESOLVE: Final = """
local window, answers = ARGV[1], {}
for i, key in ipairs(KEYS) do
  local value = redis.call('GET', key)
  local replayed, position = string.match(ARGV[i + 1], '^(=?)(.+)$')
  local partition, offset = string.match(position, '^(%d+):(%d+)$')
  local flag, owner, at = string.match(value or '', '^([01]):(%d+):(-?%d+)$')
  local drop = owner == partition and tonumber(at) < tonumber(offset)
  if replayed == '=' then
    drop = owner ~= nil and (owner ~= partition or at ~= offset)
  end
  if drop then
    redis.call('PEXPIRE', key, window)
    answers[i] = 0
  else
    redis.call('SET', key, (flag or '0') .. ':' .. position, 'PX', window)
    answers[i] = 1
  end
end
return answers
"""

# An owner at -1 is before every record, and is none of them: an event's own request has been read.
_RESTORE: Final = """
local window, answers = tonumber(ARGV[1]), {}
for i, key in ipairs(KEYS) do
  local partition, left = ARGV[2 * i], window - tonumber(ARGV[2 * i + 1])
  answers[i] = 0
  if left > 0 then
    if redis.call('SET', key, '1:' .. partition .. ':-1', 'PX', left, 'NX') then
      answers[i] = 1
    elseif redis.call('PTTL', key) < left then
      redis.call('PEXPIRE', key, left)
    end
  end
end
return answers
"""


class Remembered(NamedTuple):
    """An event that a claim is restored from: its hash, its partition, and how long ago its request came."""

    key: str
    partition: int
    age: timedelta


class RedisClaims:
    """`Claims` in Redis, through a client made by `redis_client`.

    At most one multi-key call per script is in flight; what arrives meanwhile forms the next.
    """

    def __init__(self, redis: Redis, window: timedelta = WINDOW) -> None:
        self._redis = redis
        self._failing: set[Script] = set()
        self._window_ms = window // timedelta(milliseconds=1)
        self._touches = _Coalescer(self, KeptScript(redis, _TOUCH))
        self._claims = _Coalescer(self, KeptScript(redis, _CLAIM))
        self._resolve: Script = redis.register_script(_RESOLVE)
        self._restore: Script = redis.register_script(_RESTORE)

    def touch(self, key: str) -> Awaitable[Answer]:
        return self._touches.call(key)

    def claim(self, key: str, position: Position) -> Awaitable[Answer]:
        return self._claims.call(key, str(position))

    async def resolve(self, records: Sequence[tuple[str, Position | Replayed]]) -> list[bool]:
        answers: list[bool] = []
        for start in range(0, len(records), _KEYS_PER_CALL):
            part = records[start : start + _KEYS_PER_CALL]
            keys = [key for key, _ in part]
            answers += map(bool, await self.run(self._resolve, keys, [str(position) for _, position in part]))
        return answers

    async def restore(self, events: Sequence[Remembered]) -> int:
        """Claim the hashes of events as granted, for what is left of their windows; how many had no claim.

        A claim that is there keeps its owner, and lasts as long as the newest event wants. So the order is of no
        account, nor how often an event is given, nor whether ingress and normalizer work meanwhile.
        """
        restored = 0
        for start in range(0, len(events), _KEYS_PER_CALL):
            part = events[start : start + _KEYS_PER_CALL]
            arguments = [
                str(argument)
                for event in part
                for argument in (event.partition, max(0, event.age // timedelta(milliseconds=1)))
            ]
            restored += sum(await self.run(self._restore, [event.key for event in part], arguments))
        return restored

    async def ping(self) -> None:
        try:
            await self._redis.ping()
        except FAILURES as error:
            raise ClaimsUnavailableError(str(error)) from error

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[str]) -> list[int]:
        """Run one of the scripts over hashes; its answers, one for each, in order."""
        names = [name_of(key) for key in keys]
        try:
            answers = await script(keys=names, args=[self._window_ms, *arguments])
        except FAILURES as error:
            if not self._failing:
                log.warning("Redis fails: %s", error)
            self._failing.add(script)
            raise ClaimsUnavailableError(str(error)) from error
        if script in self._failing:  # another may have nothing to write, and succeed while Redis refuses to write
            self._failing.remove(script)
            if not self._failing:
                log.warning("Redis works again")
        return answers


class _Coalescer:
    """Collects single calls of one script into one call at a time."""

    def __init__(self, claims: RedisClaims, script: Script) -> None:
        self._claims = claims
        self._script = script
        self._waiting: list[tuple[str, tuple[str, ...], asyncio.Future[Answer]]] = []
        self._running: asyncio.Task[None] | None = None

    def call(self, key: str, *arguments: str) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, arguments, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._drain())
        return future

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_KEYS_PER_CALL], self._waiting[_KEYS_PER_CALL:]
            arguments = [argument for _, some, _ in batch for argument in some]
            try:
                answers = await self._claims.run(self._script, [key for key, _, _ in batch], arguments)
            except Exception as error:  # noqa: BLE001 whatever it is, nobody may wait for ever
                # Those that wait fail with it: their calls would only time out one after the other.
                batch, self._waiting = batch + self._waiting, []
                for _, _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, _, future), answer in zip(batch, answers, strict=True):
                    if not future.done():
                        future.set_result(_ANSWERS[answer])
