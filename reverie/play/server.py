"""The server of `reverie play`: one page, and a socket for each tab that has a session of its own.

A session computes only when its page asks, so a tab that is hidden or gone costs nothing. Access needs the token in the
address. A page of another site is refused by its `Origin`, and on loopback also by its `Host`.
"""

import hmac
import json
import logging
import secrets
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reverie.errors import UserError
from reverie.play.opening import Open
from reverie.play.wire import answer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_BYTES = 2**16
"""Bytes of a message from a page, at most."""
OPENING = 2.0
"""Seconds that a connection may take to say what it wants. Browsers open some in advance, and Ctrl-C waits for them."""
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; connect-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


class Running:
    """A server that listens: its `address`, and `serve`, which returns after `stop`."""

    def __init__(self, server: Any, address: str, token: str) -> None:
        self._server, self.address, self.token, self._served = server, address, token, False

    def serve(self) -> None:
        self._served = True
        self._server.serve_forever()

    def stop(self) -> None:
        """Close every socket, and wait until every session is closed. `serve` runs in another thread, if at all."""
        if not self._served:  # its end is what `shutdown` waits for
            self._server.socket.close()
            self.serve()
        self._server.shutdown()


@contextmanager
def listen(open_session: Open, host: str = "127.0.0.1", port: int = 8765) -> Iterator[Running]:
    """Listen on `host` and `port`, 0 for any that is free. UserError if that cannot be."""
    try:
        from websockets.sync.server import serve
    except ImportError as error:
        raise UserError("Playing in a browser needs the package websockets: pip install 'reverie[play]'.") from error
    if not 0 <= port < 2**16:
        raise UserError(f"Port {port} does not exist: take one up to 65535 by --port, 0 for any.")
    token = secrets.token_urlsafe(16)
    guard = _Guard(token, loopback=host in LOOPBACK)
    quiet = logging.getLogger("reverie.play")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False  # a tab that dies within a handshake is no news
    try:
        server = serve(
            lambda connection: _play(connection, open_session),
            host,
            port,
            process_request=guard.check,
            max_size=MOST_BYTES,
            compression=None,
            open_timeout=OPENING,
            close_timeout=1,
            logger=quiet,
        )
    except OSError as error:
        raise UserError(
            f"Port {port} of {host} cannot be listened on ({error.strerror}): choose another by --port, 0 for any."
        ) from error
    family, (_, actual, *_) = server.socket.family, server.socket.getsockname()
    name = socket.gethostname() if host in ("0.0.0.0", "::", "") else host
    shown = f"[{name}]" if family == socket.AF_INET6 and ":" in name else name
    running = Running(server, f"http://{shown}:{actual}/?token={token}", token)
    try:
        yield running
    finally:
        running.stop()


def play_until_interrupted(server: Running) -> None:
    """Serve until Ctrl-C. Leaving `listen` closes every session."""
    thread = Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(1.0)
    except KeyboardInterrupt:
        return


class _Guard:
    """Answers what is no socket, and lets only pages of this server open one."""

    def __init__(self, token: str, loopback: bool) -> None:
        self.token, self.loopback = token, loopback
        self.page = resources.files("reverie.play").joinpath("page.html").read_bytes()

    def check(self, connection: Any, request: Any) -> Any:
        """Return the answer to a request, or None to let it become a socket."""
        address = urlsplit(request.path)
        given = parse_qs(address.query).get("token", [""])[0]
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if self.loopback and _name(host) not in LOOPBACK:
            return connection.respond(403, "This server answers on this machine alone.\n")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return connection.respond(
                403, "The address lacks its token: copy it whole from where `reverie play` runs.\n"
            )
        if address.path == "/socket":
            same = origin is not None and urlsplit(origin).netloc == host
            return None if same else connection.respond(403, "Only this server's own page may play.\n")
        if address.path != "/":
            return connection.respond(404, "There is one page here, /.\n")
        response = connection.respond(200, "")
        response.body = self.page
        del response.headers["Content-Type"], response.headers["Content-Length"]
        for name, value in (HEADERS | {"Content-Length": str(len(self.page))}).items():
            response.headers[name] = value
        return response


def _name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def _play(connection: Any, open_session: Open) -> None:
    """Answer the messages of one tab until it goes."""
    from websockets.exceptions import ConnectionClosed

    try:
        try:
            session = open_session()
        except UserError as error:
            connection.send(json.dumps({"is": "error", "text": str(error), "fatal": True}))
            return
        with closing(session):
            for text in connection:
                connection.send(_reply(session, text))
    except ConnectionClosed:
        pass


def _reply(session: Any, text: str | bytes) -> str:
    begin = time.perf_counter()
    try:
        reply = answer(session, json.loads(text))
        return json.dumps(reply | {"ms": round(1000 * (time.perf_counter() - begin), 2)})
    except UserError as error:
        sentence = str(error)
    except (ValueError, RecursionError):
        sentence = "A message is JSON."
    except Exception as error:  # a fault of a model or an environment must not take the page away
        traceback.print_exc()
        sentence = f"Reverie failed ({type(error).__name__}: {error}): what it printed says where."
    return json.dumps({"is": "error", "text": sentence})
