"""The contract of environments as checks: play one, and report in a sentence each what an agent could not rely on.

`reverie check-env ID` runs them on an environment of yours. The contract tests run them on every family.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from reverie.envs import make
from reverie.envs.base import EnvConfig, Environment, Obs, Step, own_sampler
from reverie.envs.conversions import uniform_actions
from reverie.spaces import EnvSpec, Space

REMARK = "Remark: "
"""Begins a sentence on what is odd but not wrong."""
MOST_DECISIONS = 10_000
"""An episode that is not over by then counts as endless where no time limit was given."""

Make = Callable[[EnvConfig], Environment]


def check_environment(config: EnvConfig, episodes: int = 3, make: Make = make) -> list[str]:
    """Play `episodes` random episodes, two of them again, and return what is wrong; empty if nothing is.

    What the environment raises is reported like everything else. Sentences that begin with `REMARK` are no
    faults. Takes the time of `episodes + 2` episodes, and makes two instances.
    """
    faults = _Faults()
    first = _made(config, make, faults)
    if first is None:
        return faults.sentences
    try:
        _check_spec(first.spec, config, faults)
        played = [_play(first, seed, config, faults) for seed in range(episodes)]
        if all(episode is not None for episode in played):
            _check_ends([episode for episode in played if episode], config, faults)
            _check_seeds([episode for episode in played if episode], faults)
            _check_history(first, played[0], config, faults)
            _check_bounds(first, faults)
            _check_sample_actions(first, faults)
            _check_render(first, faults)
            _check_second_instance(played[0], config, make, faults)
    except Exception as error:
        faults.add("raised", f"It raised {_describe(error)}.")
    _close(first, faults)
    return faults.sentences


@dataclass
class _Faults:
    """The first sentence of each kind."""

    by_kind: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, sentence: str) -> None:
        self.by_kind.setdefault(kind, sentence)

    @property
    def sentences(self) -> list[str]:
        return list(self.by_kind.values())


@dataclass(frozen=True)
class _Episode:
    """A digest of every step of an episode, and how it ended."""

    digests: list[str]
    ended: bool
    terminal: bool

    @property
    def decisions(self) -> int:
        return len(self.digests) - 1


def _made(config: EnvConfig, make: Make, faults: _Faults) -> Environment | None:
    try:
        return make(config)
    except Exception as error:
        faults.add("made", f"It could not be made: {_describe(error)}.")
        return None


def _close(environment: Environment, faults: _Faults) -> None:
    try:
        environment.close()
    except Exception as error:
        faults.add("close", f"close() raised {_describe(error)}.")


def _check_spec(spec: EnvSpec, config: EnvConfig, faults: _Faults) -> None:
    if not spec.obs:
        faults.add("spec", "The spec names no observation.")
    for name, space in spec.obs.items():
        wanted = "uint8" if space.is_image else "float32"
        if len(space.shape) not in (1, 3) or space.dtype != wanted:
            faults.add(f"spec {name}", f"The spec of {name!r} is neither a uint8 image nor a float32 vector.")
        if space.is_image and space.shape[:2] != (config.image_size, config.image_size):
            faults.add(f"size {name}", f"The image {name!r} is {space.shape}, not of image_size {config.image_size}.")
    if spec.action.size < 1:
        faults.add("spec action", "The spec has an action of no numbers.")
    if spec.repeat != config.repeat:
        faults.add("spec repeat", f"The spec says repeat {spec.repeat}, the config {config.repeat}.")


def _play(environment: Environment, seed: int, config: EnvConfig, faults: _Faults) -> _Episode | None:
    """Play one episode of the random actions that belong to `seed`, and check each step. None if it raised."""
    spec, actions = environment.spec, np.random.default_rng(seed)
    most = MOST_DECISIONS if config.time_limit is None else -(-config.time_limit // config.repeat)
    step, digests, observations = None, [], []
    try:
        step = environment.reset(seed)
        _check_step(step, 0, spec, faults)
        digests, observations = [_digest(step)], [step.obs]
        while not step.is_last and len(digests) <= most:
            step = environment.step(_random_action(spec, actions))
            _check_step(step, len(digests), spec, faults)
            digests.append(_digest(step))
            observations.append(step.obs)
    except Exception as error:
        call = "reset" if step is None else f"step {max(len(digests), 1)}"
        faults.add("raised", f"In {call} of an episode it raised {_describe(error)}.")
        return None
    _check_buffers(observations, digests, faults)
    if step.is_last:
        _check_step_after_end(environment, spec, faults)
    return _Episode(digests, step.is_last, step.is_terminal)


def _check_step(step: Step, number: int, spec: EnvSpec, faults: _Faults) -> None:
    """Check what one step must fulfil by itself; `number` 0 is the reset."""
    if set(step.obs) != set(spec.obs):
        faults.add("keys", f"Step {number} observes {sorted(step.obs)}, the spec {sorted(spec.obs)}.")
    for name in set(step.obs) & set(spec.obs):
        _check_array(name, step.obs[name], spec.obs[name], number, faults)
    if step.is_first and number > 0:
        faults.add("first", f"Step {number} has is_first, which belongs to the reset alone.")
    if not step.is_first and number == 0:
        faults.add("no first", "The reset's step has no is_first.")
    if step.is_last and number == 0:
        faults.add("last", "The reset's step has is_last.")
    if step.is_terminal and not step.is_last:
        faults.add("terminal", f"Step {number} has is_terminal without is_last.")
    if not isinstance(step.reward, float) or not np.isfinite(step.reward):
        faults.add("reward", f"The reward of step {number} is {step.reward!r}, not a finite float.")
    elif number == 0 and step.reward != 0:
        faults.add("first reward", f"The reset gives a reward of {step.reward}: nothing has been done for it.")


def _check_array(name: str, array: np.ndarray, space: Space, number: int, faults: _Faults) -> None:
    if not isinstance(array, np.ndarray) or array.shape != space.shape:
        shape = getattr(array, "shape", type(array).__name__)
        faults.add(f"shape {name}", f"{name!r} is {shape} in step {number}, but {space.shape} in the spec.")
    elif array.dtype != space.dtype:
        faults.add(f"dtype {name}", f"{name!r} is {array.dtype} in step {number}, but {space.dtype} in the spec.")
    elif not np.isfinite(array).all():
        faults.add(f"finite {name}", f"{name!r} holds NaN or infinity in step {number}.")


def _check_buffers(observations: list[Obs], digests: list[str], faults: _Faults) -> None:
    """Check that no observation has changed since it came."""
    for number, obs in enumerate(observations):
        if not digests[number].startswith(_obs_digest(obs)):
            faults.add("buffer", f"The observation of step {number} changed later: its buffer is used again.")


def _check_step_after_end(environment: Environment, spec: EnvSpec, faults: _Faults) -> None:
    try:
        environment.step(_random_action(spec, np.random.default_rng(0)))
    except Exception:
        return
    faults.add("after end", "A step after is_last is played in silence; it must raise until reset is called.")


def _check_ends(episodes: list[_Episode], config: EnvConfig, faults: _Faults) -> None:
    limit = config.time_limit
    for episode in episodes:
        if not episode.ended and limit is None:
            faults.add("end", f"An episode was not over after {MOST_DECISIONS} decisions: set a time limit.")
        elif not episode.ended:
            faults.add("end", f"An episode was not over at its time limit of {limit} frames.")
    if limit is not None:
        at_limit = [episode for episode in episodes if episode.decisions == -(-limit // config.repeat)]
        if at_limit and all(episode.terminal for episode in at_limit):
            faults.add("limit", "The time limit is marked is_terminal: it is is_last only, as the world goes on.")


def _check_seeds(episodes: list[_Episode], faults: _Faults) -> None:
    if len(episodes) > 1 and len({episode.digests[0] for episode in episodes}) == 1:
        faults.add("seeds", f"{REMARK}every seed starts with the same observation.")


def _check_history(environment: Environment, first: _Episode | None, config: EnvConfig, faults: _Faults) -> None:
    """Play seed 0 once more, after other episodes and from the middle of one."""
    environment.reset(1)
    environment.step(_random_action(environment.spec, np.random.default_rng(1)))
    _compare(first, _play(environment, 0, config, faults), "played again after other episodes", faults)


def _check_second_instance(first: _Episode | None, config: EnvConfig, make: Make, faults: _Faults) -> None:
    second = _made(config, make, faults)
    if second is not None:
        _compare(first, _play(second, 0, config, faults), "played in a second instance", faults)
        _close(second, faults)


def _compare(first: _Episode | None, again: _Episode | None, how: str, faults: _Faults) -> None:
    if first is None or again is None or first.digests == again.digests:
        return
    pairs = enumerate(zip(first.digests, again.digests))
    number = next((number for number, (old, new) in pairs if old != new), "its end")
    faults.add(how, f"Seed 0 with the same actions, {how}, differs from step {number} on: it is not reproducible.")


def _check_bounds(environment: Environment, faults: _Faults) -> None:
    """Check that a continuous action beyond [-1, 1] acts as the bound does, or is refused."""
    spec = environment.spec
    if spec.action.discrete:
        return
    for bound in (np.ones(spec.action.size, np.float32), -np.ones(spec.action.size, np.float32)):
        environment.reset(0)
        at_bound = environment.step(bound)
        environment.reset(0)
        try:
            beyond = environment.step(3 * bound)
        except Exception:
            continue
        if _digest(at_bound) != _digest(beyond):
            faults.add("bounds", f"An action of {3 * bound[0]:g} is not clipped: it does more than {bound[0]:g}.")


def _check_sample_actions(environment: Environment, faults: _Faults, count: int = 5) -> None:
    """Check that `sample_actions`, if there is one, gives the normal form, repeats itself and changes nothing."""
    sample = own_sampler(environment)
    if sample is None:
        return
    space, action = environment.spec.action, _random_action(environment.spec, np.random.default_rng(0))
    environment.reset(0)
    undisturbed = environment.step(action)
    environment.reset(0)
    try:
        actions, again = sample(count, 3), sample(count, 3)
    except Exception as error:
        faults.add("sample", f"sample_actions(count, seed) raised {_describe(error)}.")
        return
    if not isinstance(actions, np.ndarray) or (actions.shape, actions.dtype) != ((count, space.size), np.float32):
        faults.add(
            "sample", f"sample_actions({count}, seed) gives {_kind(actions)}, not float32 ({count}, {space.size})."
        )
    elif not (_one_hot(actions) if space.discrete else (np.abs(actions) <= 1).all()):
        faults.add("sample", f"sample_actions is not {'one-hot' if space.discrete else 'within [-1, 1]'}.")
    elif not np.array_equal(actions, again):
        faults.add("sample", "sample_actions differs for the same state and seed: let all chance come from the seed.")
    elif _digest(environment.step(action)) != _digest(undisturbed):
        faults.add("sample", "An episode goes on differently once sample_actions was called.")


def _one_hot(actions: np.ndarray) -> bool:
    return bool(np.isin(actions, (0, 1)).all() and (actions.sum(1) == 1).all())


def _check_render(environment: Environment, faults: _Faults) -> None:
    environment.reset(0)
    try:
        frame = environment.render()
    except Exception as error:
        faults.add("render", f"{REMARK}render() raised {_describe(error)}, so there will be no videos.")
        return
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        faults.add("render", f"render() gives {_kind(frame)}, not a uint8 image (height, width, 3).")


def _random_action(spec: EnvSpec, rng: np.random.Generator) -> np.ndarray:
    return uniform_actions(spec.action, 1, rng)[0]


def _obs_digest(obs: Obs) -> str:
    digest = hashlib.sha256()
    for name in sorted(obs):
        digest.update(name.encode() + np.ascontiguousarray(obs[name]).tobytes())
    return digest.hexdigest()


def _digest(step: Step) -> str:
    return f"{_obs_digest(step.obs)} {step.reward!r} {step.is_first} {step.is_last} {step.is_terminal}"


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".")


def _kind(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
