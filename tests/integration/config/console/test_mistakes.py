"""What is wrong is said beside its field, what was typed is still there, and no secret is."""

from tests.integration.config.console.browser import Browser
from tests.integration.config.control_plane import PASSWORD, ControlPlane
from tests.integration.config.test_users import make_user

SECRETS = ("app-secret-4711", "verify-token-4712", "a password of mine", PASSWORD)


def said_of(browser: Browser, label: str) -> str:
    """What the page says is wrong with a field; it must be what screen readers read with the field."""
    attributes = browser.page.field(label).attributes
    assert attributes["aria-invalid"] == "true"
    described = (attributes["aria-describedby"] or "").split()
    texts = [browser.page.html.partition(f'id="{one}">')[2].partition("</p>")[0] for one in described if "error" in one]
    return " ".join(texts)


def focused(browser: Browser) -> str:
    """The name of the first field that asks for the focus."""
    fields = [field for form in browser.page.forms for field in form.fields if "autofocus" in field.attributes]
    return fields[0].name


async def test_a_new_integration_that_is_not_valid_is_shown_again(admin: Browser) -> None:
    await admin.open("/incoming/new?auth=meta")
    await admin.press(
        "Apply",
        {
            "Name": " ",
            "App secret": "app-secret-4711",
            "Node icon": "📮",
            "Requests per second": "many",
            "At once": "1.5",
            "Split batches: each entry[].changes[] becomes an event of its own": True,
        },
        status=400,
    )
    assert said_of(admin, "Requests per second") == "must be a number"
    assert said_of(admin, "At once") == "must be a whole number"
    assert focused(admin) == "perSecond"
    assert admin.page.field("Node icon").value == "📮"
    assert admin.page.field("Requests per second").value == "many"
    assert admin.page.field("Split batches: each entry[].changes[] becomes an event of its own").is_on
    assert "app-secret-4711" not in admin.page.html
    await admin.press(
        "Apply", {"Requests per second": "5", "At once": "1", "App secret": "app-secret-4711"}, status=400
    )
    assert said_of(admin, "Name") == "must not be empty"
    assert said_of(admin, "Verify token") == "is required"
    assert "app-secret-4711" not in admin.page.html


async def test_a_change_that_is_not_valid_is_shown_again_and_nothing_is_stored(
    admin: Browser, plane: ControlPlane
) -> None:
    integration_id = await plane.create_integration()
    before = await plane.call("GET", f"/api/v1/integrations/{integration_id}")
    await admin.open(f"/incoming/{integration_id}")
    typed = "body.a\nbody.*.b\nheaders.authorization\nnothing"
    await admin.press("Save & publish", {"Name": "x" * 201, "Others, by name": typed}, status=400)
    assert said_of(admin, "Name") == "must not be longer than 200 characters"
    for text in ("must name one value", "is a credential", "must begin with"):
        assert text in admin.page.text
    ticked = {one.value for one in admin.page.form("integration").fields if one.name == "parameter" and one.is_on}
    assert ticked == set(typed.split("\n"))
    assert admin.page.field("Name").value == "x" * 201
    assert await plane.call("GET", f"/api/v1/integrations/{integration_id}") == before


async def test_an_api_key_that_was_revoked_meanwhile_cannot_be_published_with(
    admin: Browser, plane: ControlPlane
) -> None:
    key = await plane.call("POST", "/api/v1/api-keys", {"name": "Portal"}, status=201)
    integration_id = await plane.create_integration(auth={"kind": "jwt", "apiKeyId": key["id"]})
    await plane.call("DELETE", f"/api/v1/api-keys/{key['id']}", status=204)
    await admin.open(f"/incoming/{integration_id}")
    await admin.press("Save & publish", status=400)
    assert "there is no such API key, or it is revoked" in said_of(admin, "API key")
    assert (await plane.call("GET", f"/api/v1/integrations/{integration_id}"))["state"] == "draft"


async def test_a_business_event_that_is_not_valid_says_so_at_the_row(admin: Browser, plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    await admin.open(f"/business-events/new?integration={integration_id}")
    await admin.press("+ Condition", {"Name": "Some", "Parameter": "body.a", "Value": "typed"})
    rows = {field.name: field for form in admin.page.forms for field in form.fields}
    rows["param:0.1"].value, rows["operator:0.1"].value = "elsewhere", "number.MORE"
    rows["value:0.1"].value = "many"
    await admin.press("Create", status=400)
    rows = {field.name: field for form in admin.page.forms for field in form.fields}
    assert (rows["value:0.0"].value, rows["param:0.1"].value, rows["value:0.1"].value) == ("typed", "elsewhere", "many")
    for name in ("param:0.1", "value:0.1"):
        assert rows[name].attributes["aria-invalid"] == "true"
    assert "aria-invalid" not in rows["param:0.0"].attributes
    assert "Correct what is marked in the conditions." in admin.page.text
    assert 'id="error-0.1-1"' in admin.page.html
    assert focused(admin) == "param:0.1"
    assert (await plane.call("GET", "/api/v1/business-events"))["items"] == []


async def test_a_test_that_cannot_be_made_says_why(admin: Browser, plane: ControlPlane) -> None:
    integration_id = await plane.create_integration()
    await admin.open(f"/business-events/new?integration={integration_id}")
    await admin.press("Test", {"Parameter": "body.a", "Value": "typed"}, status=400)
    assert "has no captured sample" in admin.page.text
    await admin.press("Test", {"Body of a request": "[1]", "Headers": "x-form-id: 7"}, status=400)
    assert "is not a JSON object" in admin.page.text
    assert admin.page.field("Headers").value == "x-form-id: 7"
    await admin.press("Test", {"Body of a request": '{"a": "typed"}', "Headers": "authorization: x"})
    assert "✓ This request triggers it." in admin.page.text


async def test_no_answer_has_a_secret_in_it_that_was_sent_before(admin: Browser, plane: ControlPlane) -> None:
    user_id = await make_user(plane)
    auth = {"kind": "meta", "appSecret": "app-secret-4711", "verifyToken": "verify-token-4712"}
    integration_id = await plane.create_integration(auth=auth)
    answers: list[str] = []
    await admin.open(f"/incoming/{integration_id}")
    answers.append(admin.page.html)
    secrets: dict[str, str | bool] = {"App secret": "app-secret-4711", "Verify token": "verify-token-4712"}
    await admin.press("Save", secrets)
    answers.append(admin.page.html)
    await admin.press("Save", {**secrets, "Name": ""}, status=400)
    answers.append(admin.page.html)
    await admin.open(f"/users/{user_id}")
    await admin.press("Save", {"New password": "a password of mine"})
    answers.append(admin.page.html)
    await admin.open("/account")
    await admin.press("Change", {"Current password": "wrong", "New password": "a password of mine"}, status=400)
    assert said_of(admin, "Current password") == "is wrong"
    answers.append(admin.page.html)
    await admin.press("Change", {"Current password": PASSWORD, "New password": "short"}, status=400)
    assert said_of(admin, "New password") == "must have at least 12 characters"
    answers.append(admin.page.html)
    await admin.open("/audit-log")
    answers.append(admin.page.html)
    assert len(answers) == 7
    assert not any(secret in answer for secret in SECRETS for answer in answers)
