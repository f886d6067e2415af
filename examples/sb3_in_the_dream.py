"""Stable-Baselines3's PPO learns inside the dream of a run, and then plays the real environment.

    pip install stable-baselines3
    python examples/sb3_in_the_dream.py runs/dreamer_v1-Pendulum-v1-0

The agent sees the features of the model's belief. In the dream they are imagined, in the real environment they are
filtered (`reverie/Filtered-v0`). So it learns from the recorded starts and the model alone.
"""

import argparse
import json
from statistics import fmean, stdev
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecNormalize


class DreamVecEnv(VecEnv):
    """Gymnasium's vector environment in the form of Stable-Baselines3, which resets in the same step."""

    def __init__(self, run: str, count: int, horizon: int) -> None:
        name, mode = "reverie_worlds:reverie/Dream-v0", "SameStep"
        self.env = gymnasium.make_vec(name, num_envs=count, run=run, horizon=horizon, autoreset_mode=mode)
        super().__init__(count, self.env.single_observation_space, self.env.single_action_space)

    def reset(self) -> np.ndarray:
        return self.env.reset(seed=self._seeds[0])[0]

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = actions

    def step_wait(self) -> Any:
        obs, reward, terminated, truncated, info = self.env.step(self.actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for index in np.flatnonzero(terminated | truncated):
            cut = bool(truncated[index] and not terminated[index])
            infos[index] = {"terminal_observation": info["final_obs"][index], "TimeLimit.truncated": cut}
        return obs, reward.astype(np.float32), terminated | truncated, infos

    def close(self) -> None:
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *arguments: Any, indices: Any = None, **named: Any) -> list[Any]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def play(run: str, choose: Any, episodes: int) -> list[float]:
    """Return the returns of real episodes, by `choose` from observation to action."""
    env, returns = gymnasium.make("reverie_worlds:reverie/Filtered-v0", run=run), []
    for seed in range(episodes):
        observation, _ = env.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(choose(observation))
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    env.close()
    return returns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a run with a trained agent")
    parser.add_argument("--steps", type=int, default=100_000, help="imagined decisions in all")
    parser.add_argument("--envs", type=int, default=64, help="dreams in a batch")
    parser.add_argument("--horizon", type=int, default=50, help="decisions of a dream")
    parser.add_argument("--episodes", type=int, default=10, help="real episodes of the evaluation")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    dream = VecNormalize(DreamVecEnv(arguments.run, arguments.envs, arguments.horizon), norm_obs=False, gamma=0.95)
    dream.seed(arguments.seed)
    rollout = max(1, min(64, arguments.steps // arguments.envs))
    batch = min(512, rollout * arguments.envs)
    settings = {"n_steps": rollout, "batch_size": batch, "gamma": 0.95, "learning_rate": 1e-3, "seed": arguments.seed}
    agent = PPO("MlpPolicy", dream, device="cpu", **settings)
    before = play(arguments.run, lambda obs: agent.predict(obs, deterministic=True)[0], arguments.episodes)
    agent.learn(arguments.steps)
    after = play(arguments.run, lambda obs: agent.predict(obs, deterministic=True)[0], arguments.episodes)
    result = {"imagined_decisions": agent.num_timesteps, "real_decisions": 0, "untrained": fmean(before)}
    spread = stdev(after) if len(after) > 1 else 0.0
    print(json.dumps(result | {"return": fmean(after), "standard_deviation": spread, "returns": after}))


if __name__ == "__main__":
    main()
