"""Environments as published, and the budgets of a run.

`published_protocol(env_id)` is how the literature plays an environment. `online_preset(size, env_id)` is an agent's run
without model and behavior: environment, replay, schedule and evaluation.

An id begins with its family: `dm_control/walker-walk-v0`, `ALE/Pong-v5`, `MinAtar/Breakout-v1`. Everything else is
Gymnasium's.
"""

from dataclasses import dataclass, replace
from typing import Literal

from reverie.data.interaction import InteractionConfig
from reverie.data.replay import ReplayConfig
from reverie.envs.base import EnvConfig
from reverie.runs.config import EvaluationConfig, OfflineTrainingConfig, OnlineConfig, TrainingConfig


@dataclass(frozen=True)
class Protocol:
    """How published agents play the environments of one family."""

    family: Literal["dm_control", "atari", "minatar", "gymnasium"] = "gymnasium"
    repeat: int = 1
    """Frames of one decision."""
    image_size: int = 64
    """Height and width of an observation, in pixels."""
    terminates: bool = True
    """Whether an episode can end before its time limit. If so, the model predicts the end."""
    fast_rendering: bool = False
    """Whether the family has a faster renderer than the published one."""


PROTOCOLS = {
    "dm_control": Protocol("dm_control", repeat=2, terminates=False, fast_rendering=True),
    "ALE": Protocol("atari", repeat=4),
    "MinAtar": Protocol("minatar", image_size=10),
}
"""By the part of an id before the first slash. DeepMind Control: Hafner 2020; Atari: Machado 2018."""
PLANET_REPEATS = {"cartpole": 8, "reacher": 4, "cheetah": 4, "ball": 4, "cup": 4, "finger": 2, "walker": 2}
"""By the first word of a domain: Hafner 2019, Tab. 2. Other domains of DeepMind Control get 2."""
GOALS = {"reverie/Rope-v0": ("horizontal", "random"), "reverie/Cloth-v0": ("flat", "random")}
"""Environments with goals, and the goals of the final evaluation."""


def published_protocol(env_id: str) -> Protocol:
    """Return the protocol of an environment's family; Gymnasium's environments have one frame a decision."""
    return PROTOCOLS.get(env_id.partition("/")[0], Protocol())


def planet_repeat(env_id: str, otherwise: int) -> int:
    """Return PlaNet's action repeat for a task of DeepMind Control, `otherwise` for other environments."""
    if published_protocol(env_id).family != "dm_control":
        return otherwise
    return PLANET_REPEATS.get(env_id.partition("/")[2].replace("_", "-").split("-")[0], 2)


SMALL = 16
"""Pixels up to which the side of an image counts as small: then it is a vector for dense layers."""
Network = Literal["tiny", "pendulum", "minatar", "pixels", "paper"]
"""The size of network that fits a preset."""


def online_preset(size: str, env_id: str) -> tuple[Network, OnlineConfig]:
    """Return the network that fits, and an agent's run without recipe, model and behavior.

    Size `laptop` is three presets, because the cost of an update is the cost of its images. Two cores have to learn
    Pendulum within minutes, so its images have 32x32 pixels. Images of MinAtar have 10x10 pixels, where convolutions
    gain nothing over dense layers. Everything else has 64x64 pixels, as published. Size `small` is MinAtar's preset for
    any environment.
    """
    if size == "tiny":
        return "tiny", tiny(env_id)
    if size == "paper":
        return "paper", paper(env_id)
    if size == "small" or published_protocol(env_id).family == "minatar":
        return "minatar", minatar(size, env_id)
    return ("pendulum", pendulum()) if env_id == "Pendulum-v1" else ("pixels", pixels(env_id))


def tiny(env_id: str) -> OnlineConfig:
    """Return a run for tests, too short to learn much."""
    env = EnvConfig(env_id, image_size=16, repeat=max(2, published_protocol(env_id).repeat))
    training = TrainingConfig(
        frames=1_000, prefill=400, round=50, updates=5, batch=4, length=8, log_every=50, checkpoint_every=100
    )
    evaluation = EvaluationConfig(every=0, final_episodes=1)
    return OnlineConfig("", "tiny", env=env, replay=ReplayConfig(2_000), training=training, evaluation=evaluation)


def pendulum() -> OnlineConfig:
    """Return the demo: `Pendulum-v1` from 32x32 pixels, in minutes on two cores."""
    env = EnvConfig("Pendulum-v1", image_size=32, repeat=2)
    training = TrainingConfig(
        frames=8_000, prefill=1_000, round=100, updates=50, batch=16, length=24, log_every=100, checkpoint_every=500
    )
    evaluation = EvaluationConfig(every=0, final_episodes=10)
    return OnlineConfig("", "laptop", env=env, replay=ReplayConfig(20_000), training=training, evaluation=evaluation)


def minatar(size: str, env_id: str) -> OnlineConfig:
    """Return a run of MinAtar from its own images of 10x10 pixels; an update takes a fifth of a second on one core.

    Other environments have images of 16x16 pixels and their own time limit.
    """
    protocol = published_protocol(env_id)
    own = protocol.family == "minatar"
    image_size = protocol.image_size if own else SMALL
    env = EnvConfig(env_id, image_size=image_size, repeat=protocol.repeat, time_limit=2_500 if own else None)
    training = TrainingConfig(
        60_000, prefill=4_000, pretrain=200, round=100, updates=10, batch=16, length=16, checkpoint_every=2_500
    )
    evaluation = EvaluationConfig(every=5_000, episodes=10, final_episodes=100)
    return OnlineConfig("", size, env=env, replay=ReplayConfig(200_000), training=training, evaluation=evaluation)


def pixels(env_id: str) -> OnlineConfig:
    """Return a run from 64x64 pixels, with as many updates a frame as published, of smaller batches."""
    protocol = published_protocol(env_id)
    rendering = "fast" if protocol.fast_rendering else "stock"
    env = EnvConfig(env_id, image_size=64, repeat=protocol.repeat, rendering=rendering)
    training = TrainingConfig(
        frames=100_000, prefill=5_000, round=50, updates=10, batch=16, length=24, checkpoint_every=1_000
    )
    evaluation = EvaluationConfig(every=10_000, episodes=1)
    return OnlineConfig("", "laptop", env=env, replay=ReplayConfig(100_000), training=training, evaluation=evaluation)


def paper(env_id: str) -> OnlineConfig:
    """Return Dreamer V1's schedule (Hafner 2020, App. A): 100 updates for 1,000 frames, an evaluation for 10,000."""
    env = EnvConfig(env_id, image_size=64, repeat=published_protocol(env_id).repeat)
    training = TrainingConfig(5_000_000, pretrain=100, round=1_000 // env.repeat)
    evaluation = EvaluationConfig(every=10_000, episodes=1, sampled=True)
    replay = whole_replay(training.frames, env.repeat)
    return OnlineConfig("", "paper", env=env, replay=replay, training=training, evaluation=evaluation)


def whole_replay(frames: int, repeat: int, most: int | None = None) -> ReplayConfig:
    """Return a replay of all decisions of a run, or the newest `most`, that draws from episodes as published.

    The last step of each episode has a column of its own; 1,000 frames for two episodes leave room for them.
    """
    decisions = frames // repeat + frames // 500
    return ReplayConfig(decisions if most is None else min(decisions, most), windows="episodes")


def random_frames(size: str, env_id: str) -> InteractionConfig:
    """Return recorded random interaction. Images have 16x16 pixels in `tiny`, 32x32 in `laptop`, 64x64 in `paper`.

    DeepMind Control has thin parts: it has 64x64 pixels in `laptop` too. It has its published action repeat and, except
    in `paper`, fast rendering.
    """
    control = published_protocol(env_id).family == "dm_control"
    image_size = {"tiny": 16, "laptop": 64 if control else 32, "paper": 64}[size]
    env = EnvConfig(env_id, image_size=image_size, repeat=2 if control else 1)
    if control and size != "paper":
        env = replace(env, rendering="fast")
    return interaction(size, env)


def interaction(size: str, env: EnvConfig) -> InteractionConfig:
    """Return recorded random interaction with an environment, as much as fits the size."""
    train = {"tiny": 200, "small": 4_000, "laptop": 4_000}.get(size, 50_000)
    return InteractionConfig(env, train, train // 10)


def offline_budget(size: str, updates: int, batch: int, length: int) -> OfflineTrainingConfig:
    """Return the budget of a model of recorded data, with the intervals of the size."""
    if size == "tiny":
        return OfflineTrainingConfig(updates, batch, length, log_every=20, checkpoint_every=20, evaluate_every=30)
    if size in ("small", "laptop"):
        return OfflineTrainingConfig(updates, batch, length, evaluate_every=500)
    return OfflineTrainingConfig(updates, batch, length, log_every=500, checkpoint_every=5_000, evaluate_every=5_000)
