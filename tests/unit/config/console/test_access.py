from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.config.console.access import HOME, _is_of, _local, csrf_token

HERE = "https://inlet.example.com/sign-in"


@pytest.mark.parametrize(
    "path", ["/incoming", "/", "/business-events/new?integration=1&x=%2F", "/incoming#data", "/a//b"]
)
def test_a_path_of_ours_is_where_one_goes_on(path: str) -> None:
    assert _local(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "incoming",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
        ),
        *("https://evil.example", "javascript:alert(1)", "/\n/evil.example", " //evil.example", "/ż", "/a b", "/\0"),
    ],
)
def test_whatever_could_lead_elsewhere_leads_home(path: str) -> None:
    assert _local(path) == HOME


@given(st.text(st.sampled_from("/\\.@:%\t\n\r ?#aevil")))
def test_no_address_leads_to_another_site(path: str) -> None:
    # What browsers make of an address before they resolve it (URL, section 4.4).
    seen = "".join(character for character in _local(path).strip() if character not in "\t\n\r").replace("\\", "/")
    assert urlsplit(urljoin(HERE, seen)).netloc == "inlet.example.com"


def test_a_form_is_of_the_session_that_it_was_made_for() -> None:
    one, other = csrf_token("session"), csrf_token("session")
    assert one != other
    assert _is_of("session", one)
    assert _is_of("session", other)


def test_what_another_session_or_nobody_has_made_is_not_of_it() -> None:
    made = ["", ".", "x", "ż.ż", csrf_token("another"), csrf_token("session")[:-1]]
    assert [text for text in made if _is_of("session", text)] == []
