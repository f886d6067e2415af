"""What a page says, and what it is answered."""

import base64
import json
from contextlib import closing

import cv2
import numpy as np
import pytest

from reverie.errors import UserError
from reverie.play.session import Session
from reverie.play.wire import answer


@pytest.fixture
def session(stage):
    with closing(Session(stage)) as opened:
        yield opened


def picture(text):
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_description_says_what_can_be_done(session):
    about = answer(session, {"do": "describe"})
    assert json.loads(json.dumps(about)) == about
    assert (about["worlds"], about["starts"]) == (["both", "dream"], ["world", "prior"])
    assert about["drivers"] == ["policy", "planner"]
    assert about["controls"]["names"] == ["action 1"]


def test_a_moment_has_both_worlds(session):
    moment = answer(session, {"do": "step", "driver": "person", "action": [1]})
    now = session.moment
    assert (moment["at"], moment["action"], moment["driver"]) == (1, [1.0], "person")
    np.testing.assert_array_equal(picture(moment["real"]["images"]["picture"]), now.real.obs["picture"])
    assert moment["real"]["vectors"]["place"] == pytest.approx(now.real.obs["place"].tolist(), abs=1e-4)
    difference = now.real.obs["picture"].astype(float) - now.dream.obs["picture"]
    assert moment["drift"] == pytest.approx(np.sqrt(np.square(difference).mean()), rel=1e-5)
    assert moment["surprise"] == now.surprise


def test_candidates_are_told(session):
    found = answer(session, {"do": "candidates"})
    assert len(found["rewards"]) <= len(found["scores"])
    assert picture(found["frames"][0]).shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (3, "a JSON object"),
        ({}, "nothing to `do` as None: take one of describe, reset"),
        ({"do": "fly"}, "nothing to `do` as 'fly'"),
        ({"do": "reset", "worlds": 1}, "needs a text `worlds`"),
        ({"do": "reset", "worlds": "both", "start": "world", "seed": -1}, "whole number `seed`"),
        ({"do": "reset", "worlds": "both", "start": "world", "seed": True}, "whole number `seed`"),
        ({"do": "step"}, "needs a text `driver`"),
        ({"do": "step", "driver": "person", "action": "left"}, "a list of numbers"),
        ({"do": "step", "driver": "person", "action": [1, 2]}, r"shape \(1,\)"),
        ({"do": "step", "driver": "person", "action": [[1]]}, "a list of numbers"),
        ({"do": "step", "driver": "person", "action": [float("inf")]}, "not finite"),
        ({"do": "rewind", "to": 1.5}, "whole number `to`"),
        ({"do": "record", "fps": 1e9}, "1 to 120 frames"),
        ({"do": "film"}, "No frame was recorded"),
    ],
)
def test_a_message_that_means_nothing_is_one_sentence(session, message, sentence):
    before = session.moment
    with pytest.raises(UserError, match=sentence):
        answer(session, message)
    assert session.moment is before


def test_what_is_seen_is_recorded_as_a_film(session, tmp_path):
    import av

    assert answer(session, {"do": "record", "fps": 15}) == {"is": "recording"}
    for _ in range(3):
        assert answer(session, {"do": "step", "driver": "policy"})["recording"]
    (tmp_path / "play.mp4").write_bytes(base64.b64decode(answer(session, {"do": "film"})["mp4"]))
    with av.open(str(tmp_path / "play.mp4")) as film:
        frames = list(film.decode(video=0))
    assert len(frames) == 3
    assert frames[0].width > frames[0].height > 256, "both worlds side by side"
    assert not session.recorder.running
