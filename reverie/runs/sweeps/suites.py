"""Named lists of tasks with the protocol, the budget and the references of the literature. Nothing here imports torch.

A protocol is a set of settings that every cell gets: how a task is observed and played. Size and frames are the user's.
Where published scores were made under different protocols, each is one by the name of its method.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reverie.errors import UserError, nearest


@dataclass(frozen=True)
class Protocol:
    """How the tasks of a suite are played for comparison with some published scores."""

    settings: Mapping[str, str]
    """Settings of every cell by dotted path, as typed."""
    references: tuple[str, ...]
    """Methods whose published scores were made so."""
    source: str
    """Where the protocol is described, and what is special about its scores."""


@dataclass(frozen=True)
class Suite:
    """A named list of tasks."""

    description: str
    tasks: tuple[str, ...]
    frames: int
    """The published budget of a task, in environment frames."""
    size: str
    """The size of the recipes that the published scores are compared with."""
    protocols: Mapping[str, Protocol]
    """By the name of a reference; the first one is the default."""


def _dmc(*names: str) -> tuple[str, ...]:
    return tuple(f"dm_control/{name}-v0" for name in names)


def _atari(*games: str) -> tuple[str, ...]:
    return tuple(f"ALE/{game}-v5" for game in games)


_WITHOUT_QUADRUPED = _dmc(
    "acrobot-swingup", "ball_in_cup-catch", "cartpole-balance", "cartpole-balance_sparse", "cartpole-swingup",
    "cartpole-swingup_sparse", "cheetah-run", "finger-spin", "finger-turn_easy", "finger-turn_hard", "hopper-hop",
    "hopper-stand", "pendulum-swingup", "reacher-easy", "reacher-hard", "walker-run", "walker-stand", "walker-walk",
)  # fmt: skip
_ATARI_26 = _atari(
    "Alien", "Amidar", "Assault", "Asterix", "BankHeist", "BattleZone", "Boxing", "Breakout", "ChopperCommand",
    "CrazyClimber", "DemonAttack", "Freeway", "Frostbite", "Gopher", "Hero", "Jamesbond", "Kangaroo", "Krull",
    "KungFuMaster", "MsPacman", "Pong", "PrivateEye", "Qbert", "RoadRunner", "Seaquest", "UpNDown",
)  # fmt: skip
_ATARI_55 = _atari(*json.loads((Path(__file__).parents[2] / "evaluation" / "human_scores.json").read_text()))


def _ale(sticky: float, noops: int, full_actions: bool, grayscale: bool, life_loss: bool = False) -> dict[str, str]:
    """Return the settings of Atari games: a decision is four frames, the last two merged by their maximum."""
    flags = {"full_actions": full_actions, "life_loss": life_loss, "grayscale": grayscale}
    texts = [f"sticky={sticky:g}", f"noops={noops}", *(f"{name}={str(flag).lower()}" for name, flag in flags.items())]
    return {"env.repeat": "4", "env.kwargs": ",".join(texts)}


SUITES: dict[str, Suite] = {
    "dmc20": Suite(
        "20 tasks of DeepMind Control from pixels, 1,000,000 frames",
        (*_WITHOUT_QUADRUPED[:13], *_dmc("quadruped-run", "quadruped-walk"), *_WITHOUT_QUADRUPED[13:]),
        1_000_000,
        "paper",
        {
            "dreamer": Protocol(
                {"env.observe": "pixels", "env.repeat": "2"},
                ("dreamer_v1", "dreamer_v2", "dreamer_v3"),
                "Hafner 2020, 2021, 2023. DreamerV3's scores are those of April 2024, with the same action repeat.",
            )
        },
    ),
    "dmc_proprio18": Suite(
        "18 tasks of DeepMind Control from their vectors, 500,000 frames",
        _WITHOUT_QUADRUPED,
        500_000,
        "paper",
        {
            "dreamer_v3": Protocol(
                {"env.observe": "all", "env.repeat": "2"},
                ("dreamer_v3", "tdmpc2"),
                "Hafner 2023, scores of April 2024. TD-MPC2's scores are of evaluations, not of training.",
            )
        },
    ),
    "atari55": Suite(
        "55 Atari games with sticky actions, 200,000,000 frames",
        _ATARI_55,
        200_000_000,
        "paper",
        {
            "dreamer_v2": Protocol(
                _ale(sticky=0.25, noops=30, full_actions=True, grayscale=True),
                ("dreamer_v2",),
                "Hafner 2021, App. D, after Machado 2018: screens of 64x64 pixels.",
            ),
            "dreamer_v3": Protocol(
                _ale(sticky=0.25, noops=30, full_actions=True, grayscale=True) | {"env.image_size": "96"},
                ("dreamer_v3",),
                "Hafner 2023: screens of 96x96 pixels; it also has Defender and Surround.",
            ),
        },
    ),
    "atari26_100k": Suite(
        "26 Atari games without sticky actions, 400,000 frames",
        _ATARI_26,
        400_000,
        "paper",
        {
            "dreamer_v3": Protocol(
                _ale(sticky=0, noops=0, full_actions=True, grayscale=False),
                ("dreamer_v3",),
                "Hafner 2023, scores of April 2024: all 18 actions, and no actions left out at the start.",
            ),
            "dreamer_v3_head": Protocol(
                _ale(sticky=0, noops=30, full_actions=False, grayscale=False),
                ("dreamer_v3",),
                "The repository of DreamerV3 since then: actions with an effect, up to 30 frames without one.",
            ),
            "iris": Protocol(
                _ale(sticky=0, noops=30, full_actions=False, grayscale=False, life_loss=True),
                ("iris",),
                "Micheli 2023: a lost life ends a training episode. Its scores are of whole games, which "
                "`reverie evaluate CELL --env.kwargs` with life_loss=false plays.",
            ),
        },
    ),
    "minatar5": Suite(
        "5 games of MinAtar from their own images, 5,000,000 frames",
        tuple(f"MinAtar/{game}-v1" for game in ("Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders")),
        5_000_000,
        "laptop",
        {
            "minatar": Protocol(
                {"env.observe": "pixels", "env.repeat": "1", "env.time_limit": "none"},
                (),
                "Young & Tian 2019: sticky actions (0.1) and rising difficulty; here with the actions that have an "
                "effect in a game.",
            )
        },
    ),
    "classic": Suite(
        "5 tasks of classic control from pixels, 100,000 frames",
        ("Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"),
        100_000,
        "laptop",
        {
            "gymnasium": Protocol(
                {"env.observe": "pixels"},
                (),
                "Gymnasium calls a task solved at -100, 475, -110 and 90; Pendulum has no such number. There are no "
                "published scores from pixels.",
            )
        },
    ),
}


def find_suite(name: str) -> Suite:
    """Return a suite. UserError for an unknown name."""
    if name not in SUITES:
        raise UserError(f"There is no suite `{name}`.{nearest(name, SUITES)} There is {', '.join(SUITES)}.")
    return SUITES[name]


def find_protocol(suite: str, reference: str | None) -> Protocol:
    """Return the protocol of a reference, or the first of the suite. UserError for an unknown reference."""
    protocols = find_suite(suite).protocols
    if reference is None:
        return next(iter(protocols.values()))
    if reference not in protocols:
        raise UserError(
            f"The suite {suite} has no protocol `{reference}`.{nearest(reference, protocols)} There is "
            f"{', '.join(protocols)}."
        )
    return protocols[reference]


def choose_tasks(suite: str, tasks: tuple[str, ...]) -> tuple[str, ...]:
    """Return all tasks of a suite, or those that were chosen. UserError for one that it does not have."""
    there = find_suite(suite).tasks
    for task in tasks:
        if task not in there:
            raise UserError(f"The suite {suite} has no task {task}.{nearest(task, there)}")
    return tasks or there
