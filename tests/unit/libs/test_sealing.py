import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.sealing import SealedError, Sealer
from libs.settings import SettingsError

ONE = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.urlsafe_b64encode(bytes(range(224, 256))).decode().rstrip("=")


@given(st.binary(max_size=200), st.text(max_size=50))
def test_what_was_sealed_for_a_place_opens_there(secret: bytes, place: str) -> None:
    sealer = Sealer(ONE)

    assert sealer.open(sealer.seal(secret, place), place) == secret


def test_a_sealed_text_opens_at_no_other_place() -> None:
    sealer = Sealer(ONE)

    with pytest.raises(SealedError):
        sealer.open(sealer.seal(b"secret", "a"), "b")


@pytest.mark.parametrize("altered", ["", "v1", "v2.x.y", "v1.00000000.aaaa"])
def test_what_is_no_sealed_text_does_not_open(altered: str) -> None:
    with pytest.raises(SealedError):
        Sealer(ONE).open(altered, "a")


def test_an_altered_sealed_text_does_not_open() -> None:
    sealed = Sealer(ONE).seal(b"secret", "a")
    flipped = sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:]

    with pytest.raises(SealedError):
        Sealer(ONE).open(flipped, "a")


def test_after_a_new_master_key_the_old_one_still_opens_and_the_new_one_seals() -> None:
    before, after = Sealer(ONE), Sealer(f"{OTHER}, {ONE}")

    assert after.open(before.seal(b"secret", "a"), "a") == b"secret"
    with pytest.raises(SealedError):
        before.open(after.seal(b"secret", "a"), "a")


def test_what_is_resealed_opens_with_the_new_key_alone_and_is_resealed_once() -> None:
    sealed = Sealer(ONE).seal(b"secret", "a")
    resealed = Sealer(f"{OTHER},{ONE}").reseal(sealed, "a")
    alone = Sealer(OTHER)

    assert (alone.is_current(sealed), alone.is_current(resealed)) == (False, True)
    assert alone.open(resealed, "a") == b"secret"
    assert alone.reseal(resealed, "a") == resealed


def test_two_seals_of_one_secret_differ() -> None:
    sealer = Sealer(ONE)

    assert sealer.seal(b"secret", "a") != sealer.seal(b"secret", "a")


@pytest.mark.parametrize("text", ["", "short", "ä" * 44, ONE + ",", base64.b64encode(bytes(16)).decode()])
def test_what_is_no_master_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Sealer(text)
    assert "openssl rand" in str(refused.value)
    assert not text or text not in str(refused.value)
