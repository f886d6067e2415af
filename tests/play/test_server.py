"""The server, by a client of its socket."""

import json
import socket
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import replace
from threading import Thread

import pytest

from reverie.errors import UserError
from reverie.play.server import listen
from reverie.play.session import Session

websockets = pytest.importorskip("websockets")

from websockets.exceptions import InvalidStatus  # noqa: E402
from websockets.sync.client import connect  # noqa: E402


class Counted:
    """Counts the environments that are open."""

    def __init__(self, make):
        self.make, self.open, self.made = make, 0, 0

    def __call__(self):
        environment, close = self.make(), self.close
        own = environment.close
        environment.close = lambda: close(own)
        self.open, self.made = self.open + 1, self.made + 1
        return environment

    def close(self, own):
        self.open -= 1
        own()


@pytest.fixture(scope="module")
def worlds(stage):
    return Counted(stage.make)


@pytest.fixture(scope="module")
def server(stage, worlds):
    with listen(lambda: Session(replace(stage, make=worlds)), port=0) as running:
        Thread(target=running.serve).start()
        yield running


@contextmanager
def tab(server, **changed):
    base, _, query = server.address.partition("/?")
    options = {"origin": base, "query": query} | changed
    with connect(f"{base.replace('http', 'ws')}/socket?{options.pop('query')}", **options) as connection:

        def ask(message):
            connection.send(message if isinstance(message, str) else json.dumps(message))
            return json.loads(connection.recv(timeout=20))

        ask.connection = connection
        yield ask


def status(address, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as reply:
            return reply.status, dict(reply.headers), reply.read().decode()
    except urllib.error.HTTPError as error:
        with closing(error):
            return error.code, {}, error.read().decode()


def test_the_page_is_served_whole_and_asks_the_network_for_nothing(server):
    code, headers, page = status(server.address)
    assert code == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert int(headers["Content-Length"]) == len(page.encode())
    assert "<title>Reverie" in page
    outside = page.replace("http://www.w3.org/2000/svg", "")  # the name of a format, which is not fetched
    assert "http://" not in outside
    assert "https://" not in outside


def test_without_the_token_there_is_nothing(server):
    base = server.address.partition("?")[0]
    assert status(base)[0] == 403
    assert status(f"{base}?token=wrong")[0] == 403
    assert "copy it whole" in status(base)[2]
    assert status(f"{base}other?token={server.token}")[0] == 404
    with pytest.raises(InvalidStatus, match="403"), tab(server, query="token=wrong"):
        pass


def test_a_page_of_another_site_opens_no_socket(server):
    for origin in ("http://evil.example", None):
        with pytest.raises(InvalidStatus, match="403"), tab(server, origin=origin):
            pass


def test_another_name_for_this_machine_is_refused_on_loopback(server):
    code, _, text = status(server.address, Host="evil.example:80")
    assert code == 403
    assert "this machine alone" in text


def test_tabs_play_apart(server):
    with tab(server) as one, tab(server) as other:
        for ask in (one, other):
            assert ask({"do": "describe"})["moment"]["at"] == 0
        for _ in range(3):
            one({"do": "step", "driver": "policy"})
        assert other({"do": "step", "driver": "person", "action": [1]})["at"] == 1
        moment = one({"do": "rewind", "to": 2})
        assert moment["at"] == 2
        assert moment["ms"] >= 0


def test_a_mistake_is_answered_and_play_goes_on(server):
    with tab(server) as ask:
        for wrong in ("{", "[" * 5000, "7", {"do": "fly"}, {"do": "step", "driver": "person", "action": [None]}):
            assert ask(wrong)["is"] == "error"
        assert ask({"do": "step", "driver": "policy"})["at"] == 1


def test_a_fault_of_the_model_is_answered_too(server, monkeypatch, capsys):
    with tab(server) as ask:
        monkeypatch.setattr("reverie.play.session.Session.step", lambda *_: 1 / 0)
        reply = ask({"do": "step", "driver": "policy"})
        assert reply["text"].startswith("Reverie failed (ZeroDivisionError")
        assert "Traceback" in capsys.readouterr().err
        monkeypatch.undo()
        assert ask({"do": "step", "driver": "policy"})["at"] == 1


def test_a_killed_tab_costs_nothing(server, worlds):
    def wait_for(count):
        end = time.monotonic() + 20
        while worlds.open != count and time.monotonic() < end:
            time.sleep(0.02)
        return worlds.open

    wait_for(0)
    made = worlds.made
    with tab(server) as ask:
        ask({"do": "record", "fps": 30})
        ask({"do": "step", "driver": "policy"})
        assert worlds.open == 1
        ask.connection.socket.shutdown(socket.SHUT_RDWR)  # no farewell
        assert wait_for(0) == 0
    assert worlds.made == made + 1


def test_a_message_too_long_ends_that_tab_alone(server):
    with tab(server) as other:
        with pytest.raises(websockets.exceptions.ConnectionClosed), tab(server) as ask:
            ask("x" * 100_000)
        assert other({"do": "describe"})["is"] == "play"


def test_what_cannot_be_listened_on_is_one_sentence(server, stage):
    port = int(server.address.split(":")[2].split("/")[0])
    for wrong, sentence in ((port, f"Port {port} of 127.0.0.1 cannot be listened on.*--port"), (70000, "Port 70000")):
        with pytest.raises(UserError, match=sentence), listen(lambda: Session(stage), port=wrong):
            pass


def test_without_websockets_the_extra_is_named(stage, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "websockets.sync.server", None)
    with pytest.raises(UserError, match=r"pip install 'reverie\[play\]'"), listen(lambda: Session(stage), port=0):
        pass


def test_every_tab_hears_why_a_session_cannot_begin():
    def broken():
        raise UserError("The simulator is out of order.")

    with listen(broken, port=0) as running:
        Thread(target=running.serve).start()
        base, _, query = running.address.partition("/?")
        with connect(f"{base.replace('http', 'ws')}/socket?{query}", origin=base) as connection:
            assert "out of order" in connection.recv(timeout=20)
