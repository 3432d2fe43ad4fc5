"""The console as a process: what it starts with, and where it refuses to."""

from pathlib import Path

import httpx
import pytest
from tests.integration.bootstrap.roles import change, make_home, started

from pinai_subnet.bootstrap import console
from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.cli.home import Home
from pinai_subnet.runtime.errors import StartupError

TOKEN = "a long enough token for a console"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


def refused(home: Home, **variables: str) -> list[str]:
    """The codes with which it refuses to start."""
    with pytest.raises(StartupError) as error:
        console.load(Arguments(config_dir=home.config), home.environment() | variables)
    for problem in error.value.problems:
        assert problem.fix
        assert "console.yaml:" in (problem.where or "")
        assert TOKEN not in str(problem)
    return [problem.code for problem in error.value.problems]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::"])
def test_without_sign_in_it_does_not_start_where_others_can_connect(home: Home, host: str) -> None:
    assert refused(home, AUTH_MODE="none", CONSOLE_LISTEN_HOST=host) == ["SN-C140"]
    settings, _, token = console.load(
        Arguments(config_dir=home.config),
        home.environment()
        | {"AUTH_MODE": "token", "CONSOLE_LISTEN_HOST": host, "CONSOLE_TOKEN": TOKEN},
    )
    assert (settings.listen.host, token) == (host, TOKEN.encode())


def test_with_a_token_mode_and_no_usable_token_it_does_not_start(home: Home) -> None:
    for token in ("", "short"):
        assert refused(home, AUTH_MODE="token", CONSOLE_TOKEN=token) == ["SN-C141"]
    absent = str(home.root / "absent")
    codes = refused(home, AUTH_MODE="token", CONSOLE_TOKEN="", CONSOLE_TOKEN_FILE=absent)
    assert codes == ["SN-C142"]
    assert refused(home, AUTH_MODE="maybe") == ["SN-C005"]


def test_a_literal_token_in_the_file_is_refused(home: Home) -> None:
    change(home, {"console.yaml:auth.token": TOKEN})
    assert refused(home) == ["SN-C007"]


async def test_it_starts_over_a_network_that_is_not_there_and_says_so(home: Home) -> None:
    async with started(home, "console") as (_, _server):
        base = f"http://{home.environment()['CONSOLE_HTTP']}"
        async with httpx.AsyncClient(base_url=base, timeout=20) as visitor:
            page = (await visitor.get("/")).text
            assert "Network down" in page
            assert "AUTH_MODE=none" in page
            assert "SN-N126" in page
            assert (await visitor.get("/readyz")).status_code == 200
            assert "subnet_process_event_loop_lag_seconds" in (await visitor.get("/metrics")).text


async def test_with_a_token_it_asks_for_it(home: Home) -> None:
    async with started(home, "console", AUTH_MODE="token", CONSOLE_TOKEN=TOKEN):
        base = f"http://{home.environment()['CONSOLE_HTTP']}"
        async with httpx.AsyncClient(base_url=base, timeout=20) as visitor:
            assert (await visitor.get("/api/v1/network")).status_code == 401
            headers = {"authorization": f"Bearer {TOKEN}"}
            answer = await visitor.get("/api/v1/network", headers=headers)
            assert answer.json()["health"] == "down"
            for path in ("/metrics", "/health", "/openapi.json"):
                assert TOKEN not in (await visitor.get(path)).text


async def test_the_token_may_be_in_a_file(home: Home) -> None:
    file = home.root / "console.token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o400)
    async with started(
        home, "console", AUTH_MODE="token", CONSOLE_TOKEN="", CONSOLE_TOKEN_FILE=str(file)
    ):
        base = f"http://{home.environment()['CONSOLE_HTTP']}"
        async with httpx.AsyncClient(base_url=base, timeout=20) as visitor:
            headers = {"authorization": f"Bearer {TOKEN}"}
            assert (await visitor.get("/api/v1/network", headers=headers)).status_code == 200
