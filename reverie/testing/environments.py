"""Check an environment against the contract of `reverie.envs.base`: play it, and report each violation in a sentence.

`reverie check-env ID` runs this check, and the contract tests run it on every family.
"""

import copy
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest

import numpy as np

from reverie.envs import make
from reverie.envs.base import EnvConfig, Environment, Step, own_sampler
from reverie.envs.conversions import uniform_actions
from reverie.spaces import EnvSpec

REMARK = "Remark: "
"""Prefix of a sentence about something that is unusual but allowed."""
MOST_DECISIONS = 10_000
"""Decisions after which an episode counts as endless if no time limit was given."""

Make = Callable[[EnvConfig], Environment]


def check_environment(config: EnvConfig, episodes: int = 3, make: Make = make) -> list[str]:
    """Play `episodes` random episodes, repeat the first one twice, and return a sentence for each violation.

    Errors of the environment are violations too; sentences that begin with `REMARK` are not. Takes the time of
    `episodes + 2` episodes, and makes two instances.
    """
    inspection = _Inspection(config, make)
    inspection.run(episodes)
    return list(inspection.found.values())


class _Inspection:
    """One run of the check; `found` has the first sentence of each kind."""

    def __init__(self, config: EnvConfig, make: Make) -> None:
        self.config, self.make = config, make
        self.limit = config.time_limit and -(-config.time_limit // config.repeat)
        self.found: dict[str, str] = {}

    def run(self, episodes: int) -> None:
        environment = self._make()
        if environment is None:
            return
        with self._report_errors("error", "It raised {}."):
            self._check_spec(environment.spec)
            played = [self._play(environment, seed) for seed in range(episodes)]
            whole = [episode for episode in played if episode]
            if len(whole) == episodes:
                self._check_ends(whole)
                self._check_repeats(environment, whole)
                self._check_bounds(environment)
                self._check_sample_actions(environment)
                self._check_render(environment)
        self._close(environment)

    def _require(self, kind: str, *rules: tuple[object, str]) -> None:
        """Report the sentence of each rule (holds, sentence) that does not hold."""
        for number, (holds, sentence) in enumerate(rules):
            if not holds:
                self.found.setdefault(f"{kind} {number}", sentence)

    @contextmanager
    def _report_errors(self, kind: str, sentence: str) -> Iterator[None]:
        """Report an error of the block; `{}` in the sentence is its type and message."""
        try:
            yield
        except Exception as error:
            self._require(kind, (False, sentence.replace("{}", _describe(error))))

    def _make(self) -> Environment | None:
        with self._report_errors("make", "It could not be made: {}."):
            return self.make(self.config)

    def _close(self, environment: Environment) -> None:
        with self._report_errors("close", "close() raised {}."):
            environment.close()

    def _check_spec(self, spec: EnvSpec) -> None:
        size, repeat = self.config.image_size, self.config.repeat
        self._require(
            "spec",
            (spec.obs, "The spec names no observation."),
            (spec.action.size > 0, "The spec has an action of no numbers."),
            (spec.repeat == repeat, f"The spec has repeat {spec.repeat}, the config {repeat}."),
        )
        for name, space in spec.obs.items():
            known = len(space.shape) in (1, 3) and space.dtype == ("uint8" if space.is_image else "float32")
            self._require(
                f"spec {name}",
                (known, f"The spec of {name!r} is neither a uint8 image nor a float32 vector."),
                (
                    not space.is_image or space.shape[:2] == (size, size),
                    f"The image {name!r} is {space.shape}, not of image_size {size}.",
                ),
            )

    def _play(self, environment: Environment, seed: int) -> list[Step] | None:
        """Play one episode of the random actions of `seed`, and check each step; None after an error."""
        spec, random = environment.spec, np.random.default_rng(seed)
        steps: list[Step] = []
        copies: list[Step] = []
        try:
            step = environment.reset(seed)
            while True:
                self._check_step(step, len(steps), spec)
                steps.append(step)
                copies.append(copy.deepcopy(step))
                if step.is_last or len(steps) > (self.limit or MOST_DECISIONS):
                    break
                step = environment.step(_random_action(spec, random))
        except Exception as error:
            call = f"step {len(steps)}" if steps else "reset"
            self._require("error", (False, f"In {call} of an episode it raised {_describe(error)}."))
            return None
        for number, (now, before) in enumerate(zip(steps, copies)):
            sentence = f"The observation of step {number} changed later: copy its buffer."
            self._require("buffer", (_digest(now) == _digest(before), sentence))
        if step.is_last:
            self._check_step_after_end(environment)
        return copies

    def _check_step(self, step: Step, number: int, spec: EnvSpec) -> None:
        """Check one step by itself; `number` 0 is the reset."""
        observed, named, reset = sorted(step.obs), sorted(spec.obs), number == 0
        finite = isinstance(step.reward, float) and np.isfinite(step.reward)
        self._require(
            "step",
            (observed == named, f"Step {number} observes {observed}, the spec {named}."),
            (finite, f"The reward of step {number} is {step.reward!r}, not a finite float."),
            (not (reset and finite and step.reward), f"The reward of the reset is {step.reward}, not 0."),
            (reset or not step.is_first, f"Step {number} has is_first, which only the reset may have."),
            (step.is_first or not reset, "The reset's step has no is_first."),
            (not (step.is_last and reset), "The reset's step has is_last."),
            (step.is_last or not step.is_terminal, f"Step {number} has is_terminal without is_last."),
        )
        for name in set(observed) & set(named):
            array, form = step.obs[name], f"{spec.obs[name].dtype} {spec.obs[name].shape}"
            right = _form(array) == form
            self._require(
                f"observation {name}",
                (right, f"{name!r} is {_form(array)} in step {number}, but {form} in the spec."),
                (not right or np.isfinite(array).all(), f"{name!r} holds NaN or infinity in step {number}."),
            )

    def _check_step_after_end(self, environment: Environment) -> None:
        try:
            environment.step(_random_action(environment.spec, np.random.default_rng(0)))
        except Exception:
            return
        self._require("after end", (False, "A step after is_last must raise an error until reset is called."))

    def _check_ends(self, episodes: list[list[Step]]) -> None:
        limit = f"at its time limit of {self.config.time_limit} frames"
        where = limit if self.limit else f"after {MOST_DECISIONS} decisions: set a time limit"
        at_limit = [episode[-1].is_terminal for episode in episodes if len(episode) - 1 == self.limit]
        terminal = at_limit and all(at_limit)
        self._require(
            "end",
            (all(episode[-1].is_last for episode in episodes), f"An episode was not over {where}."),
            (not terminal, "The time limit is marked is_terminal: mark it is_last only, as a return follows."),
        )

    def _check_repeats(self, environment: Environment, episodes: list[list[Step]]) -> None:
        """Play seed 0 again, in the middle of another episode and in a second instance."""
        first = episodes[0]
        differ = len(episodes) == 1 or len({_digest(episode[0]) for episode in episodes}) > 1
        self._require("seeds", (differ, f"{REMARK}every seed starts with the same observation."))
        environment.reset(1)
        environment.step(_random_action(environment.spec, np.random.default_rng(1)))
        self._compare(first, self._play(environment, 0), "played again after other episodes")
        second = self._make()
        if second is not None:
            self._compare(first, self._play(second, 0), "played in a second instance")
            self._close(second)

    def _compare(self, first: list[Step], again: list[Step] | None, how: str) -> None:
        for number, (old, new) in enumerate(zip_longest(first, again or first)):
            same = old and new and _digest(old) == _digest(new)
            self._require(how, (same, f"Seed 0 with the same actions, {how}, differs from step {number} on."))

    def _check_bounds(self, environment: Environment) -> None:
        """Check that a continuous action beyond [-1, 1] has the effect of the bound, or is refused."""
        space = environment.spec.action
        for bound in () if space.discrete else (1, -1):
            action = np.full(space.size, bound, np.float32)
            environment.reset(0)
            at_bound = environment.step(action)
            environment.reset(0)
            try:
                beyond = environment.step(3 * action)
            except Exception:
                continue
            sentence = f"An action of {3 * bound} is not clipped to {bound}."
            self._require("bounds", (_digest(at_bound) == _digest(beyond), sentence))

    def _check_sample_actions(self, environment: Environment, count: int = 5) -> None:
        """Check the form of sampled actions, that a seed repeats them, and that sampling does not change the state."""
        sample = own_sampler(environment)
        if sample is None:
            return
        space, action = environment.spec.action, _random_action(environment.spec, np.random.default_rng(0))
        environment.reset(0)
        undisturbed = environment.step(action)
        environment.reset(0)
        with self._report_errors("sample", "sample_actions(count, seed) raised {}."):
            actions, again = sample(count, 3), sample(count, 3)
            form = f"float32 ({count}, {space.size})"
            if _form(actions) != form:
                sentence = f"sample_actions({count}, seed) gives {_form(actions)}, not {form}."
                self._require("sample", (False, sentence))
                return
            one_hot = not space.discrete or (np.sort(actions) == np.eye(space.size)[-1]).all()
            same_step = _digest(environment.step(action)) == _digest(undisturbed)
            self._require(
                "sample",
                (one_hot, "sample_actions is not one-hot."),
                ((np.abs(actions) <= 1).all(), "sample_actions is not within [-1, 1]."),
                (np.array_equal(actions, again), "sample_actions differs for the same state and seed."),
                (same_step, "sample_actions changes the rest of the episode."),
            )

    def _check_render(self, environment: Environment) -> None:
        environment.reset(0)
        with self._report_errors("render", f"{REMARK}render() raised {{}}, so there will be no videos."):
            form = _form(environment.render())
            image = re.fullmatch(r"uint8 \(\d+, \d+, 3\)", form)
            self._require("render", (image, f"render() gives {form}, not a uint8 image (height, width, 3)."))


def _random_action(spec: EnvSpec, random: np.random.Generator) -> np.ndarray:
    return uniform_actions(spec.action, 1, random)[0]


def _digest(step: Step) -> str:
    flags = (step.reward, step.is_first, step.is_last, step.is_terminal)
    digest = hashlib.sha256(repr(flags).encode())
    for name in sorted(step.obs):
        digest.update(name.encode() + np.ascontiguousarray(step.obs[name]).tobytes())
    return digest.hexdigest()


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".")


def _form(value: object) -> str:
    """Return type and shape, such as `float32 (2,)`."""
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
