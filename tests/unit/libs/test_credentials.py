import pytest

from libs.credentials import is_credential


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "proxy-authorization", "cookie", "x-hub-signature", "x-hub-signature-256", "x-gitlab-token",
        "ocp-apim-subscription-key", "x-functions-key", "x-authtoken", "x-accesstoken", "x-access-key", "x-secretkey",
        "aeg-sas-key", "bearer", "x-sig", "x-webhooksecret", "key", "x-session-id",
        "stripe-signature", "x-api-key", "api_key", "apikey", "x-auth-key", "x-shopify-hmac-sha256", "x-vault-token",
        "keys", "x-api-keys", "x-client-secrets", "x-access-tokens", "cookie2", "x-signature256", "authorization2",
        "x-auth0", "x-oauth2", "x-secret2", "x-amzn-oidc-data", "x-authz", "x-pass", "x-pwd", "x-passphrase", "x-otp",
        "jsessionid", "x-client-cert", "x-credentials", "x-forwarded-client-cert", "x-ssl-certificate",
        "sign", "x-sign", "dpop", "x-wsse", "x-psk", "x-user-pw", "x-saml-assertion",
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
        "x-status",
        "address",
        "x-message-keys",
        "x-compass",
        "x-sha256",
        "x-deduplication-hash",
        "x-author",
        "x-github-event",
        "x-signal",
    ],
)
def test_other_headers_are_parameters(name: str) -> None:
    assert not is_credential(name)
