"""Dreamer V1's update as one would write it by hand in plain PyTorch: the yardstick of `bench/update.py`.

Nothing is imported from Reverie. Stock modules (Conv2d, ConvTranspose2d, GRUCell), `.backward()`, three Adams.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal, kl_divergence


@dataclass(frozen=True)
class Sizes:
    image: int
    depth: int
    deter: int
    stoch: int
    hidden: int
    units: int
    batch: int
    length: int
    action: int
    horizon: int = 15


def dense(size_in: int, units: int, layers: int, size_out: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Linear(size_in, units), nn.ELU()]
        size_in = units
    return nn.Sequential(*parts, nn.Linear(size_in, size_out))


class Model(nn.Module):
    def __init__(self, s: Sizes, layers: tuple[int, int, int]):
        super().__init__()
        self.s, d = s, s.depth
        if s.image == 64:
            self.encoder = nn.Sequential(
                *[nn.Conv2d(3, d, 4, 2), nn.ReLU(), nn.Conv2d(d, 2 * d, 4, 2), nn.ReLU()],
                *[nn.Conv2d(2 * d, 4 * d, 4, 2), nn.ReLU(), nn.Conv2d(4 * d, 8 * d, 4, 2), nn.ReLU(), nn.Flatten()],
            )
            embed, self.start = 8 * d * 4, (32 * d, 1, 1)
            self.decoder = nn.Sequential(
                *[
                    nn.ConvTranspose2d(32 * d, 4 * d, 5, 2),
                    nn.ReLU(),
                    nn.ConvTranspose2d(4 * d, 2 * d, 5, 2),
                    nn.ReLU(),
                ],
                *[nn.ConvTranspose2d(2 * d, d, 6, 2), nn.ReLU(), nn.ConvTranspose2d(d, 3, 6, 2)],
            )
        else:
            self.encoder = nn.Sequential(
                *[nn.Conv2d(3, d, 4, 2), nn.ReLU(), nn.Conv2d(d, 2 * d, 4, 2), nn.ReLU()],
                *[nn.Conv2d(2 * d, 4 * d, 4, 2), nn.ReLU(), nn.Flatten()],
            )
            embed, self.start = 4 * d * 4, (4 * d, 2, 2)
            self.decoder = nn.Sequential(
                *[nn.ConvTranspose2d(4 * d, 2 * d, 4, 2), nn.ReLU(), nn.ConvTranspose2d(2 * d, d, 5, 2), nn.ReLU()],
                nn.ConvTranspose2d(d, 3, 4, 2),
            )
        features = s.deter + s.stoch
        self.to_maps = nn.Linear(features, self.start[0] * self.start[1] * self.start[2])
        self.inputs = nn.Sequential(nn.Linear(s.stoch + s.action, s.hidden), nn.ELU())
        self.cell = nn.GRUCell(s.hidden, s.deter)
        self.prior = dense(s.deter, s.hidden, 1, 2 * s.stoch)
        self.posterior = dense(s.deter + embed, s.hidden, 1, 2 * s.stoch)
        self.reward = dense(features, s.units, layers[0], 1)

    def transition(self, deter, stoch, action):
        deter = self.cell(self.inputs(torch.cat([stoch, action], -1)), deter)
        return deter, self.normal(self.prior(deter))

    def normal(self, output):
        mean, std = output.chunk(2, -1)
        return Normal(mean, F.softplus(std) + 0.1, validate_args=False)


class Agent:
    """`update(batch)` is one full update; `model_loss` and `behavior` are its two halves."""

    def __init__(self, s: Sizes, layers: tuple[int, int, int], free_nats: float, gamma: float):
        self.s, self.free_nats, self.gamma = s, free_nats, gamma
        features = s.deter + s.stoch
        self.model = Model(s, layers)
        self.value = dense(features, s.units, layers[1], 1)
        self.actor = dense(features, s.units, layers[2], 2 * s.action)
        nets = (self.model, self.actor, self.value)
        self.adams = [torch.optim.Adam(net.parameters(), lr) for net, lr in zip(nets, (6e-4, 8e-5, 8e-5))]

    def step(self, adam, net, loss):
        adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 100)
        adam.step()

    def model_loss(self, images, action, reward, first):
        s, model = self.s, self.model
        pixels = images.permute(0, 1, 4, 2, 3).float() / 255 - 0.5
        embed = model.encoder(pixels.flatten(0, 1)).unflatten(0, (s.batch, s.length))
        deter, stoch = images.new_zeros(s.batch, s.deter, dtype=torch.float32), torch.zeros(s.batch, s.stoch)
        stoch, before = stoch.to(deter), torch.zeros_like(action[:, 0])
        deters, stochs, kls = [], [], []
        for t in range(s.length):
            keep = (~first[:, t, None]).float()
            deter, prior = model.transition(deter * keep, stoch * keep, before * keep)
            posterior = model.normal(model.posterior(torch.cat([deter, embed[:, t]], -1)))
            stoch, before = posterior.rsample(), action[:, t]
            deters.append(deter)
            stochs.append(stoch)
            kls.append(kl_divergence(posterior, prior).sum(-1))
        features = torch.cat([torch.stack(deters, 1), torch.stack(stochs, 1)], -1)
        maps = model.to_maps(features.flatten(0, 1)).unflatten(-1, model.start)
        decoded = model.decoder(maps).unflatten(0, (s.batch, s.length))
        image_loss = -Normal(decoded, 1.0, validate_args=False).log_prob(pixels).sum((2, 3, 4)).mean()
        reward_loss = -Normal(model.reward(features)[..., 0], 1.0, validate_args=False).log_prob(reward).mean()
        kl = torch.stack(kls, 1).mean().clamp(min=self.free_nats)
        return image_loss, reward_loss, kl, features

    def behavior(self, features):
        s = self.s
        self.model.requires_grad_(False)  # the actor's gradient passes through them and needs none of theirs
        self.value.requires_grad_(False)
        deter, stoch = features.detach().flatten(0, 1).split([s.deter, s.stoch], -1)
        imagined = [torch.cat([deter, stoch], -1)]
        for _ in range(s.horizon):
            mean, std = self.actor(imagined[-1].detach()).chunk(2, -1)
            action = torch.tanh(
                Normal(5 * torch.tanh(mean / 5), F.softplus(std + 5) + 1e-4, validate_args=False).rsample()
            )
            deter, prior = self.model.transition(deter, stoch, action)
            stoch = prior.rsample()
            imagined.append(torch.cat([deter, stoch], -1))
        features = torch.stack(imagined, 1)
        reward = self.model.reward(features[:, 1:])[..., 0]
        value = self.value(features[:, 1:])[..., 0]
        target, targets = value[:, -1], []
        for t in reversed(range(s.horizon)):
            target = reward[:, t] + self.gamma * (0.05 * value[:, t] + 0.95 * target)
            targets.append(target)
        targets = torch.stack(targets[::-1], 1)
        weight = self.gamma ** torch.arange(s.horizon, device=targets.device)
        self.step(self.adams[1], self.actor, -(weight * targets).mean())
        self.model.requires_grad_(True)
        self.value.requires_grad_(True)
        predicted = self.value(features[:, :-1].detach())[..., 0]
        error = -Normal(predicted, 1.0, validate_args=False).log_prob(targets.detach())
        self.step(self.adams[2], self.value, (weight * error).mean())

    def update(self, images, action, reward, first):
        image_loss, reward_loss, kl, features = self.model_loss(images, action, reward, first)
        self.step(self.adams[0], self.model, image_loss + reward_loss + kl)
        self.behavior(features)
        return image_loss.detach()
