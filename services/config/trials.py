"""The test of a filter on a request, as the pipeline would treat it: whole, or in the parts that it is split into."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from time import thread_time
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from libs.batches import count_parts, exceed_limit, parts_of
from libs.bodies import BodyError, decode_body
from libs.credentials import is_credential
from libs.filters import Explanation, Filter, TooCostlyError, explain
from services.config.errors import Fault

_TIME_LIMIT_S: Final = 3.0
_NAME_LIMIT: Final = 80  # of a header's name that is repeated


class GivenSample(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request as a sender would make it. Headers are texts."""

    body: dict[str, object]
    # Of a map with values of a type the decoder would not say which one is wrong.
    headers: Annotated[dict[str, object], Meta(extra_json_schema={"additionalProperties": {"type": "string"}})] = {}


class Trial(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A filter, and what it is tried on: a sample that is given, or the captured one of an integration.

    With both, it is the given sample as that integration would treat it, which may split it.
    """

    where: dict[str, object]
    sample: GivenSample | UnsetType = UNSET
    integration_id: UUID | UnsetType = UNSET


class Parts(Struct, frozen=True, kw_only=True):
    """Of a request that is split: how many parts it has, how many of them match, and where the one that is shown is."""

    count: int
    matched: int
    shown: str


class Verdict(Struct, frozen=True, kw_only=True):
    """How a filter comes out for a request; of one that is split for the first part that matches, or else the first."""

    explanation: Explanation
    parts: Parts | None = None


class Request(Struct, frozen=True, kw_only=True):
    """What of a request filters are about. `is_split` is whether its integration makes an event of each part."""

    headers: Mapping[str, str]
    body: Mapping[str, object]
    is_split: bool = False


def request_of(given: GivenSample, faults: list[Fault], *, is_split: bool) -> Request:
    """As it is on its way behind the ingress: without credentials, with the names of headers in lower case.

    What a sender could not send, or the ingress would refuse it for, is added to `faults`.
    """
    headers: dict[str, str] = {}
    for name, value in given.headers.items():
        if not isinstance(value, str):
            faults.append(Fault(f"sample.headers.{name[:_NAME_LIMIT]}", "must be a text"))
        elif not is_credential(name.lower()):
            headers[name.lower()] = value
    try:
        decode_body(msgspec.json.encode(given.body))
    except BodyError as error:
        faults.append(Fault("sample.body", f"would not be taken from a sender: {error}"))
    else:
        if is_split and exceed_limit(headers, given.body):
            faults.append(Fault("sample.body", "would not be taken from a sender: its parts repeat too much"))
    return Request(headers=headers, body=given.body, is_split=is_split)


def judge(where: Filter, request: Request, now: datetime, zone: tzinfo) -> Verdict:
    """Evaluate a filter for a request; takes processor time, so not for the event loop.

    Raises:
        TooCostlyError: it would take more of it than one event may, or all parts together more than is sensible.
    """
    if not request.is_split or count_parts(request.body) == 1:
        return Verdict(explanation=explain(where, request.body, request.headers, now, zone))
    end_s = thread_time() + _TIME_LIMIT_S
    found: list[tuple[str, Explanation]] = []
    count = matched = 0
    for part in parts_of(request.body):
        if thread_time() > end_s:
            raise TooCostlyError
        explanation = explain(where, part.body, request.headers, now, zone)
        if not found or (explanation.matched and not matched):
            found = [(part.path, explanation)]
        count, matched = count + 1, matched + explanation.matched
    [(shown, explanation)] = found
    return Verdict(explanation=explanation, parts=Parts(count=count, matched=matched, shown=shown))
