from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tests.integration.config.control_plane import EMAIL, PASSWORD, ControlPlane, serving, settings

LOGIN = {"email": EMAIL, "password": PASSWORD}
SOME_ID = "01a20c53-527b-7133-8e4c-12cf2b8e8cb8"


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_every_route_but_the_login_is_closed_without_a_session(plane: ControlPlane) -> None:
    del plane.client.headers["authorization"]
    answers = {
        (method, path): (await plane.client.request(method, path)).status_code
        for method, path in plane.routes(SOME_ID, SOME_ID)
    }
    assert answers.pop(("POST", "/api/v1/session")) == 400
    assert answers.pop(("POST", "/uauth/v2/auth/login/profile")) == 400
    assert answers.pop(("GET", "/.well-known/jwks.json")) == 200
    assert len(answers) > 30
    assert set(answers.values()) == {401}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer nonsense", "Basic YTpi", "nonsense"])
async def test_what_is_no_session_is_refused_with_a_challenge(plane: ControlPlane, header: str) -> None:
    response = await plane.client.get("/api/v1/me", headers={"authorization": header})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_session_is_shown_by_its_token_or_by_its_cookie(plane: ControlPlane) -> None:
    del plane.client.headers["authorization"]
    response = await plane.client.post("/api/v1/session", json={**LOGIN, "email": f" {EMAIL.upper()}"})
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert response.json()["token"] in cookie
    by_cookie = await plane.call("GET", "/api/v1/me")
    plane.client.cookies.clear()
    plane.client.headers["authorization"] = f"bearer {response.json()['token']}"
    assert await plane.call("GET", "/api/v1/me") == by_cookie
    assert (by_cookie["email"], by_cookie["workspace"]["timeZone"]) == (EMAIL, "UTC")


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200), (None, 200)]
)
async def test_a_page_of_another_site_changes_nothing_with_the_cookie(
    plane: ControlPlane, site: str | None, status: int
) -> None:
    path = f"/api/v1/integrations/{await plane.create_integration()}"
    token = plane.client.headers.pop("authorization")
    await plane.client.post("/api/v1/session", json=LOGIN)
    headers = {} if site is None else {"sec-fetch-site": site}
    assert (await plane.client.post(f"{path}/publish", headers=headers)).status_code == status
    assert (await plane.client.get(path, headers=headers)).status_code == 200
    plane.client.cookies.clear()
    by_token = await plane.client.post(f"{path}/unpublish", headers={**headers, "authorization": token})
    assert by_token.status_code == 200


@pytest.mark.parametrize(("config_url", "secure"), [("https://inlet.example.com", True), ("http://127.0.0.1", False)])
async def test_where_authors_come_over_tls_the_cookie_is_not_sent_without_it(
    tmp_path: Path, config_url: str, *, secure: bool
) -> None:
    async with serving(msgspec.structs.replace(settings(tmp_path), config_url=config_url)) as plane:
        response = await plane.client.post("/api/v1/session", json=LOGIN)
        assert ("Secure" in response.headers["set-cookie"]) is secure


async def test_a_wrong_password_and_an_unknown_address_are_told_apart_by_nothing(plane: ControlPlane) -> None:
    wrong = await plane.call("POST", "/api/v1/session", {**LOGIN, "password": "x"}, status=401)
    unknown = await plane.call("POST", "/api/v1/session", {**LOGIN, "email": "x@example.com"}, status=401)
    assert wrong == unknown


async def test_after_logging_out_the_token_is_worth_nothing(plane: ControlPlane) -> None:
    await plane.call("DELETE", "/api/v1/session", status=204)
    await plane.call("GET", "/api/v1/me", status=401)


async def test_a_session_ends_by_itself(tmp_path: Path) -> None:
    now = datetime.now(UTC)

    def clock() -> datetime:
        return now

    async with serving(settings(tmp_path), clock) as plane:
        now += timedelta(hours=12) - timedelta(seconds=1)
        await plane.call("GET", "/api/v1/me")
        now += timedelta(seconds=1)
        await plane.call("GET", "/api/v1/me", status=401)


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)  # whose files can be looked through
async def test_sessions_and_passwords_cannot_be_read_from_the_database(tmp_path: Path) -> None:
    async with serving(settings(tmp_path)) as plane:
        token = plane.client.headers["authorization"].removeprefix("Bearer ").encode()
        stored = everything_in(tmp_path)
    assert EMAIL.encode() in stored
    assert token not in stored
    assert PASSWORD.encode() not in stored


async def test_the_administrator_of_the_first_start_stays_whatever_the_settings_say_later(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    async with serving(chosen):
        pass
    later = msgspec.structs.replace(chosen, admin_email="other@example.com", admin_password="other password")
    async with serving(later) as plane:
        other = {"email": "other@example.com", "password": "other password"}
        await plane.call("POST", "/api/v1/session", other, status=401)


async def test_without_a_password_one_is_made_and_printed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    chosen = msgspec.structs.replace(settings(tmp_path), admin_password="")
    with pytest.raises(AssertionError, match="401"):
        async with serving(chosen):
            pass
    printed = capsys.readouterr().err
    password = printed.split("password ")[1].split()[0]
    assert password not in caplog.text
    with pytest.raises(AssertionError, match="401"):
        async with serving(chosen) as _:
            pass
    assert "password" not in capsys.readouterr().err
