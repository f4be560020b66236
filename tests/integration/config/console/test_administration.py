"""Settings: API keys, users, one's own account, the audit log."""

from services.config.console.once import COOKIE
from services.config.identity import ROLES
from tests.integration.config.console.browser import Browser, browser
from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane
from tests.integration.config.test_users import OTHER, make_user


def code(admin: Browser, identifier: str) -> str:
    return admin.page.html.partition(f'<code id="{identifier}">')[2].partition("<")[0]


async def test_an_api_key_is_made_its_secret_shown_once_changed_and_revoked(
    admin: Browser, plane: ControlPlane
) -> None:
    await admin.open("/api-keys")
    assert "There is no API key yet" in admin.page.text
    await admin.press("Create", {"Name": "Portal", "Allowed addresses": "203.0.113.0/24\n\n198.51.100.7"})
    secret = code(admin, "secret")
    assert secret.startswith("inlet_")
    assert admin.page.html.count(secret) == 1
    assert secret not in admin.answer.history[0].headers["set-cookie"]
    assert admin.answer.request.method == "GET"  # loading it again makes nothing and shows no secret
    await admin.open(admin.path)
    assert secret not in admin.page.html
    token = await plane.call("POST", "/uauth/v2/auth/login/profile", {"apiKey": secret}, status=401)
    assert token  # from another address than those that are allowed
    [key] = (await plane.call("GET", "/api/v1/api-keys"))["items"]
    path = f"/api-keys/{key['id']}"
    for page in ("/api-keys", path, "/audit-log", "/incoming/new?auth=jwt"):
        await admin.open(page)
        assert "Portal" in admin.page.text
        assert secret not in admin.page.html

    await admin.open(path)
    assert admin.page.field("Allowed addresses").value == "203.0.113.0/24\n198.51.100.7/32"
    expiring: dict[str, str | bool] = {"Expires (UTC)": "2040-01-31T10:30", "Allowed addresses": ""}
    await admin.press("Save", {**expiring, "INCOMING_WEBHOOK_EXECUTE: its tokens may send to integrations": False})
    stored = await plane.call("GET", f"/api/v1{path}")
    assert (stored["expiresAt"], stored["allowedIps"], stored["permissions"]) == ("2040-01-31T10:30:00Z", [], [])
    assert "Permissions lack INCOMING_WEBHOOK_EXECUTE" in admin.page.text
    await admin.press("Save", {"Name": "Renamed"})
    assert (await plane.call("GET", f"/api/v1{path}"))["expiresAt"] == "2040-01-31T10:30:00Z"
    await admin.press("Save", {"Expires (UTC)": "2020-01-31T10:30", "Allowed addresses": "10.0.0.1/8"}, status=400)
    assert "must be in the future" in admin.page.text
    assert "without bits beyond its prefix" in admin.page.text
    assert admin.page.field("Allowed addresses").value == "10.0.0.1/8"
    await admin.press("Save", {"Expires (UTC)": "nonsense", "Allowed addresses": ""}, status=400)
    assert "must be a date and a time" in admin.page.text
    await admin.press("Revoke")
    await admin.open(path)
    assert "Revoked" in admin.page.text
    assert admin.page.offers() == {"Sign out"}


async def test_a_user_is_made_with_a_password_that_is_shown_once(admin: Browser, plane: ControlPlane) -> None:
    await admin.open("/users")
    assert set(admin.page.field("Role").options) == {*ROLES, ""}
    await admin.press("Create", {"Email address": "jane@example.com", "Role": "publisher"})
    password = code(admin, "password")
    assert admin.page.html.count(password) == 1
    assert "publisher" in admin.page.text
    assert admin.answer.request.method == "GET"  # loading it again makes nothing and shows no password
    await admin.open(admin.path)
    assert password not in admin.page.html
    await plane.call("POST", "/api/v1/session", {"email": "jane@example.com", "password": password}, status=201)
    await admin.press("Create", {"Email address": "JANE@example.com "}, status=400)
    assert "is taken" in admin.page.text
    assert admin.page.field("Email address").value == "JANE@example.com "
    user_id = next(link for link in admin.page.links if link.startswith("/users/")).rpartition("/")[2]
    await admin.open(f"/users/{user_id}")
    assert admin.page.field("Role").value == "publisher"
    await admin.press("Save", {"New password": "short"}, status=400)
    assert "must have at least 12 characters" in admin.page.text
    boxes: dict[str, str | bool] = {"Role": "", "Access Automation Hub": False}
    await admin.press("Save", {"New password": "a longer password", **boxes})
    assert (await plane.call("GET", f"/api/v1/users/{user_id}"))["permissions"] == [
        "INTEGRATIONS_READ", "INTEGRATIONS_WRITE", "INTEGRATIONS_PUBLISH"
    ]  # fmt: skip
    assert "Permissions lack AUTOMATION_ACCESS" in admin.page.text
    await plane.call("POST", "/api/v1/session", {"email": "jane@example.com", "password": password}, status=401)
    await admin.press("Delete")
    assert "jane@example.com" not in admin.page.text


async def test_a_user_and_a_key_of_no_use_are_warned_of_where_they_are_made(admin: Browser) -> None:
    await admin.open("/users")
    await admin.press("Create", {"Email address": "jane@example.com", "Role": "", "Access Automation Hub": False})
    assert "Permissions lack AUTOMATION_ACCESS" in admin.page.text
    await admin.open("/api-keys")
    execute = "INCOMING_WEBHOOK_EXECUTE: its tokens may send to integrations"
    await admin.press("Create", {"Name": "Portal", execute: False})
    assert "Permissions lack INCOMING_WEBHOOK_EXECUTE" in admin.page.text


async def test_an_email_address_that_the_api_takes_is_taken_by_the_page(admin: Browser) -> None:
    await admin.open("/users")
    assert admin.page.field("Email address").kind == "text"  # browsers know ASCII addresses only
    await admin.press("Create", {"Email address": "jörg@bücher.example"})
    assert "jörg@bücher.example" in admin.page.text


async def test_a_secret_is_shown_to_nobody_but_who_made_it(admin: Browser, plane: ControlPlane) -> None:
    await make_user(plane, role="administrator")
    await admin.open("/api-keys")
    [made] = (await admin.press("Create", {"Name": "Portal"})).answer.history
    sealed = made.headers["set-cookie"]
    assert "HttpOnly" in sealed
    assert "SameSite=strict" in sealed
    for email, is_shown in ((EMAIL, True), (OTHER, False)):
        async with browser(plane) as other:
            await other.sign_in(email)
            other.client.cookies.set(COOKIE, sealed.partition("=")[2].partition(";")[0])
            await other.open("/api-keys")
            assert ("Copy the secret now" in other.page.text) == is_shown


async def test_the_page_of_an_api_key_names_the_integrations_that_use_it(admin: Browser, plane: ControlPlane) -> None:
    first, second = [
        (await plane.call("POST", "/api/v1/api-keys", {"name": name}, status=201))["id"] for name in ("a", "b")
    ]
    await admin.open(f"/api-keys/{first}")
    assert "Used by No integration." in admin.page.text
    await plane.create_integration("Draft", auth={"kind": "jwt", "apiKeyId": first})
    live = await plane.create_integration("Live", auth={"kind": "jwt", "apiKeyId": first})
    await plane.call("POST", f"/api/v1/integrations/{live}/publish")
    await plane.call("PATCH", f"/api/v1/integrations/{live}", {"auth": {"kind": "jwt", "apiKeyId": second}})
    await plane.create_integration("Open")
    for key_id, users in ((first, "Live Published v1 Unpublished changes Draft Draft"), (second, "Live Published v1")):
        await admin.open(f"/api-keys/{key_id}")
        assert f"Used by {users}" in admin.page.text
        assert "Open Draft" not in admin.page.text
    await admin.open(f"/api-keys/{first}")
    await admin.press("Revoke")
    await admin.open(f"/api-keys/{first}")
    assert "Used by Live" in admin.page.text


async def test_the_last_administrator_stays_one(admin: Browser) -> None:
    await admin.open("/users")
    [mine] = [link for link in admin.page.links if link.startswith("/users/")]
    await admin.open(mine)
    administrate = "Administrate: API keys, users, dead letters, audit log, workspace"
    await admin.press("Save", {"Role": "", administrate: False}, status=409)
    assert "Nobody would be left" in admin.page.text
    assert not admin.page.field(administrate).is_on
    await admin.open(mine)
    await admin.press("Delete", status=409)
    assert "Nobody would be left" in admin.page.text


async def test_who_changes_the_password_signs_in_with_it(admin: Browser) -> None:
    await admin.open("/account")
    assert EMAIL in admin.page.text
    await admin.press("Change", {"Current password": PASSWORD, "New password": "another long one"})
    assert admin.path == "/sign-in"
    assert "The password is changed. Sign in with it." in admin.page.text
    await admin.open("/incoming")
    assert admin.path == "/sign-in"
    await admin.sign_in(password="another long one")
    assert admin.path == "/incoming"


async def test_the_audit_log_tells_what_was_changed_and_hides_secrets(admin: Browser, plane: ControlPlane) -> None:
    auth = {"kind": "meta", "appSecret": "app-secret-4711", "verifyToken": "verify-token-4712"}
    integration_id = await plane.create_integration("First name", auth=auth)
    await plane.call("PATCH", f"/api/v1/integrations/{integration_id}", {"name": "<b>Second</b> name"})
    await plane.create_integration("Another one")
    await admin.open(f"/audit-log?subject={integration_id}")
    assert "Integration <b>Second</b> name changed" in admin.page.text
    assert 'draft.name "First name" "<b>Second</b> name"' in admin.page.text
    assert "***" in admin.page.text
    assert "4711" not in admin.page.text
    assert "Another one" not in admin.page.text
    await admin.press("Show", {"What was changed": "business-event"})
    assert "Nothing yet." in admin.page.text
    await admin.press("Show", {"What was changed": "integration"})
    assert "Another one" in admin.page.text
    for _ in range(50):
        await plane.create_integration("Filling")
    await admin.open("/audit-log?kind=integration")
    assert "First name" not in admin.page.text
    await admin.open("/audit-log" + next(link for link in admin.page.links if "cursor=" in link))
    assert "First name" in admin.page.text


async def test_the_key_of_an_integration_can_be_chosen_however_many_there_are(
    admin: Browser, plane: ControlPlane
) -> None:
    made = [await plane.call("POST", "/api/v1/api-keys", {"name": f"Key {n}"}, status=201) for n in range(202)]
    integration_id = await plane.create_integration(auth={"kind": "jwt", "apiKeyId": made[0]["id"]})
    await admin.open(f"/incoming/{integration_id}")
    field = admin.page.field("API key")
    assert (field.value, len(field.options)) == (made[0]["id"], 202)
    assert field.options[1] == made[-1]["id"]
    assert "revoked or expired" not in admin.page.text
    await plane.call("DELETE", f"/api/v1/api-keys/{made[0]['id']}", status=204)
    await admin.open(f"/incoming/{integration_id}")
    assert admin.page.field("API key").value == made[0]["id"]
    assert "A key that is revoked or expired" in admin.page.text
