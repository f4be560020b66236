"""What authors have defined, and the events that their integrations receive."""

from typing import Final
from uuid import uuid4

import msgspec

from libs import topics
from libs.identifiers import new_event_id
from libs.messages import BusinessEvent, Event, IntegrationRef, definition_key
from libs.parameters import flatten
from tests.integration.pipeline import RECEIVED_AT, Sent, send

_HEADERS: Final = {"x-form-id": "7"}


def business_event(integration: str, **equal: str) -> BusinessEvent:
    """An active Business Event that asks for equal texts in the body."""
    conditions = [
        {"param": f"body.{name}", "type": "string", "operator": "EQUAL", "value": text} for name, text in equal.items()
    ]
    return BusinessEvent(
        id=str(uuid4()),
        workspace="w",
        name="Zufällig",
        version=1,
        integration_id=integration,
        state="active",
        where={"all": conditions},
    )


async def define(bootstrap: str, *definitions: BusinessEvent) -> None:
    records = [Sent(key=definition_key(one), value=msgspec.json.encode(one)) for one in definitions]
    await send(bootstrap, topics.DEFINITIONS, records)


async def delete(bootstrap: str, definition: BusinessEvent) -> None:
    await send(bootstrap, topics.DEFINITIONS, [Sent(key=definition_key(definition), value=None)])


def event(integration: str, partition: int = 0, **body: object) -> Sent:
    """A clean event; its key is its id."""
    event_id = new_event_id()
    document: dict[str, object] = dict(body)
    clean = Event(
        id=event_id,
        workspace="w",
        integration=IntegrationRef(id=integration, name="Réclamations", version=3),
        received_at=RECEIVED_AT,
        headers=_HEADERS,
        body=document,
        parameters=flatten(_HEADERS, document),
    )
    return Sent(key=event_id.encode(), value=msgspec.json.encode(clean), partition=partition)
