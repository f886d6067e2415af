"""The joint loss of actor and critic against slow loops, and what its gradient reaches."""

from dataclasses import replace

import pytest
import torch
from mocks import AddAction, KnownWorld, added, model_config, random_batch, spec
from torch import nn

from reverie.agents.policies import PolicyConfig
from reverie.errors import UserError
from reverie.learners.joint_actor_critic import JointActorCriticConfig
from reverie.math.percentiles import Range
from reverie.models.world_model import WorldModel
from reverie.nn.laprop import LaPropConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import Optimizer
from reverie.nn.two_hot import TwoHotConfig
from reverie.signals.reward import ContinuationConfig

MLP = MLPConfig(1, 16, "silu", norm="rms", init="truncated_normal")
POLICY = PolicyConfig(MLP, min_std=0.1, exploration=0.0, continuous="clipped_normal")
CONFIG = JointActorCriticConfig(POLICY, TwoHotConfig(MLP), horizon=3, gamma=0.9, lambda_=0.8, range_rate=1.0)
BATCH, TIME = 2, 4


def known_world() -> KnownWorld:
    return KnownWorld(
        AddAction(1),
        reward=lambda features: 30 * torch.sin(features[..., 0]),
        continuation=lambda features: features[..., 0].sigmoid(),
    )


def recorded(seed: int = 0):
    """A trace of random states. The second sequence ends an episode at column 1, terminally."""
    generator = torch.Generator().manual_seed(seed)
    trace = added(torch.randn(BATCH, TIME, 1, generator=generator), torch.zeros(BATCH, TIME, 1))
    last = torch.zeros(BATCH, TIME, dtype=torch.bool)
    last[1, 1] = True
    reward = torch.randn(BATCH, TIME, generator=generator)
    return replace(trace, batch=replace(trace.batch, reward=reward, is_last=last, is_terminal=last))


def build(config=CONFIG, discrete: bool = False):
    torch.manual_seed(0)
    learner = config.build(spec(action=3 if discrete else 1, discrete=discrete), 1)
    learner.slow.load_state_dict({name: x + 0.1 for name, x in learner.value.state_dict().items()})
    return learner


def slow_losses(learner, world, trace, noise):
    """The three losses, one trajectory and one step at a time."""
    config = learner.config
    value, slow = (lambda net: lambda s: net(s[None])[0, 0])(learner.value), lambda s: learner.slow(s[None])[0, 0]
    recorded = trace.features.detach().flatten(0, 1)
    trajectories, first_returns = [], torch.tensor([value(state).item() for state in recorded])
    starts = range((BATCH * TIME - 1) % config.start_every, BATCH * TIME, config.start_every)
    for n, start in enumerate(starts):
        states = [recorded[start]]
        for t in range(config.horizon):
            action = learner.policy(states[-1][None], noise.policy[n, t][None])[0]
            states.append((states[-1] + action + noise.dynamics[n, t]).detach())
        reward, c = ([head(s).item() for s in states] for head in (world.reward, world.continuation))
        v = [value(s).item() for s in states]
        following, returns, weights = v[-1], [], [c[0]]
        for t in reversed(range(config.horizon)):
            d = config.gamma * c[t + 1]
            following = reward[t + 1] + d * ((1 - config.lambda_) * v[t + 1] + config.lambda_ * following)
            returns.insert(0, following)
        for t in range(1, config.horizon):
            weights.append(weights[-1] * config.gamma * c[t])
        trajectories.append((states, v, returns, weights))
        first_returns[start] = returns[0]
    everything = torch.tensor([returns for _, _, returns, _ in trajectories])
    low, high = (torch.quantile(everything.flatten(), q).item() for q in (0.05, 0.95))
    actor, critic = [], []
    for n, (states, v, returns, weights) in enumerate(trajectories):
        for t in range(config.horizon):
            state, eps = states[t][None], noise.policy[n, t][None]
            advantage = (returns[t] - v[t]) / max(1, high - low)
            gain = learner.policy.log_prob(state, eps) * advantage + config.entropy * learner.policy.entropy(state, eps)
            actor.append(-weights[t] * gain[0])
            predicted = learner.value.distribution(state)
            targets = torch.tensor([returns[t]]), slow(states[t])[None]
            critic.append(weights[t] * sum(predicted.nats(target)[0] for target in targets))
    bootstrap, replay, batch = first_returns.view(BATCH, TIME), [], trace.batch
    for b in range(BATCH):
        following = bootstrap[b, -1]
        for t in reversed(range(TIME - 1)):
            live = config.gamma * (1 - batch.is_terminal[b, t + 1].float())
            mix = config.lambda_ * (1 - batch.is_last[b, t + 1].float())
            following = batch.reward[b, t + 1] + live * ((1 - mix) * bootstrap[b, t + 1] + mix * following)
            predicted = learner.value.distribution(trace.features[b, t])
            nats = predicted.nats(following) + predicted.nats(slow(trace.features[b, t]))
            replay.append(nats * (1 - batch.is_last[b, t].float()))
    means = [torch.stack(losses).mean() for losses in (actor, critic, replay)]
    return *means, low, high


@pytest.mark.parametrize("start_every", [1, 2, 3])
def test_the_losses_are_those_of_slow_loops(start_every):
    world, trace, learner = known_world(), recorded(), build(replace(CONFIG, start_every=start_every))
    noise = learner.noise(world, BATCH * TIME, torch.Generator().manual_seed(0))
    loss, metrics, moved = learner.loss(world, trace, noise)
    actor, value, replay, low, high = slow_losses(learner, world, trace, noise)
    torch.testing.assert_close(metrics["loss/actor"], actor.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(metrics["loss/value"], value.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(metrics["loss/replay_value"], replay.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(loss, actor + value + 0.3 * replay, rtol=1e-4, atol=1e-5)
    assert [moved.low.item(), moved.high.item()] == pytest.approx([low, high], rel=1e-4)
    gradients = [torch.autograd.grad(x, list(learner.policy.parameters()), retain_graph=True) for x in (loss, actor)]
    for ours, slow in zip(*gradients):
        torch.testing.assert_close(ours, slow, rtol=1e-3, atol=1e-5)


def test_the_actor_does_not_see_the_unit_of_rewards():
    """Beyond returns of size 1, an actor's loss is the same for rewards of any unit, except for the entropy."""
    config, losses = replace(CONFIG, entropy=0.0, value=TwoHotConfig(replace(MLP, output_scale=0.0))), []
    for unit in (100.0, 1e4):
        world = KnownWorld(AddAction(1), reward=lambda features, unit=unit: unit * features[..., 0])
        learner, trace = config.build(spec(action=1), 1), recorded()
        learner.policy.load_state_dict(build(config).policy.state_dict())
        noise = learner.noise(world, BATCH * TIME, torch.Generator().manual_seed(0))
        losses.append(learner.loss(world, trace, noise)[1]["loss/actor"])
    torch.testing.assert_close(*losses)


def test_a_recorded_end_has_no_weight():
    """With recorded starts the weights begin with whether a step was terminal, else with its prediction."""
    world, trace = known_world(), recorded()
    learner = build(replace(CONFIG, horizon=1, start="recorded"))
    noise = learner.noise(world, BATCH * TIME, torch.Generator().manual_seed(0))
    assert learner.loss(world, trace, noise)[1]["imagined/weight"].item() == 7 / 8
    predicted = build(replace(CONFIG, horizon=1)).loss(world, trace, noise)[1]["imagined/weight"]
    torch.testing.assert_close(predicted, trace.features.sigmoid().mean())


def test_finish_keeps_the_range_and_moves_the_slow_value():
    learner = build(replace(CONFIG, slow_rate=0.25))
    fast, slow = (next(net.parameters()).detach().clone() for net in (learner.value, learner.slow))
    learner.finish(Range(torch.tensor(-1.0), torch.tensor(3.0)))
    assert learner.range.tolist() == [-1.0, 3.0]
    torch.testing.assert_close(next(learner.slow.parameters()), slow + 0.25 * (fast - slow))
    assert torch.equal(next(learner.value.parameters()), fast)


def real(config=CONFIG, discrete: bool = False):
    """A real model with a head that carries the discount, its learner, a trace and noise."""
    torch.manual_seed(0)
    seen, base = spec(image=0, action=2, discrete=discrete), model_config()
    signals = base.signals | {"continuation": ContinuationConfig(MLPConfig(1, 16), discount=0.9)}
    seen = replace(seen, obs=spec(vector=3, image=16).obs)
    model = WorldModel(replace(base, signals=signals), seen)
    learner = config.build(seen, model.dynamics.feature_size)
    batch, generator = random_batch(seen, BATCH, TIME), torch.Generator().manual_seed(0)
    trace = model.trace(batch, model.noise(BATCH, TIME, generator))
    return model, learner, trace, learner.noise(model, BATCH * TIME, generator)


@pytest.mark.parametrize("discrete", [False, True])
def test_only_the_replay_value_reaches_the_model(discrete):
    """Through the features of recorded steps. Heads and imagined steps get no gradient from the learner."""
    model, learner, trace, noise = real(discrete=discrete)
    loss = learner.loss(model, trace, noise)[0]
    names, parameters = zip(*model.named_parameters())
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    reached = {name.split(".")[0] for name, gradient in zip(names, gradients) if gradient is not None}
    assert reached == {"encoder", "dynamics"}
    without = replace(CONFIG, replay_weight=0.0)
    model, learner, trace, noise = real(without, discrete)
    loss = learner.loss(model, trace, noise)[0]
    assert all(x is None for x in torch.autograd.grad(loss, list(model.parameters()), allow_unused=True))


def test_the_discount_of_the_head_counts_in_recorded_returns():
    """`gamma` 1 beside a head that carries 0.9 is `gamma` 0.9 beside a head that carries none."""
    model, learner, trace, _ = real(replace(CONFIG, gamma=1.0))
    assert model.discount == 0.9
    carried = learner._replay_loss(model, trace, torch.ones(BATCH, TIME))
    model.signals["continuation"].discount = 1.0
    learner.config = replace(learner.config, gamma=0.9)
    assert torch.equal(carried, learner._replay_loss(model, trace, torch.ones(BATCH, TIME)))


class UnknownUnit(nn.Module):
    """A reward head without `target`."""

    def predict_reward(self, features):
        return features[..., 0]

    def to_env_units(self, reward):
        return reward


def test_a_model_whose_reward_has_no_recorded_unit_is_named():
    model, learner, trace, noise = real()
    model.signals["reward"] = UnknownUnit()
    with pytest.raises(UserError, match="replay_weight 0"):
        learner.loss(model, trace, noise)


def test_percentiles_must_rise():
    with pytest.raises(UserError, match="must rise"):
        JointActorCriticConfig(percentiles=(95.0, 5.0))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.1, 100.0])
def test_the_policy_reaches_the_target_whatever_the_unit_of_rewards(scale):
    """States are sums of actions, the reward is the distance from 0.5."""
    torch.manual_seed(0)
    world = KnownWorld(AddAction(1), reward=lambda features: -scale * (features[..., 0] - 0.5).abs())
    value = replace(CONFIG.value, mlp=replace(CONFIG.value.mlp, output_scale=0.0))
    config = replace(CONFIG, value=value, horizon=5, entropy=1e-3, replay_weight=0.0)
    learner = config.build(spec(action=1), 1)
    optimizer = Optimizer(LaPropConfig(lr=3e-3, warmup=0), [p for p in learner.parameters() if p.requires_grad])
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        trace = added(2 * torch.rand(8, 8, 1, generator=generator) - 1, torch.zeros(8, 8, 1))
        noise = learner.noise(world, 64, generator)
        loss, _, statistics = learner.loss(world, trace, replace(noise, dynamics=0 * noise.dynamics))
        optimizer.step(loss)
        learner.finish(statistics)
    state = torch.linspace(-1, 1, 9)[:, None]
    for _ in range(5):
        state = state + learner.policy(state, None)
    assert (state - 0.5).abs().max() < 0.2
