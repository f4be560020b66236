"""What operators see and do with ``python -m services dead-letters``."""

import asyncio
import json

import msgspec
from aiokafka import AIOKafkaProducer

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.process import Process
from libs import topics
from services.config.dead_letters.letters import Wanted, resolution
from services.config.dead_letters.reading import opened
from tests.consuming import consumer_of, ends_of
from tests.integration.dead_letters.operators import bury, letter, now, places, run
from tests.integration.pipeline import Request, Sent, new_integration, reading
from tests.integration.trigger.authors import event


async def test_open_ones_are_listed_the_newest_last(broker: Process) -> None:
    integration = new_integration()
    requests = [Request(integration=integration) for _ in range(3)]
    letters = [letter(one.sent(partition=partition), "too-large", offset=7) for partition, one in enumerate(requests)]
    for one in letters:
        await bury(broker.address, [one])
    listed = await run(broker.address, "list", "--integration", integration)
    assert listed.code == 0
    head, *rows = listed.out.splitlines()
    assert head.split() == ["PLACE", "RECEIVED", "CAUSE", "SERVICE", "BYTES", "EVENT", "INTEGRATION"]
    assert [one.event_id in row and "too-large" in row for one, row in zip(requests, rows, strict=True)] == [True] * 3
    newest = await run(broker.address, "list", "--integration", integration, "--limit", "1", "--json")
    (line,) = newest.out.splitlines()
    found = json.loads(line)
    assert (found["eventId"], found["origin"], found["cause"]) == (
        requests[2].event_id,
        "inlet.requests/2/7",
        "too-large",
    )
    assert found["integration"]["name"] == "Réclamations"
    assert "There are more" in newest.said


async def test_each_part_of_a_scope_leaves_others_out(broker: Process) -> None:
    integration = new_integration()
    of_request = letter(Request(integration=integration).sent(partition=1), "too-large")
    of_event = letter(event(integration, partition=2), "too-costly", topic=topics.EVENTS)
    elsewhere = letter(Request(integration=new_integration()).sent(partition=3), "too-large")
    await bury(broker.address, [of_request, of_event, elsewhere])
    ours = ("--integration", integration)
    both = await places(broker.address, *ours)
    request_place, event_place = both
    assert (request_place[:2], event_place[:2]) == ("1-", "2-")
    assert await places(broker.address, *ours, "--cause", "too-costly") == [event_place]
    assert await places(broker.address, *ours, "--service", "normalizer") == [request_place]
    assert await places(broker.address, *ours, "--since", "2999-01-01") == []
    assert await places(broker.address, *ours, "--until", "2026-01-01T00:00:00Z") == []
    assert await places(broker.address, *ours, "--since", "2026-01-01", "--until", "2999-01-01T00:00:00+02:00") == both
    assert len(await places(broker.address, "--cause", "too-large")) > 1


async def test_without_yes_the_open_ones_are_counted_and_nothing_changes(broker: Process) -> None:
    integration = new_integration()
    causes = ("too-large", "too-large", "unexpected-error")
    await bury(broker.address, [letter(Request(integration=integration).sent(), cause) for cause in causes])
    topics_ = (topics.REQUESTS, topics.DEAD_LETTERS)
    before = [await end_of(broker.address, topic) for topic in topics_]
    for command in ("replay", "discard"):
        answer = await run(broker.address, command, "--integration", integration)
        assert answer.code == 0
        assert answer.said.splitlines()[:3] == ["3 open, by cause:", "  2  too-large", "  1  unexpected-error"]
        assert "Nothing was changed" in answer.said
    assert [await end_of(broker.address, topic) for topic in topics_] == before
    assert len(await places(broker.address, "--integration", integration)) == 3


async def end_of(kafka: str, topic: str) -> list[int]:
    async with consumer_of(kafka, topic, "read_uncommitted") as consumer:
        return list((await ends_of(consumer)).values())


async def test_what_is_discarded_is_never_replayed(broker: Process) -> None:
    integration = new_integration()
    originals = [Request(integration=integration).sent(partition=1) for _ in range(3)]
    await bury(broker.address, [letter(one) for one in originals])
    first, second, third = await places(broker.address, "--integration", integration)
    async with reading(broker.address, topics.REQUESTS) as requests:
        discarded = await run(broker.address, "discard", "--place", second, "--yes")
        assert "1 of 1 discarded." in discarded.said
        assert await places(broker.address, "--integration", integration) == [first, third]
        await run(broker.address, "replay", "--integration", integration, "--yes")
        keys = [record.key for record in await requests.read_to_the_end()]
        assert [one.key in keys for one in originals] == [True, False, True]
    for place, state in ((first, "replayed"), (second, "discarded")):
        assert f"state:       {state} 2" in (await run(broker.address, "inspect", place)).out


async def test_one_is_shown_with_everything_but_its_body_unless_that_is_asked_for(broker: Process) -> None:
    integration = new_integration()
    hostile = Request(integration=integration, body=b'{"a": "\x1b]0;owned\x07\n\xff\xe2\x80\xae"}').sent(partition=8)
    headers = [*hostile.headers, ("inlet-strange", b"\x1b[2J\x9b\xff")]
    sent = Sent(key=b"\x1bkey", value=hostile.value, headers=headers, partition=8)
    await bury(broker.address, [letter(sent, "not-a-json-object", offset=3)])
    (place,) = await places(broker.address, "--integration", integration)
    shown = await run(broker.address, "inspect", place)
    assert shown.code == 0
    assert "state:       open" in shown.out
    assert "cause:       not-a-json-object" in shown.out
    assert "record:      inlet.requests/8/3" in shown.out
    assert "inlet-cause: not-a-json-object" in shown.out
    assert "owned" not in shown.out
    with_body = await run(broker.address, "inspect", place, "--body")
    assert r'{"a": "\x1b]0;owned\x07' in with_body.out
    assert r"\xff\u202e" in with_body.out
    everything = with_body.out + (await run(broker.address, "list", "--integration", integration, "--json")).out
    assert [one for one in everything if not one.isprintable() and one != "\n"] == []


async def test_what_is_no_dead_letter_of_ours_is_listed_and_can_only_be_discarded(broker: Process) -> None:
    await bury(broker.address, [Sent(key=b"k", value=b"from elsewhere", partition=9)])
    (place,) = await places(broker.address, "--cause", "unknown")
    replay = await run(broker.address, "replay", "--place", place, "--yes")
    assert replay.code == 0
    assert "1 cannot be replayed" in replay.said
    assert (await run(broker.address, "discard", "--cause", "unknown", "--yes")).code == 0
    assert await places(broker.address, "--cause", "unknown") == []


async def test_what_is_resolved_counts_although_an_open_transaction_stands_before_it(broker: Process) -> None:
    integration = new_integration()
    async with AIOKafkaProducer(
        bootstrap_servers=broker.address, transactional_id=f"of-another-service-{integration}"
    ) as other:
        await bury(broker.address, [letter(Request(integration=integration).sent(partition=11))])
        (place,) = await places(broker.address, "--integration", integration)
        await other.begin_transaction()
        await other.send_and_wait(topics.DEAD_LETTERS, b"", partition=11)
        resolved = resolution("replayed", [int(place.partition("-")[2])], now())
        headers = [(name, value or b"") for name, value in resolved.headers]
        await bury(broker.address, [Sent(key=b"", value=resolved.value, headers=headers, partition=11)])
        async with opened(broker.address) as letters:
            counting = asyncio.create_task(letters.count(Wanted(integration=integration)))
            await asyncio.wait([counting], timeout=0)
            await other.abort_transaction()
            assert await counting == {}


async def test_what_cannot_be_done_is_said_with_what_to_do(broker: Process) -> None:
    nowhere = f"{LOOPBACK}:{free_port()}"
    away = await run(nowhere, "list")
    assert (away.code, away.out) == (1, "")
    assert away.said == f"Kafka does not answer at the moment. Try again. INLET_KAFKA is {nowhere}.\n"
    bad_place = await run(broker.address, "inspect", "3.17")
    assert bad_place.code == 2
    assert "it is no place such as 3-17" in bad_place.said
    for place in ("3-999999999", "400:1"):
        gone = await run(broker.address, "inspect", place)
        assert gone.code == 3
        assert "See python -m services dead-letters list" in gone.said
    assert (await run(broker.address, "replay", "--rate", "0")).code == 2
    assert (await run(broker.address, "list", "--since", "yesterday")).code == 2
    assert (await run(broker.address, "list", "--integration", new_integration())).code == 3


async def test_a_record_as_large_as_there_can_be_is_replayed_as_it_was(broker: Process) -> None:
    integration = new_integration()
    body = msgspec.json.encode({"a": "x" * (3 * 1024 * 1024)})
    requests = [Request(integration=integration, body=body).sent(partition=10) for _ in range(3)]
    huge = event(integration, partition=10, text="x" * (9 * 1024 * 1024))
    await bury(broker.address, [*map(letter, requests), letter(huge, "too-large", topic=topics.EVENTS)])
    async with (
        reading(broker.address, topics.REQUESTS) as replayed,
        reading(broker.address, topics.EVENTS) as events,
    ):
        answer = await run(broker.address, "replay", "--integration", integration, "--yes")
        assert "4 of 4 replayed." in answer.said
        found = {record.key: record.value for record in await replayed.read_to_the_end()}
        assert [found[one.key] == one.value for one in requests] == [True] * 3
        assert huge.value in [record.value for record in await events.read_to_the_end()]
