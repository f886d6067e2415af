"""Several ranks compute the update of one: each has its rows of the batch, and statistics are of all rows."""

import pytest
import torch
from mocks import spec
from updates import Setting, every_method

from reverie import recipes, tree
from reverie.errors import UserError
from reverie.math import ranks
from reverie.models.generative import GenerativeConfig
from reverie.nn.optimizer import AdamConfig
from reverie.runs.update import UpdateNoise, draw_noise, make_optimizers, make_update, own_part
from reverie.testing.batches import random_batch
from reverie.testing.ranks import on_ranks

BATCH, LENGTH = 4, 4


def doubled(values):
    return tree.map(lambda x: x.double() if x.is_floating_point() else x, values)


def double_setting(discrete, method):
    setting = Setting(discrete, batch=BATCH, method=method)
    setting.model.double(), setting.learner.double()
    setting.optimizers = make_optimizers(AdamConfig(lr=1e-3), setting.model, setting.learner)
    setting.update = make_update(setting.model, setting.learner, setting.optimizers, "eager")
    return setting


def data_of(setting, seed):
    noise = draw_noise(setting.model, setting.learner, BATCH, LENGTH, torch.Generator().manual_seed(seed))
    return doubled(random_batch(setting.spec, BATCH, LENGTH, seed)), doubled(noise)


@every_method
def test_two_ranks_compute_the_update_of_one(discrete, method):
    whole, *parts = [double_setting(discrete, method) for _ in range(3)]
    data = [data_of(whole, seed) for seed in range(2)]
    expected = [whole.update(*each) for each in data]

    def run(rank):
        setting = parts[rank]
        return [setting.update(*own_part(setting.learner, *each)) for each in data]

    found = on_ranks(2, run)
    for metrics in found:
        for mine, wanted in zip(metrics, expected, strict=True):
            assert mine.keys() == wanted.keys()
            for name in wanted:
                torch.testing.assert_close(mine[name], wanted[name], rtol=1e-10, atol=1e-10, msg=(name + ": {}").format)
    for setting in parts:
        for mine, wanted in zip(setting.weights(), whole.weights(), strict=True):
            torch.testing.assert_close(mine, wanted, rtol=1e-10, atol=1e-10)


FITTED = {name: config for name in recipes.RECIPES if hasattr(config := recipes.build(name, "tiny"), "data")}


@pytest.mark.parametrize("name", FITTED)
def test_two_ranks_fit_a_model_as_one_does(name):
    config, observed = FITTED[name].model, spec(image=16, vector=0)
    if name == "cvae":
        observed = spec(image=16, vector=10)
        observed.obs["label"] = observed.obs.pop("state")
    length = 1 if isinstance(config, GenerativeConfig) else LENGTH
    batch = doubled(random_batch(observed, BATCH, length))

    def made():
        torch.manual_seed(0)
        model = config.build(observed).double()
        return model, make_update(model, None, make_optimizers(AdamConfig(lr=1e-3), model, None), "eager")

    (whole, update), *parts = [made() for _ in range(3)]
    noise = doubled(draw_noise(whole, None, BATCH, length, torch.Generator().manual_seed(1)))
    expected = update(batch, noise)
    found = on_ranks(2, lambda rank: parts[rank][1](*own_part(None, batch, noise)))
    for name in expected:
        torch.testing.assert_close(found[0][name], expected[name], rtol=1e-9, atol=1e-9, msg=(name + ": {}").format)
    for mine, wanted in zip(parts[1][0].parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-9, atol=1e-9)


def test_a_statistic_of_the_own_rows_alone_is_noticed():
    """The comparison would pass if the ranks' rows were alike."""
    x = torch.arange(4.0)
    found = on_ranks(2, lambda rank: (ranks.own(x).std(), ranks.gather(ranks.own(x)).std()))
    assert all(own != x.std() for own, _ in found)
    assert all(shared == x.std() for _, shared in found)


def test_the_gradient_of_gathered_rows_is_that_of_what_all_ranks_compute():
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])

    def gradient(rank):
        own = ranks.own(x).clone().requires_grad_()
        loss = (ranks.gather(own) ** 2).sum() * (rank + 1)
        return torch.autograd.grad(loss, own)[0]

    assert torch.equal(torch.cat(on_ranks(2, gradient)), 2 * x * (1 + 2))


def test_one_process_shares_nothing_and_copies_nothing():
    x = torch.ones(3)
    assert ranks.gather(x) is ranks.own(x) is ranks.mean(x) is x
    values = [x]
    assert ranks.average(values) is values
    batch, noise = random_batch(spec(), 2, 3), UpdateNoise(x, None)
    part, of_noise = own_part(None, batch, noise)
    assert part.action is batch.action
    assert of_noise.model is x


def test_an_error_of_one_rank_ends_all():
    def fail(rank):
        if rank == 1:
            raise UserError("This one fails.")
        return ranks.mean(torch.ones(1))

    with pytest.raises(UserError, match="This one fails"):
        on_ranks(2, fail)
