"""What `make run` shows of triggers: senders have written much of it."""

import msgspec

from deploy.local.triggers import line
from libs.messages import BusinessEventRef, Trigger
from tests.unit.trigger.events import event


def test_a_trigger_is_one_line_and_no_command_to_the_terminal() -> None:
    sent = event({"text": "a\x9b2J\u202eb"})
    trigger = Trigger(
        id="t",
        business_event=BusinessEventRef(id="b", name="High\u2028", version=1),
        event=msgspec.Raw(msgspec.json.encode(sent)),
    )
    shown = line(msgspec.json.encode(trigger))
    assert shown.isprintable()
    assert shown.endswith(r'{"text":"a\x9b2J\u202eb"}')
