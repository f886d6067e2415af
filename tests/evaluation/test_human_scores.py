"""Reference scores of Atari, and aggregates over games."""

import pytest

from reverie.envs.base import EnvConfig
from reverie.evaluation import published
from reverie.evaluation.human_scores import FILE_OF_DREAMER_V2, SCORES, aggregate, normalized


def test_aggregates_by_hand():
    """Boxing: random 0.1, human 12.1, record 100. Pong: -20.7, 14.6, 21. Freeway: 0, 29.6, 38."""
    found = aggregate({"Boxing": 24.1, "Pong": 21.0, "Freeway": 57.0})
    human = [24 / 12, 41.7 / 35.3, 57 / 29.6]
    record = [24 / 99.9, 1.0, 1.5]
    assert found["human_mean"] == pytest.approx(sum(human) / 3)
    assert found["human_median"] == pytest.approx(57 / 29.6)
    assert found["record_mean"] == pytest.approx(sum(record) / 3)
    assert found["clipped_record_mean"] == pytest.approx((24 / 99.9 + 1 + 1) / 3)


def test_the_scores_of_rainbow_give_its_published_aggregates():
    """Hafner 2021, Tab. 1, rounded: gamer median 1.47, gamer mean 9.12, record mean and clipped record mean 0.17."""
    scores = {game: published.points("rainbow", "atari", f"ALE/{game}-v5")[0].mean for game in SCORES}
    found = aggregate(scores)
    assert [round(value, 2) for value in found.values()] == [1.47, 9.12, 0.17, 0.17]


def test_two_references_differ_from_the_published_files():
    differ = {game: (SCORES[game].random, SCORES[game].human) for game in FILE_OF_DREAMER_V2}
    assert differ == {"Alien": (227.8, 7127.7), "Jamesbond": (29.0, 302.8)}
    assert all(differ[game] != scores for game, scores in FILE_OF_DREAMER_V2.items())


def test_a_record_is_1_and_part_of_a_game_has_no_score():
    env = EnvConfig("ALE/Boxing-v5")
    assert normalized(env, 100.0, "record") == normalized(env, 12.1) == pytest.approx(1.0)
    assert normalized(EnvConfig("ALE/Boxing-v5", kwargs=("life_loss=true",)), 100.0, "record") is None
