"""The verifier finds what is wrong: a check that cannot fail proves nothing."""

from msgspec.structs import replace

from libs import topics
from libs.identifiers import new_event_id
from tests.chaos.history import NO_ANSWER, BusinessEventSeen, DeadLetterSeen, Kind, Place
from tests.chaos.verifier import Breach
from tests.unit.chaos.ledger import NAMES, Ledger, delivered

DEDUPLICATED = (Kind.REJECT, Kind.ACCEPT)


def test_what_is_as_it_should_be_is_not_objected_to() -> None:
    assert delivered().breaches() == []


def test_a_200_without_its_event_is_a_loss() -> None:
    for kind in Kind:
        ledger = delivered()
        ledger.send(kind, "new", 200)
        assert ledger.breaches() == [Breach.LOST], kind


def test_a_part_that_is_missing_is_a_loss() -> None:
    ledger = Ledger()
    [attempt] = ledger.send(Kind.PARTS, ["p", "q"], 200)
    ledger.emit(attempt, group="p")
    assert ledger.breaches() == [Breach.LOST]


def test_a_200_for_another_event_is_a_loss() -> None:
    ledger = Ledger()
    [attempt] = ledger.send(Kind.PLAIN, "x", 200)
    ledger.emit(attempt)
    ledger.history.messages[0].attempts[0].request_id = new_event_id()
    assert ledger.breaches() == [Breach.LOST]


def test_a_dead_letter_is_a_loss() -> None:
    ledger = Ledger()
    [attempt] = ledger.send(Kind.PLAIN, "x", 503)
    place = Place(topics.DEAD_LETTERS, 0, 0)
    ledger.dead_letters.append(DeadLetterSeen(place=place, cause="unexpected-error", attempt=attempt))
    assert ledger.breaches() == [Breach.LOST]


def test_a_match_without_its_trigger_is_a_loss() -> None:
    ledger = delivered()
    ledger.triggers.pop()
    assert ledger.breaches() == [Breach.LOST]


def test_a_business_event_must_match_what_was_accepted_after_it_and_may_match_what_was_accepted_before() -> None:
    for offset, missing in ((0, [Breach.LOST]), (1, [])):
        ledger = delivered()
        later = BusinessEventSeen(id=new_event_id(), integration=NAMES[Kind.PLAIN], offset=offset, injection=7)
        ledger.business_events.append(later)
        [attempt] = ledger.send(Kind.PLAIN, "x", 200, injection=7)
        event = ledger.emit(attempt)
        assert ledger.breaches() == missing
        ledger.trigger(event, later.id)
        assert ledger.breaches() == []


def test_two_events_of_one_request_are_a_double() -> None:
    ledger = Ledger()
    [attempt] = ledger.send(Kind.PLAIN, "x", NO_ANSWER)
    ledger.emit(attempt)
    ledger.emit(attempt)
    assert ledger.breaches() == [Breach.DOUBLED]


def test_two_events_with_one_id_are_a_double() -> None:
    ledger = Ledger()
    [one] = ledger.send(Kind.PLAIN, "x", NO_ANSWER)
    [other] = ledger.send(Kind.PLAIN, "x", NO_ANSWER)
    event = ledger.emit(one)
    ledger.emit(other, event_id=event.id)
    assert Breach.DOUBLED in ledger.breaches()


def test_two_events_of_one_group_are_a_double() -> None:
    for kind in (*DEDUPLICATED, Kind.PARTS):
        ledger = Ledger()
        first, second = ledger.send(kind, "g", NO_ANSWER, 200)
        ledger.emit(first)
        ledger.emit(second)
        assert ledger.breaches() == [Breach.DOUBLED], kind


def test_two_triggers_of_one_match_are_a_double() -> None:
    ledger = delivered()
    ledger.trigger(ledger.events[-1], ledger.triggers[-1].business_event)
    assert ledger.breaches() == [Breach.DOUBLED]


def test_a_second_200_is_a_double_where_redis_has_to_be_asked() -> None:
    for kind, found in ((Kind.REJECT, [Breach.DOUBLED]), (Kind.ACCEPT, [])):
        ledger = Ledger()
        first, second = ledger.send(kind, "g", 200, 200)
        ledger.emit(first)
        ledger.store(second)
        assert ledger.breaches() == found


def test_a_204_without_an_event_is_falsely_suppressed() -> None:
    for kind in DEDUPLICATED:
        ledger = Ledger()
        ledger.send(kind, "g", 503, 204)
        assert ledger.breaches() == [Breach.SUPPRESSED]


def test_a_group_of_which_every_answer_is_204_is_falsely_suppressed() -> None:
    ledger = Ledger()
    [attempt, _] = ledger.send(Kind.REJECT, "g", 204, 204)
    ledger.emit(attempt)
    assert ledger.breaches() == [Breach.SUPPRESSED]


def test_a_request_that_is_never_taken_is_falsely_suppressed() -> None:
    for kind, found in ((Kind.REJECT, [Breach.SUPPRESSED]), (Kind.PARTS, [Breach.SUPPRESSED]), (Kind.PLAIN, [])):
        ledger = Ledger()
        ledger.send(kind, "g", 503, NO_ANSWER)
        assert ledger.breaches() == found, kind


def test_a_good_request_that_is_refused_is_falsely_suppressed() -> None:
    for kind, status in ((Kind.PLAIN, 204), (Kind.PARTS, 204), (Kind.REJECT, 404), (Kind.ACCEPT, 401)):
        ledger = Ledger()
        ledger.send(kind, "g", status)
        assert Breach.SUPPRESSED in ledger.breaches(), (kind, status)


def test_after_redis_has_lost_its_data_another_event_is_extra_and_a_third_is_a_double() -> None:
    for kind in (*DEDUPLICATED, Kind.PARTS):
        ledger = Ledger()
        ledger.history.losses.append(3)
        for attempt in ledger.send(kind, "g", 200, injection=2) + ledger.send(kind, "g", 200, injection=4):
            ledger.emit(attempt)
        assert ledger.breaches() == [Breach.EXTRA]
        ledger.emit(*ledger.send(kind, "g", 200, injection=4))
        assert ledger.breaches() == [Breach.EXTRA, Breach.DOUBLED]


def test_a_loss_of_redis_excuses_no_two_events_that_were_both_made_before_it() -> None:
    ledger = Ledger()
    ledger.history.losses.append(4)
    for attempt in ledger.send(Kind.REJECT, "g", 503, 200, injection=3):
        ledger.emit(attempt)
    ledger.send(Kind.REJECT, "g", 204, injection=5)
    assert ledger.breaches() == [Breach.DOUBLED]


def test_a_loss_of_redis_at_another_time_excuses_nothing() -> None:
    ledger = Ledger()
    ledger.history.losses += [1, 5]
    for attempt in ledger.send(Kind.REJECT, "g", 503, 200, injection=3):
        ledger.emit(attempt)
    assert ledger.breaches() == [Breach.DOUBLED]


def test_events_in_another_order_than_their_requests_are_reordered() -> None:
    ledger = delivered()
    first, second, *rest = ledger.events
    ledger.events[:] = [replace(first, place=second.place), replace(second, place=first.place), *rest]
    assert Breach.REORDERED in ledger.breaches()


def test_triggers_in_another_order_than_their_events_are_reordered() -> None:
    ledger = delivered()
    first, second, *rest = ledger.triggers
    ledger.triggers[:] = [replace(first, place=second.place), replace(second, place=first.place), *rest]
    assert ledger.breaches() == [Breach.REORDERED]


def test_a_request_that_is_stored_before_one_of_its_key_that_had_its_200_is_reordered() -> None:
    ledger = Ledger()
    [early] = ledger.send(Kind.PARTS, "p", 200)
    [late] = ledger.send(Kind.PARTS, "q", 200)
    ledger.emit(late)
    ledger.emit(early)
    assert ledger.breaches() == [Breach.REORDERED]


def test_a_record_of_an_aborted_transaction_must_not_be_seen() -> None:
    for place in (delivered().events[0].place, delivered().triggers[0].place):
        ledger = delivered()
        ledger.aborted.add(place)
        assert ledger.breaches() == [Breach.VISIBLE]


def test_an_event_without_a_durable_request_must_not_be_seen() -> None:
    ledger = delivered()
    ledger.requests.pop(0)
    assert ledger.breaches() == [Breach.VISIBLE]


def test_an_event_that_nobody_has_sent_must_not_be_seen() -> None:
    ledger = delivered()
    ledger.events[0] = replace(ledger.events[0], attempt="nobody")
    assert Breach.VISIBLE in ledger.breaches()


def test_a_trigger_that_follows_from_no_event_must_not_be_seen() -> None:
    ledger = delivered()
    ledger.triggers.append(replace(ledger.triggers[0], id=new_event_id(), event_id=new_event_id()))
    assert ledger.breaches() == [Breach.VISIBLE]


def test_a_trigger_has_the_id_that_follows_from_its_event_and_business_event() -> None:
    ledger = delivered()
    ledger.triggers[0] = replace(ledger.triggers[0], id=new_event_id())
    assert ledger.breaches() == [Breach.VISIBLE]
