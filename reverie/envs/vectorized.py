"""Vector environments of Gymnasium, `vector/ID`: all copies are one environment, stepped as one batch (`make_vec`).

Such an environment begins its own episodes, in one of three ways (`metadata["autoreset_mode"]`):

- Disabled: it is told which copies begin anew, and from which seeds.
- SameStep: a step that ends an episode returns the next one's first observation, and the last one in `final_obs`.
- NextStep: the step after it ignores the action and returns the first observation. This is no transition.

With the last two, only episodes that begin together have seeds of their own. So a run that is resumed plays new ones.
"""

import warnings
from contextlib import suppress
from typing import Any

import numpy as np

from reverie.envs.base import EnvConfig, Step
from reverie.envs.border import check_step, violation
from reverie.envs.conversions import check_action, no_episode_error, refuse_settings
from reverie.envs.gymnasium import GymEnvironment
from reverie.envs.gymnasium_registry import find_spec, load, parse_kwargs
from reverie.errors import UserError

LABEL = "gymnasium, vector environments"
PREFIX = "vector/"


def matches(env_id: str) -> bool:
    return env_id.startswith(PREFIX)


def ids() -> list[str]:
    """Return those that are played by a vector environment of their own; every other id has Gymnasium's."""
    own = [f"{PREFIX}{env_id}" for env_id, spec in load().registry.items() if spec.vector_entry_point is not None]
    playable = []
    for env_id in own:
        with suppress(UserError):
            VectorEnvironment(EnvConfig(env_id, observe=("all",))).close()
            playable.append(env_id)
    return sorted(playable)


class VectorEnvironments:
    """Implements `Environments` by one vector environment: `config.id`, or `env`, which is open already.

    UserError for what a batch cannot do: a step or an early reset of some copies alone, and repeated actions.
    """

    together = True
    """All copies are stepped at once, so an unfinished episode cannot be played again alone."""

    def __init__(self, config: EnvConfig, env: Any = None) -> None:
        if config.repeat != 1:
            raise UserError(f"{config.id} is a batch, in which an action is held for one frame: take --env.repeat 1.")
        if config.workers:
            raise UserError(f"{config.id} is a batch, which has processes of its own if any: leave workers out.")
        self._config, self.count = config, config.count
        self._env = _open(config) if env is None else env
        try:
            if self._env.num_envs != config.count:
                raise UserError(f"{config.id} has {self._env.num_envs} copies: set --env.count {self._env.num_envs}.")
            self._mode = self._read_mode()
            self._copies = [_Copy(config, self._env, index) for index in range(self.count)]
        except BaseException:
            self._env.close()
            raise
        self.spec = self._copies[0].spec
        self.sample_actions = None
        self._first: dict[int, Any] = {}
        """First observations that have come and were not asked for yet."""
        self._over = np.ones(self.count, bool)
        self._sent: dict[int, np.ndarray] = {}

    def reset(self, seeds: dict[int, int]) -> dict[int, Step]:
        """Begin episodes. A copy that begins with the next step has none here (`Environments.reset`)."""
        if len(seeds) == self.count:
            self._first = dict(enumerate(self._split(self._reset([seeds[index] for index in range(self.count)], None))))
            self._over[:] = False
        elif any(not self._over[index] for index in seeds):
            raise UserError(f"{self._config.id} is a batch: an episode of one copy cannot be broken off.")
        elif self._mode == "Disabled":
            given = [seeds.get(index) for index in range(self.count)]
            observations = self._split(self._reset(given, np.isin(np.arange(self.count), list(seeds))))
            self._first |= {index: observations[index] for index in seeds}
            self._over[list(seeds)] = False
        begun = {index: self._first.pop(index) for index in seeds if index in self._first}
        self._over[list(begun)] = False
        return {index: self._copies[index].begin(observation) for index, observation in begun.items()}

    def step(self, actions: dict[int, np.ndarray]) -> dict[int, Step | None]:
        if len(actions) != self.count:
            raise UserError(f"{self._config.id} is a batch: step all of its {self.count} copies.")
        from gymnasium.vector.utils import concatenate, create_empty_array

        space = self._env.single_action_space
        own = [self._copies[index].own_action(actions[index]) for index in range(self.count)]
        empty: Any = create_empty_array(space, self.count)
        batch = concatenate(space, own, empty)
        observations, rewards, terminated, truncated, info = self._env.step(batch)
        each, before = self._split(observations), self._over.copy()
        steps: dict[int, Step | None] = {}
        for index, copy in enumerate(self._copies):
            if before[index]:  # NextStep: it has ignored the action
                steps[index] = copy.begin(each[index])
                self._over[index] = False
                continue
            result = each[index], rewards[index], terminated[index], truncated[index], {}
            _, reward, ended, cut = check_step(result, self._config.id)
            self._over[index] = over = ended or cut
            observation = each[index]
            if over and self._mode == "SameStep":
                self._first[index], observation = observation, self._final(info, index)
            steps[index] = copy.finish(observation, reward, ended, over)
        return steps

    def send(self, actions: dict[int, np.ndarray]) -> None:
        self._sent = actions

    def receive(self) -> dict[int, Step | None]:
        return self.step(self._sent)

    def render(self, index: int) -> np.ndarray:
        return self._copies[index].render()

    def close(self) -> None:
        self._env.close()

    def _read_mode(self) -> str:
        mode = getattr(self._env, "metadata", {}).get("autoreset_mode")
        name = getattr(mode, "value", mode)
        if name not in ("NextStep", "SameStep", "Disabled"):
            raise violation(self._config.id, "does not say by metadata['autoreset_mode'] how its episodes begin")
        return name

    def _reset(self, seeds: list[int | None], mask: np.ndarray | None) -> Any:
        """Reset by a seed for each copy, or by one for all where the environment takes no list."""
        options = None if mask is None else {"reset_mask": mask}
        try:
            return self._env.reset(seed=seeds, options=options)[0]
        except Exception as error:
            if "integer" not in str(error):
                raise
        given = [seed for seed in seeds if seed is not None]
        one = int(np.random.SeedSequence(given).generate_state(1)[0] >> 1) if len(given) > 1 else given[0]
        return self._env.reset(seed=one, options=options)[0]

    def _split(self, observations: Any) -> list[Any]:
        """Return the observations of a batch one by one, as copies: a batch may be written into again."""
        from gymnasium.vector.utils import iterate

        return [_copied(one) for one in iterate(self._env.observation_space, observations)]

    def _final(self, info: dict[str, Any], index: int) -> Any:
        final = info.get("final_obs")
        if final is None or (not isinstance(final, dict) and final[index] is None):
            raise violation(self._config.id, "ends an episode in SameStep mode and gives no final_obs")
        return _row(final, index) if isinstance(final, dict) else final[index]


class VectorEnvironment:
    """One copy alone, as an `Environment`."""

    def __init__(self, config: EnvConfig) -> None:
        self._batch = VectorEnvironments(config)
        self.spec, self.unwrapped = self._batch.spec, self._batch._env.unwrapped
        self._over = True

    def reset(self, seed: int) -> Step:
        self._over = False
        return self._batch.reset({0: seed})[0]

    def step(self, action: np.ndarray) -> Step:
        if self._over:  # the batch would begin the next episode
            raise no_episode_error()
        step = self._batch.step({0: action})[0]
        assert step is not None
        self._over = step.is_last
        return step

    def render(self) -> np.ndarray:
        return self._batch.render(0)

    def close(self) -> None:
        self._batch.close()


class _Copy(GymEnvironment):
    """The conversions of one copy. What it is given has come from the batch."""

    def __init__(self, config: EnvConfig, env: Any, index: int) -> None:
        super().__init__(config, _Single(env, index))

    def begin(self, observation: Any) -> Step:
        return Step(self._normal(observation), 0.0, is_first=True, is_last=False, is_terminal=False, frames=0)

    def finish(self, observation: Any, reward: float, terminal: bool, last: bool) -> Step:
        return Step(self._normal(observation), reward, is_first=False, is_last=last, is_terminal=terminal, frames=1)

    def own_action(self, action: np.ndarray) -> Any:
        return self._own_action(check_action(action, self.spec.action))


class _Single:
    """One copy of a vector environment, as far as `GymEnvironment` looks at it."""

    def __init__(self, env: Any, index: int) -> None:
        self.env, self.index = env, index
        self.observation_space, self.action_space = env.single_observation_space, env.single_action_space
        self.render_mode, self.metadata, self.unwrapped = getattr(env, "render_mode", None), env.metadata, env

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        self.env.reset(seed=seed)
        return None, {}

    def render(self) -> Any:
        frames = self.env.render()
        return None if frames is None else frames[self.index]

    def close(self) -> None:
        pass


def _open(config: EnvConfig) -> Any:
    refuse_settings(config, "camera", "rendering")
    gymnasium, spec = load(), find_spec(config.id.removeprefix(PREFIX))
    settings = parse_kwargs(config.kwargs)
    if config.time_limit is not None:
        settings["max_episode_steps"] = config.time_limit
    reason = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for drawing in ({"render_mode": "rgb_array"}, {}):
            try:
                return gymnasium.make_vec(spec.id, num_envs=config.count, **settings, **drawing)
            except Exception as error:  # a constructor may raise anything
                reason = reason or next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
    raise UserError(f"{config.id} cannot be made: {reason}; give arguments as --env.kwargs name=value.")


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(part) for name, part in value.items()}
    return np.array(value) if isinstance(value, np.ndarray) else value


def _row(batch: dict[str, Any], index: int) -> dict[str, Any]:
    return {
        name: _row(part, index) if isinstance(part, dict) else part[index]
        for name, part in batch.items()
        if not str(name).startswith("_")
    }
