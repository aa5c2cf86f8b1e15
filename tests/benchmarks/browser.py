"""Chromium without a window, told what to do over two pipes: by its DevTools protocol.

    test ── {"id": 1, "method": "Page.navigate", …} ──▶ descriptor 3   Chromium
         ◀─ {"id": 1, "result": {…}} ────────────────── descriptor 4

Messages end with a zero byte. What comes without an id is an event; those that tell of errors are
kept. https://chromedevtools.github.io/devtools-protocol/ says what there is.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-pipe",
)
ANSWER_WITHIN_SECONDS = 60.0
WIDE, PHONE = (1280, 900), (390, 844)

# Puts the pipes where Chromium looks for them, and becomes it: nothing else runs in between, and
# numbers from 10 on are in nobody's way.
_LAUNCHER = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for number, end in enumerate(ends, start=3):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
# Errors, and what a page says of them, by what they are called.
_ERRORS = {
    "Runtime.exceptionThrown": lambda event: event["exceptionDetails"],
    "Log.entryAdded": lambda event: event["entry"],
}


def find() -> str | None:
    """Return the browser that is here, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A browser with one page."""

    def __init__(self, program: str, profile: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        command = [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, str(theirs_in), str(theirs_out), *command],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._heard = b""
        self._number = 0
        self._session: str | None = None
        self.errors: list[Any] = []
        """What the page that is shown has complained of."""

    def start(self) -> None:
        """Wait for it, and for its page.

        Raises
        ------
        RuntimeError, OSError
            If it does not start, as in all that follows.
        """
        page = next(
            target
            for target in self._ask("Target.getTargets")["targetInfos"]
            if target["type"] == "page"
        )
        attached = self._ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def show(self, path: Path, size: tuple[int, int] = WIDE, scheme: str = "light") -> None:
        """Show a page of a file, in a window so large, light or dark."""
        width, height = size
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=size == PHONE,
        )
        self._ask(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self.errors = []
        self._ask("Page.navigate", url=path.resolve().as_uri())
        self._until("Page.loadEventFired")

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, key: str, **more: Any) -> None:
        """Press a key, as a user would, and let it go."""
        for what in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=what, key=key, code=key, **more)

    def point(self, x: float, y: float) -> None:
        """Move the mouse."""
        self._ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def save_picture(self, path: Path, *, whole: bool = True) -> None:
        """Write what is shown as a PNG, all of the page or what fits into the window."""
        answer = self._ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def save_paper(self, path: Path) -> None:
        """Print the page as a PDF."""
        answer = self._ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                break
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _until(self, event: str) -> None:
        while self._next().get("method") != event:
            pass

    def _next(self) -> Any:
        """Return the next message, and keep it if it tells of an error."""
        end = time.monotonic() + ANSWER_WITHIN_SECONDS
        while b"\0" not in self._heard:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._in, 2**20) if ready else b""
            if not part:
                raise RuntimeError("the browser does not answer")
            self._heard += part
        text, _, self._heard = self._heard.partition(b"\0")
        message = json.loads(text)
        details = _ERRORS.get(message.get("method"))
        if details is not None:
            self.errors.append(details(message["params"]))
        return message
