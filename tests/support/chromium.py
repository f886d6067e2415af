"""Headless Chromium by its devtools protocol: no driver, no package but websockets."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--remote-debugging-port=0"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One tab."""

    def __init__(self, socket) -> None:
        self.socket, self.numbers, self.errors = socket, itertools.count(1), []
        self("Runtime.enable")
        self("Page.enable")

    def __call__(self, method: str, **parameters) -> dict:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(message["params"]["exceptionDetails"])
            if message.get("id") == number:
                return message.get("result", message)

    def evaluate(self, code: str):
        return self("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)["result"].get("value")

    def wait_for(self, code: str, seconds: float = 60):
        end = time.monotonic() + seconds
        while not (value := self.evaluate(code)) and time.monotonic() < end:
            time.sleep(0.05)
        assert value, f"{code} never held; errors of the page: {self.errors}"
        return value

    def show(self, address: str, width: int = 1280, height: int = 800) -> None:
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self("Page.navigate", url=address)

    def press(self, key: str) -> None:
        text = key if len(key) == 1 else ""
        self("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self("Input.dispatchKeyEvent", type="keyUp", key=key)

    def click(self, selector: str) -> None:
        box = f"document.querySelector('{selector}').getBoundingClientRect()"
        x, y = self.evaluate(f"(box => [box.x + box.width / 2, box.y + box.height / 2])({box})")
        for kind in ("mousePressed", "mouseReleased"):
            self("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self) -> bytes:
        """Return a PNG of what is seen."""
        return base64.b64decode(self("Page.captureScreenshot", format="png")["data"])


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium with a profile of its own, and end it."""
    from websockets.sync.client import connect

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                lines = (line for line in process.stderr if "DevTools listening on" in line)
                port = next(lines).split(":")[-1].split("/")[0]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as reply:
                    page = next(each for each in json.load(reply) if each["type"] == "page")
                with connect(page["webSocketDebuggerUrl"], max_size=None, compression=None) as socket:
                    yield Browser(socket)
            finally:
                process.kill()
