import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import messages
from libs.messages import (
    BusinessEvent,
    Deduplication,
    Integration,
    IntegrationRef,
    NoAuth,
    Source,
    Undecodable,
    ascii_json,
    decode_definition,
    decode_metadata,
    definition_key,
    definitions_offset,
    encode_metadata,
)

SOURCE = Source(workspace="w", integration=IntegrationRef(id="i", name="Zażalenia ⚡", version=3))


@given(st.dictionaries(st.text(), st.text()), st.booleans())
def test_metadata_survives_the_kafka_headers_and_is_ascii(headers: dict[str, str], deduplicated: bool) -> None:  # noqa: FBT001
    encoded = encode_metadata(
        event_id="e",
        received_at="2026-01-31T09:15:30.123456Z",
        source=ascii_json(SOURCE),
        headers=headers,
        deduplicated=deduplicated,
        definitions_offset=7,
    )
    assert all(value.isascii() for _, value in encoded)
    decoded = decode_metadata(encoded)
    assert decoded == messages.RequestMetadata(
        event_id="e",
        received_at="2026-01-31T09:15:30.123456Z",
        source=SOURCE,
        headers=headers,
        deduplicated=deduplicated,
        definitions_offset=7,
    )


def test_a_batch_survives_the_kafka_headers_and_is_ascii() -> None:
    batch = messages.Batch(parameters=("body.entry.0.zażółć",))
    encoded = encode_metadata(
        event_id="e",
        received_at="r",
        source=ascii_json(SOURCE),
        headers={},
        deduplicated=False,
        definitions_offset=0,
        batch=ascii_json(batch),
    )
    assert all(value.isascii() for _, value in encoded)
    assert decode_metadata(encoded).batch == batch
    assert decode_metadata(encoded[:-1]).batch is None


def test_missing_metadata_is_named() -> None:
    with pytest.raises(ValueError, match="inlet-source, inlet-headers"):
        decode_metadata([(messages.EVENT_ID, b"e"), (messages.RECEIVED_AT, b"t")])


@pytest.mark.parametrize(
    "definition",
    [
        Integration(
            id="i",
            workspace="w",
            name="n",
            version=2,
            auth=NoAuth(),
            deduplication=Deduplication(parameters=("body.a",)),
        ),
        BusinessEvent(
            id="b", workspace="w", name="n", version=1, integration_id="i", state="active", where={"all": []}
        ),
    ],
)
def test_a_definition_reads_back_as_it_was_written(definition: messages.Definition) -> None:
    assert decode_definition(msgspec.json.encode(definition)) == definition
    assert definition_key(definition) == b"%s/%s" % (
        b"integration" if isinstance(definition, Integration) else b"business-event",
        definition.id.encode(),
    )


@pytest.mark.parametrize(
    "value",
    [
        b'{"kind":"integration","id":"i","workspace":"w","name":"n","version":1,"auth":{"kind":"from-the-future"}}',
        b'{"kind":"integration","id":"i","workspace":"w","name":"n","version":1}',
        b'{"kind":"unheard-of"}',
        b"\xff",
        b"",
    ],
)
def test_what_this_version_cannot_read_is_there_but_undecodable(value: bytes) -> None:
    assert isinstance(decode_definition(value), Undecodable)


def test_fields_of_a_later_version_are_passed_over() -> None:
    value = b'{"kind":"integration","id":"i","workspace":"w","name":"n","version":1,"auth":{"kind":"none","x":1},"y":2}'
    assert decode_definition(value) == Integration(id="i", workspace="w", name="n", version=1, auth=NoAuth())


def test_an_integration_that_does_not_say_how_it_authenticates_is_not_open() -> None:
    value = b'{"kind":"integration","id":"i","workspace":"w","name":"n","version":1,"auth":{}}'
    assert isinstance(decode_definition(value), Undecodable)


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"9" * 30, None])
def test_what_is_no_definitions_offset_is_none(value: bytes | None) -> None:
    assert definitions_offset([(messages.DEFINITIONS_OFFSET, value)]) == 0
    assert definitions_offset([("other", b"8"), (messages.DEFINITIONS_OFFSET, b"9")]) == 9
