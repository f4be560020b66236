"""What strangers send, and what authors paste: shown as text, never an error of ours, and pages stay small."""

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tests.integration.config.console.browser import Browser, browser, console_routes, receive
from tests.integration.config.control_plane import ControlPlane
from tests.integration.config.test_users import SOME_ID, make_user

SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)></textarea></title>"
PAGE_LIMIT_BYTES = 100_000
DEEP = b'{"a":' * 63 + b"1" + b"}" * 63


async def pages_of(admin: Browser, integration_id: str, event_id: str) -> Mapping[str, str]:
    """Every page that shows something of these, opened once."""
    paths = [
        *("/incoming", f"/incoming/{integration_id}?open=data", f"/incoming/{integration_id}/delete"),
        *("/business-events", f"/business-events?integration={integration_id}", "/business-events/new"),
        *(f"/business-events/new?integration={integration_id}", f"/business-events/{event_id}"),
        *(f"/business-events/{event_id}/delete", "/audit-log", "/api-keys", "/users", "/incoming/new?auth=jwt"),
    ]
    return {path: (await admin.open(path)).page.html for path in paths}


async def test_what_is_stored_is_shown_as_text_on_every_page(
    admin: Browser, plane: ControlPlane, tmp_path: Path
) -> None:
    key = await plane.call("POST", "/api/v1/api-keys", {"name": SCRIPT}, status=201)
    integration_id = await plane.create_integration(
        SCRIPT,
        icon=SCRIPT,
        auth={"kind": "jwt", "apiKeyId": key["id"]},
        deduplication={"parameters": [f"body.{SCRIPT.replace('.', '')}"]},
    )
    event_id = await plane.create_business_event(integration_id, SCRIPT)
    where = {"any": [{"param": f"body.{SCRIPT}", "type": "string", "operator": "IN", "value": [SCRIPT, f"\n{SCRIPT}"]}]}
    await plane.call("PATCH", f"/api/v1/business-events/{event_id}", {"where": where})
    await plane.call("POST", f"/api/v1/integrations/{integration_id}/capture", status=201)
    body = {SCRIPT: SCRIPT, "files": [{"fileName": f"{SCRIPT}.jpg"}]}
    await receive(tmp_path, integration_id, body, {f"x-{SCRIPT}": SCRIPT}, refused=SCRIPT)
    pages = await pages_of(admin, integration_id, event_id)
    await admin.open(f"/business-events/{event_id}")
    await admin.press("Test")
    pages = {**pages, "test": admin.page.html}
    for path, html in pages.items():
        assert "alert(1)" in html or path == "/users", path
        assert "<script>alert" not in html, path
        assert "<img src=x" not in html, path
        assert html.count("</title>") == 1, path


async def test_what_is_in_an_address_is_shown_as_text(admin: Browser) -> None:
    for path in ("/incoming", "/business-events/new", "/audit-log", "/sign-in", "/business-events", "/nowhere"):
        for name in ("q", "next", "kind", "subject", "notice", "open", "integration", "auth", "cursor", "event"):
            answer = await admin.client.get(path, params={name: SCRIPT})
            assert answer.status_code in {200, 400, 404}
            assert "<script>alert" not in answer.text
            assert "<img src=x" not in answer.text


VALUES = [
    *("", " ", "\0", "a\0b", "\ufffe", "😀" * 50, "\u202e", "x" * 1000, "0", "-1", "1e400", "NaN", "null", "[]", "{}"),
    *("%00", "../../etc/passwd", "' OR 1=1 --", "{{ 7*7 }}", "${7*7}", "\x1b[31m", "\u2028", "9" * 5000, SOME_ID),
]
NAMES = [
    *(
        "name",
        "icon",
        "apiKeyId",
        "appSecret",
        "verifyToken",
        "parameter",
        "typed",
        "onRedisDown",
        "perSecond",
        "burst",
    ),
    *("kind", "intent", "revision", "integrationId", "body", "headers", "kind:0", "kind:0.0", "param:0.0", "to:0.0"),
    *("operator:0.0", "value:0.0", "case:0.0", "email", "password", "currentPassword", "permission", "expiresAt"),
    *("allowedIps", "execute", "next", "timeZone", "withBusinessEvents", "splitBatches", "keepPrevious"),
]
INTENTS = [
    "",
    "save",
    "test",
    "refresh",
    "remove:0",
    "remove:",
    "add-group:0",
    "add-element:0.0",
    "remove:0." + "9" * 5000,
]


def without_kafka(path: str) -> set[int]:
    """What else is answered while Kafka is away, as it is here, by pages that are read from it."""
    return {503} if path.startswith("/dead-letters") else set()


async def test_no_field_of_any_form_makes_an_error_of_ours(admin: Browser, plane: ControlPlane) -> None:
    """Every route with every value in every field; things are made anew, because some of them delete or revoke."""
    user_id = await make_user(plane)
    mark = (await admin.open("/account")).mark
    routes = sorted(path for method, path in console_routes(plane) if method == "POST")
    routes = [path for path in routes if path not in {"/sign-in", "/sign-out", "/account"}]
    assert len(routes) > 18
    for number, value in enumerate(VALUES):
        integration_id = await plane.create_integration()
        event_id = await plane.create_business_event(integration_id)
        key_id = (await plane.call("POST", "/api/v1/api-keys", {"name": "Portal"}, status=201))["id"]
        ids = {"incoming": integration_id, "business-events": event_id, "api-keys": key_id, "users": user_id}
        rows = {"kind:0": "all", "kind:0.0": "condition", "intent": INTENTS[number % len(INTENTS)]}
        for path in routes:
            there = path.format(id=ids.get(path.split("/")[1]))
            for fields in (dict.fromkeys(NAMES, value), {**dict.fromkeys(NAMES, value), **rows}):
                given = {**fields, "csrf": mark, "integrationId": integration_id if fields is rows else value}
                answer = await admin.client.post(there, data=given, follow_redirects=False)
                refusals = {400, 404, 409, 412, 428} | without_kafka(path)
                assert answer.status_code in {200, 303} | refusals, (there, value, answer.text)


async def test_no_part_of_an_address_makes_an_error_of_ours(admin: Browser, plane: ControlPlane) -> None:
    pages = [path.format(id=SOME_ID) for method, path in console_routes(plane) if method == "GET"]
    names = ("q", "next", "kind", "subject", "notice", "open", "integration", "auth", "cursor", "event")
    for path in [*pages, "/incoming/%00", "/incoming/x", "/%ff", "/incoming/../../etc"]:
        for value in ("", "%00", "%ff", "x" * 2000, "%ed%a0%80", "-1", SOME_ID, "'", "01a20c53"):
            answer = await admin.client.get(f"{path}?{'&'.join(f'{name}={value}' for name in names)}")
            assert answer.status_code in {200, 303, 400, 404} | without_kafka(path), (path, value)


async def test_a_form_that_is_too_much_is_refused_before_it_is_work(admin: Browser, plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    await admin.open(f"/business-events/new?integration={integration_id}")
    mark = [("csrf", admin.mark), ("integrationId", integration_id)]
    await admin.post("/business-events/new", [*mark, *((f"f{number}", "") for number in range(5000))], status=400)
    assert "too many fields" in admin.page.text
    await admin.post("/business-events/new", [*mark, ("name", "x" * 1_048_576)], status=413)
    assert "This is too much at once" in admin.page.text
    deep = [*mark, *(("kind:0" + ".0" * depth, "element" if depth % 2 else "all") for depth in range(700))]
    for intent in ("save", "test", "add-element:0" + ".0" * 34, "remove:0" + ".0" * 699):
        status = 400 if intent in {"save", "test"} else 200
        await admin.post("/business-events/new", [*deep, ("intent", intent)], status=status)
    wide = [("kind:0", "all")]
    for number in range(300):
        wide += [(f"kind:0.{number}", "condition"), (f"param:0.{number}", "body.a")]
    await admin.post("/business-events/new", [*mark, *wide, ("intent", "save")], status=400)
    assert "is one condition too many" in admin.page.text
    await admin.post("/business-events/new", [*mark, ("intent", "test"), ("body", "[" * 300_000)], status=400)


def samples() -> list[tuple[str, bytes]]:
    """Bodies of up to 3 MiB that a page could grow with."""
    many = {f"parameter-{number:05}": {"value": number, "text": "x" * 20} for number in range(20_000)}
    quotes = {f"q{number}": '"<&' * 30 for number in range(300)}
    return [
        ("thousands of parameters", msgspec.json.encode(many)),
        ("one long value", msgspec.json.encode({"a": '"' * 3_000_000, "b": 1})),
        ("long names", msgspec.json.encode({f"{'<' * 990}{number:03}": number for number in range(300)})),
        ("a name that is too long", msgspec.json.encode({"<" * 100_000: 1, "b": 2})),
        ("what is escaped", msgspec.json.encode(quotes)),
        ("deep", DEEP),
        ("deep and wide", b'{"a":' * 60 + b"[" + b"1," * 4000 + b"1]" + b"}" * 60),
        ("numbers", b'{"a": ' + b"9" * 4000 + b', "b": 1e308, "c": -0.0}'),
    ]


async def test_a_page_stays_small_whatever_the_sample_is(plane: ControlPlane, tmp_path: Path) -> None:
    headers = {f"x-{number}": "<&" * 10 for number in range(50)} | {"x-long": '"' * 8_000}
    async with browser(plane, accept_encoding="identity") as admin:
        await admin.sign_in()
        for name, raw in samples():
            integration_id = await plane.create_integration(name)
            event_id = await plane.create_business_event(integration_id)
            await plane.call("POST", f"/api/v1/integrations/{integration_id}/capture", status=201)
            await receive(tmp_path, integration_id, raw, headers)
            for path, html in (await pages_of(admin, integration_id, event_id)).items():
                assert len(html.encode()) < PAGE_LIMIT_BYTES, (name, path)
            await admin.open(f"/incoming/{integration_id}?open=data")
            assert "headers.x-49" in admin.page.text, name
            await admin.open(f"/business-events/{event_id}")
            await admin.press("Test")
            assert "This request triggers it" in admin.page.text, name


async def test_the_largest_filter_is_shown_in_less_than_a_page_may_have(admin: Browser, plane: ControlPlane) -> None:
    event_id = await plane.create_business_event(await plane.create_integration())
    row = {"param": "body.complaint.customer.email", "type": "string", "operator": "IN", "value": ["a", "b"]}
    await plane.call("PATCH", f"/api/v1/business-events/{event_id}", {"where": {"all": [row] * 256}})
    await admin.open(f"/business-events/{event_id}")
    assert admin.page.html.count("body.complaint.customer.email") == 256
    assert int(admin.answer.headers["content-length"]) < PAGE_LIMIT_BYTES
    await admin.press("Save", {"Name": "Saved as it was"})
    assert (await plane.call("GET", f"/api/v1/business-events/{event_id}"))["where"] == {"all": [row] * 256}


async def test_lists_of_the_longest_names_are_small_enough(admin: Browser, plane: ControlPlane) -> None:
    for _ in range(51):
        await plane.create_business_event(await plane.create_integration('"' * 200, icon="<" * 200), "<" * 200)
    integration_id = await plane.create_integration('"' * 200, icon="<" * 200)
    event_id = await plane.create_business_event(integration_id, "<" * 200)
    pages = await pages_of(admin, integration_id, event_id)
    sizes = {path: int((await admin.open(path)).answer.headers["content-length"]) for path in pages}
    assert max(sizes.values()) < PAGE_LIMIT_BYTES, json.dumps(sizes)
