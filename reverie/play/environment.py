"""The dream as Gymnasium's environment, for agents of other libraries; and the real world as the same environment.

    import gymnasium

    env = gymnasium.make("reverie_worlds:reverie/Dream-v0", run="runs/demo")
    env = gymnasium.make_vec("reverie_worlds:reverie/Dream-v0", num_envs=64, run="runs/demo")   # one batch
    env = gymnasium.make("reverie_worlds:reverie/Filtered-v0", run="runs/demo")

`Filtered` plays the run's real environment and shows the beliefs of the model that filters it. So an agent that learned
in the dream can act there. Observations are the features of the belief, or what the model decodes.
"""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from reverie import envs, tree
from reverie.agents.agent import load
from reverie.envs.conversions import as_colors
from reverie.errors import UserError
from reverie.play.dream import Dream, Prediction
from reverie.play.recordings import read_recordings
from reverie.runs.evaluation import environment_of
from reverie.spaces import EnvSpec
from reverie.types import State


def _open(run: str | Path, observe: str, device: str) -> tuple[Any, Dream]:
    agent = load(run, device)
    dream = Dream(agent.model, agent.config.spec)
    if observe not in ("features", "decoded"):
        raise UserError(f"`observe` is {observe!r}: take features or decoded.")
    if observe == "decoded" and not dream.draws:
        raise UserError("This model decodes no observations: take observe='features'.")
    return agent, dream


def _observation_space(dream: Dream, observe: str) -> spaces.Space[Any]:
    if observe == "features":
        return spaces.Box(-np.inf, np.inf, (dream.model.dynamics.feature_size,), np.float32)
    parts: dict[str, spaces.Space[Any]] = {
        name: spaces.Box(0, 255, space.shape, np.uint8)
        if space.is_image
        else spaces.Box(-np.inf, np.inf, space.shape, np.float32)
        for name, space in dream.spec.obs.items()
    }
    return next(iter(parts.values())) if len(parts) == 1 else spaces.Dict(parts)


def _action_space(spec: EnvSpec) -> spaces.Space[Any]:
    size = spec.action.size
    return spaces.Discrete(size) if spec.action.discrete else spaces.Box(-1, 1, (size,), np.float32)


def _normal_actions(actions: Any, spec: EnvSpec) -> np.ndarray:
    """Return Gymnasium's actions of a batch in the library's form, float32 (B, A)."""
    if spec.action.discrete:
        return np.eye(spec.action.size, dtype=np.float32)[np.asarray(actions, np.int64)]
    return np.asarray(actions, np.float32).reshape(-1, spec.action.size).clip(-1, 1)


def _observation(dream: Dream, prediction: Prediction, observe: str) -> Any:
    if observe == "features":
        return prediction.features.cpu().numpy().astype(np.float32)
    obs = {name: x for name, x in dream.decode(prediction.features).items() if name in dream.spec.obs}
    return next(iter(obs.values())) if len(obs) == 1 else obs


class DreamVectorEnv(VectorEnv[Any, Any, Any]):
    """B dreams of one model, stepped as one batch.

    - `run`: the folder of a run with an agent whose model predicts the reward.
    - `horizon`: decisions after which an episode is cut.
    - `start`: `replay` begins at recorded steps, of which the model has seen a few before; `prior` at sampled beliefs.
    - `sampled`: draw every step from the model's distribution, instead of its mean.
    - `observe`: `features` of the belief, or the `decoded` observations.
    - `autoreset_mode`: one of Gymnasium's, by name: NextStep, SameStep or Disabled.

    An episode terminates where the model's prediction of its end is drawn, or is likely if not `sampled`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        run: str | Path = "",
        horizon: int = 100,
        start: str = "replay",
        sampled: bool = True,
        observe: str = "features",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        device: str = "auto",
        max_episode_steps: int | None = None,
    ) -> None:
        self.num_envs, self.horizon, self.sampled, self.observe = (
            num_envs,
            max_episode_steps or horizon,
            sampled,
            observe,
        )
        _, self.dream = _open(run, observe, device)
        self.dream.model.reward(torch.zeros(1, self.dream.model.dynamics.feature_size, device=self.dream.device))
        self.recordings = read_recordings(Path(run), self.dream.spec) if start == "replay" else None
        if start not in ("replay", "prior"):
            raise UserError(f"`start` is {start!r}: take replay or prior.")
        if start == "replay" and self.recordings is None:
            raise UserError(f"{run} has no recorded steps to start from: take start='prior'.")
        self.mode = _mode(autoreset_mode)
        self.metadata = DreamVectorEnv.metadata | {"autoreset_mode": self.mode}
        self.render_mode = render_mode
        self.single_observation_space = _observation_space(self.dream, observe)
        self.single_action_space = _action_space(self.dream.spec)
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self.generator = torch.Generator(self.dream.device)
        self.belief: State = None
        self.age = np.zeros(num_envs, np.int64)
        self.ended = np.ones(num_envs, bool)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin episodes, all or those of `options["reset_mask"]`. `seed` is one number, or one for each."""
        mask = None if options is None else options.get("reset_mask")
        mask = np.ones(self.num_envs, bool) if mask is None else np.asarray(mask, bool)
        if self.belief is None and not mask.all():
            raise UserError("The first reset begins all episodes: leave the mask out.")
        given = [each for each in (seed if isinstance(seed, list | tuple | np.ndarray) else [seed]) if each is not None]
        if given:
            super().reset(seed=int(given[0]))
            self.generator.manual_seed(int(np.random.SeedSequence([int(each) for each in given]).generate_state(1)[0]))
        elif self._np_random is None:
            self.generator.manual_seed(int(self.np_random.integers(2**31)))
        self._begin(mask)
        return self._see(), {}

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        if self.belief is None:
            raise UserError("No episode is running: call reset first.")
        over, info = self.ended.copy(), dict[str, Any]()
        if self.mode is AutoresetMode.DISABLED and over.any():
            raise UserError(
                "An episode has ended: reset it by options={'reset_mask': mask}, because nothing else does."
            )
        tensor = torch.from_numpy(_normal_actions(actions, self.dream.spec)).to(self.dream.device)
        noise = self.dream.noise(self.num_envs, self.generator) if self.sampled else None
        self.belief = self.dream.step(self.belief, tensor, noise)
        prediction = self.dream.predict(self.belief)
        assert prediction.reward is not None
        limit = self.np_random.random(self.num_envs) if self.sampled else 0.5
        terminated = (prediction.alive < limit) & ~over & self.dream.ends
        self.age += 1
        truncated = (self.age >= self.horizon) & ~terminated & ~over
        reward = np.where(over, 0.0, prediction.reward).astype(np.float64)
        self.ended = terminated | truncated
        observation = _observation(self.dream, prediction, self.observe)
        if self.mode is AutoresetMode.NEXT_STEP and over.any():
            self._begin(over)
            observation = self._see()
        if self.mode is AutoresetMode.SAME_STEP and self.ended.any():
            ended = self.ended.copy()
            info = {"final_obs": _each(observation, ended), "_final_obs": ended, "final_info": {}, "_final_info": ended}
            self._begin(ended)
            observation = self._see()
        return observation, reward, terminated, truncated, info

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Draw what the model decodes now."""
        if self.render_mode != "rgb_array" or self.belief is None:
            return None
        images = self.dream.model.normalize.images
        if not (self.dream.draws and images):
            raise UserError("This model decodes no image: leave render_mode out.")
        features = self.dream.model.dynamics.features(self.belief)
        return tuple(as_colors(self.dream.decode(features)[images[0]]).copy())

    def _begin(self, mask: np.ndarray) -> None:
        """Begin new episodes where `mask` holds."""
        count = self.num_envs
        if self.recordings is not None:
            new = self.dream.filter(self.recordings.draw(count, self.np_random, self.dream.device))
        else:
            new = self.dream.begin(count, self.dream.noise(count, self.generator) if self.sampled else None)
        where = torch.from_numpy(mask).to(self.dream.device)
        self.belief = new if self.belief is None else tree.where(where, new, self.belief)
        self.age[mask], self.ended[mask] = 0, False

    def _see(self) -> Any:
        return _observation(self.dream, self.dream.predict(self.belief), self.observe)


class DreamEnv(gymnasium.Env[Any, Any]):
    """One dream; the arguments are those of `DreamVectorEnv`."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012

    def __init__(self, run: str | Path = "", render_mode: str | None = None, **settings: Any) -> None:
        self.batch = DreamVectorEnv(1, run, render_mode=render_mode, autoreset_mode=AutoresetMode.DISABLED, **settings)
        self.observation_space, self.action_space = self.batch.single_observation_space, self.batch.single_action_space
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return _first(self.batch.reset(seed=seed)[0]), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, _ = self.batch.step(np.asarray(action)[None])
        return _first(observation), float(reward[0]), bool(terminated[0]), bool(truncated[0]), {}

    def render(self) -> Any:
        frames = self.batch.render()
        return None if frames is None else frames[0]


class FilteredEnv(gymnasium.Env[Any, Any]):
    """The real environment of a run, seen through its model: the spaces are those of `DreamEnv`.

    `env` replaces the run's environment, as in `reverie.evaluate`. Beliefs are means.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}  # noqa: RUF012

    def __init__(
        self,
        run: str | Path = "",
        env: Any = None,
        observe: str = "features",
        render_mode: str | None = None,
        device: str = "auto",
    ) -> None:
        agent, self.dream = _open(run, observe, device)
        self.environment = envs.make(environment_of(agent, env))
        self.observe, self.render_mode = observe, render_mode
        self.observation_space = _observation_space(self.dream, observe)
        self.action_space = _action_space(self.dream.spec)
        self.belief: State = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        step = self.environment.reset(int(self.np_random.integers(2**31)))
        self.belief = self.dream.model.dynamics.initial(1)
        return self._filter(step, np.zeros((1, self.dream.spec.action.size), np.float32)), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        normal = _normal_actions(np.asarray(action)[None], self.dream.spec)
        step = self.environment.step(normal[0])
        observation = self._filter(step, normal)
        return observation, step.reward, step.is_terminal, step.is_last and not step.is_terminal, {}

    def render(self) -> np.ndarray | None:
        return self.environment.render() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        self.environment.close()

    def _filter(self, step: envs.Step, action: np.ndarray) -> Any:
        device = self.dream.device
        obs = {name: torch.from_numpy(step.obs[name])[None].to(device) for name in self.dream.spec.obs}
        first = torch.tensor([step.is_first], device=device)
        self.belief, _ = self.dream.see(self.belief, torch.from_numpy(action).to(device), obs, first, None)
        return _first(_observation(self.dream, self.dream.predict(self.belief), self.observe))


def _mode(mode: str | AutoresetMode) -> AutoresetMode:
    try:
        return AutoresetMode(mode) if not isinstance(mode, AutoresetMode) else mode
    except ValueError as error:
        names = ", ".join(each.value for each in AutoresetMode)
        raise UserError(f"There is no autoreset mode {mode!r}: take one of {names}.") from error


def _first(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {name: x[0] for name, x in observation.items()}
    return observation[0]


def _each(observation: Any, where: np.ndarray) -> np.ndarray:
    """Return the observation of each environment as an object, None where it does not hold."""
    rows = np.full(len(where), None, object)
    for index in np.flatnonzero(where):
        rows[index] = (
            {name: x[index] for name, x in observation.items()} if isinstance(observation, dict) else observation[index]
        )
    return rows
