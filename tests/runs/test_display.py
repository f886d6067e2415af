import io

import pytest

from reverie.progress import Progress
from reverie.runs.display import LiveDisplay, duration, line, table


def progress(done=500, **changed):
    settings = dict(
        unit="frames",
        total=2000,
        decisions=250,
        updates=50,
        seconds=10.0,
        started_at=0,
        values={"loss": 3.14159},
        returns=[1.0, -7.25],
    )
    return Progress(done=done, **(settings | changed))


def render(renderable, width=100):
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=width).print(renderable)
    return stream.getvalue()


def test_the_rate_is_that_of_this_process():
    resumed = progress(done=1500, started_at=1000)
    assert resumed.per_second == 50
    assert resumed.seconds_left == 10
    assert progress(seconds=0.0).seconds_left is None
    assert progress(done=3000).seconds_left == 0


def test_a_line_has_all_parts_in_order():
    assert line(progress(message="evaluating")) == (
        "25 %, 500 of 2000 frames, 50 updates, 50.0 frames/s, 30 s left, return -7.2, loss 3.142, evaluating"
    )


def test_a_run_without_frames_is_counted_in_updates():
    fitted = progress(unit="updates", updates=500, returns=[])
    assert line(fitted) == "25 %, 500 of 2000 updates, 50.0 updates/s, 30 s left, loss 3.142"
    shown = render(table("run", fitted))
    assert "500 of 2,000 updates" in shown
    assert "returns" not in shown
    assert "decisions" not in shown


def test_losses_come_first_if_values_are_left_out():
    values = {f"norm/{index}": 0.0 for index in range(20)} | {"loss/value": 1.0}
    assert "loss/value 1, norm/0 0, " in line(progress(values=values))
    assert "norm/9" not in line(progress(values=values))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "?"), (0.4, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")],
)
def testduration(seconds, words):
    assert duration(seconds) == words


def test_lines_come_at_intervals_and_at_the_end():
    stream, now = io.StringIO(), [0.0]
    with LiveDisplay("run", stream, seconds_between_lines=30, clock=lambda: now[0]) as display:
        for frames, seconds in ((100, 0), (200, 10), (300, 31), (400, 40)):
            now[0] = seconds
            display(progress(done=frames))
    title, *lines = stream.getvalue().splitlines()
    assert title == "run"
    assert [text.split(", ")[1] for text in lines] == [f"{n} of 2000 frames" for n in (100, 300, 400)]


def test_a_new_message_is_shown_at_once_and_the_last_line_once():
    stream = io.StringIO()
    with LiveDisplay("run", stream, clock=lambda: 0.0) as display:
        display(progress(done=100))
        display(progress(done=200, message="evaluating"))
        display(progress(done=200, message="evaluating"))
        display(progress(done=300, message="saved"))
    assert len(stream.getvalue().splitlines()) == 1 + 3


def test_without_any_progress_nothing_is_printed():
    stream = io.StringIO()
    with LiveDisplay("run", stream):
        pass
    assert stream.getvalue() == ""


def test_the_table_shows_counts_returns_and_values():
    text = render(table("dreamer_v1", progress(values={"a": 1.0, "b": 2.0, "c": 3.0}, message="evaluating")))
    for words in ("dreamer_v1", "500 of 2,000 frames", "50 updates", "25 %", "-7.2", "c", "evaluating"):
        assert words in text
    assert "no episode has ended yet" in render(table("run", progress(values={}, returns=[])))


def test_a_terminal_gets_the_live_table(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with LiveDisplay("dreamer_v1", stream) as display:
        display(progress())
    assert "dreamer_v1" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()
