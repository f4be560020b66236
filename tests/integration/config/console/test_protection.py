"""What keeps strangers, and other sites, from using the console in somebody's name."""

from pathlib import Path

import httpx
import msgspec

from tests.forms import Document
from tests.integration.config.console.browser import ORIGIN, Browser, browser, console_routes
from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane, serving, settings
from tests.integration.config.test_users import SOME_ID


async def names(plane: ControlPlane) -> list[str]:
    return [one["name"] for one in (await plane.call("GET", "/api/v1/integrations"))["items"]]


async def new_integration(admin: Browser, mark: str | None, **headers: str | None) -> httpx.Response:
    """The answer to a form as it would make an integration, with these headers, None for one less."""
    sent = {**admin.client.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    admin.client.headers = httpx.Headers({name: value for name, value in sent.items() if value is not None})
    fields = {"kind": "none", "name": "Made by a form", **({} if mark is None else {"csrf": mark})}
    return await admin.client.post("/incoming/new", data=fields, follow_redirects=False)


async def test_a_form_of_this_session_from_this_site_is_taken(admin: Browser, plane: ControlPlane) -> None:
    mark = (await admin.open("/incoming/new?auth=none")).mark
    assert (await new_integration(admin, mark)).status_code == 303
    assert await names(plane) == ["Made by a form"]


async def test_a_form_without_the_mark_of_the_session_is_refused(admin: Browser, plane: ControlPlane) -> None:
    for mark in (None, "", "x", "0123456789abcdef." + "0" * 64):
        answer = await new_integration(admin, mark)
        assert answer.status_code == 403
        assert "signed in anew" in answer.text
    assert await names(plane) == []


async def test_the_mark_of_another_session_is_refused(admin: Browser, plane: ControlPlane) -> None:
    async with browser(plane) as other:
        await other.sign_in()
        mark = (await other.open("/incoming/new?auth=none")).mark
        assert (await new_integration(other, mark)).status_code == 303
    assert (await new_integration(admin, mark)).status_code == 403


async def test_a_mark_is_another_one_on_each_page(admin: Browser) -> None:
    marks = {(await admin.open("/account")).mark for _ in range(5)}
    assert len(marks) == 5


SENDERS = [
    ("same-origin", ORIGIN, 303),
    ("none", None, 303),
    ("cross-site", ORIGIN, 403),
    ("same-site", "http://other.config", 403),
    (None, ORIGIN, 303),
    (None, "http://127.0.0.1:8081", 303),  # as its settings call it, behind a proxy that does not pass Host on
    (None, "https://evil.example", 403),
    (None, "http://config.evil.example", 403),
    (None, "http://config:81", 403),
    (None, "null", 403),
    (None, "", 403),
    (None, None, 403),
]


async def test_a_form_of_another_site_is_refused_whatever_it_contains(admin: Browser) -> None:
    mark = (await admin.open("/incoming/new?auth=none")).mark
    for site, origin, status in SENDERS:
        answer = await new_integration(admin, mark, sec_fetch_site=site, origin=origin)
        assert answer.status_code == status, (site, origin)


async def test_every_route_that_changes_something_refuses_a_form_of_another_site(
    admin: Browser, plane: ControlPlane
) -> None:
    mark = (await admin.open("/account")).mark
    sent = {path for method, path in console_routes(plane) if method == "POST"}
    assert len(sent) > 20
    for path in sent:
        there = path.format(id=SOME_ID)
        strange = {"sec-fetch-site": "cross-site"}
        assert (await admin.client.post(there, data={"csrf": mark}, headers=strange)).status_code == 403, path
        if path not in {"/sign-in", "/sign-out"}:
            assert (await admin.client.post(there, data={"x": "y"})).status_code == 403, path


async def test_what_is_no_form_is_refused(admin: Browser) -> None:
    for content_type in ("application/json", "multipart/form-data; boundary=x", "text/plain", ""):
        answer = await admin.client.post("/incoming/new", content=b"csrf=x", headers={"content-type": content_type})
        assert answer.status_code == 400
        assert "This is no form of the console" in answer.text


async def test_the_cookie_is_for_this_site_alone_and_no_script_can_read_it(guest: Browser) -> None:
    await guest.open("/sign-in")
    [form] = guest.page.forms
    guest.fill("Email address", EMAIL)
    guest.fill("Password", PASSWORD)
    answer = await guest.client.post("/sign-in", data=dict(form.pairs()), follow_redirects=False)
    flags = {part.strip() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert flags == {"HttpOnly", "Path=/", "SameSite=lax"}


async def test_behind_tls_the_cookie_is_never_sent_without_it(tmp_path: Path) -> None:
    chosen = msgspec.structs.replace(settings(tmp_path), config_url="https://inlet.example.com/")
    async with serving(chosen) as plane, browser(plane) as guest:
        fields = {"email": EMAIL, "password": PASSWORD}
        answer = await guest.client.post("/sign-in", data=fields, follow_redirects=False)
        assert "Secure" in answer.headers["set-cookie"]


async def test_signing_out_ends_the_session_and_forgets_the_cookie(admin: Browser) -> None:
    token = admin.client.cookies["inlet_session"]
    await admin.press("Sign out")
    assert "You are signed out." in admin.page.text
    assert "inlet_session" not in admin.client.cookies
    admin.client.cookies["inlet_session"] = token
    await admin.open("/incoming")
    assert admin.path == "/sign-in"


async def test_who_signs_in_goes_on_to_where_they_wanted_to(guest: Browser) -> None:
    await guest.open("/business-events/new?q=a%26b&x=%2F")
    assert guest.path == "/sign-in"
    await guest.press("Sign in", {"Email address": EMAIL, "Password": PASSWORD})
    assert (guest.path, guest.answer.url.query) == ("/business-events/new", b"q=a%26b&x=%2F")


async def test_a_link_to_the_sign_in_leads_nobody_to_another_site(guest: Browser) -> None:
    for after in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        await guest.open(str(httpx.URL("/sign-in", params={"next": after})))
        await guest.press("Sign in", {"Email address": EMAIL, "Password": PASSWORD})
        assert str(guest.answer.url) == f"{ORIGIN}/incoming"
        fields = {"email": EMAIL, "password": PASSWORD, "next": after}
        answer = await guest.client.post("/sign-in", data=fields, follow_redirects=False)
        assert answer.headers["location"] == "/incoming"


async def test_where_a_page_leads_to_does_not_depend_on_how_its_host_is_called(admin: Browser) -> None:
    for headers in ({"host": "evil.example"}, {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}):
        for path in ("/", "/sign-in", "/incoming", "/nowhere", "/api/v1/integrations", "/schema"):
            answer = await admin.client.get(path, headers=headers, follow_redirects=False)
            assert "evil.example" not in answer.text, path
            assert answer.headers.get("location", "/").startswith("/"), path


async def until_slowed_down(guest: Browser, path: str, button: str, wrong: dict[str, str | bool]) -> int:
    """How many guesses were looked at; fewer than twice as many as may come at once, even on a slow machine."""
    for count in range(20):
        await guest.open(path)
        form, pressed = guest.page.button(button)
        for label, value in wrong.items():
            guest.fill(label, value)
        answer = await guest.client.post(path, data=dict(form.pairs(pressed)))
        if answer.status_code == 429:
            guest.page = Document(answer.text)
            return count
    raise AssertionError("guessing was never slowed down")


async def test_guessing_passwords_is_slowed_down_and_says_so(guest: Browser) -> None:
    wrong: dict[str, str | bool] = {"Email address": EMAIL, "Password": "wrong"}
    await guest.open("/sign-in")
    await guest.press("Sign in", wrong, status=401)
    assert "The email address or the password is wrong." in guest.page.text
    assert await until_slowed_down(guest, "/sign-in", "Sign in", wrong) >= 9
    assert "too many attempts" in guest.page.text
    assert guest.page.field("Email address").value == EMAIL
    assert guest.page.field("Password").value == ""


async def test_guessing_the_current_password_is_slowed_down_too(admin: Browser) -> None:
    wrong: dict[str, str | bool] = {"Current password": "wrong", "New password": "long enough for one"}
    assert await until_slowed_down(admin, "/account", "Change", wrong) >= 10
    assert "too many attempts" in admin.page.text


async def test_every_page_says_what_a_browser_may_do_with_it(admin: Browser, plane: ControlPlane) -> None:
    pages = [path.format(id=SOME_ID) for method, path in console_routes(plane) if method == "GET"]
    for path in [*pages, "/nowhere", "/incoming?cursor=x"]:
        answer = await admin.client.get(path, follow_redirects=False)
        headers = answer.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["base-uri"] == "'none'"
        assert {policy[f"{one}-src"] for one in ("script", "style", "img", "connect")} == {"'self'"}
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert not any(mark in answer.text for mark in ("<style", " style=", "onclick=", "javascript:"))
        assert answer.text.count("<script") == answer.text.count('<script type="module" src="/static/')


async def test_a_static_file_is_kept_by_browsers_for_as_long_as_it_is_the_same(admin: Browser) -> None:
    address = admin.page.html.partition('<script type="module" src="')[2].partition('"')[0]
    answer = await admin.client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] in {"text/javascript", "application/javascript"}
    assert "immutable" in answer.headers["cache-control"]
    for path in ("/static/../rendering.py", "/static/%2e%2e/rendering.py", "/static//etc/passwd", "/static/none.css"):
        assert (await admin.client.get(path)).status_code == 404
