import contextlib
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.config.business_events import NewBusinessEvent
from services.config.console.forms import FIELDS_LIMIT, Faults, Form, convert, revision_in
from services.config.drafts import NewIntegration
from services.config.errors import Fault, InvalidError
from services.config.identity import Permission
from services.config.users import NewUser

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\r")


@given(st.lists(st.tuples(st.text(characters), st.text(characters)), max_size=5))
def test_a_form_is_read_as_it_was_filled_in(pairs: list[tuple[str, str]]) -> None:
    form = Form.decode(urlencode([(name, value.replace("\n", "\r\n")) for name, value in pairs]).encode())
    for name, _ in pairs:
        values = [value for one, value in pairs if one == name]
        assert form.texts(name) == values
        assert form.text(name) == values[-1]
    assert set(form.names()) == {name for name, _ in pairs}


def test_as_many_fields_as_a_page_may_have_are_read_and_one_more_is_refused() -> None:
    fields = "&".join(f"f{number}=" for number in range(FIELDS_LIMIT))
    assert len(list(Form.decode(fields.encode()).names())) == FIELDS_LIMIT
    with pytest.raises(InvalidError, match="not valid"):
        Form.decode(f"{fields}&one=more".encode())


@pytest.mark.parametrize("body", [b"a=%ff", b"a=\xff", "a=ż".encode(), b"%ff=a", b"a=%ed%a0%80"])
@pytest.mark.parametrize("before", [b"", b"x=1&"])
def test_what_is_no_text_is_refused_and_never_guessed(before: bytes, body: bytes) -> None:
    with pytest.raises(InvalidError) as found:
        Form.decode(before + body)
    assert [fault.field for fault in found.value.faults] == [""]


@given(st.binary(max_size=50))
def test_no_body_is_worse_than_refused(body: bytes) -> None:
    with contextlib.suppress(InvalidError):
        assert isinstance(Form.decode(body), Form)


def test_lines_are_those_with_something_on_them() -> None:
    form = Form({"ips": [" 10.0.0.1 \n\n\t\n10.0.0.2\u2028"]})
    assert form.lines("ips") == ["10.0.0.1", "10.0.0.2"]
    assert form.lines("other") == []


@pytest.mark.parametrize(
    ("text", "revision"),
    [
        ("7", frozenset({7})),
        ("", None),
        ("-1", None),
        ("\u0663", None),
        ("1" * 19, None),
        ("1" * 5000, None),
        ("1 ", None),
    ],
)
def test_a_revision_is_what_a_page_has_written_and_nothing_else(text: str, revision: frozenset[int] | None) -> None:
    assert revision_in(Form({"revision": [text]})) == revision


def test_faults_are_found_by_the_field_that_they_are_about() -> None:
    faults = Faults([Fault("auth.apiKeyId", "a"), Fault("auths", "b"), Fault("allowedIps[2]", "c"), Fault("", "d")])
    assert [one.message for one in faults.of("auth")] == ["a"]
    assert [one.message for one in faults.of("allowedIps", "auths")] == ["b", "c"]
    assert faults.of("a") == []


@pytest.mark.parametrize(
    ("fields", "kind", "fault"),
    [
        ({"email": "a", "password": "short"}, NewUser, Fault("password", "must have at least 12 characters")),
        (
            {"email": "a", "permissions": ["X"]},
            NewUser,
            Fault("permissions[0]", f"must be one of {', '.join(Permission)}"),
        ),
        (
            {"name": "n", "auth": {"kind": "none"}, "deduplication": {"parameters": ["headers.a"], "onRedisDown": "x"}},
            NewIntegration,
            Fault("deduplication.onRedisDown", "must be one of accept, reject"),
        ),
        (
            {"name": "n", "auth": {"kind": "meta", "appSecret": "x" * 513}},
            NewIntegration,
            Fault("auth.appSecret", "must not be longer than 512 characters"),
        ),
        (
            {"name": "n", "auth": {"kind": "jwt", "apiKeyId": "x"}},
            NewIntegration,
            Fault("auth.apiKeyId", "must be chosen from the list"),
        ),
        (
            {"name": "n", "auth": {"kind": "none"}, "rateLimit": {"perSecond": float("nan"), "burst": 1}},
            NewIntegration,
            Fault("rateLimit.perSecond", "must be at least 0.001"),
        ),
        (
            {"name": "n", "auth": {"kind": "none"}, "rateLimit": {"perSecond": 1.0, "burst": 10**400}},
            NewIntegration,
            Fault("rateLimit.burst", "must be at most 1000000"),
        ),
        ({"name": 1, "integrationId": "x", "where": {}}, NewBusinessEvent, Fault("name", "is not valid")),
    ],
)
def test_what_the_decoder_finds_is_said_in_words(fields: dict[str, object], kind: type[object], fault: Fault) -> None:
    with pytest.raises(InvalidError) as found:
        convert(fields, kind)
    assert found.value.faults == (fault,)
