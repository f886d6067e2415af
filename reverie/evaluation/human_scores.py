"""What a random player, a professional human and the best human score on the 55 Atari games of DreamerV2.

Random player and professional: Wang et al. 2016 (Dueling Networks), no-op starts; the same numbers as in Badia et al.
2020 (Agent57), without Defender and Surround. Random play under sticky actions differs a little. Records: the published
score files of DreamerV2, after Toromanoff et al. 2019. All numbers are in `human_scores.json`.

In those score files two references differ: `FILE_OF_DREAMER_V2`. The published means follow from the numbers here.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

from reverie.envs.base import EnvConfig
from reverie.envs.gymnasium_registry import parse_kwargs


class Reference(NamedTuple):
    """Scores of whole games."""

    random: float
    human: float
    record: float


SCORES: dict[str, Reference] = {
    game: Reference(*scores) for game, scores in json.loads(Path(__file__).with_suffix(".json").read_text()).items()
}
"""References by the game as in its id, `ALE/NAME-v5`."""
FILE_OF_DREAMER_V2 = {"Alien": (228.8, 7127.7), "Jamesbond": (7.0, 29.0)}
"""Random player and human as the score files of DreamerV2 have them, where these differ from `SCORES`."""


def normalized(env: EnvConfig, score: float, best: str = "human") -> float | None:
    """Return `(score - random) / (best - random)`: 0 is as good as random, 1 as a `human` or the `record`.

    None where no human score is known, or less than a whole game is played (a time limit, an end at a lost life).
    """
    game = env.id.removeprefix("ALE/").rpartition("-")[0]
    if game not in SCORES or env.time_limit is not None or parse_kwargs(env.kwargs).get("life_loss"):
        return None
    return _normalized(game, score, best)


def aggregate(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the four published aggregates of scores by game (Hafner 2021, Sec. 3).

    They are median and mean of human-normalized scores, and the mean of record-normalized scores, also clipped at 1.
    No single game decides the last one. KeyError for a game without references.
    """
    human, record = ([_normalized(game, score, best) for game, score in scores.items()] for best in ("human", "record"))
    return {
        "human_median": median(human),
        "human_mean": fmean(human),
        "record_mean": fmean(record),
        "clipped_record_mean": fmean(min(score, 1.0) for score in record),
    }


def _normalized(game: str, score: float, best: str) -> float:
    reference = SCORES[game]
    return (score - reference.random) / (getattr(reference, best) - reference.random)
