import msgspec
from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI
from msgspec import Struct

from libs.exactly_once.documentation import payload
from libs.messages import Event, Trigger


class Schema(Struct):
    properties: dict[str, "Schema"] = {}


class Components(Struct):
    schemas: dict[str, Schema]


class Document(Struct):
    components: Components


def document(message: type[Struct]) -> str:
    broker = KafkaBroker()
    broker.publisher("t", title="t", schema=payload(message))
    return AsyncAPI(broker).to_specification().to_json()


def test_every_field_of_a_message_is_documented_under_its_name_on_the_topic() -> None:
    schema = msgspec.json.decode(document(Event), type=Document).components.schemas["t:Message:Payload"]
    assert set(schema.properties) == set(Event.__struct_encode_fields__)
    assert set(schema.properties["integration"].properties) == {"id", "name", "version"}


def test_the_documentation_refers_to_nothing_outside_itself() -> None:
    assert "$defs" not in document(Trigger)
