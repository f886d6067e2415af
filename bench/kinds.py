"""Try kinds of observations and environments: does a tiny training learn from them, or what sentence refuses them?

    python bench/kinds.py                        # writes bench/results/kinds.json
    python bench/kinds.py --only "an image"      # only pairs with these words in a name; writes nothing

Each kind of observation is tried in plain environments, and each kind of environment with plain observations. A pair is
one run of `reverie train`, in a process of its own. The outcomes:

    learned     the run made updates
    remark      it made updates, and a warning says what is missing
    refused     exit code 2 and one sentence

Anything else ends this program with exit code 1. `bench/tables.py` shows the result in docs/guides/environments.md.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium  # noqa: E402
import numpy as np  # noqa: E402
from forked import FAST, Outcome, import_as, run  # noqa: E402
from gymnasium import spaces  # noqa: E402

from reverie.runs.logger import read_metrics  # noqa: E402

RESULT = ROOT / "bench" / "results" / "kinds.json"
OPTIONS = (
    "--size tiny --threads 1 --device cpu --env.image_size 8 --env.repeat 1 --training.frames 32 --training.prefill 16 "
    "--training.round 8 --training.updates 1 --training.batch 2 --training.length 4 --behavior.horizon 3"
)
Give = Callable[[Any, int], Any]
"""From a value of the space and the number of the step to the observation that is given."""


def image(*shape: int, kind: type = np.uint8, high: float = 255) -> spaces.Box:
    return spaces.Box(0, high, shape, kind)


def numbers(*shape: int, kind: type = np.float32, low: float = -9, high: float = 9) -> spaces.Box:
    return spaces.Box(low, high, shape, kind)


VECTOR, UNBOUNDED = numbers(3), numbers(3, kind=np.float64, low=-np.inf, high=np.inf)
OBSERVATIONS: dict[str, spaces.Space | tuple[spaces.Space, Give]] = {
    "an image, uint8 (24, 32, 3)": image(24, 32, 3),
    "a gray image, (24, 32)": image(24, 32),
    "a gray image, (24, 32, 1)": image(24, 32, 1),
    "an image with alpha, (24, 32, 4)": image(24, 32, 4),
    "five channels, (24, 32, 5)": image(24, 32, 5),
    "channels first, (3, 24, 32)": image(3, 24, 32),
    "twelve channels first, (12, 40, 40)": image(12, 40, 40),
    "odd sizes, (7, 33, 3)": image(7, 33, 3),
    "a tiny image, (1, 1, 1)": image(1, 1, 1),
    "a cube without an axis of channels, (9, 4, 9)": image(9, 4, 9),
    "a stack of images, (4, 24, 32, 3)": image(4, 24, 32, 3),
    "an image of float32 in [0, 1]": image(24, 32, 3, kind=np.float32, high=1),
    "an image without pixels, (0, 32, 3)": image(0, 32, 3),
    "a vector": VECTOR,
    "one number, shape ()": numbers(),
    "a matrix": numbers(3, 4),
    "whole numbers": numbers(3, kind=np.int64),
    "an unbounded vector": UNBOUNDED,
    "a vector of bytes": spaces.Box(0, 255, (6,), np.uint8),
    "no number, shape (0,)": numbers(0),
    "Discrete": spaces.Discrete(4),
    "Discrete that starts at 2": spaces.Discrete(4, start=2),
    "MultiDiscrete": spaces.MultiDiscrete([2, 3]),
    "MultiBinary": spaces.MultiBinary(4),
    "Dict of image and vector": spaces.Dict(camera=image(24, 32, 3), joints=VECTOR),
    "Dict with dots in names": spaces.Dict({"observation.images.top": image(24, 32, 3), "observation.state": VECTOR}),
    "Dict with names of PyTorch": spaces.Dict({"values": image(24, 32, 3), "forward": VECTOR, "type": VECTOR}),
    "a nested Dict": spaces.Dict(robot=spaces.Dict(arm=VECTOR, eye=image(24, 32, 3)), time=numbers(1)),
    "an empty Dict": spaces.Dict({}),
    "Tuple": spaces.Tuple((VECTOR, spaces.Discrete(3))),
    "Text": spaces.Text(5),
    "Sequence": spaces.Sequence(VECTOR),
    "Graph": spaces.Graph(VECTOR, None),
    "NaN from step 3 on": (VECTOR, lambda value, step: value * (np.nan if step >= 3 else 1)),
    "infinity": (UNBOUNDED, lambda value, step: value / np.float32(step < 3)),
    "float64 beyond float32": (
        numbers(3, kind=np.float64, low=-np.inf, high=np.inf),
        lambda value, step: value * 1e300,
    ),
    "None": (VECTOR, lambda value, step: None),
    "another type than declared": (image(24, 32, 3), lambda value, step: value.astype(np.float32)),
    "another shape than declared": (VECTOR, lambda value, step: value[:2]),
    "a shape that changes": (image(24, 32, 3), lambda value, step: value[: 24 - step]),
    "a Dict that lacks a key": (spaces.Dict(a=VECTOR, b=VECTOR), lambda value, step: {"a": value["a"]}),
    "a list of numbers": (VECTOR, lambda value, step: [float(number) for number in value]),
    "a buffer that is used again": (VECTOR, lambda value, step: _buffer(value)),
}
"""Kinds of observations: a space, whose samples are given, or a space and what is given instead."""
_BUFFERS: dict[int, np.ndarray] = {}


def _buffer(value: np.ndarray) -> np.ndarray:
    buffer = _BUFFERS.setdefault(0, value.copy())
    buffer[:] = value
    return buffer


class Tried(gymnasium.Env):
    """The plain environment: ends after eight steps, is drawn, and takes one bounded action. Kinds change a part."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space: spaces.Space = VECTOR
    action_space: spaces.Space = spaces.Box(-1, 1, (1,), np.float32)
    give: Give = staticmethod(lambda value, step: value)
    length, time = 8, 0

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def observe(self) -> Any:
        return self.give(self.observation_space.sample(), self.time)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.time = 0
        return self.observe(), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.time += 1
        return self.observe(), self.reward(), self.time >= self.length, False, {}

    def reward(self) -> Any:
        return 1.0

    def render(self) -> Any:
        return np.full((48, 64, 3), 30 * self.time, np.uint8)


@dataclass(frozen=True)
class Kind:
    """A kind of environment: what it changes about `Tried`, how it is registered, and options of the command."""

    changes: dict[str, Any] = field(default_factory=dict)
    registered: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ("--env.observe", "all")


PIXELS, BOTH = ("--env.observe", "pixels"), ("--env.observe", "all,pixels")


NOT_DRAWN: dict[str, Any] = {"metadata": {"render_modes": []}, "render": gymnasium.Env.render}


def acts(space: spaces.Space) -> Kind:
    return Kind({"action_space": space})


def does(name: str, method: Callable[..., Any], *options: str) -> Kind:
    return Kind({name: method}, options=options or ("--env.observe", "all"))


def fails(self: Any, *_: Any, **__: Any) -> Any:
    raise OSError("the simulator has gone")


def needs_an_argument(self: Any, gravity: float, render_mode: str | None = None) -> None:
    self.render_mode = render_mode


def fails_in_the_middle(self: Any, action: Any) -> Any:
    return fails(self) if self.time == 3 else Tried.step(self, action)


def reset_without_seed(self: Any) -> Any:
    return Tried.reset(self)


ENVIRONMENTS: dict[str, Kind] = {
    "actions in [-1, 1]": Kind(),
    "actions in [0, 5] and [-2, 2]": acts(spaces.Box(np.float32([0, -2]), np.float32([5, 2]))),
    "actions of shape (2, 2)": acts(spaces.Box(-1, 1, (2, 2), np.float32)),
    "an action of shape ()": acts(spaces.Box(-1, 1, (), np.float32)),
    "whole actions, int64 in [0, 5]": acts(spaces.Box(0, 5, (2,), np.int64)),
    "unbounded actions": acts(spaces.Box(-np.inf, np.inf, (2,), np.float32)),
    "actions with one bound": acts(spaces.Box(0, np.inf, (2,), np.float32)),
    "no action, shape (0,)": acts(spaces.Box(-1, 1, (0,), np.float32)),
    "Discrete actions": acts(spaces.Discrete(3)),
    "Discrete actions that start at 5": acts(spaces.Discrete(3, start=5)),
    "a single Discrete action": acts(spaces.Discrete(1)),
    "MultiDiscrete actions": acts(spaces.MultiDiscrete([2, 3])),
    "MultiBinary actions": acts(spaces.MultiBinary(3)),
    "a Tuple of actions": acts(spaces.Tuple((spaces.Discrete(2), spaces.Discrete(2)))),
    "a Dict of actions": acts(spaces.Dict(a=spaces.Discrete(2))),
    "drawn pixels": Kind(options=PIXELS),
    "drawn pixels beside its own": Kind(options=BOTH),
    "drawn in gray": does("render", lambda self: np.zeros((48, 64), np.uint8), *PIXELS),
    "drawn with alpha": does("render", lambda self: np.zeros((48, 64, 4), np.uint8), *PIXELS),
    "drawn as floats in [0, 1]": does("render", lambda self: np.full((48, 64, 3), 0.6), *PIXELS),
    "drawing gives None": does("render", lambda self: None, *PIXELS),
    "drawing fails": does("render", fails, *PIXELS),
    "drawing fails, not observed": does("render", fails),
    "drawing changes its size": does("render", lambda self: np.zeros((48 + self.time, 64, 3), np.uint8), *PIXELS),
    "no render mode, observed": Kind(
        {"metadata": {"render_modes": []}, "render": gymnasium.Env.render}, options=PIXELS
    ),
    "no render mode, not observed": Kind({"metadata": {"render_modes": []}, "render": gymnasium.Env.render}),
    "no metadata": Kind({"metadata": {}}, options=PIXELS),
    "no method render": Kind({"render": gymnasium.Env.render}),
    "a constructor that needs an argument": does("__init__", needs_an_argument),
    "the same, given --env.kwargs gravity=9.8": Kind(
        {"__init__": needs_an_argument}, options=("--env.observe", "all", "--env.kwargs", "gravity=9.8")
    ),
    "a constructor that fails": does("__init__", fails),
    "a reset that fails": does("reset", fails),
    "a step that fails in the middle": does("step", fails_in_the_middle),
    "close fails": does("close", fails),
    "a reset without a seed": does("reset", reset_without_seed),
    "a reset that gives the observation alone": does("reset", lambda self, **__: Tried.reset(self)[0]),
    "a step of four values": does("step", lambda self, action: Tried.step(self, action)[:4]),
    "a reward of shape (1,)": does("reward", lambda self: np.ones(1)),
    "a reward of shape (2,)": does("reward", lambda self: np.ones(2)),
    "a reward that is NaN": does("reward", lambda self: float("nan")),
    "a reward that is None": does("reward", lambda self: None),
    "episodes of one step": Kind({"length": 1}),
    "no time limit": Kind(registered={"max_episode_steps": None}),
    "no end, and a time limit": Kind({"length": 10**9}, options=("--env.observe", "all", "--env.time_limit", "6")),
    "a wrapper": Kind(registered={"entry_point": lambda **named: gymnasium.Wrapper(Tried(**named))}),
    "a factory that gives no environment": Kind(registered={"entry_point": lambda **named: object()}),
}
"""Kinds of environments."""
PLAIN_OBSERVATIONS = ("a vector", "Dict of image and vector")
PLAIN_ENVIRONMENTS = ("actions in [-1, 1]", "Discrete actions")


def pairs() -> Iterator[tuple[str, str]]:
    """Each kind of observation in plain environments, each kind of environment with plain observations, once."""
    tried = [(observation, plain) for observation in OBSERVATIONS for plain in PLAIN_ENVIRONMENTS]
    tried += [(plain, environment) for environment in ENVIRONMENTS for plain in PLAIN_OBSERVATIONS]
    yield from dict.fromkeys(tried)


def register(observation: str, environment: str) -> str:
    """Register the environment of a pair with Gymnasium, and return its id."""
    given, kind = OBSERVATIONS[observation], ENVIRONMENTS[environment]
    space, give = given if isinstance(given, tuple) else (given, Tried.give)
    parts = {"observation_space": space, "give": staticmethod(give)} | kind.changes
    made = type("Tried", (Tried,), parts)
    gymnasium.registry.pop("Lab-v0", None)
    gymnasium.register("Lab-v0", **({"entry_point": made, "max_episode_steps": 99} | kind.registered))
    return "Lab-v0"


def attempt(observation: str, environment: str, folder: Path) -> tuple[str, str]:
    """Train in the environment of a pair. Return the outcome and its sentence. RuntimeError for any other outcome."""
    options = ["--env.id", register(observation, environment), *ENVIRONMENTS[environment].options]
    outcome = run(["train", "dreamer_v1", *OPTIONS.split(), *options, "--run", "run"], folder)
    return classify(outcome, folder / "run")


def classify(outcome: Outcome, folder: Path) -> tuple[str, str]:
    """Return the outcome of a training and its sentence."""
    lines = outcome.err.strip().splitlines()
    refusals = [line for line in lines if line.startswith("reverie: ")]
    if outcome.code == 2 and refusals == lines[-1:]:
        return "refused", refusals[0].removeprefix("reverie: ")
    if outcome.code != 0 or not any(line["updates"] for line in read_metrics(folder, "train")):
        raise RuntimeError(f"code {outcome.code}: {outcome.out[-300:]} {outcome.err[-600:]}")
    remarks = [line for line in outcome.out.splitlines() if line.startswith("warning: ")]
    return ("remark", remarks[0].removeprefix("warning: ")) if remarks else ("learned", "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only pairs with these words in a name; nothing is written")
    only = parser.parse_args().only
    tried, failures = [], []
    with tempfile.TemporaryDirectory(prefix="kinds-", dir=FAST) as folder:
        attempt(PLAIN_OBSERVATIONS[0], PLAIN_ENVIRONMENTS[0], Path(folder))
        import_as(Path(folder))
    for observation, environment in pairs():
        if only not in observation and only not in environment:
            continue
        with tempfile.TemporaryDirectory(prefix="kinds-", dir=FAST) as folder:
            try:
                outcome, sentence = attempt(observation, environment, Path(folder))
            except RuntimeError as error:
                failures.append(f"{observation} / {environment}: {error}")
                print(f"FAILED {failures[-1]}", flush=True)
                continue
        tried.append({"observation": observation, "environment": environment, "outcome": outcome, "sentence": sentence})
        print(f"{outcome:8} {observation} / {environment}  {sentence}", flush=True)
    machine = {"platform": platform.platform(), "python": platform.python_version()}
    plain = {"plain_observation": PLAIN_OBSERVATIONS, "plain_environment": PLAIN_ENVIRONMENTS}
    result = {"command": "python bench/kinds.py", "machine": machine, **plain, "pairs": tried}
    if not only and not failures:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
