"""A headless Chromium, driven over its DevTools protocol through a pair of pipes: no network, no other package."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # as root in a container there is no other way
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
PATIENCE = 60  # seconds for anything


def find_chromium() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Tab:
    """One page. `events` has everything that the browser has said, in order."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._buffer = b""
        self._last_id = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command; what happens in between goes to `events`."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str, *, width: int, height: int = 900, dark: bool = False, phone: bool = False) -> None:
        """Load a page anew and wait until it has loaded."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url="about:blank")  # else a page that differs in its fragment is not loaded
        before = len(self.events)
        self.send("Page.navigate", url=url)
        while not any(one["method"] == "Page.loadEventFired" for one in self.events[before:]):
            self._receive()
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Until an expression is true in the page."""
        deadline = time.monotonic() + PATIENCE
        while not self.run(condition):
            if time.monotonic() > deadline:
                raise AssertionError(f"still not true: {condition}")
            time.sleep(0.02)

    def press(self, key: str, code: int) -> None:
        """A key, as a person would."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def requests(self) -> list[str]:
        """Addresses asked for, but for data: ones, which are in the page itself."""
        sent = [one["params"]["request"]["url"] for one in self.events if one["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith(("data:", "about:"))]

    def complaints(self) -> list[Any]:
        """Errors and warnings on the console, uncaught exceptions, and what the browser logs (CSP among it)."""
        console = [
            one["params"]
            for one in self.events
            if one["method"] == "Runtime.consoleAPICalled" and one["params"]["type"] in ("error", "warning", "assert")
        ]
        others = [
            one["params"] for one in self.events if one["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]
        return console + others

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], PATIENCE)
            data = os.read(self._read, 1 << 20) if ready else b""
            if not data:
                raise AssertionError("Chromium says nothing any more")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message


def _moved_above(descriptor: int, least: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)
    os.close(descriptor)
    return moved


@contextmanager
def chromium_tab(program: str, profile: Path) -> Iterator[Tab]:
    """Start a browser with an empty profile; it ends with the block."""
    to_browser, write = os.pipe()
    read, from_browser = os.pipe()
    # Chromium reads commands from file 3 and answers on file 4; bash puts the pipes there, from numbers above.
    to_browser, from_browser = (_moved_above(descriptor, 10) for descriptor in (to_browser, from_browser))
    command = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
    process = subprocess.Popen(
        ["bash", "-c", command, program, *FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(to_browser, from_browser),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        tab = Tab(write, read)
        yield tab
        with suppress(AssertionError, OSError):
            tab._session = None
            tab.send("Browser.close")
    finally:
        os.close(write)
        os.close(read)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait()
