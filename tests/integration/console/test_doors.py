"""Signing in to the console, and who is turned away."""

import pytest
from tests.integration.console import samples
from tests.integration.console.kit import PAGES, Console, make_console, visiting

from pinai_subnet.console.settings import AuthSection

TOKEN = "k" * 40
GUARDED = (
    *PAGES,
    f"/intents/{samples.FAR}",
    "/codes/SN-N124",
    "/runbooks/NoLeader",
    "/events",
    "/api/v1/network",
    f"/api/v1/intents/{samples.FAR}/story",
)


def locked() -> Console:
    return make_console(auth=AuthSection.model_validate({"mode": "token"}), token=TOKEN.encode())


async def test_nothing_of_the_network_is_told_before_signing_in() -> None:
    async with visiting(locked()) as visitor:
        for path in GUARDED:
            answer = await visitor.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in?to=")
            answer = await visitor.get(path, headers={"accept": "application/json"})
            assert (answer.status_code, answer.json()["code"]) == (401, "SN-N121")
            answer = await visitor.get(path, headers={"hx-request": "true"})
            assert answer.headers["hx-redirect"] == "/sign-in"
        assert samples.SUBNET not in (await visitor.get("/sign-in")).text
        assert (await visitor.get("/static/console.css")).status_code == 200


async def test_the_token_opens_and_signing_out_closes() -> None:
    async with visiting(locked()) as visitor:
        form = {"token": TOKEN, "to": "/agents"}
        answer = await visitor.post("/sign-in", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/agents")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        page = await visitor.get("/agents")
        assert page.status_code == 200
        assert "AUTH_MODE=none" not in page.text
        assert TOKEN not in page.text
        await visitor.post("/sign-out")
        assert (await visitor.get("/agents")).status_code == 303


async def test_a_program_shows_its_token_in_the_header() -> None:
    async with visiting(locked(), headers={"authorization": f"Bearer {TOKEN}"}) as visitor:
        assert (await visitor.get("/api/v1/network")).status_code == 200


async def test_a_wrong_token_is_refused_not_repeated_and_counted() -> None:
    async with visiting(locked()) as visitor:
        for _ in range(10):
            answer = await visitor.post("/sign-in", data={"token": "<b>wrong</b>"})
            assert answer.status_code == 401
            assert "SN-N122" in answer.text
            assert "wrong</b>" not in answer.text
        answer = await visitor.post("/sign-in", data={"token": TOKEN})
        assert answer.status_code == 429
        assert "SN-N123" in answer.text


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "", "x", "/a\r\nb: c"]
)
async def test_signing_in_never_leads_to_another_site(to: str) -> None:
    async with visiting(locked()) as visitor:
        answer = await visitor.post("/sign-in", data={"token": TOKEN, "to": to})
        assert answer.headers["location"] == "/"


async def test_a_form_of_another_site_is_refused() -> None:
    async with visiting(locked()) as visitor:
        for path in ("/sign-in", "/sign-out"):
            headers = {"sec-fetch-site": "cross-site"}
            answer = await visitor.post(path, data={"token": TOKEN}, headers=headers)
            assert answer.status_code == 403
            assert "SN-N132" in answer.text


async def test_without_sign_in_another_name_is_not_answered() -> None:
    """A page of another site has its name point at 127.0.0.1; the browser still says by which name it asks."""
    async with visiting(make_console()) as visitor:
        for path in (*GUARDED, "/sign-in"):
            answer = await visitor.get(path, headers={"host": "evil.example"})
            assert (answer.status_code, "SN-N120" in answer.text) == (403, True), path
        for host in ("localhost:8088", "127.0.0.1", "[::1]:8088"):
            assert (await visitor.get("/", headers={"host": host})).status_code == 200


async def test_a_body_that_is_too_large_is_not_read() -> None:
    async with visiting(locked()) as visitor:
        answer = await visitor.post("/sign-in", content=b"token=" + b"x" * 5_000_000)
        assert answer.status_code == 413


async def test_the_console_takes_no_changes() -> None:
    async with visiting(make_console()) as visitor:
        for path in PAGES:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                answer = await visitor.request(method, path)
                assert answer.status_code == 405, path
