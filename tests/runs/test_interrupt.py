"""Signals ask a run to stop: it saves between two decisions, also of an evaluation, and computes the same later."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace

import pytest
import small_run
from interruptions import ROOT, SUPPORT, assert_same, start, wait_for_checkpoint

import reverie
from reverie.cli import command_line as main
from reverie.data import recording
from reverie.data.collector import Collector
from reverie.data.interaction import InteractionConfig
from reverie.envs.base import EnvConfig
from reverie.envs.worker import STOP_SIGNALS
from reverie.progress import Callback
from reverie.runs import base, interrupt
from reverie.runs.interrupt import Interrupted, Stopped, asked_to_stop, interruptible

NAMES = [number.name for number in STOP_SIGNALS]


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """What is said at once when a signal comes."""
    lines: list[str] = []
    monkeypatch.setattr(interrupt, "say", lines.append)
    return lines


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_asks_to_stop_and_is_answered_at_once(name, said):
    before = signal.getsignal(signal.Signals[name])
    with asked_to_stop("all is kept") as stop:
        stop.check()
        assert not stop
        signal.raise_signal(signal.Signals[name])
        assert stop
        assert said == [f"stopping at {name}: all is kept; Ctrl-C again stops at once"]
        with pytest.raises(Stopped):
            stop.check()
        for again in ("SIGTERM", "SIGUSR1", "SIGINT"):  # the same press, which the parent process passes on too
            signal.raise_signal(signal.Signals[again])
    assert signal.getsignal(signal.Signals[name]) == before
    assert len(said) == 1


def test_a_second_ctrl_c_stops_at_once_but_not_a_save(said, monkeypatch):
    monkeypatch.setattr(interrupt, "ONE_PRESS", 0.0)
    with asked_to_stop() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        stop.saving = True
        signal.raise_signal(signal.SIGINT)


def test_signals_that_the_parent_blocked_are_heard(said):
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        signal.raise_signal(signal.SIGTERM)  # it waits
        with asked_to_stop() as stop:
            assert stop
        assert set(STOP_SIGNALS) <= signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def test_nohup_is_respected(said):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with asked_to_stop() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_nothing_is_asked():
    asked = []

    def run() -> None:
        with asked_to_stop() as stop:
            asked.append(bool(stop))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert asked == [False]


@pytest.mark.parametrize("name", NAMES)
def test_what_has_nothing_to_save_ends_at_once(name):
    with pytest.raises(Interrupted, match="all is there"), interruptible("all is there"):
        signal.raise_signal(signal.Signals[name])


class StopAt(Callback):
    """Send a signal at the n-th progress with a message that begins so."""

    def __init__(self, message: str, number: int) -> None:
        self.message, self.left = message, number

    def on_progress(self, progress):
        self.left -= (progress.message or "").startswith(self.message)
        if self.left == 0:
            self.left = -1
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("decision", [1, 6, 10])
def test_an_evaluation_stops_between_two_decisions_and_is_played_anew(folder, uninterrupted, decision, monkeypatch):
    monkeypatch.setattr(base, "SECONDS_BETWEEN", -1)  # every decision is shown
    played = []
    real = Collector.step
    monkeypatch.setattr(Collector, "step", lambda self, act: played.append(self.stream) or real(self, act))
    with pytest.raises(Interrupted, match="Interrupted and saved: go on with `reverie resume"):
        reverie.train(small_run.config(), folder, callbacks=[StopAt("evaluating", decision)], evaluate=False)
    assert played.count(1) == decision  # the decision at hand was the last one
    reverie.resume(folder, evaluate=False)
    assert_same(folder, uninterrupted)


@pytest.mark.slow
def test_a_stop_within_a_round_of_updates_loses_nothing(folder, uninterrupted, monkeypatch):
    monkeypatch.setattr(base, "SECONDS_BETWEEN", -1)
    with pytest.raises(Interrupted):
        reverie.train(small_run.config(), folder, callbacks=[StopAt("", 3)], evaluate=False)
    for number in (1, 9):
        with pytest.raises(Interrupted):
            reverie.resume(folder, callbacks=[StopAt("", number)], evaluate=False)
    reverie.resume(folder, evaluate=False)
    assert_same(folder, uninterrupted)


@pytest.mark.slow
def test_a_recording_of_a_fit_stops_and_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "SECONDS_BETWEEN", -1)
    data = InteractionConfig(EnvConfig("worlds:Slide-v0", observe=("picture",), image_size=16), 60, 24)
    config = replace(reverie.recipe("state_space", "tiny"), threads=1, data=data)
    config = replace(config, training=replace(config.training, updates=4, batch=2, length=4, evaluate_every=2))
    whole = reverie.train(config, tmp_path / "whole", evaluate=False)
    for message, number in (("recording", 7), ("evaluating", 1), ("evaluating", 3)):
        folder = tmp_path / f"{message}{number}"
        with pytest.raises(Interrupted):
            reverie.train(config, folder, callbacks=[StopAt(message, number)], evaluate=False)
        reverie.resume(folder, evaluate=False)
        assert_same(folder, whole)


def test_collecting_stops_between_two_decisions(tmp_path, monkeypatch, capsys, said):
    monkeypatch.setattr(recording, "CHUNK", 40)
    line = "collect worlds:Slide-v0 --env.observe picture --env.image_size 8 --transitions 120 --workers 1"
    assert main.main([*line.split(), "--out", str(tmp_path / "whole")]) == 0
    real, count = Collector.step, 0

    def step(self, act):
        nonlocal count
        count += 1
        if count == 70:
            signal.raise_signal(signal.SIGTERM)
        return real(self, act)

    monkeypatch.setattr(Collector, "step", step)
    assert main.main([*line.split(), "--out", str(tmp_path / "cut")]) == 130
    assert count == 70
    assert "the same command continues with the data in" in capsys.readouterr().err
    assert said == ["stopping at SIGTERM: what is written stays; Ctrl-C again stops at once"]
    assert main.main([*line.split(), "--out", str(tmp_path / "cut")]) == 0
    files = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.safetensors")]
    assert len(files) > 2
    for path in files:
        assert (tmp_path / "whole" / path).read_bytes() == (tmp_path / "cut" / path).read_bytes()


@pytest.mark.slow
def test_the_final_evaluation_ends_at_once(uninterrupted, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Collector, "step", lambda self, act: signal.raise_signal(signal.SIGUSR1))
    assert main.main(["resume", str(uninterrupted)]) == 130
    assert "is finished and saved. Evaluate it with `reverie resume" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), [("SIGTERM", ()), ("SIGUSR1", ("blocked",)), ("SIGINT", ("blocked",))])
def test_a_signal_to_the_group_leaves_the_workers_alone(folder, uninterrupted, name, options):
    """Environments in processes of their own give the same bits, also where the parent had blocked the signals."""
    block = (lambda: signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)) if options else None
    process = start("train", folder, "workers", start_new_session=True, preexec_fn=block)
    wait_for_checkpoint(process, folder, 60)
    os.killpg(process.pid, signal.Signals[name])
    said, message = process.communicate(timeout=60)[1].splitlines()
    assert said.startswith(f"stopping at {name}: the run is saved first")
    assert message.startswith("Interrupted and saved")
    reverie.resume(folder, overrides={"env.workers": False}, evaluate=False)
    assert_same(folder, uninterrupted)


@pytest.mark.slow
def test_a_parent_that_exits_without_closing_its_workers_does_not_hang(tmp_path):
    """Workers ignore the signal by which Python ends them. A program that a worker starts does not."""
    script = tmp_path / "play.py"
    script.write_text(
        textwrap.dedent("""
            import signal, subprocess
            from reverie.envs import EnvConfig, make_many
            from reverie.envs.worker import Worker

            def make(config):
                sleeper = subprocess.Popen(["sleep", "60"])
                sleeper.terminate()
                assert sleeper.wait(10) == -signal.SIGTERM
                from reverie.envs import make
                return make(config)

            if __name__ == "__main__":
                worker = Worker(0, EnvConfig(observe=("state",)), make)
                worker.receive()
                worker.process.terminate()
                worker.send("reset", 0)
                assert worker.receive().is_first
        """)
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SUPPORT), str(ROOT)])}
    began = time.monotonic()
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.returncode == 0
    assert time.monotonic() - began < 50
