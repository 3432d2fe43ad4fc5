"""Drives a headless Chromium over the WebDriver protocol. Not a test.

Needs Debian's `chromium` and `chromium-driver` (`make browser-deps`); `missing()` says what is not there.
"""

import asyncio
import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import httpx
from tests.free_ports import free_ports

BROWSER, DRIVER = "chromium", "chromedriver"
START_SECONDS = 60
SHOTS = Path(__file__).resolve().parents[3] / "build" / "console"
AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
RUN_AXE = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ["violations"]}).then(
  found => done(found.violations.map(v => ({
    id: v.id, impact: v.impact, help: v.help,
    nodes: v.nodes.slice(0, 5).map(n => n.html.slice(0, 200) + " | " + n.failureSummary)
  }))), error => done([{id: "axe failed", impact: "critical", help: String(error), nodes: []}]));
"""
Scheme = Literal["light", "dark"]
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


def missing() -> str:
    """What the tests need and this host has not; empty where all is there."""
    return ", ".join(name for name in (BROWSER, DRIVER) if shutil.which(name) is None)


class Browser:
    """One browser window."""

    def __init__(self, client: httpx.AsyncClient, session: str) -> None:
        self._client = client
        self._session = session

    async def _call(self, path: str, body: dict[str, Any]) -> Any:
        answer = await self._client.post(f"/session/{self._session}/{path}", json=body)
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    async def close(self) -> None:
        """End the browser: it lives on when only its driver ends."""
        await self._client.delete(f"/session/{self._session}")

    async def open(self, url: str) -> None:
        """Load a page and wait until it is complete."""
        await self._call("url", {"url": url})

    async def script(self, source: str, *words: Any) -> Any:
        """Run a function body in the page and return what it returns."""
        return await self._call("execute/sync", {"script": source, "args": list(words)})

    async def cdp(self, command: str, **parameters: Any) -> Any:
        """Give the browser a command of its own protocol."""
        return await self._call("goog/cdp/execute", {"cmd": command, "params": parameters})

    async def shape(self, width: str, scheme: Scheme) -> None:
        """Be a phone or a desktop, in dark or light."""
        across, down = WIDTHS[width]
        await self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=across,
            height=down,
            deviceScaleFactor=1,
            mobile=width == "phone",
        )
        await self.cdp(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ],
        )

    async def shoot(self, name: str) -> Path:
        """Save a picture of the whole page."""
        shot = await self.cdp("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    async def press(self, *keys: str) -> None:
        """Type keys one after another; \ue004 is Tab, \ue007 is Enter."""
        for key in keys:
            actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
            source = {"type": "key", "id": "keys", "actions": actions}
            await self._call("actions", {"actions": [source]})

    async def click(self, selector: str) -> None:
        """Click the first element that fits."""
        await self._act(selector, "click", {})

    async def fill(self, selector: str, text: str) -> None:
        """Type into the first element that fits."""
        await self._act(selector, "value", {"text": text})

    async def _act(self, selector: str, action: str, body: dict[str, Any]) -> None:
        """Do something with the first element that fits; again where the page was replaced while it was looked for."""
        for _ in range(20):
            found = await self._call("element", {"using": "css selector", "value": selector})
            path = f"/session/{self._session}/element/{next(iter(found.values()))}/{action}"
            answer = await self._client.post(path, json=body)
            value = answer.json()["value"]
            if answer.status_code == 200:
                return
            assert value["error"] == "stale element reference", value
            await asyncio.sleep(0.1)
        raise AssertionError(f"{selector} is replaced all the time")

    async def complaints(self) -> list[str]:
        """What the browser's console had to complain about since the last time."""
        answer = await self._client.post(
            f"/session/{self._session}/se/log", json={"type": "browser"}
        )
        return [entry["message"] for entry in answer.json()["value"]]

    async def violations(self) -> list[dict[str, Any]]:
        """Return what axe finds serious or critical."""
        await self.script(AXE)
        found = await self._call("execute/async", {"script": RUN_AXE, "args": []})
        return [v for v in found if v["impact"] in {"serious", "critical"}]

    async def until(self, source: str, what: str, *, seconds: float = 20) -> Any:
        """Wait until a function body returns something true."""
        for _ in range(int(seconds / 0.1)):
            if value := await self.script(source):
                return value
            await asyncio.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {what}")


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser for as long as the block lasts."""
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # A home of its own: the browser keeps crash reports and caches there.
        driver = await asyncio.create_subprocess_exec(
            DRIVER,
            f"--port={port}",
            "--log-level=OFF",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": profile},
        )
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False
            ) as client:
                found = await _session(client, profile)
                try:
                    yield found
                finally:
                    await found.close()
        finally:
            driver.terminate()
            await driver.wait()


async def _session(client: httpx.AsyncClient, profile: str) -> Browser:
    options = {
        "args": [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-extensions",
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
        ],
        "binary": shutil.which(BROWSER),
    }
    wanted = {
        "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": 60_000, "pageLoad": 60_000},
        }
    }
    for _ in range(START_SECONDS * 5):
        try:
            answer = await client.post("/session", json={"capabilities": wanted})
            break
        except httpx.ConnectError:
            await asyncio.sleep(0.2)
    else:
        raise AssertionError(f"{DRIVER} does not start")
    value = answer.json()["value"]
    assert answer.status_code == 200, value
    return Browser(client, value["sessionId"])
