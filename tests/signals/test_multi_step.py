"""Multi-step predictions, their targets, and the columns of their losses."""

import pytest
import torch
from mocks import AddAction, added

from reverie import tree
from reverie.dynamics.rollout import imagine
from reverie.errors import UserError
from reverie.signals.contrastive import ContrastiveConfig
from reverie.signals.latent_prediction import LatentPredictionConfig
from reverie.signals.multi_step import (
    align_to_target,
    future_values,
    masked_mean_per_step,
    predict_multi_step,
    valid_targets,
)

BORDER = torch.tensor([[False, False, False, False], [True, False, True, False]])


def test_future_values_and_valid_targets_by_hand():
    assert future_values(torch.tensor([[0, 1, 2, 3]]), 2).tolist() == [[[1, 2], [2, 3], [3, 3], [3, 3]]]
    yes, no = True, False
    assert valid_targets(BORDER, 2).tolist() == [
        [[yes, yes], [yes, yes], [yes, no], [no, no]],
        [[yes, no], [no, no], [yes, no], [no, no]],
    ]


def test_predictions_by_hand():
    """Each prediction adds the actions from its own column on."""
    trace = added(torch.tensor([[[1.0], [2], [4], [8]]]), torch.tensor([[[10.0], [100], [1000], [0]]]))
    predictions = predict_multi_step(trace, 2)
    features = predictions.features[0, :, :, 0]
    assert features[:2].tolist() == [[11, 111], [102, 1102]]
    assert features[2, 0] == 1004
    assert predictions.target[0, :, :, 0].tolist() == [[2, 4], [4, 8], [8, 8], [8, 8]]
    assert predictions.valid[0].tolist() == [[True, True], [True, True], [True, False], [False, False]]
    assert predictions.states.value.shape == (1, 4, 2, 1)


def test_predictions_use_the_noise_of_their_columns():
    generator = torch.Generator().manual_seed(0)
    features, action, noise = (torch.randn(2, 5, 3, generator=generator) for _ in range(3))
    trace = added(features, action, noise=noise)
    predictions = predict_multi_step(trace, 3)
    for b, t in [(0, 0), (1, 1)]:
        start = tree.map(lambda x, b=b, t=t: x[b, t][None], trace.posterior)
        path = imagine(AddAction(3), start, action[b, t : t + 3][None], noise[b, t + 1 : t + 4][None])
        torch.testing.assert_close(predictions.features[b, t], path.value[0])


def test_align_to_target_moves_losses_to_the_predicted_column():
    x = torch.tensor([[[1.0, 10, 100, 1000, 5], [2, 20, 200, 2000, 5], [3, 30, 300, 3000, 5], [4, 40, 400, 4000, 5]]])
    assert align_to_target(x)[0].tolist() == [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [2, 10, 0, 0, 0], [3, 20, 100, 0, 0]]


@pytest.mark.parametrize("steps", [1, 2, 3, 6])
def test_the_mean_is_over_valid_predictions(steps):
    """A slow loop over pairs of one episode gives the same. The loss of other pairs may be NaN."""
    valid = valid_targets(BORDER, steps)
    loss = torch.randn(2, 4, steps, generator=torch.Generator().manual_seed(0))
    result = masked_mean_per_step(torch.where(valid, loss, torch.nan), valid)
    means, column = [], torch.zeros(2, 4)
    for d in range(steps):
        pairs = [(b, t) for b in range(2) for t in range(4) if valid[b, t, d]]
        means.append(sum(loss[b, t, d] for b, t in pairs) / max(len(pairs), 1))
        for b, t in pairs:
            column[b, t + d + 1] += loss[b, t, d] * 8 / len(pairs) / steps
    torch.testing.assert_close(result, column)
    torch.testing.assert_close(result.mean(), torch.as_tensor(sum(means) / steps))
    assert not result[:, 0].any()
    assert result[1, 2] == 0  # an episode's first step has no prediction


def test_without_valid_predictions_the_loss_is_zero():
    everywhere = torch.ones(3, 4, dtype=torch.bool)
    assert not masked_mean_per_step(torch.ones(3, 4, 2), valid_targets(everywhere, 2)).any()


@pytest.mark.parametrize("config", [LatentPredictionConfig, ContrastiveConfig])
def test_zero_steps_are_an_error(config):
    with pytest.raises(UserError, match=r"`steps` of \w+ is 0: it must be 1 or more"):
        config(steps=0)
