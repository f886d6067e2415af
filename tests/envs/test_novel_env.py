"""A new environment of a user's own, learned through the public functions alone."""

import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

import reverie
from reverie.agents.policies import PolicyConfig
from reverie.envs.base import EnvConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import RewardConfig

CORRIDOR = '''
import gymnasium
import numpy as np
from gymnasium import spaces


class Corridor(gymnasium.Env):
    """Move a column on a 16x16 image to the right edge. The left edge ends the episode."""

    observation_space = spaces.Dict(
        {"camera": spaces.Box(0, 255, (16, 16, 3), np.uint8), "last_move": spaces.Box(-1, 1, (1,), np.float32)}
    )
    action_space = spaces.Discrete(3)

    def _see(self, move):
        camera = np.zeros((16, 16, 3), np.uint8)
        camera[:, self.place] = 255
        return {"camera": camera, "last_move": np.array([move], np.float32)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(4, 12))
        return self._see(0), {}

    def step(self, action):
        move = int(action) - 1
        self.place = min(self.place + move, 15)
        return self._see(move), self.place / 15, self.place <= 0, False, {}


gymnasium.register("Corridor-v0", Corridor, max_episode_steps=20)
'''


@pytest.fixture
def corridor(tmp_path, monkeypatch):
    """The module `corridor`, importable from the user's own folder."""
    (tmp_path / "corridor.py").write_text(CORRIDOR)
    monkeypatch.syspath_prepend(tmp_path)
    yield import_module("corridor")
    del sys.modules["corridor"]


def play(world, act, episodes: int = 20) -> float:
    """Return the mean return of `act(carry, observation) -> (carry, action)`, without Reverie's loops."""
    returns = []
    for seed in range(episodes):
        observation, _ = world.reset(seed=1000 + seed)
        carry, total = None, 0.0
        for _ in range(20):
            carry, action = act(carry, observation)
            observation, reward, terminated, *_ = world.step(int(action))
            total += reward
            if terminated:
                break
        returns.append(total)
    return float(np.mean(returns))


def config(seed: int) -> reverie.OnlineConfig:
    """Return the recipe with small networks and more updates."""
    base = reverie.recipe("dreamer_v1", "tiny", "corridor:Corridor-v0")
    conv, mlp = ConvConfig(8, "elu"), MLPConfig(1, 32)
    signals = base.model.signals | {
        "reconstruction": ReconstructionConfig(conv, mlp),
        "reward": RewardConfig(mlp, scale=5.0),  # rewards of 0 to 1 would count less than a nat
    }
    model = replace(
        base.model,
        encoder=EncoderConfig(conv, mlp, normalize=True),
        dynamics=replace(base.model.dynamics, deter=32, hidden=32),
        signals=signals,
        weights=base.model.weights | {"continuation": 1.0},
        optimizer=AdamConfig(lr=3e-3),
    )
    adam = AdamConfig(lr=1e-3)
    behavior = replace(
        base.behavior,
        policy=PolicyConfig(mlp),
        value=mlp,
        horizon=6,
        entropy=0.3,
        gamma=0.9,
        actor_optimizer=adam,
        value_optimizer=adam,
    )
    return replace(
        base,
        seed=seed,
        threads=1,
        env=EnvConfig("corridor:Corridor-v0", observe=("all",), image_size=16),
        model=model,
        behavior=behavior,
        training=replace(base.training, frames=560, prefill=260, round=20, updates=10, batch=8, length=10),
    )


@pytest.mark.slow
def test_a_world_of_the_users_own_is_learned(corridor, tmp_path):
    folder = reverie.train(config(seed=0), tmp_path / "run", evaluate=False)
    agent = reverie.load(folder)
    world, rng = corridor.Corridor(), np.random.default_rng(0)
    random = play(world, lambda carry, _: (carry, rng.integers(3)))

    def act(carry, observation):
        carry, action = agent.act(carry, observation)
        return carry, action.argmax()

    learned = play(world, act)
    best = play(world, lambda carry, _: (carry, 2))
    assert random < 12 < 18 < best
    assert learned > random + 0.5 * (best - random)
