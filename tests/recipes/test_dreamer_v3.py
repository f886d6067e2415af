"""DreamerV3's parts, each in the agents before it, and theirs in DreamerV3. The whole overfits one batch."""

import math
from dataclasses import replace

import pytest
import torch

from reverie import recipes
from reverie.config.overrides import override
from reverie.nn.laprop import LaPropConfig
from reverie.runs.update import draw_noise, make_optimizers, make_update
from reverie.testing.batches import random_batch, small_spec

TWO_HOT_REWARD = {"model.signals.reward.mlp": "TwoHot", "model.signals.reward.mlp.mlp.units": "16"}
TWO_HOT_VALUE = {"behavior.value": "TwoHot", "behavior.value.mlp.units": "16"}
BLOCKS = {"model.dynamics": "BlockRSSM", "model.dynamics.deter": "16", "model.dynamics.hidden": "8"}
POOLED = {
    f"model.{place}.image{rest}": value
    for place in ("encoder", "signals.reconstruction")
    for rest, value in {"": "PooledConv", ".depth": "2", ".units": "8"}.items()
}
JOINT = {"behavior": "JointActorCritic", "behavior.horizon": "3", "behavior.value.mlp.units": "16"}
LAPROP = {f"{name}_optimizer": "LaProp" for name in ("behavior.actor", "behavior.value")} | {
    "model.optimizer": "LaProp"
}
REINFORCE = {"behavior.policy.continuous": "clipped_normal", "behavior.reinforce": "1.0"}
TWO_SIDES = {"model.signals.divergence.balance": "1.0", "model.signals.divergence.variant": "element"}
EARLIER = {
    "two-hot reward": TWO_HOT_REWARD,
    "two-hot value": TWO_HOT_VALUE,
    "block memory": BLOCKS,
    "pooled convolutions": POOLED,
    "joint learner": JOINT,
    "laprop": LAPROP,
    "clipped normal": REINFORCE,
    "one-sided divergence": TWO_SIDES,
    "discount in the head": {"model.signals.continuation.discount": "0.99", "behavior.gamma": "1.0"},
    "redundancy reduction": {"model.signals.reconstruction": "RedundancyReduction"},
    "everything": TWO_HOT_REWARD | BLOCKS | POOLED | JOINT | {"model.optimizer": "LaProp"},
}
IN_V3 = {
    "gaussian latent": {"model.dynamics.latent": "Gaussian"},
    "deterministic latent": {"model.dynamics.latent": "DeterministicLatent"},
    "dense memory": {"model.dynamics": "RSSM", "model.dynamics.deter": "16"},
    "state-space model": {"model.dynamics": "SSM", "model.signals.reconstruction.image.deter": "0"},
    "actor-critic": {"behavior": "ActorCritic", "behavior.horizon": "3", "behavior.value.units": "16"},
    "evolution": {"behavior": "Evolution", "behavior.population": "4", "behavior.horizon": "3"},
    "adam": {"model.optimizer": "Adam"},
    "normal reward and value": {"model.signals.reward.mlp": "MLP", "behavior.value": "MLP"},
    "strided convolutions": {"model.encoder.image": "Conv", "model.signals.reconstruction.image": "Conv"},
    "balanced divergence": {"model.signals.prior.balance": "0.8", "model.weights.posterior": "0"},
    "redundancy reduction": {"model.signals.reconstruction": "RedundancyReduction"},
    "next embedding": {"model.signals.reconstruction": "NextEmbedding"},
}
CASES = [(recipe, change) for recipe in ("dreamer_v1", "dreamer_v2") for change in EARLIER.items()]
CASES += [("dreamer_v3", change) for change in IN_V3.items()]


def setting(config, discrete: bool = False, seed: int = 0):
    torch.manual_seed(seed)
    seen = small_spec(16, vector=3, discrete=discrete)
    model = config.model.build(seen)
    learner = config.behavior.build(seen, model.dynamics.feature_size)
    optimizers = make_optimizers(config.model.optimizer, model, learner)
    return seen, model, learner, make_update(model, learner, optimizers, "eager")


@pytest.mark.parametrize(("recipe", "change"), CASES, ids=lambda x: x if isinstance(x, str) else x[0])
def test_every_mixture_learns(recipe, change):
    """Two updates: the first one of a warm-up has no effect."""
    config = override(recipes.build(recipe, "tiny"), change[1])
    seen, model, learner, update = setting(config, discrete=recipe == "dreamer_v2")
    before = [x.clone() for x in (*model.state_dict().values(), *learner.policy.state_dict().values())]
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        metrics = update(random_batch(seen), draw_noise(model, learner, 3, 6, generator))
        assert all(x.isfinite() for x in metrics.values())
    after = [*model.state_dict().values(), *learner.policy.state_dict().values()]
    assert sum(not torch.equal(a, b) for a, b in zip(before, after)) > len(before) / 2


@pytest.mark.slow
@pytest.mark.parametrize("discrete", [False, True])
def test_the_whole_agent_overfits_one_batch(discrete):
    """Observations, rewards and ends of one batch are learned, and the value learns its returns."""
    config = recipes.build("dreamer_v3", "tiny")
    config = replace(config, model=replace(config.model, optimizer=LaPropConfig(lr=1e-2, warmup=0)))
    seen, model, learner, update = setting(config, discrete)
    batch, noise = random_batch(seen), draw_noise(model, learner, 3, 6, torch.Generator().manual_seed(0))
    metrics = [update(batch, noise) for _ in range(60)]
    first, last = metrics[0], metrics[-1]
    for name in ("reward", "continuation"):
        assert last[f"loss/{name}"] < 0.5 * first[f"loss/{name}"], name
    constant = 0.5 * torch.log(torch.tensor(torch.pi)) * (16 * 16 * 3 + 3)  # of a normal with a std of sqrt(1/2)
    errors = [x["loss/reconstruction"] - constant for x in (first, last)]
    assert errors[1] < 0.8 * errors[0]
    assert first["loss/replay_value"] == pytest.approx(2 * 14 / 15 * math.log(255))  # zeros; one of 15 steps is last
    assert last["loss/replay_value"] < 0.7 * first["loss/replay_value"]
