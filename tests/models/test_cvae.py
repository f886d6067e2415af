"""What a conditional model may and may not know of."""

import pytest
import torch
from pictures import SPEC, B, T, batch

from reverie.errors import UserError
from reverie.models.cvae import CVAEConfig
from reverie.nn.mlp import MLPConfig
from reverie.spaces import EnvSpec
from reverie.types import Batch


def condition_changes(model, change) -> torch.Tensor:
    """Where (B, T) the condition differs after `change` of a batch's observations or actions."""
    seen, other = batch(), batch()
    change(other)
    return (model.condition(seen) != model.condition(other)).any(-1)


def made(**settings):
    torch.manual_seed(0)
    return CVAEConfig(image=MLPConfig(1, 8), hidden=MLPConfig(1, 8), **settings).build(SPEC)


def test_the_past_is_the_frame_before_and_the_action_between():
    model = made(given="past")

    def other_frame(seen: Batch) -> None:
        seen.obs["view"][:, 1] = 255 - seen.obs["view"][:, 1]

    def other_action(seen: Batch) -> None:
        seen.action[:, 1] += 0.5

    for change in (other_frame, other_action):
        assert condition_changes(model, change).tolist() == [[False, False, True]] * B


def test_vectors_are_those_of_the_same_step():
    model = made(given="vectors")

    def other_vector(seen: Batch) -> None:
        seen.obs["side"][:, 1] += 1

    assert condition_changes(model, other_vector).tolist() == [[False, True, False]] * B


def test_steps_without_a_past_do_not_count():
    model, seen = made(given="past"), batch()
    counts = model.targets(seen).mask
    assert counts.tolist() == [[0, 1, 1], [0, 1, 0]] + [[0, 1, 1]] * 3
    losses = model.losses(model.trace(seen, None))
    seen.obs["view"][1, 2] = 0  # the first frame of an episode: to be predicted by nobody
    again = model.losses(model.trace(seen, None))
    torch.testing.assert_close(losses["reconstruction"], again["reconstruction"])
    assert made(given="vectors").targets(seen).mask.sum() == B * T


def test_a_learned_prior_depends_on_the_condition():
    learned, standard = made(prior="learned"), made(prior="standard")
    conditions = torch.randn(2, learned.reader.size_out)
    assert not torch.equal(*learned.prior(conditions).mean)
    assert torch.equal(standard.prior(conditions).mean, torch.zeros(2, 16))
    assert torch.equal(standard.prior(conditions).std, torch.ones(2, 16))


def test_no_vector_to_be_given():
    with pytest.raises(UserError, match=r"take --model\.given past"):
        CVAEConfig(given="vectors").build(EnvSpec({"view": SPEC.obs["view"]}, SPEC.action, 1))
