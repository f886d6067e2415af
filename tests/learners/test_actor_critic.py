"""Learning in imagination, in known worlds: states are sums of actions, rewards are functions of states."""

from dataclasses import replace

import pytest
import torch
from mocks import AddAction, KnownWorld, Value, behavior_config, model_config, spec

from reverie import tree
from reverie.agents.policies import PolicyConfig
from reverie.dynamics.rollout import imagine, imagine_policy
from reverie.errors import UserError
from reverie.learners.actor_critic import ActorCriticConfig, DreamNoise
from reverie.math.returns import lambda_return
from reverie.models.world_model import WorldModel
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig

TARGET = 0.5
MLP = MLPConfig(layers=2, units=32)
LEARN = AdamConfig(lr=3e-3)


def target_reward(features):
    """`-(s - target)^2`"""
    return -(features[..., 0] - TARGET).square()


def config(**changed) -> ActorCriticConfig:
    return ActorCriticConfig(
        policy=PolicyConfig(MLP, init_std=1.0, min_std=1e-2),
        value=MLP,
        actor_optimizer=LEARN,
        value_optimizer=LEARN,
        **{"horizon": 5, "gamma": 0.9, **changed},
    )


def train(learner, world, updates: int, seed: int = 0):
    """Update from random states in [-1, 1] in place of a world model's beliefs."""
    optimizers = learner.optimizers()
    generator = torch.Generator().manual_seed(seed)
    for _ in range(updates):
        belief = Value(2 * torch.rand(64, 1, generator=generator) - 1)
        noise = learner.noise(world, 64, generator)
        metrics = learner.update(world, belief, replace(noise, dynamics=0 * noise.dynamics), optimizers)
    return metrics


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{}, {"reinforce": 1.0, "entropy": 0.01}], ids=["dynamics", "reinforce"])
@pytest.mark.parametrize("continuous", ["tanh_normal", "truncated_normal"])
def test_the_policy_reaches_the_target(changed, continuous):
    torch.manual_seed(0)
    world = KnownWorld(AddAction(1), reward=target_reward)
    settings = config(**changed)
    settings = replace(settings, policy=replace(settings.policy, continuous=continuous))
    learner = settings.build(spec(action=1), 1)
    start = Value(torch.linspace(-1, 1, 9)[:, None])
    metrics = train(learner, world, 200 if continuous == "tanh_normal" else 400)
    with torch.no_grad():
        features, _ = imagine_policy(world.dynamics, learner.policy, start, 6, None, None)
    # every start ends at the target; the farthest needs two steps of at most 1
    assert (features[:, -3:, 0] - TARGET).abs().max() < 0.15
    assert metrics["imagined/reward"] > -0.2


def test_starting_at_every_kth_state_equals_an_update_from_these_states_alone():
    world = KnownWorld(AddAction(1), reward=target_reward)
    torch.manual_seed(0)
    some, all_of_them = config(start_every=3).build(spec(action=1), 1), config().build(spec(action=1), 1)
    all_of_them.load_state_dict(some.state_dict())
    belief = Value(torch.linspace(-1, 1, 8)[:, None])
    noise = some.noise(world, 8, torch.Generator().manual_seed(0))
    assert noise.policy.shape == (3, 5, 1)
    some.update(world, belief, noise, some.optimizers())
    all_of_them.update(world, Value(belief.value[[1, 4, 7]]), noise, all_of_them.optimizers())
    for one, other in zip(some.parameters(), all_of_them.parameters()):
        assert torch.equal(one, other)


class Walk(AddAction):
    """Left, stay, right: the one-hot action moves the state by -0.5, 0 or 0.5."""

    def predict(self, state, action, noise):
        return Value(state.value + (action @ torch.tensor([-0.5, 0.0, 0.5]))[..., None])


@pytest.mark.slow
@pytest.mark.parametrize("reinforce", [0.0, 0.5, 1.0])
def test_a_discrete_policy_reaches_the_target(reinforce):
    torch.manual_seed(0)
    world = KnownWorld(Walk(1), reward=target_reward)
    learner = config(reinforce=reinforce, entropy=0.01 * reinforce).build(spec(action=3, discrete=True), 1)
    train(learner, world, 500 if reinforce == 1 else 200)
    start = Value(torch.tensor([[-2.0], [-1.0], [0.0], [0.5], [1.0], [2.0]]))
    with torch.no_grad():
        features, action = imagine_policy(world.dynamics, learner.policy, start, 6, None, None)
    # within one step: the straight-through gradient is 0 at the top of a parabola, so it may alternate around it
    assert (features[:, -2:, 0] - TARGET).abs().max() < 0.5 + 1e-5
    torch.testing.assert_close(action.sum(-1), torch.ones(6, 6))


@pytest.mark.slow
def test_the_value_learns_the_return_that_follows_a_state():
    """Where the reward is always 1, the value of a state is `1 / (1 - gamma)`, here 2."""
    torch.manual_seed(0)
    still = KnownWorld(AddAction(1), reward=lambda features: torch.ones_like(features[..., 0]))
    learner = config(gamma=0.5).build(spec(action=1), 1)
    train(learner, still, 300)
    with torch.no_grad():
        value = learner.value(torch.linspace(-1, 1, 5)[:, None])[..., 0]
    torch.testing.assert_close(value, torch.full((5,), 2.0), atol=0.1, rtol=0)


def test_the_gradient_by_actions_agrees_with_finite_differences():
    """The imagined return through a real model, in float64 with fixed noise."""
    torch.manual_seed(0)
    seen = spec(image=16, action=2)
    model = WorldModel(model_config(), seen).double()
    learner = behavior_config().build(seen, model.dynamics.feature_size).double()
    start = tree.map(lambda x: torch.randn_like(x).abs(), model.dynamics.initial(2))
    noise, action = torch.randn(2, 4, model.dynamics.noise_size).double(), torch.rand(2, 4, 2).double()

    def score(actions):
        features = model.dynamics.features(imagine(model.dynamics, start, actions, noise))
        discount = 0.99 * model.continuation(features)
        reward, value = model.reward(features), learner.value(features)[..., 0]
        return lambda_return(reward, value, discount, 0.95)[:, 0].sum()

    action.requires_grad_()
    (gradient,) = torch.autograd.grad(score(action), action)
    with torch.no_grad():
        for place in [(0, 0, 0), (0, 0, 1), (1, 1, 0), (1, 3, 1)]:
            nudge = torch.zeros_like(action)
            nudge[place] = 1e-5
            slope = (score(action + nudge) - score(action - nudge)) / 2e-5
            torch.testing.assert_close(gradient[place], slope, rtol=1e-5, atol=1e-8)


def losses_by_hand(learner, world, belief, noise):
    """Compute the two losses step by step, for one-dimensional sums."""
    settings, state = learner.config, belief.value
    states, actions = [state], []
    for t in range(settings.horizon):
        action = learner.policy(state.detach(), noise.policy[:, t])
        state = state + action + noise.dynamics[:, t]
        states.append(state)
        actions.append(action)
    continuation = [world.continuation(s) for s in states]
    reward = [world.reward(s) for s in states]
    value = [learner.value(s)[:, 0] for s in states]
    returns, following = [], value[-1]
    for t in reversed(range(settings.horizon)):
        mixed = (1 - settings.lambda_) * value[t + 1] + settings.lambda_ * following
        following = reward[t + 1] + settings.gamma * continuation[t + 1] * mixed
        returns.insert(0, following)
    weight, actor, critic = continuation[0].detach(), 0.0, 0.0
    for t in range(settings.horizon):
        entropy = learner.policy.entropy(states[t].detach(), noise.policy[:, t])
        chosen = learner.policy.log_prob(states[t].detach(), noise.policy[:, t])
        advantage = (returns[t] - value[t]).detach()
        gain = (1 - settings.reinforce) * returns[t] + settings.reinforce * chosen * advantage
        actor = actor - (weight * (gain + settings.entropy * entropy)).mean() / settings.horizon
        error = learner.value(states[t].detach())[:, 0] - returns[t].detach()
        constant = 0.5 * torch.log(torch.tensor(2 * torch.pi))
        critic = critic + (weight * (0.5 * error.square() + constant)).mean() / settings.horizon
        weight = weight * settings.gamma * continuation[t + 1].detach()
    return actor, critic


@pytest.fixture(
    params=[{}, {"entropy": 0.3}, {"reinforce": 1.0, "entropy": 0.3}, {"reinforce": 0.4}],
    ids=["dynamics", "entropy bonus", "reinforce", "mixed"],
)
def dream(request):
    """A learner, a world that may end, beliefs and noise."""
    torch.manual_seed(0)
    world = KnownWorld(
        AddAction(1), reward=target_reward, continuation=lambda features: torch.sigmoid(2 - features[..., 0].square())
    )
    learner = config(**request.param).build(spec(action=1), 1)
    belief = Value(torch.randn(7, 1))
    return learner, world, belief, DreamNoise(torch.randn(7, 5, 1), torch.randn(7, 5, 1))


def test_both_losses_and_gradients_equal_those_by_hand(dream):
    learner, world, belief, noise = dream
    policy, value = list(learner.policy.parameters()), list(learner.value.parameters())
    actor, critic = losses_by_hand(learner, world, belief, noise)
    expected = [*torch.autograd.grad(actor, policy, retain_graph=True), *torch.autograd.grad(critic, value)]
    optimizers = {
        name: type(optimizer)(AdamConfig(lr=0.0, clip=1e9), optimizer.parameters)
        for name, optimizer in learner.optimizers().items()
    }
    metrics = learner.update(world, belief, noise, optimizers)
    torch.testing.assert_close(metrics["loss/actor"], actor.detach())
    torch.testing.assert_close(metrics["loss/value"], critic.detach())
    torch.testing.assert_close([p.grad for p in policy + value], expected, rtol=1e-4, atol=1e-7)


def test_beliefs_at_a_certain_end_give_no_gradient(dream):
    learner, _, belief, noise = dream
    ended = KnownWorld(
        AddAction(1), reward=target_reward, continuation=lambda features: torch.zeros_like(features[..., 0])
    )
    learner.update(ended, belief, noise, learner.optimizers())
    assert not any(parameter.grad.any() for parameter in learner.parameters())


def test_an_update_does_not_change_the_world_model():
    torch.manual_seed(0)
    seen = spec(image=16, action=2)
    model = WorldModel(model_config(), seen)
    learner = behavior_config().build(seen, model.dynamics.feature_size)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    policy = [parameter.detach().clone() for parameter in learner.parameters()]
    noise = learner.noise(model, 6, torch.Generator().manual_seed(0))
    learner.update(model, model.dynamics.initial(6), noise, learner.optimizers())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(policy, learner.parameters()))


def test_noise_has_a_row_for_each_trajectory():
    learner = config(horizon=3).build(spec(action=2), 1)
    noise = learner.noise(KnownWorld(AddAction(1)), 6, torch.Generator().manual_seed(0))
    assert noise.dynamics.shape == (6, 3, 1)
    assert noise.policy.shape == (6, 3, 2)


def test_the_target_value_moves_slowly_and_bootstraps_the_returns():
    torch.manual_seed(0)
    world = KnownWorld(AddAction(1), reward=lambda features: 0 * features[..., 0])
    learner = config(target_rate=0.25, gamma=1.0).build(spec(action=1), 1)
    for bias, constant in ((learner.value.net[-1].bias, 1.0), (learner.target.net[-1].bias, 3.0)):
        torch.nn.init.constant_(bias, constant)
    for net in (learner.value, learner.target):
        torch.nn.init.zeros_(net.net[-1].weight)
    optimizers = learner.optimizers()
    noise = learner.noise(world, 4, torch.Generator().manual_seed(0))
    metrics = learner.update(world, Value(torch.zeros(4, 1)), noise, optimizers)
    assert metrics["imagined/return"].item() == pytest.approx(3.0)  # no reward, no discount: the target's value
    moved = learner.value.net[-1].bias.item()
    assert moved > 1.0
    assert learner.target.net[-1].bias.item() == pytest.approx(3.0 + 0.25 * (moved - 3.0))
    assert all(not x.requires_grad for x in learner.target.parameters())


def test_the_target_value_is_copied_every_target_every_updates():
    torch.manual_seed(0)
    still = KnownWorld(AddAction(1), reward=lambda features: torch.ones_like(features[..., 0]))
    learner = config(target_every=3).build(spec(action=1), 1)
    begin = [parameter.clone() for parameter in learner.value.parameters()]
    for updates in range(1, 7):
        train(learner, still, 1, seed=updates)
        same = all(torch.equal(a, b) for a, b in zip(learner.target.parameters(), learner.value.parameters()))
        assert same == (updates % 3 == 0)
        if updates < 3:
            assert all(torch.equal(a, b) for a, b in zip(learner.target.parameters(), begin))


@pytest.mark.parametrize(
    ("changed", "sentence"), [({"reinforce": 1.5}, "between 0 and 1"), ({"target_every": 0}, "1 or")]
)
def test_invalid_settings_are_errors(changed, sentence):
    with pytest.raises(UserError, match=sentence):
        config(**changed)
