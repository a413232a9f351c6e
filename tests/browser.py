"""A headless Chromium that a test drives over a pipe, as its developer tools do; no library, no port."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic")


TEXT = "document.body ? document.body.innerText : ''"


class PageError(Exception):
    """What a script raised, or why it could not be run."""


class Browser:
    """One page. Messages are JSON, each ended by a zero byte."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._rest, self._number = write, read, b"", 0
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._page("Page.enable")

    def open(self, url: str) -> None:
        """Goes to the address."""
        self._page("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """What an expression of the page comes to; a promise is waited for."""
        answer = self._page("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise PageError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 60) -> None:
        """Returns once the expression is true; a page on its way to another one has no answer."""
        end = time.monotonic() + seconds
        while not self._holds(script):
            if time.monotonic() > end:
                raise AssertionError(f"never true: {script}; the page says: {self.evaluate(TEXT)}")
            time.sleep(0.2)

    def wait_for(self, words: str) -> None:
        """Returns once the page shows the words."""
        self.wait(f"({TEXT}).includes({json.dumps(words)})")

    def _holds(self, script: str) -> bool:
        try:
            return bool(self.evaluate(script))
        except PageError:
            return False

    def shoot(self, path: Path) -> None:
        """Writes a picture of the window."""
        path.write_bytes(base64.b64decode(self._page("Page.captureScreenshot")["data"]))

    def _page(self, method: str, **given: Any) -> Any:
        return self._ask(method, self._session, **given)

    def _ask(self, method: str, session: str | None = None, **given: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": given}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            said = json.loads(self._take())
            if said.get("id") == self._number:
                if "error" in said:
                    raise PageError(said["error"]["message"])
                return said["result"]

    def _take(self) -> bytes:
        while b"\0" not in self._rest:
            more = os.read(self._read, 1 << 16)
            if not more:
                raise AssertionError("the browser has ended")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return message


@contextmanager
def browsing(profile: Path, *options: str) -> Iterator[Browser]:
    """A browser with a profile of its own; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    (from_here, to_it), (from_it, to_here) = os.pipe(), os.pipe()

    def place() -> None:  # where the browser looks for its pipe
        os.dup2(from_here, 3)
        os.dup2(to_here, 4)

    words = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        *QUIET,
        "--remote-debugging-pipe",
    ]
    process = subprocess.Popen(
        [*words, f"--user-data-dir={profile}", *options, "about:blank"],
        pass_fds=(3, 4),
        preexec_fn=place,
        stderr=subprocess.DEVNULL,
    )
    os.close(from_here)
    os.close(to_here)
    try:
        yield Browser(to_it, from_it)
    finally:
        process.terminate()
        process.wait(20)
        os.close(to_it)
        os.close(from_it)
