"""The collection loop, with environments that count: frame n of an episode gives the reward n."""

import numpy as np
import pytest
import torch

from reverie.data.collector import Collector, random_actions
from reverie.data.episodes import Episode
from reverie.envs.base import Step
from reverie.spaces import ActionSpace, EnvSpec, Space


class Counting:
    """Environments whose episodes last `length` decisions. `dies` names (environment, decision) at which it does."""

    def __init__(self, count: int = 1, length: int = 3, terminal: bool = False, dies: tuple = ()) -> None:
        self.count, self.length, self.terminal, self.dies = count, length, terminal, set(dies)
        self.spec = EnvSpec({"n": Space((2,), "float32")}, ActionSpace(1, False), 1)
        self.n = dict.fromkeys(range(count), 0)
        self.seeds: list[tuple[int, int]] = []
        self.decisions = 0

    def _obs(self, i: int, action: float) -> dict:
        return {"n": np.array([self.n[i], action], np.float32)}

    def reset(self, seeds):
        self.seeds += list(seeds.items())
        self.n |= dict.fromkeys(seeds, 0)
        return {i: Step(self._obs(i, 0.0), 0.0, True, False, False) for i in seeds}

    def step(self, actions):
        steps, self.decisions = {}, self.decisions + 1
        for i, action in actions.items():
            self.n[i] += 1
            over = self.n[i] == self.length
            step = Step(self._obs(i, action[0]), float(self.n[i]), False, over, over and self.terminal)
            steps[i] = None if (i, self.decisions) in self.dies else step
        return steps

    def close(self) -> None:
        pass


class Sampling(Counting):
    """Chooses its random actions itself, all of them positive."""

    def sample_actions(self, count, seeds):
        return {i: np.full((count, 1), seed / 2**31, np.float32) for i, seed in seeds.items()}


class Forgetful(Counting):
    """Shows the decisions of its whole life instead of the episode's; its rewards repeat themselves."""

    def _obs(self, i, action):
        return {"n": np.array([self.decisions, action], np.float32)}


def half(obs, is_first):
    """0.5 and its number for each decision since the start of the episode."""
    return obs["n"][:, :1] / 10


def play(collector: Collector, decisions: int) -> list[Episode]:
    return [episode for _ in range(decisions) for episode in collector.step(half)]


def test_an_episode_keeps_every_frame_from_the_first_to_the_final():
    (episode,) = play(Collector(Counting(terminal=True), seed=0), 3)
    columns = episode.columns()
    assert columns["obs/n"][:, 0].tolist() == [0, 1, 2, 3]
    assert columns["reward"].tolist() == [0, 1, 2, 3]  # the last reward lies on the final observation
    np.testing.assert_allclose(columns["action"][:, 0], [0, 0.1, 0.2, 0])
    np.testing.assert_allclose(columns["obs/n"][1:, 1], columns["action"][:-1, 0])
    assert columns["is_first"].tolist() == [True, False, False, False]
    assert columns["is_last"].tolist() == [False, False, False, True]
    assert columns["is_terminal"].tolist() == [False, False, False, True]
    assert episode.undiscounted_return == 6


def test_a_time_limit_is_last_and_not_terminal():
    (episode,) = play(Collector(Counting(terminal=False), seed=0), 3)
    assert episode.columns()["is_last"].tolist() == [False, False, False, True]
    assert not episode.columns()["is_terminal"].any()


def test_act_gets_is_first():
    heard = []

    def act(obs, is_first):
        heard.append(is_first.tolist())
        return np.zeros((2, 1), np.float32)

    collector = Collector(Counting(count=2, length=2, dies=[(1, 3)]), seed=0)
    for _ in range(5):
        collector.step(act)
    assert heard == [[True, True], [False, False], [True, True], [False, True], [True, False]]


def test_each_episode_has_a_seed_of_its_own():
    seeds = []
    for seed, stream in [(0, 0), (0, 1), (1, 0)]:
        world = Counting(count=2)
        play(Collector(world, seed, stream), 7)
        seeds += world.seeds
    again = Counting(count=2)
    play(Collector(again, 0, 0), 7)
    assert again.seeds == seeds[:6]
    assert len({seed for _, seed in seeds}) == len(seeds) == 18
    assert all(0 <= seed < 2**31 for _, seed in seeds)


def test_the_episode_of_a_dead_worker_is_discarded_whole():
    world = Counting(count=2, dies=[(0, 2)])
    finished = play(Collector(world, seed=0), 5)
    assert [episode.columns()["reward"].tolist() for episode in finished] == [[0, 1, 2, 3], [0, 1, 2, 3]]
    assert len(world.seeds) == 4  # both at first, the dead one anew, the one that finished anew


def test_alike_a_dead_worker_repeats_its_seed():
    world = Counting(count=2, dies=[(0, 2)])
    play(Collector(world, seed=0, alike=True), 5)
    first, same, again, *_ = (seed for _, seed in world.seeds)
    assert first == same == again


def columns_of(episodes: list[Episode]) -> list[dict]:
    return [{name: column.tolist() for name, column in episode.columns().items()} for episode in episodes]


@pytest.mark.parametrize("decisions", [0, 1, 3, 5])
def test_unfinished_episodes_are_restored_by_playing_them_again(decisions, recwarn):
    whole, broken = Collector(Counting(count=2), seed=3), Collector(Counting(count=2), seed=3)
    play(whole, decisions)
    play(broken, decisions)
    restored = Collector(Counting(count=2), seed=3)
    restored.restore(broken.state())
    assert columns_of(play(restored, 7)) == columns_of(play(whole, 7))
    assert restored.started == whole.started
    assert not recwarn.list


def test_restore_discards_an_episode_that_differs_with_a_warning():
    """Even where only the observation differs."""
    broken = Collector(Forgetful(), seed=0)
    play(broken, 5)
    restored = Collector(Forgetful(), seed=0)
    with pytest.warns(UserWarning, match="does not repeat itself"):
        restored.restore(broken.state())
    (episode,) = play(restored, 3)
    assert episode.columns()["reward"].tolist() == [0, 1, 2, 3]
    assert restored.started == [3]


def test_random_actions_come_from_the_environment_if_it_samples_them():
    world = Sampling(count=3)
    drawn = [random_actions(world, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert drawn[0].shape == (3, 1)
    assert (drawn[0] >= 0).all()
    assert len(set(drawn[0].flatten())) == 3
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


def test_other_random_actions_are_uniform_by_one_generator_or_by_one_each():
    world = Counting(count=3)
    expected = 2 * torch.rand(3, 1, generator=torch.Generator().manual_seed(0)).numpy() - 1
    np.testing.assert_array_equal(random_actions(world, torch.Generator().manual_seed(0)), expected)
    each = random_actions(world, *(torch.Generator().manual_seed(0) for _ in range(3)))
    np.testing.assert_array_equal(each, expected[[0, 0, 0]])
