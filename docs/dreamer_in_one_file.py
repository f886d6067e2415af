"""Dreamer V1 in one file: learn a world model from pixels, and a policy inside its imagination.

    python docs/dreamer_in_one_file.py                   swing up Pendulum-v1 from 32x32 pixels
    python docs/dreamer_in_one_file.py --frames 2000     end sooner, and learn less

Hafner et al. 2020, "Dream to Control: Learning Behaviors by Latent Imagination". The agent plays and learns in turns:

    world model   h_t = GRU(h_{t-1}, s_{t-1}, a_{t-1})    the memory
                  p(s_t | h_t)                            the prior, before the image o_t
                  q(s_t | h_t, e_t)                       the posterior, after o_t, embedded as e_t
                  min  -ln p(o_t | h_t, s_t) - ln p(r_t | h_t, s_t) + max(3, KL[q || p])
    actor         max  E sum_t gamma^t V_lambda(t)        by gradients through imagined steps of the model
    value         min  E sum_t gamma^t (v(t) - V_lambda(t))^2 / 2

Suffixes of names are shapes: B sequences in a batch, T steps, N = B T start states of imagination, H imagined steps,
A actions, E embedding, F features. Features are h and s side by side.

Every block names the file of the library that has it in general form. The library computes the same numbers, as
`tests/docs/test_dreamer_in_one_file.py` proves.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from typing import NamedTuple

import gymnasium
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

normal = partial(Normal, validate_args=False)  # validation is slow, and this is called for every step

# ---- 1. Settings: reverie/recipes/dreamer_v1.py ----------------------------------------------------------------------
# The published agent learns for a million frames on a GPU. These settings are for 8,000 frames on two CPU cores. Where
# they differ, a comment gives the published value.


@dataclass(frozen=True)
class Settings:
    env: str = "Pendulum-v1"
    image_size: int = 32  # published: 64
    repeat: int = 2  # frames of one decision
    frames: int = 8_000
    prefill: int = 1_000  # frames of random actions at the start
    round: int = 100  # decisions between two rounds of updates
    updates: int = 50  # updates in a round
    batch: int = 16  # B, published: 50
    length: int = 24  # T, published: 50
    # Networks
    actions: int = 1  # A
    depth: int = 8  # channels of the first convolution, published: 32
    deter: int = 64  # size of h, published: 200
    stoch: int = 20  # size of s, published: 30
    hidden: int = 64  # published: 200
    units: int = 64  # published: 400
    layers: tuple[int, int, int] = (2, 2, 2)  # of the reward, value and actor networks, published: 2, 3, 4
    # World model
    free_nats: float = 3.0
    image_std: float = 4.0  # of normalized images, published: 1 of raw ones
    reward_scale: float = 1 / 16  # Pendulum's rewards go down to -16 a frame
    reward_weight: float = 50.0  # published: 1
    # Behavior
    horizon: int = 15  # H
    gamma: float = 0.97  # discount of one decision, published: 0.99
    lambda_: float = 0.95
    entropy: float = 0.3  # weight of the policy's entropy, published: 0
    init_std: float = 1.0  # of the policy before the tanh, published: 5
    min_std: float = 0.1  # published: 1e-4
    exploration: float = 0.3  # std of the noise added to an action in training
    # Optimizers of model, actor and value
    rates: tuple[float, float, float] = (2e-3, 1e-3, 1e-3)  # published: 6e-4, 8e-5, 8e-5
    clips: tuple[float, float, float] = (1000.0, 1.0, 100.0)  # largest norm of a gradient, published: 100
    decay: int = 1_750  # updates until the rates have fallen to a twentieth; 0: no decay, as published

    @property
    def features(self) -> int:
        return self.deter + self.stoch


# ---- 2. Networks: reverie/nn/mlp.py, reverie/nn/conv.py --------------------------------------------------------------


def dense(size_in: int, units: int, layers: int, size_out: int) -> nn.Sequential:
    stack: list[nn.Module] = []
    for _ in range(layers):
        stack += [nn.Linear(size_in, units), nn.ELU()]
        size_in = units
    return nn.Sequential(*stack, nn.Linear(size_in, size_out))


class Autoencoder(nn.Module):
    """Convolutions of stride 2 halve the image down to 2x2 (32-15-6-2 or 64-31-14-6-2); the decoder mirrors them."""

    def __init__(self, s: Settings) -> None:
        super().__init__()
        heights, widths = [s.image_size], [3]
        while heights[-1] >= 6:
            heights.append((heights[-1] - 4) // 2 + 1)
            widths.append(s.depth * 2 ** (len(widths) - 1))
        convs = [(nn.Conv2d(before, after, 4, stride=2), nn.ReLU()) for before, after in pairwise(widths)]
        self.encoder = nn.Sequential(*chain(*convs), nn.Flatten())
        self.size_out = widths[-1] * heights[-1] ** 2
        heights, widths, self.start = heights[::-1], widths[::-1], (heights[-1], heights[-1], widths[-1])
        kernels = [after - 2 * (before - 1) for before, after in pairwise(heights)]
        if s.image_size == 64:  # the published decoder begins from 1x1
            self.start, kernels, widths = (1, 1, 32 * s.depth), [5, 5, 6, 6], [32 * s.depth, *widths[1:]]
        self.to_maps = nn.Linear(s.features, int(np.prod(self.start)))
        layers = zip(widths, widths[1:], kernels)
        convs = [(nn.ConvTranspose2d(before, after, kernel, stride=2), nn.ReLU()) for before, after, kernel in layers]
        self.decoder = nn.Sequential(*list(chain(*convs))[:-1])

    def encode(self, pixels: Tensor) -> Tensor:
        """Images (*b, height, width, 3) to embeddings (*b, E)."""
        maps = pixels.flatten(0, -4).permute(0, 3, 1, 2)
        return self.encoder(maps).unflatten(0, pixels.shape[:-3])

    def decode(self, features: Tensor) -> Tensor:
        """Features (*b, F) to the mean of images (*b, height, width, 3)."""
        maps = self.to_maps(features.flatten(0, -2)).unflatten(-1, self.start).permute(0, 3, 1, 2)
        return self.decoder(maps).permute(0, 2, 3, 1).unflatten(0, features.shape[:-1])


# ---- 3. The latent dynamics, an RSSM: reverie/dynamics/rssm.py -------------------------------------------------------
# The deterministic h carries information over many steps. The stochastic s allows more than one future.


class State(NamedTuple):
    deter: Tensor  # h
    stoch: Tensor  # s

    @property
    def features(self) -> Tensor:
        return torch.cat(self, dim=-1)


class RSSM(nn.Module):
    def __init__(self, s: Settings, embed_size: int) -> None:
        super().__init__()
        self.sizes = s.deter, s.stoch
        self.inputs = nn.Sequential(nn.Linear(s.stoch + s.actions, s.hidden), nn.ELU())
        self.cell = nn.GRUCell(s.hidden, s.deter)
        self.prior = dense(s.deter, s.hidden, 1, 2 * s.stoch)
        self.posterior = dense(s.deter + embed_size, s.hidden, 1, 2 * s.stoch)

    def initial(self, batch: int) -> State:
        like = self.cell.weight_hh
        return State(*(like.new_zeros(batch, size) for size in self.sizes))

    def predict(self, state: State, action: Tensor) -> tuple[Tensor, Normal]:
        """The next h, and the prior p(s_t | h_t)."""
        deter = self.cell(self.inputs(torch.cat([state.stoch, action], dim=-1)), state.deter)
        return deter, self.gaussian(self.prior(deter))

    def correct(self, deter: Tensor, embed: Tensor) -> Normal:
        """The posterior q(s_t | h_t, e_t)."""
        return self.gaussian(self.posterior(torch.cat([deter, embed], dim=-1)))

    def gaussian(self, output: Tensor) -> Normal:
        mean, std = output.chunk(2, dim=-1)
        return normal(mean, F.softplus(std) + 0.1)


# ---- 4. The world model and its losses: reverie/models/world_model.py, reverie/signals/ ------------------------------


class WorldModel(nn.Module):
    mean: Tensor
    scale: Tensor

    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.s = s
        self.images = Autoencoder(s)
        self.dynamics = RSSM(s, self.images.size_out)
        self.reward = dense(s.features, s.units, s.layers[0], 1)
        self.register_buffer("mean", torch.full((s.image_size, s.image_size, 3), 0.5))
        self.register_buffer("scale", torch.ones(()))

    def calibrate(self, image: Tensor) -> None:  # reverie/nn/normalize.py
        """Set the normalization from random play. It subtracts the background, which a fixed camera shows mostly."""
        pixels = image.flatten(0, -4).float() / 255
        self.mean.copy_(pixels.mean(0))
        self.scale.copy_((pixels - self.mean).square().mean().sqrt().clamp(min=1 / 255))

    def normalize(self, image: Tensor) -> Tensor:
        return (image.float() / 255 - self.mean) / self.scale

    def observe(self, embed_BTE: Tensor, action_BTA: Tensor, first_BT: Tensor) -> tuple[State, Tensor]:
        """Filter sequences (reverie/dynamics/rollout.py). Return states (B, T) and KL[q || p] in nats (B, T)."""
        state, previous = self.dynamics.initial(len(embed_BTE)), torch.zeros_like(action_BTA[:, 0])
        states, nats = [], []
        for embed, action, first in zip(embed_BTE.unbind(1), action_BTA.unbind(1), first_BT.unbind(1)):
            keep = (~first[:, None]).float()  # reset state and action where an episode begins
            state = State(state.deter * keep, state.stoch * keep)
            deter, prior = self.dynamics.predict(state, previous * keep)
            posterior = self.dynamics.correct(deter, embed)
            # The sample is mean + std * noise, so the gradient reaches mean and std (Kingma & Welling 2014).
            state, previous = State(deter, posterior.rsample()), action
            states.append(state)
            nats.append(kl_divergence(posterior, prior).sum(-1))
        return State(*(torch.stack(part, dim=1) for part in zip(*states))), torch.stack(nats, dim=1)

    def losses(self, image: Tensor, action_BTA: Tensor, reward_BT: Tensor, first_BT: Tensor) -> tuple[dict, State]:
        pixels = self.normalize(image)
        states, nats_BT = self.observe(self.images.encode(pixels), action_BTA, first_BT)
        features_BTF = states.features
        image_BT = -normal(self.images.decode(features_BTF), self.s.image_std).log_prob(pixels).sum((2, 3, 4))
        reward_BT = -normal(self.reward(features_BTF)[..., 0], 1.0).log_prob(reward_BT * self.s.reward_scale)
        # The first nats are free, so the model does not drop small details to save a small divergence.
        divergence = nats_BT.mean().clamp(min=self.s.free_nats)
        return {"image": image_BT.mean(), "reward": reward_BT.mean(), "divergence": divergence}, states


# ---- 5. The policy: reverie/agents/policies.py -----------------------------------------------------------------------


class Actor(nn.Module):
    """An action is tanh(u), u ~ N(5 tanh(mean / 5), std). It is bounded, and its mean stays out of the flat tanh."""

    def __init__(self, s: Settings) -> None:
        super().__init__()
        self.net = dense(s.features, s.units, s.layers[2], 2 * s.actions)
        self.min_std, self.raw_init_std = s.min_std, float(np.log(np.expm1(s.init_std)))  # softplus(raw) = init_std

    def forward(self, features: Tensor) -> Normal:
        """Return the distribution of u (*b, A)."""
        mean, std = self.net(features).chunk(2, dim=-1)
        return normal(5 * torch.tanh(mean / 5), F.softplus(std + self.raw_init_std) + self.min_std)


def tanh_entropy(policy: Normal, u: Tensor) -> Tensor:
    """H(tanh(u)) = H(u) + E ln(1 - tanh(u)^2), estimated from one sample u (Haarnoja 2018, App. C)."""
    slope = 2 * (np.log(2) - u - F.softplus(-2 * u))  # ln(1 - tanh(u)^2), finite where tanh is flat
    return (policy.entropy() + slope).sum(-1)


# ---- 6. Learning in imagination: reverie/learners/actor_critic.py, reverie/math/returns.py ---------------------------


def lambda_return(reward_NH: Tensor, value_NH: Tensor, gamma: float, lambda_: float) -> Tensor:
    """V_lambda(t) = r_{t+1} + gamma ((1 - lambda) v_{t+1} + lambda V_lambda(t+1)), and V_lambda(H) = v_H.

    The return mixes estimates that use 1, 2, ... H rewards before the value. Column t of the arguments belongs to
    imagined step t + 1, the result of action t.
    """
    following, returns = value_NH[:, -1], []
    for reward, value in zip(reward_NH.unbind(1)[::-1], value_NH.unbind(1)[::-1]):
        following = reward + gamma * ((1 - lambda_) * value + lambda_ * following)
        returns.append(following)
    return torch.stack(returns[::-1], dim=1)


class Dreamer:
    def __init__(self, s: Settings, device: str = "cpu") -> None:
        self.s, self.updates = s, 0
        self.model = WorldModel(s).to(device)
        self.actor = Actor(s).to(device)
        self.value = dense(s.features, s.units, s.layers[1], 1).to(device)
        self.adams = []
        for net, rate in zip((self.model, self.actor, self.value), s.rates):
            initialize(net)
            self.adams.append(torch.optim.Adam(net.parameters(), rate, eps=1e-7))

    def imagine(self, start: State) -> tuple[Tensor, list[tuple[Normal, Tensor]]]:
        """Imagine N trajectories. Return features (N, H + 1, F), and each step's policy with its sample u."""
        state, features, choices = start, [start.features], []
        for _ in range(self.s.horizon):
            # The policy reads detached features: its gradient comes from the states that follow an action.
            policy = self.actor(state.features.detach())
            u = policy.rsample()
            deter, prior = self.model.dynamics.predict(state, torch.tanh(u))
            state = State(deter, prior.rsample())
            features.append(state.features)
            choices.append((policy, u))
        return torch.stack(features, dim=1), choices

    def learn_behavior(self, start: State) -> dict[str, Tensor]:
        """Take one step of actor and value from N posterior states."""
        s = self.s
        features, choices = self.imagine(start)
        reward_NH = self.model.reward(features[:, 1:])[..., 0]
        value_NH = self.value(features[:, 1:])[..., 0]
        returns_NH = lambda_return(reward_NH, value_NH, s.gamma, s.lambda_)
        weight_H = s.gamma ** torch.arange(s.horizon, device=features.device)
        gain_NH = returns_NH
        if s.entropy > 0:
            gain_NH = gain_NH + s.entropy * torch.stack([tanh_entropy(*choice) for choice in choices], dim=1)
        actor_loss = -(weight_H * gain_NH).mean()
        self.step(1, actor_loss)
        predicted_NH = self.value(features[:, :-1].detach())[..., 0]
        value_loss = -(weight_H * normal(predicted_NH, 1.0).log_prob(returns_NH.detach())).mean()
        self.step(2, value_loss)
        return {"actor": actor_loss, "value": value_loss, "return": returns_NH.mean()}

    # ---- 7. One update: reverie/runs/update.py, reverie/nn/optimizer.py ----------------------------------------------

    def update(self, image: Tensor, action: Tensor, reward: Tensor, first: Tensor) -> dict[str, Tensor]:
        """Update model, then behavior: image (B, T, height, width, 3), action (B, T, A), the others (B, T)."""
        losses, states = self.model.losses(image, action, reward, first)
        self.step(0, losses["image"] + self.s.reward_weight * losses["reward"] + losses["divergence"])
        start = State(*(part.detach().flatten(0, 1) for part in states))
        losses |= self.learn_behavior(start)
        self.updates += 1
        return {name: loss.detach() for name, loss in losses.items()}

    def step(self, which: int, loss: Tensor) -> None:
        """Take one step of network `which`. The other two networks get no gradient from the loss."""
        adam, parameters = self.adams[which], self.adams[which].param_groups[0]["params"]
        if self.s.decay:
            adam.param_groups[0]["lr"] = self.s.rates[which] * max(0.05, 1 - self.updates / self.s.decay)
        adam.zero_grad()
        loss.backward(inputs=parameters)
        nn.utils.clip_grad_norm_(parameters, self.s.clips[which])
        adam.step()

    # ---- 8. Acting: reverie/agents/agent.py --------------------------------------------------------------------------

    @torch.no_grad()
    def act(self, belief: tuple[State, Tensor] | None, image: np.ndarray, explore: bool) -> tuple[tuple, np.ndarray]:
        """Filter one image, then choose an action (A,). The belief is None when an episode begins."""
        device = self.model.mean.device
        state, previous = belief or (self.model.dynamics.initial(1), torch.zeros(1, self.s.actions, device=device))
        deter, _ = self.model.dynamics.predict(state, previous)
        embed = self.model.images.encode(self.model.normalize(torch.from_numpy(image).to(device))[None])
        posterior = self.model.dynamics.correct(deter, embed)
        state = State(deter, posterior.sample() if explore else posterior.mean)
        policy = self.actor(state.features)
        action = torch.tanh(policy.sample() if explore else policy.mean)
        if explore:
            action = (action + self.s.exploration * torch.randn_like(action)).clamp(-1, 1)
        return (state, action), action[0].cpu().numpy()


def initialize(net: nn.Module) -> None:
    """Initialize as Keras does, as published. PyTorch's own weights are smaller."""
    for name, parameter in net.named_parameters():
        if parameter.ndim == 1:
            nn.init.zeros_(parameter)
        else:
            (nn.init.orthogonal_ if name.endswith("weight_hh") else nn.init.xavier_uniform_)(parameter)


# ---- 9. Replay: reverie/data/replay.py -------------------------------------------------------------------------------
# In column t, image, reward and `first` arrived together. The action was chosen after them.


class Replay:
    def __init__(self, s: Settings) -> None:
        self.rows, count = 0, 2 * s.frames  # enough for every decision and the last column of every episode
        self.image = torch.zeros(count, s.image_size, s.image_size, 3, dtype=torch.uint8)
        self.action, self.reward = torch.zeros(count, s.actions), torch.zeros(count)
        self.first = torch.zeros(count, dtype=torch.bool)

    def add(self, *column: np.ndarray | float | bool) -> None:
        for values, value in zip((self.image, self.action, self.reward, self.first), column):
            values[self.rows] = torch.as_tensor(value)
        self.rows += 1

    def sample(self, batch: int, length: int) -> tuple[Tensor, ...]:
        """Sample `batch` windows of `length` columns. They may cross the border of an episode, which `first` marks."""
        start = torch.randint(self.rows - length + 1, (batch, 1))
        where = start + torch.arange(length)
        return self.image[where], self.action[where], self.reward[where], self.first[where]


# ---- 10. The environment: reverie/envs/gymnasium.py ------------------------------------------------------------------


class Env:
    """Takes actions in [-1, 1], each for `repeat` frames, and returns pixels and the sum of rewards."""

    def __init__(self, s: Settings) -> None:
        self.s, self.env = s, gymnasium.make(s.env, render_mode="rgb_array")

    def image(self) -> np.ndarray:
        """Render a frame, and shrink it by area averaging: uint8 (height, width, 3)."""
        frame = torch.from_numpy(np.array(self.env.render())).permute(2, 0, 1)[None].float()
        small = F.interpolate(frame, (self.s.image_size, self.s.image_size), mode="area")
        return small[0].permute(1, 2, 0).round().byte().numpy()

    def reset(self, seed: int) -> np.ndarray:
        self.env.reset(seed=seed)
        return self.image()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool]:
        """Return the image after the decision, its reward, and whether the episode is over.

        Pendulum ends by time alone. In other worlds the model must predict the end: reverie/signals/reward.py.
        """
        low, high, total = self.env.action_space.low, self.env.action_space.high, 0.0
        for _ in range(self.s.repeat):
            _, reward, _, over, _ = self.env.step(low + (action + 1) / 2 * (high - low))
            total += float(reward)
            if over:
                break
        return self.image(), total, over


# ---- 11. Training and evaluation: reverie/runs/online.py, reverie/runs/loop.py, reverie/evaluation/returns.py --------


def train(s: Settings, seed: int = 0) -> Dreamer:
    torch.manual_seed(seed)
    rng, env, dreamer, replay = np.random.default_rng(seed), Env(s), Dreamer(s), Replay(s)
    image, reward, first, belief, total = env.reset(seed), 0.0, True, None, 0.0
    prefill = s.prefill // s.repeat
    for decision in range(s.frames // s.repeat):
        if decision < prefill:
            action = rng.uniform(-1, 1, s.actions).astype(np.float32)
        else:
            belief, action = dreamer.act(belief, image, explore=True)
        replay.add(image, action, reward, first)
        image, reward, over = env.step(action)
        first, total = False, total + reward
        if over:
            replay.add(image, np.zeros(s.actions, np.float32), reward, False)  # no action follows the last image
            print(f"frame {(decision + 1) * s.repeat:6}   return {total:8.1f}")
            image, reward, first, belief, total = env.reset(seed + decision + 1), 0.0, True, None, 0.0
        if decision + 1 == prefill:
            dreamer.model.calibrate(replay.image[: replay.rows])
        if decision + 1 > prefill and (decision + 1 - prefill) % s.round == 0:
            for _ in range(s.updates):
                losses = dreamer.update(*replay.sample(s.batch, s.length))
            print("  ".join(f"{name} {loss.item():.3g}" for name, loss in losses.items()))
    env.env.close()
    return dreamer


def evaluate(dreamer: Dreamer, episodes: int, seed: int = 1_000_000) -> list[float]:
    """Play episodes without exploration and return their returns."""
    env, returns = Env(dreamer.s), []
    for episode in range(episodes):
        image, belief, over, total = env.reset(seed + episode), None, False, 0.0
        while not over:
            belief, action = dreamer.act(belief, image, explore=False)
            image, reward, over = env.step(action)
            total += reward
        returns.append(total)
    env.env.close()
    return returns


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=Settings.frames)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    returns = evaluate(train(Settings(frames=options.frames), options.seed), episodes=10)
    print(f"mean return of {len(returns)} episodes: {np.mean(returns):.1f}")
