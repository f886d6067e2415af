"""Where dreams begin: contexts within one episode."""

import numpy as np
import torch

from reverie.data.episodes import to_columns
from reverie.play.recordings import CONTEXT, Recordings


def columns(*lengths):
    """Episodes of so many decisions, whose observation counts all columns."""
    episodes, count = [], 0
    for length in lengths:
        obs = np.arange(count, count + length, dtype=np.float32)[:, None]
        episodes.append(to_columns({"state": obs}, np.zeros((length - 1, 1), np.float32), np.zeros(length)))
        count += length
    return {name: torch.cat([episode[name] for episode in episodes]) for name in episodes[0]}


def test_a_context_lies_within_one_episode_and_before_its_end():
    recordings = Recordings(columns(7, 6, 3))
    assert recordings.moments.tolist() == [4, 5, 11]
    batch = recordings.draw(50, np.random.default_rng(0), torch.device("cpu"))
    assert batch.obs["state"].shape == (50, CONTEXT, 1)
    assert {tuple(row) for row in batch.obs["state"][..., 0].tolist()} == {
        (0, 1, 2, 3, 4),
        (1, 2, 3, 4, 5),
        (7, 8, 9, 10, 11),
    }
    assert not batch.is_last.any()


def test_of_short_episodes_the_context_is_short():
    assert Recordings(columns(3, 2)).moments.tolist() == [2]
    assert Recordings(columns(3, 3)).length == 3
