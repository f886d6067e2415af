"""Stored beliefs: they belong to their columns, begin sequences, are overwritten, and survive a checkpoint."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mocks import Value, model_config, spec
from test_replay import SPEC, stretch

from reverie import tree
from reverie.data import latent_replay
from reverie.data import storage as storages
from reverie.data.latent_replay import LatentReplay, from_rows, to_rows
from reverie.data.replay import ReplayConfig
from reverie.dynamics.rssm import RSSMState
from reverie.errors import UserError
from reverie.models.world_model import WorldModel
from reverie.testing.batches import random_batch
from reverie.types import Context


def make(capacity: int = 20, environments: int = 1, seed: int = 0) -> LatentReplay:
    generator = torch.Generator().manual_seed(seed)
    initial = Value(torch.tensor([[-1.0]]))
    return LatentReplay(ReplayConfig(capacity), SPEC, torch.device("cpu"), generator, initial, environments)


def play(replay: LatentReplay, length: int, environment: int = 0) -> None:
    """Add an episode whose beliefs are the numbers of its columns."""
    for t in range(length - 1):
        beliefs = torch.full((len(replay.playing), 1), float(replay.total + t))
        replay.record(Value(beliefs), np.full(len(replay.playing), t == 0))
    replay.add_episode(stretch(replay.total, length), environment)


def test_a_sequence_begins_at_the_belief_and_action_of_the_column_before():
    replay = make()
    play(replay, 5)
    play(replay, 6)
    batch = replay.sample(50, 3)
    before = batch.obs["state"][:, 0] - 1
    assert before.min() == 0
    assert batch.obs["state"].max() == 10
    expected = torch.where((before == 4) | (before == 10), torch.tensor(-1.0), before)  # nothing is decided at an end
    torch.testing.assert_close(batch.context.belief.value, expected)
    torch.testing.assert_close(batch.context.action, -before)
    assert torch.equal(batch.context.columns, batch.obs["state"][..., 0].long())


def test_beliefs_follow_their_columns_around_the_ring():
    replay = make(capacity=7)
    for length in (5, 6, 4):
        play(replay, length)
    batch = replay.sample(50, 2)
    before = batch.obs["state"][:, 0] - 1
    assert (before.min(), batch.obs["state"].max()) == (8, 14)
    expected = torch.where(before == 10, torch.tensor(-1.0), before)
    torch.testing.assert_close(batch.context.belief.value, expected)
    assert torch.equal(batch.context.columns, batch.obs["state"][..., 0].long() % 7)


def test_an_episode_longer_than_the_ring_keeps_its_end():
    replay = make(capacity=4)
    play(replay, 9)
    batch = replay.sample(20, 2)
    torch.testing.assert_close(batch.context.belief.value, batch.obs["state"][:, 0] - 1)


def test_newer_beliefs_overwrite_older_ones_and_the_last_sequence_wins():
    replay = make()
    play(replay, 10)
    columns = torch.tensor([[1, 2, 3], [3, 4, 5]])
    replay.write_latents(columns, Value(torch.tensor([[[10.0], [20.0], [30.0]], [[31.0], [40.0], [50.0]]])))
    assert replay.latents[:7, 0].tolist() == [0, 10, 20, 31, 40, 50, 6]


def test_each_environment_has_beliefs_of_its_own():
    replay = make(environments=2)
    for t in range(3):
        replay.record(Value(torch.tensor([[float(t)], [10.0 + t]])), np.array([t == 0, t < 2]))
    replay.add_episode(stretch(0, 3), 1)  # its episode began at the second decision
    assert replay.latents[:3, 0].tolist() == [11, 12, -1]
    replay.add_episode(stretch(3, 4), 0)
    assert replay.latents[3:7, 0].tolist() == [0, 1, 2, -1]


def test_latents_survive_a_checkpoint():
    replay, restored = make(), make()
    play(replay, 5)
    replay.record(Value(torch.tensor([[7.5]])), np.array([True]))
    restored.add(stretch(0, 5))
    restored.load_latent_state(replay.latent_state())
    assert torch.equal(restored.latents, replay.latents)
    for one in (replay, restored):
        one.add_episode(stretch(5, 2), 0)
    assert torch.equal(restored.latents, replay.latents)
    assert replay.latents[5, 0] == 7.5


def test_latents_of_a_full_ring_survive_a_checkpoint():
    """The restored ring holds the newest columns alone, in their old places."""
    replay, restored = make(capacity=7), make(capacity=7)
    for length in (5, 6, 4):
        play(replay, length)
    restored.total = replay.oldest
    restored.add({name: x[-7:] for name, x in stretch(0, 15).items()})
    restored.load_latent_state(replay.latent_state())
    replay.generator.manual_seed(1), restored.generator.manual_seed(1)
    one, other = replay.sample(20, 2), restored.sample(20, 2)
    torch.testing.assert_close(one.context.belief.value, other.context.belief.value)
    assert torch.equal(one.obs["state"], other.obs["state"])


def test_states_become_rows_and_come_back():
    state = RSSMState(torch.randn(3, 2), torch.eye(3), Value(1e6 * torch.ones(3, 1)))
    rows = to_rows(state)
    assert (rows.shape, rows.dtype) == ((3, 6), torch.float16)
    like = RSSMState(torch.zeros(1, 2), torch.zeros(1, 3), Value(torch.zeros(1, 1)))
    back = from_rows(rows, like)
    torch.testing.assert_close(back.deter, state.deter, atol=1e-3, rtol=1e-3)
    assert torch.equal(back.stoch, state.stoch)
    assert back.stats.value.isfinite().all()


def test_too_little_memory_is_one_sentence(monkeypatch):
    monkeypatch.setattr(storages, "available_memory", lambda device: 2**40)
    monkeypatch.setattr(latent_replay, "available_memory", lambda device: 2**20)
    with pytest.raises(UserError, match=r"latents of 1,000,000 decisions need 0\.00 GiB.* --replay\.latents false"):
        make(capacity=1_000_000)


def test_a_model_continues_where_a_sequence_was_cut():
    """The posteriors of a whole sequence equal those of its second half, given the belief and action before it."""
    torch.manual_seed(0)
    seen = spec(image=16, vector=2)
    model, batch = WorldModel(model_config(), seen), random_batch(seen, 3, 6)
    noise = model.noise(3, 6, torch.Generator().manual_seed(0))
    whole = model.trace(batch, noise)
    belief = tree.map(lambda x: x[:, 2], whole.posterior)
    context = Context(belief, batch.action[:, 2], torch.zeros(3, 3, dtype=torch.long))
    names = ("action", "reward", "is_first", "is_last", "is_terminal")
    columns = {name: getattr(batch, name)[:, 3:] for name in names}
    obs = {name: x[:, 3:] for name, x in batch.obs.items()}
    half = model.trace(replace(batch, obs=obs, **columns, context=context), noise[:, 3:])
    torch.testing.assert_close(half.features, whole.features[:, 3:], rtol=1e-5, atol=1e-5)
    without = model.trace(replace(batch, obs=obs, **columns), noise[:, 3:])
    assert not torch.allclose(without.features[0], whole.features[0, 3:], atol=1e-3)
