"""What a random player and a professional human score on the 55 Atari games that DreamerV2 was evaluated on.

Wang et al. 2016 (Dueling Networks), no-op starts; the same numbers as in Badia et al. 2020 (Agent57), without Defender
and Surround. Random play under sticky actions differs a little. The numbers are in `human_scores.json`.
"""

import json
from pathlib import Path

from reverie.envs.base import EnvConfig
from reverie.envs.gymnasium_registry import parse_kwargs

SCORES: dict[str, tuple[float, float]] = {
    game: (random, human)
    for game, (random, human) in json.loads(Path(__file__).with_suffix(".json").read_text()).items()
}
"""Game as in its id, `ALE/NAME-v5`: random, human."""


def normalized(env: EnvConfig, score: float) -> float | None:
    """Return `(score - random) / (human - random)`: 0 is as good as random, 1 as a human.

    None where no human score is known, or less than a whole game is played (a time limit, an end at a lost life).
    """
    game = env.id.removeprefix("ALE/").rpartition("-")[0]
    if game not in SCORES or env.time_limit is not None or parse_kwargs(env.kwargs).get("life_loss"):
        return None
    random, human = SCORES[game]
    return (score - random) / (human - random)
