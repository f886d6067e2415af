"""Everything that recipes know of families of environments, and the budgets that follow from it.

`published_protocol(env_id)` says how the literature plays an environment. `online_preset(size, env_id)` is an agent's
run without model and behavior: environment, replay, schedule and evaluation.

An id begins with its family: `dm_control/walker-walk-v0`, `ALE/Pong-v5`, `MinAtar/Breakout-v1`. Everything else is
Gymnasium's.
"""

from dataclasses import dataclass, replace
from typing import Literal

from reverie.data.interaction import InteractionConfig
from reverie.data.replay import ReplayConfig
from reverie.envs.base import EnvConfig
from reverie.runs.config import EvaluationConfig, OfflineTrainingConfig, OnlineConfig, TrainingConfig

Family = Literal["dm_control", "atari", "minatar", "gymnasium"]


@dataclass(frozen=True)
class Protocol:
    """How published agents play the environments of one family."""

    family: Family = "gymnasium"
    repeat: int = 1
    """Frames that one decision is held for."""
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
PLANET_REPEATS = {"cartpole": 8, "reacher": 4, "cheetah": 4, "ball_in_cup": 4, "cup": 4, "finger": 2, "walker": 2}
"""Hafner 2019, Tab. 2; other domains of DeepMind Control get 2."""
GOALS = {"reverie/Rope-v0": ("horizontal", "random"), "reverie/Cloth-v0": ("flat", "random")}
"""Environments that give goals, with the goals that a finished model is evaluated on."""


def published_protocol(env_id: str) -> Protocol:
    """The protocol of an environment's family; Gymnasium's environments are played one frame a decision."""
    return PROTOCOLS.get(env_id.partition("/")[0], Protocol())


def planet_repeat(env_id: str, otherwise: int) -> int:
    """PlaNet's action repeat for a task of DeepMind Control; `otherwise` for other environments."""
    if published_protocol(env_id).family != "dm_control":
        return otherwise
    domain = env_id.partition("/")[2].replace("_", "-").split("-")[0]
    return PLANET_REPEATS.get({"ball": "ball_in_cup"}.get(domain, domain), 2)


def published_env(env_id: str) -> EnvConfig:
    """The environment as published agents play it: 64x64 pixels, the family's action repeat, its own renderer."""
    return EnvConfig(env_id, image_size=64, repeat=published_protocol(env_id).repeat)


Network = Literal["tiny", "pendulum", "minatar", "pixels", "paper"]
"""The size of network that fits a preset."""


def online_preset(size: str, env_id: str) -> tuple[Network, OnlineConfig]:
    """The network that fits, and an agent's run without recipe, model and behavior, for one size and environment.

    Size `laptop` is three presets, because the cost of an update is the cost of its images. Two cores have to learn
    Pendulum within minutes, so it is drawn at 32x32. Images of MinAtar have 10x10 pixels, where convolutions gain
    nothing over dense layers. Everything else is seen at 64x64, as published.
    """
    if size == "tiny":
        return "tiny", tiny(env_id)
    if size == "paper":
        return "paper", paper(env_id)
    if published_protocol(env_id).family == "minatar":
        return "minatar", minatar(env_id)
    return ("pendulum", pendulum()) if env_id == "Pendulum-v1" else ("pixels", pixels(env_id))


def tiny(env_id: str) -> OnlineConfig:
    """Small enough that a test can train it; too small to learn much."""
    return OnlineConfig(
        "",
        "tiny",
        env=EnvConfig(env_id, image_size=16, repeat=max(2, published_protocol(env_id).repeat)),
        replay=ReplayConfig(capacity=2_000),
        training=TrainingConfig(
            frames=1_000, prefill=400, round=50, updates=5, batch=4, length=8, log_every=50, checkpoint_every=100
        ),
        evaluation=EvaluationConfig(every=0, final_episodes=1),
    )


def pendulum() -> OnlineConfig:
    """The demo: `Pendulum-v1` from 32x32 pixels, in minutes on two cores."""
    return OnlineConfig(
        "",
        "laptop",
        env=EnvConfig("Pendulum-v1", image_size=32, repeat=2),
        replay=ReplayConfig(capacity=20_000),
        training=TrainingConfig(
            frames=8_000, prefill=1_000, round=100, updates=50, batch=16, length=24, log_every=100, checkpoint_every=500
        ),
        evaluation=EvaluationConfig(every=0, final_episodes=10),
    )


def minatar(env_id: str) -> OnlineConfig:
    """MinAtar from its own images of 10x10 pixels: an update takes a fifth of a second on one core."""
    return OnlineConfig(
        "",
        "laptop",
        env=EnvConfig(env_id, image_size=published_protocol(env_id).image_size, time_limit=2_500),
        replay=ReplayConfig(capacity=200_000),
        training=TrainingConfig(
            frames=60_000,
            prefill=4_000,
            pretrain=200,
            round=100,
            updates=10,
            batch=16,
            length=16,
            log_every=500,
            checkpoint_every=2_500,
        ),
        evaluation=EvaluationConfig(every=5_000, episodes=10, final_episodes=100),
    )


def pixels(env_id: str) -> OnlineConfig:
    """Any environment from 64x64 pixels: as many updates a frame as published, of smaller batches."""
    fast = published_protocol(env_id).fast_rendering
    return OnlineConfig(
        "",
        "laptop",
        env=replace(published_env(env_id), rendering="fast" if fast else "stock"),
        replay=ReplayConfig(capacity=100_000),
        training=TrainingConfig(
            frames=100_000, prefill=5_000, round=50, updates=10, batch=16, length=24, checkpoint_every=1_000
        ),
        evaluation=EvaluationConfig(every=10_000, episodes=1),
    )


def paper(env_id: str) -> OnlineConfig:
    """Dreamer V1's schedule for DeepMind Control (Hafner 2020, App. A)."""
    return OnlineConfig(
        "",
        "paper",
        env=published_env(env_id),
        training=TrainingConfig(pretrain=100),
        evaluation=EvaluationConfig(every=10_000, episodes=1),
    )


def random_frames(size: str, env_id: str) -> InteractionConfig:
    """Recorded random interaction. DeepMind Control has its published action repeat, and fast rendering but in `paper`.

    Images are 16x16 in `tiny` and 64x64 in `paper`; in `laptop` 32x32, but for DeepMind Control's thin parts.
    """
    control = published_protocol(env_id).family == "dm_control"
    env = EnvConfig(
        env_id,
        image_size=16 if size == "tiny" else 64 if size == "paper" or control else 32,
        repeat=2 if control else 1,
        rendering="fast" if control and size != "paper" else "stock",
    )
    train = {"tiny": 200, "laptop": 4_000, "paper": 50_000}[size]
    return InteractionConfig(env, train, train // 10)


def offline_budget(size: str, length: int) -> OfflineTrainingConfig:
    """Updates and batches of a generative model; `length` 2 where the step before is needed."""
    if size == "tiny":
        return OfflineTrainingConfig(60, 16, length, log_every=20, checkpoint_every=20, evaluate_every=30)
    if size == "laptop":
        return OfflineTrainingConfig(3_000 if length == 1 else 2_000, 64, length, evaluate_every=500)
    return OfflineTrainingConfig(100_000, 100, length, log_every=500, checkpoint_every=5_000, evaluate_every=5_000)
