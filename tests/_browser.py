"""A headless browser for tests: a page as a reader sees it.

It needs `chromium-headless-shell`, `chromium` or `google-chrome` on PATH; no registry of Python
packages ships one. The browser is spoken to over two pipes in the DevTools protocol.
"""

import base64
import fcntl
import io
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any, Self

import matplotlib.image
import numpy as np

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
PATIENCE_S = 20.0
_READ_BY_BROWSER, _WRITTEN_BY_BROWSER = 3, 4


def _high(file: int) -> int:
    """The same file under a number that is none of the browser's."""
    copy = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(file)
    return copy


def programs() -> list[str]:
    """The browsers on PATH."""
    return [path for path in map(shutil.which, PROGRAMS) if path]


class Browser:
    """A browser with one empty page."""

    def __init__(self) -> None:
        found = programs()
        assert found, f"put one of {', '.join(PROGRAMS)} on PATH"
        words = [found[0], "--headless", "--remote-debugging-pipe", "--hide-scrollbars"]
        if os.geteuid() == 0:
            words.append("--no-sandbox")
        from_us, ours = map(_high, os.pipe())
        theirs, to_us = map(_high, os.pipe())
        files = [
            (os.POSIX_SPAWN_DUP2, from_us, _READ_BY_BROWSER),
            (os.POSIX_SPAWN_DUP2, to_us, _WRITTEN_BY_BROWSER),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        self._process = os.posix_spawn(words[0], words, os.environ, file_actions=files)
        os.close(from_us)
        os.close(to_us)
        self._out = os.fdopen(ours, "wb", 0)
        self._in = os.fdopen(theirs, "rb")
        self._n = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Log", "Network", "Runtime"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        self._out.close()
        self._in.close()

    def show(
        self, page: Path, width: int, height: int, scheme: str = "light", media: str = ""
    ) -> None:
        """Open a page in a window of this size, with the reader's wish for light or dark."""
        wish = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media=media, features=wish)
        self.open(page.resolve().as_uri(), width, height)

    def open(self, address: str, width: int, height: int) -> None:
        """Open an address in a window of this size."""
        self.resize(width, height)
        self._call("Page.navigate", url=address)
        self.wait(f"document.readyState == 'complete' && location.href == '{address}'")

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def wait(self, expression: str) -> None:
        """Wait until an expression of the page's own language is true."""
        until = time.monotonic() + PATIENCE_S
        while not self.ask(expression):
            assert time.monotonic() < until, f"it did not come true: {expression}"
            time.sleep(0.02)

    def ask(self, expression: str) -> Any:
        """The value of an expression of the page's own language."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self) -> np.ndarray:
        """The window as it is seen [height, width, 3], 0 to 1."""
        data = base64.b64decode(self._call("Page.captureScreenshot")["data"])
        return np.asarray(matplotlib.image.imread(io.BytesIO(data)))[..., :3]

    def requests(self) -> list[str]:
        """The addresses that the page asked for, but for data within it."""
        asked = []
        for event in self.events:
            if event["method"] == "Network.requestWillBeSent":
                address = event["params"]["request"]["url"]
                if not address.startswith("data:"):
                    asked.append(address)
        return asked

    def complaints(self) -> list[str]:
        """What the browser blocked, and every dialog that a page opened."""
        said = []
        for event in self.events:
            if event["method"] in ("Log.entryAdded", "Page.javascriptDialogOpening"):
                said.append(json.dumps(event["params"]))
        return said

    def errors(self) -> list[str]:
        """Errors of the page's programs, and the requests that failed."""
        said = []
        for event in self.events:
            method, facts = event["method"], event["params"]
            is_error = method in ("Runtime.exceptionThrown", "Network.loadingFailed")
            if method == "Runtime.consoleAPICalled":
                is_error = facts["type"] in ("error", "warning", "assert")
            if method == "Network.responseReceived":
                is_error = facts["response"]["status"] >= 400
            if is_error:
                said.append(json.dumps(facts))
        return said

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._n += 1
        message = {"id": self._n, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._read())
            if answer.get("id") == self._n:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> bytes:
        """One message, up to its zero byte."""
        message = bytearray()
        while True:
            byte = self._in.read(1)
            assert byte, "the browser ended"
            if byte == b"\0":
                return bytes(message)
            message += byte
