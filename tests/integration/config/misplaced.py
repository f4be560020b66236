"""Requests that are refused, with a secret in them: in its place, beside it, or where another value belongs."""

import json
from collections.abc import Callable
from typing import Final

from tests.integration.config.control_plane import EVERYTHING
from tests.secrecy import Secret

SOME_ID: Final = "01a20c53-527b-7133-8e4c-12cf2b8e8cb8"
INTEGRATIONS: Final = "/api/v1/integrations"
KEYS: Final = "/api/v1/api-keys"
USERS: Final = "/api/v1/users"
SESSION: Final = "/api/v1/session"
LOGIN: Final = "/uauth/v2/auth/login/profile"
REFRESH: Final = "/uauth/v2/auth/refresh/profile"
NAME: Final = "Complaints"


def meta(secret: Secret, **more: object) -> dict[str, object]:
    return {"kind": "meta", "appSecret": secret.text, "verifyToken": f"token {secret.text}", **more}


def integration(auth: object, **more: object) -> dict[str, object]:
    return {"name": NAME, "auth": auth, **more}


Wrong = tuple[str, str, Callable[[Secret], object]]

# Requests that are refused, whoever sends them: method, path, and a body with a secret in it.
WRONG: Final[dict[str, Wrong]] = {
    "another field is invalid": ("POST", INTEGRATIONS, lambda s: integration(meta(s)) | {"name": ""}),
    "an app secret that is too long": ("POST", INTEGRATIONS, lambda s: integration(meta(s, appSecret=s.text * 20))),
    "an app secret in a list": ("POST", INTEGRATIONS, lambda s: integration(meta(s, appSecret=[s.text]))),
    "an app secret in an object": ("POST", INTEGRATIONS, lambda s: integration(meta(s, appSecret={"is": s.text}))),
    "a field beside it": ("POST", INTEGRATIONS, lambda s: integration(meta(s, surprise=1))),
    "it in an unknown field": ("POST", INTEGRATIONS, lambda s: integration({"kind": "none"}, secret=s.text)),
    "it in an unknown field of auth": ("POST", INTEGRATIONS, lambda s: integration({"kind": "none", "x": s.text})),
    "it as the kind": ("POST", INTEGRATIONS, lambda s: integration(meta(s, kind=s.text))),
    "it as auth": ("POST", INTEGRATIONS, lambda s: integration(s.text)),
    "it as the name of a key": ("POST", INTEGRATIONS, lambda s: integration({"kind": "jwt", "apiKeyId": s.text})),
    "it as a choice": (
        "POST",
        INTEGRATIONS,
        lambda s: integration(meta(s), deduplication={"parameters": ["body.a"], "onRedisDown": s.text}),
    ),
    "it as a parameter": ("POST", INTEGRATIONS, lambda s: integration(meta(s), deduplication={"parameters": [s.text]})),
    "it as a number": ("POST", INTEGRATIONS, lambda s: integration(meta(s), rateLimit={"perSecond": s.text})),
    "it as the whole body": ("POST", INTEGRATIONS, lambda s: s.text),
    "a body that is cut off": ("POST", INTEGRATIONS, lambda s: json.dumps(integration(meta(s))).encode()[:-3]),
    "a body that goes on": ("POST", INTEGRATIONS, lambda s: json.dumps(integration(meta(s))).encode() + b" x"),
    "a body that is not UTF-8": ("POST", INTEGRATIONS, lambda s: json.dumps(integration(meta(s))).encode() + b"\xff"),
    "an integration that is not there": ("PATCH", f"{INTEGRATIONS}/{SOME_ID}", lambda s: {"auth": meta(s)}),
    "a password as the address": ("POST", USERS, lambda s: {"email": s.text.replace("@", ""), "role": "viewer"}),
    "a password as the role": ("POST", USERS, lambda s: {"email": "a@b", "role": s.text}),
    "a password as a permission": ("POST", USERS, lambda s: {"email": "a@b", "permissions": [s.text]}),
    "a password of no user": ("POST", USERS, lambda s: {"email": "nobody", "password": s.text, "role": "viewer"}),
    "a password that is too long": ("POST", USERS, lambda s: {"email": "a@b", "password": s.text * 40}),
    "a password in a field of another name": ("POST", USERS, lambda s: {"email": "a@b", "pasword": s.text}),
    "a password of a user that is not there": ("PATCH", f"{USERS}/{SOME_ID}", lambda s: {"password": s.text}),
    "a wrong password of one's own": (
        "PATCH",
        "/api/v1/me",
        lambda s: {"currentPassword": s.text, "password": f"new {s.text}"},
    ),
    "a secret as a permission of a key": ("POST", KEYS, lambda s: {"name": NAME, "permissions": [s.text]}),
    "a secret as a time": ("POST", KEYS, lambda s: {"name": NAME, "expiresAt": s.text}),
    "a secret as a network": ("POST", KEYS, lambda s: {"name": NAME, "allowedIps": [s.text]}),
    "a secret for a key": ("POST", KEYS, lambda s: {"name": NAME, "secret": s.text}),
    "a login with a list": ("POST", SESSION, lambda s: {"email": "a@b", "password": [s.text]}),
    "a login with more": ("POST", SESSION, lambda s: {"email": "a@b", "password": s.text, "otp": s.text}),
    "a login with a password as the address": ("POST", SESSION, lambda s: {"email": s.text, "password": s.text}),
    "a login with a password that is too long": ("POST", SESSION, lambda s: {"email": "a@b", "password": s.text * 40}),
    "a login of nobody": ("POST", SESSION, lambda s: {"email": "nobody@example.com", "password": s.text}),
    "a wrong key": ("POST", LOGIN, lambda s: {"apiKey": s.text}),
    "a key in a list": ("POST", LOGIN, lambda s: {"apiKey": [s.text]}),
    "a key in a field of another name": ("POST", LOGIN, lambda s: {"api_key": s.text}),
    "a secret as an operator": (
        "POST",
        "/api/v1/business-events/test",
        lambda s: {"where": {"param": "body.a", "type": "string", "operator": s.text}, "sample": {"body": {}}},
    ),
    "a secret as an integration": (
        "POST",
        "/api/v1/business-events/test",
        lambda s: {"where": EVERYTHING, "integrationId": s.text},
    ),
}
