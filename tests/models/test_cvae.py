"""The condition of a CVAE: what it depends on, and the steps without one."""

import pytest
import torch
from pictures import SPEC, B, T, batch

from reverie.errors import UserError
from reverie.models.cvae import CVAEConfig
from reverie.nn.mlp import MLPConfig
from reverie.spaces import EnvSpec
from reverie.types import Batch


def condition_changes(model, change) -> torch.Tensor:
    """Return where (B, T) the condition differs after `change` of a batch's observations or actions."""
    original, changed = batch(), batch()
    change(changed)
    return (model.condition(original) != model.condition(changed)).any(-1)


def make(**settings):
    torch.manual_seed(0)
    return CVAEConfig(image=MLPConfig(1, 8), hidden=MLPConfig(1, 8), **settings).build(SPEC)


def test_the_past_is_the_previous_frame_and_action():
    model = make(given="past")

    def change_frame(batch: Batch) -> None:
        batch.obs["view"][:, 1] = 255 - batch.obs["view"][:, 1]

    def change_action(batch: Batch) -> None:
        batch.action[:, 1] += 0.5

    for change in (change_frame, change_action):
        assert condition_changes(model, change).tolist() == [[False, False, True]] * B


def test_vectors_are_those_of_the_same_step():
    model = make(given="vectors")

    def change_vector(batch: Batch) -> None:
        batch.obs["side"][:, 1] += 1

    assert condition_changes(model, change_vector).tolist() == [[False, True, False]] * B


def test_steps_without_a_past_do_not_count():
    model, seen = make(given="past"), batch()
    assert model.targets(seen).mask.tolist() == [[0, 1, 1], [0, 1, 0]] + [[0, 1, 1]] * 3
    losses = model.losses(model.trace(seen, None))
    seen.obs["view"][1, 2] = 0  # the first frame of an episode has no condition
    again = model.losses(model.trace(seen, None))
    torch.testing.assert_close(losses["reconstruction"], again["reconstruction"])
    assert make(given="vectors").targets(seen).mask.sum() == B * T


def test_a_learned_prior_depends_on_the_condition():
    learned, standard = make(prior="learned"), make(prior="standard")
    conditions = torch.randn(2, learned.reader.size_out)
    assert not torch.equal(*learned.prior(conditions).mean)
    assert torch.equal(standard.prior(conditions).mean, torch.zeros(2, 16))
    assert torch.equal(standard.prior(conditions).std, torch.ones(2, 16))


def test_data_without_vectors_are_an_error():
    with pytest.raises(UserError, match=r"take --model\.given past"):
        CVAEConfig(given="vectors").build(EnvSpec({"view": SPEC.obs["view"]}, SPEC.action, 1))
