import pytest

from libs.credentials import is_credential


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "proxy-authorization", "cookie", "x-hub-signature", "x-hub-signature-256", "x-gitlab-token",
        "ocp-apim-subscription-key", "x-functions-key", "x-authtoken", "x-accesstoken", "x-access-key", "x-secretkey",
        "aeg-sas-key", "bearer", "x-sig", "x-webhooksecret", "key", "x-session-id",
        "stripe-signature", "x-api-key", "api_key", "apikey", "x-auth-key", "x-shopify-hmac-sha256", "x-vault-token",
    ],
)  # fmt: skip
def test_credentials_are_recognised_by_the_words_of_their_name(name: str) -> None:
    assert is_credential(name)


@pytest.mark.parametrize(
    "name",
    [
        "content-type",
        "x-form-id",
        "idempotency-key",
        "x-message-key",
        "x-signed-by",
        "keys",
        "x-deduplication-hash",
        "x-author",
        "x-github-event",
    ],
)
def test_other_headers_are_parameters(name: str) -> None:
    assert not is_credential(name)
