import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from services.config.passwords import Passwords


async def test_only_the_right_password_matches_its_hash() -> None:
    passwords = Passwords()
    hashed = await passwords.hash("correct horse")
    assert await passwords.matches("correct horse", hashed)
    assert not await passwords.matches("Correct horse", hashed)
    assert not await passwords.matches("correct horse", "not a hash")


async def test_a_user_that_does_not_exist_is_computed_in_full_and_matched_by_nothing() -> None:
    passwords = Passwords()
    with pytest.raises(VerifyMismatchError):  # and not: invalid hash
        PasswordHasher().verify(passwords._nobody, "")
    assert not await passwords.matches("", None)


async def test_the_hash_neither_shows_the_password_nor_repeats() -> None:
    passwords = Passwords()
    first, second = await passwords.hash("correct horse"), await passwords.hash("correct horse")
    assert "correct horse" not in first
    assert first.startswith("$argon2id$")
    assert first != second
