"""The language between page and session: JSON objects, one answer for each message.

`{"do": "step", "driver": "person", "action": [0.5]}` is answered by `{"is": "moment", ...}`, any mistake by
`{"is": "error", "text": ...}`. Images are PNG, base64.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import torch

from reverie.agents.agent import needs_goal
from reverie.envs.conversions import as_colors
from reverie.errors import UserError
from reverie.play.latent import LatentSession, Point
from reverie.play.session import Candidates, Moment, Session, Side

Message = Mapping[str, Any]
Reply = dict[str, Any]
MOST_FPS = 120


def answer(session: Session | LatentSession, message: Any) -> Reply:
    """Do what a message asks, and return the answer. UserError for a message that means nothing."""
    if not isinstance(message, dict):
        raise UserError("A message is a JSON object with the key `do`.")
    commands: dict[str, Callable[[Any, Message], Reply]] = _PLAY if isinstance(session, Session) else _WALK
    command = commands.get(str(message.get("do")))
    if command is None:
        raise UserError(f"There is nothing to `do` as {message.get('do')!r}: take one of {', '.join(commands)}.")
    return command(session, message)


# ---- what may be asked


def _describe(session: Session, _: Message) -> Reply:
    stage = session.stage
    return {
        "is": "play",
        "name": stage.name,
        "controls": stage.controls,
        "drivers": list(stage.agents),
        "starts": session.starts,
        "worlds": ["both", "dream"] if stage.make else ["dream"],
        "missing": stage.missing,
        "remembered": not stage.dream.draws and stage.memories is not None,
        "goals": any(map(needs_goal, stage.agents.values())),
        "rewards": stage.dream.rewards,
        "moment": _moment(session, session.moment),
    }


def _reset(session: Session, message: Message) -> Reply:
    worlds, start = _text(message, "worlds"), _text(message, "start")
    return _moment(session, session.reset(worlds, start, _whole(message, "seed"), bool(message.get("sampled"))))


def _step(session: Session, message: Message) -> Reply:
    action = message.get("action")
    array = None if action is None else _numbers(action)
    return _moment(session, session.step(_text(message, "driver"), array, bool(message.get("sampled"))))


def _candidates(session: Session, _: Message) -> Reply:
    found: Candidates = session.candidates()
    frames = [_picture(next(iter(obs.values()))) for obs in found.frames]
    rewards = {"rewards": found.rewards, "executed": found.executed}
    return {"is": "candidates", "at": session.now, "scores": found.scores, "frames": frames} | rewards


def _record(session: Session | LatentSession, message: Message) -> Reply:
    fps = message.get("fps", 30)
    if not isinstance(fps, int | float) or not 1 <= fps <= MOST_FPS:
        raise UserError(f"A film has 1 to {MOST_FPS} frames a second.")
    if isinstance(session, Session):
        session.panels(session.moment)  # says at once if there is no image
    session.recorder.start(float(fps))
    return {"is": "recording"}


def _film(session: Session | LatentSession, _: Message) -> Reply:
    return {"is": "film", "mp4": base64.b64encode(session.recorder.finish()).decode()}


_PLAY: dict[str, Callable[[Session, Message], Reply]] = {
    "describe": _describe,
    "reset": _reset,
    "step": _step,
    "rewind": lambda session, message: _moment(session, session.rewind(_whole(message, "to"))),
    "wake": lambda session, _: _moment(session, session.wake()),
    "aim": lambda session, _: _moment(session, session.aim_here()),
    "candidates": _candidates,
    "record": _record,
    "film": _film,
}


def _describe_walk(session: LatentSession, _: Message) -> Reply:
    stage = session.stage
    recorded, conditional = len(stage.images), stage.conditions.shape[1] > 0
    about = {"name": stage.name, "order": stage.order, "recorded": recorded, "conditional": conditional}
    return {"is": "walk"} | about | {"point": _point(session, session.point)}


_WALK: dict[str, Callable[[LatentSession, Message], Reply]] = {
    "describe": _describe_walk,
    "move": lambda session, message: _point(session, session.move(torch.from_numpy(_numbers(message.get("z"))))),
    "encode": lambda session, message: _point(session, session.encode(_whole(message, "number"))),
    "condition": lambda session, message: _point(session, session.condition(_whole(message, "number"))),
    "sample": lambda session, _: _point(session, session.sample()),
    "walk": lambda session, _: _point(session, session.walk()),
    "rewind": lambda session, message: _point(session, session.rewind(_whole(message, "to"))),
    "record": _record,
    "film": _film,
}


# ---- parts of messages


def _text(message: Message, key: str) -> str:
    value = message.get(key)
    if not isinstance(value, str):
        raise UserError(f"A message to {message['do']} needs a text `{key}`.")
    return value


def _whole(message: Message, key: str) -> int:
    value = message.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise UserError(f"A message to {message['do']} needs a whole number `{key}`, 0 or more.")
    return value


def _numbers(value: Any) -> np.ndarray:
    try:
        array = np.asarray(value, np.float32)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    if array.ndim != 1 or not len(array):
        raise UserError("An action or a point is a list of numbers.")
    return array


# ---- parts of answers


def _moment(session: Session, moment: Moment) -> Reply:
    goal = None if session.goal is None or session.now else next(iter(session.goal.values()))
    return {
        "is": "moment",
        "at": session.now,
        "dream": _side(moment.dream),
        "real": None if moment.real is None else _side(moment.real),
        "surprise": moment.surprise,
        "drift": _drift(moment),
        "action": None if moment.action is None else moment.action.tolist(),
        "driver": moment.driver,
        "recording": session.recorder.running,
    } | ({} if goal is None else {"goal": _picture(goal)})


def _side(side: Side) -> Reply:
    shown: Reply = {"images": {}, "vectors": {}}
    for name, value in side.obs.items():
        if value.ndim == 3:
            shown["images"][name] = _picture(value)
        else:
            shown["vectors"][name] = [round(float(x), 4) for x in value.ravel()[:64]]
    return shown | {"reward": side.reward, "value": side.value, "total": side.total, "over": side.over}


def _drift(moment: Moment) -> float | None:
    """Return how far the dream's first observation is from the real one, root mean square; of 255 for images."""
    if moment.real is None or moment.real.over:
        return None
    names = [name for name in moment.dream.obs if name in moment.real.obs]
    if not names:
        return None
    dreamed, real = (side.obs[names[0]].astype(np.float32) for side in (moment.dream, moment.real))
    return float(np.sqrt(np.square(dreamed - real).mean()))


def _point(session: LatentSession, point: Point) -> Reply:
    images = session.stage.images
    return {
        "is": "point",
        "at": session.now,
        "z": [round(x, 4) for x in point.z.tolist()],
        "number": point.number,
        "image": _picture(point.image),
        "recorded": _picture(images[point.number]) if point.number < len(images) else None,
        "recording": session.recorder.running,
    }


def _picture(image: np.ndarray) -> str:
    """Return an image as base64 of a PNG."""
    colors = np.ascontiguousarray(as_colors(image)[..., ::-1])  # OpenCV's order is blue, green, red
    return base64.b64encode(cv2.imencode(".png", colors, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()).decode()
