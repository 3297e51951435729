"""A real Chromium without a screen, led over the DevTools protocol: opens a page, asks it, looks at it.

It reaches no network: no name resolves, and a proxy that nobody serves stands before the rest. What a page tried to
fetch, dialogs it opened, what it wrote to the console and what its policy stopped is kept for the test to look at.
"""

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

_WAIT = 30.0  # seconds that anything may take
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests also run as root, where Chromium's own does not start
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--remote-debugging-port=0",
)
_WATCH = (
    "window.__stopped = [];"
    "document.addEventListener('securitypolicyviolation', e => __stopped.push(e.violatedDirective + ' ' + e.blockedURI));"
)


@dataclass
class Page:
    """The one page of a browser."""

    socket: aiohttp.ClientWebSocketResponse
    loop: asyncio.Runner
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    _last: int = 0
    _loaded: bool = False

    def open(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> Self:
        """Load a file afresh in a window of this size."""
        self.requests.clear()
        self.dialogs.clear()
        self.console.clear()
        self._loaded = False
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", metrics)
        colours = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", {"features": [colours]})
        self.send("Page.navigate", {"url": path.resolve().as_uri()})
        self.until(lambda: self._loaded, lambda: self.ask("1"))
        return self

    def ask(self, expression: str) -> Any:
        """Evaluate JavaScript in the page (promises are waited for) and return its value."""
        given = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = self.send("Runtime.evaluate", given)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Ask until the answer is true."""
        self.until(lambda: self.ask(f"Boolean({expression})"), lambda: time.sleep(0.02), expression)

    def press(self, *keys: str) -> None:
        """Press keys; a letter types itself."""
        for key in keys:
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            code = {"Enter": 13, "Escape": 27, "Tab": 9}.get(key, 0)
            for kind in ("keyDown", "keyUp"):
                shown = {"text": text} if text and kind == "keyDown" else {}
                self.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "windowsVirtualKeyCode": code, **shown})

    def screenshot(self, path: Path, *, whole: bool = False) -> bytes:
        """Write what is seen as PNG and return it."""
        answer = self.send("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        data = base64.b64decode(answer["data"])
        path.write_bytes(data)
        return data

    def stopped(self) -> list[str]:
        """Return what the page's policy stopped."""
        found: list[str] = self.ask("__stopped")
        return found

    def send(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a command and return its result."""
        return self.loop.run(asyncio.wait_for(self._send(method, parameters or {}), _WAIT))

    def until(self, holds: Any, pause: Any, what: str = "the page to load") -> Any:
        """Wait until something holds."""
        end = time.monotonic() + _WAIT
        while not (value := holds()):
            assert time.monotonic() < end, f"waited in vain for {what}; console: {self.console}"
            pause()
        return value

    async def _send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._last += 1
        number = self._last
        await self.socket.send_str(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads((await self.socket.receive()).data)
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                result: dict[str, Any] = message["result"]
                return result
            if "method" in message:
                await self._happened(message["method"], message["params"])

    async def _happened(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(parameters["message"])
            self._last += 1
            closing = {"id": self._last, "method": "Page.handleJavaScriptDialog", "params": {"accept": False}}
            await self.socket.send_str(json.dumps(closing))
        elif method == "Runtime.exceptionThrown":
            self.console.append(str(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(one.get("value", "")) for one in parameters["args"]))
        elif method == "Log.entryAdded":
            self.console.append(parameters["entry"]["text"])


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Start Chromium with `folder` as its HOME; at the end it and its processes are gone."""
    command = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert command, "these tests need Chromium"
    # Short, since it makes sockets there, whose names have 108 bytes at most; new, since one that was used has the port of
    # an earlier run.
    profile = Path(tempfile.mkdtemp(prefix="profile-"))
    environ = {"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TMPDIR": str(profile)}
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [command, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            with asyncio.Runner() as loop:
                page, session = loop.run(_attached(_port(profile / "DevToolsActivePort", process), loop))
                try:
                    for domain in ("Page", "Runtime", "Network", "Log"):
                        page.send(f"{domain}.enable")
                    page.send("Page.addScriptToEvaluateOnNewDocument", {"source": _WATCH})
                    yield page
                finally:
                    loop.run(session.close())
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            shutil.rmtree(profile, ignore_errors=True)


def _port(path: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + _WAIT
    while True:
        assert process.poll() is None, f"Chromium ended with {process.returncode}"
        assert time.monotonic() < end, "Chromium did not open its port"
        text = path.read_text() if path.exists() else ""
        if "\n" in text:
            return int(text.split("\n")[0])
        time.sleep(0.02)


async def _attached(port: int, loop: asyncio.Runner) -> tuple[Page, aiohttp.ClientSession]:
    session = aiohttp.ClientSession(trust_env=False)
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        targets = await answer.json()
    address = next(one["webSocketDebuggerUrl"] for one in targets if one["type"] == "page")
    return Page(await session.ws_connect(address, max_msg_size=0), loop), session
