"""No credential of a sender leaves the ingress: on a topic, in a log, in an answer, or as the reason of a refusal."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from aiokafka.structs import ConsumerRecord
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from deploy.local.process import Process
from libs import topics
from libs.activity import IngressReport, decode_report
from libs.messages import Capture, Integration, JwtAuth, NoAuth, RateLimit
from tests.eventually import eventually
from tests.integration.ingress.senders import APP_SECRET, BODY_LIMIT_BYTES, KEY, KINDS, OTHER_KEY, REQUESTS, TEXTS, Sent
from tests.integration.ingress.serving import Ingress, an_integration, drafted, path_of, serving
from tests.integration.pipeline import Reader, reading, running, service, wait_until_consumed
from tests.secrecy import Secret, forms, new_mark, places_with
from tests.unit.ingress.credentials import api_key, meta_auth, signing_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

NORMALIZER = "inlet.normalizer"
SEEN = (topics.REQUESTS, topics.EVENTS, topics.SAMPLES, topics.ACTIVITY, topics.DEAD_LETTERS)
# Of an integration of one kind: as it is, published with a capture, or a draft with a capture.
SITUATIONS = ("published", "captured", "draft")
STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(REQUESTS)), st.sampled_from(SITUATIONS), TEXTS), min_size=5, max_size=15
)
EVERYTHING = [(name, situation, "~'%s") for name in sorted(REQUESTS) for situation in SITUATIONS]


class Door:
    """The ingress and the normalizer as processes, and all places where they leave something.

    `planted` is in a header, in a body, in a challenge and in a log, and no secret: the search finds it everywhere.
    """

    def __init__(self, ingress: Ingress, normalizer: Process, seen: dict[str, Reader]) -> None:
        self.planted = new_mark()
        self.answers: list[bytes] = []
        self._ingress = ingress
        self._normalizer = normalizer
        self._seen = seen
        self._generation = 0
        self._integrations: dict[tuple[str, str], Integration] = {}
        self._samples = 0
        self._told = 0

    async def set_up(self) -> None:
        """Define the integrations and keys, and one that is named in the log because it cannot be used."""
        await self._ingress.define(signing_key("k1"), api_key(KEY), api_key(OTHER_KEY))
        await self._ingress.put_definition(f"integration/{self.planted}".encode(), b"{}")
        for kind in KINDS:
            for situation in SITUATIONS:
                one = an_integration(rate_limit=RateLimit(per_second=1000, burst=1000))
                auths = {"open": NoAuth(), "token": JwtAuth(api_key_id=KEY), "meta": meta_auth(one.id, APP_SECRET)}
                one = self._integrations[kind, situation] = replace(one, auth=auths[kind])
                await self._ingress.define(drafted(one) if situation == "draft" else one)

    async def arm(self) -> None:
        """Arm the captures anew: each generation may be told of only so many refusals."""
        self._generation += 1
        until = datetime.now(UTC) + timedelta(seconds=90)
        captured = [one.id for (_, situation), one in self._integrations.items() if situation != "published"]
        await self._ingress.define(
            *(Capture(id=one, generation=self._generation, expires_at=until) for one in captured)
        )
        await self._ingress.publish()  # what is defined later is known later

    async def send(self, sent: Sent, situation: str, secret: Secret) -> None:
        query = sent.query | {"access_token": secret.text, "token": secret.text}
        answer = await self._request(sent, situation, query)
        assert answer.status_code == sent.status, (sent, answer.text)
        self._samples += situation != "published" and sent.method != "GET"
        is_request = situation != "draft" and sent.method != "GET"
        self._told += is_request or sent.status != HTTPStatus.OK

    async def plant(self) -> None:
        """One request to each that takes any, with what is no secret in its place."""
        for situation in SITUATIONS:
            body = b'{"name": "%s"}' % self.planted.encode()
            headers = {"content-type": "application/json", "x-form-id": self.planted}
            await self.send(Sent("open", 200, headers, body), situation, Secret.around(""))
        named = {"content-type": self.planted}
        await self.send(Sent("open", 415, named), "published", Secret.around(""))
        query = {"hub.mode": "subscribe", "hub.verify_token": "a token of the owner's choice"}
        asked = Sent("meta", 200, {}, b"", "GET", query | {"hub.challenge": self.planted})
        await self.send(asked, "published", Secret.around(""))

    async def places(self) -> dict[str, bytes]:
        """All that was left, once every sample and every event is there."""

        async def all_samples() -> bool:
            return len(await self._seen[topics.SAMPLES].read_to_the_end()) >= self._samples

        async def all_told() -> bool:
            records = await self._seen[topics.ACTIVITY].read_to_the_end()
            ours = {one.id for one in self._integrations.values()}
            reports = [decode_report(record.value) for record in records]
            told = [one for one in reports if isinstance(one, IngressReport) and one.integration_id in ours]
            return sum(one.accepted + one.duplicates + one.rejected for one in told) >= self._told

        await eventually(all_samples, said="a sample is missing")
        await eventually(all_told, said="a request is not told of")
        await wait_until_consumed(self._ingress.kafka, topics.REQUESTS, NORMALIZER)
        records = {name: await reader.read_to_the_end() for name, reader in self._seen.items()}
        dead_letters = records.pop(topics.DEAD_LETTERS)
        assert dead_letters == []
        return {name: bytes_of(found) for name, found in records.items()} | {
            "answers": b"\n".join(self.answers),
            "logs": self._ingress.log.read_bytes() + self._normalizer.log.read_bytes(),
        }

    async def _request(self, sent: Sent, situation: str, query: dict[str, str]) -> httpx.Response:
        path = path_of(self._integrations[sent.kind, situation].id)
        answer = await self._ingress.http.request(
            sent.method, path, params=query, content=sent.body, headers=sent.headers
        )
        self.answers.append(b"\n".join([*(value for _, value in answer.headers.raw), answer.content]))
        return answer


def bytes_of(records: Iterable[ConsumerRecord]) -> bytes:
    parts = [part for one in records for part in (one.key, one.value, *(value for _, value in one.headers))]
    return b"\n".join(part for part in parts if part is not None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(broker: Process, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    folder: Path = tmp_path_factory.mktemp("door")
    normalizer = service("normalizer", folder, {"INLET_KAFKA": broker.address, "INLET_REDIS": redis_url})
    limits = {"INLET_BODY_LIMIT_BYTES": str(BODY_LIMIT_BYTES)}
    async with AsyncExitStack() as stack:
        seen = {name: await stack.enter_async_context(reading(broker.address, name)) for name in SEEN}
        await stack.enter_async_context(running(normalizer))
        ingress = await stack.enter_async_context(serving(broker.address, redis_url, folder, settings=limits))
        made = Door(ingress, normalizer, seen)
        await made.set_up()
        yield made


@settings(
    max_examples=15,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(EVERYTHING)
@given(STEPS)
async def test_no_credential_of_a_sender_is_seen_again(door: Door, steps: list[tuple[str, str, str]]) -> None:
    await door.arm()
    await door.plant()
    traces: dict[str, set[bytes]] = {}
    for name, situation, text in steps:
        secret = Secret.around(text)
        sent = REQUESTS[name](secret)
        await door.send(sent, situation, secret)
        others = [trace for other in sent.more_secrets for trace in forms(other)]
        traces[f"{name}, {situation}"] = secret.traces() | set(others)
    places = await door.places()

    assert places_with([door.planted.encode()], places) == set(places)
    found = {request: where for request, some in traces.items() if (where := places_with(some, places))}
    assert found == {}
    assert places_with(forms(APP_SECRET), places) == set()
