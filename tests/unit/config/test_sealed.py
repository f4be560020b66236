from datetime import UTC, datetime

import pytest

from libs.messages import JwtAuth, MetaAuth, NoAuth, app_secret_place, verify_token_place
from libs.sealing import SealedError, Sealer
from services.config.definitions import Draft, Integration, SigningKey
from services.config.sealed import Secretive, private_key_place, resealed, texts_in
from tests.unit.libs.test_sealing import ONE, OTHER

NOW = datetime(2026, 1, 31, tzinfo=UTC)
OLD, BOTH, NEW = Sealer(ONE), Sealer(f"{OTHER},{ONE}"), Sealer(OTHER)
PLACE = app_secret_place("i")
META = Draft(
    name="v1.00000000.Complaints",
    auth=MetaAuth(
        app_secrets=(NEW.seal(b"new", PLACE), OLD.seal(b"old", PLACE)),
        verify_token=OLD.seal(b"token", verify_token_place("i")),
        split_batches=True,
    ),
)


def integration(draft: Draft, published: Draft | None = None) -> Integration:
    return Integration(id="i", draft=draft, published=published, created_at=NOW, updated_at=NOW)


KEY = SigningKey(
    id="k", sealed_private_key=OLD.seal(b"pem", private_key_place("k")), public_key="public", created_at=NOW
)


@pytest.mark.parametrize("stored", [KEY, integration(META), integration(META, META)])
def test_everything_in_it_is_sealed_anew_once(stored: Secretive) -> None:
    after = resealed(stored, BOTH)

    assert not all(map(NEW.is_current, texts_in(stored)))
    assert all(map(NEW.is_current, texts_in(after)))
    assert resealed(after, BOTH) == after


def test_it_says_the_same_as_before() -> None:
    after = resealed(integration(META), BOTH)

    assert isinstance(after, Integration)
    assert isinstance(after.draft.auth, MetaAuth)
    assert [NEW.open(one, PLACE) for one in after.draft.auth.app_secrets] == [b"new", b"old"]
    assert NEW.open(after.draft.auth.verify_token, verify_token_place("i")) == b"token"
    assert after.draft.auth.split_batches


def test_a_draft_that_is_published_stays_equal_to_what_is_published() -> None:
    after = resealed(integration(META, META), BOTH)

    assert isinstance(after, Integration)
    assert not after.has_unpublished_changes


def test_what_has_no_secrets_stays_as_it_is() -> None:
    plain = integration(Draft(name="a", auth=NoAuth()), Draft(name="b", auth=JwtAuth(api_key_id="k")))

    assert texts_in(plain) == ()
    assert resealed(plain, BOTH) == plain


def test_what_cannot_be_opened_is_not_sealed_anew() -> None:
    with pytest.raises(SealedError):
        resealed(KEY, NEW)
