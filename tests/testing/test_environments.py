from dataclasses import replace

import numpy as np
import pytest

from reverie.envs import EnvConfig, Step
from reverie.envs.conversions import uniform_actions
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.environments import REMARK, check_environment

CONFIG = EnvConfig("sound", time_limit=6, image_size=8)
SPEC = EnvSpec({"state": Space((2,), "float32")}, ActionSpace(1, discrete=False), repeat=1)


class Sound:
    """A world without a fault: it sums actions from a start that the seed decides, and ends after six steps."""

    spec = SPEC

    def __init__(self, config):
        self.count = 9

    def reset(self, seed):
        self.count, self.total = 0, np.random.default_rng(seed).normal()
        return self.stepped(0.0)

    def step(self, action):
        if self.count >= 6:
            raise RuntimeError("over")
        self.count += 1
        self.total += self.bounded(action)
        return self.stepped(float(self.total))

    def bounded(self, action):
        return float(action[0].clip(-1, 1))

    def stepped(self, reward):
        obs = {"state": np.array([self.total, self.count], np.float32)}
        return Step(obs, reward, self.count == 0, self.count == 6, False)

    def render(self):
        return np.zeros((10, 20, 3), np.uint8)

    def close(self):
        pass


class Changed(Sound):
    """Sound, but for fields of a step from the third decision on."""

    def stepped(self, reward):
        step = super().stepped(reward)
        return self.changed(step) if self.count >= 3 else step


class WrongShape(Changed):
    def changed(self, step):
        return replace(step, obs={"state": np.zeros(3, np.float32)})


class WrongDtype(Changed):
    def changed(self, step):
        return replace(step, obs={"state": step.obs["state"].astype(np.float64)})


class NotANumber(Changed):
    def changed(self, step):
        return replace(step, obs={"state": np.full(2, np.nan, np.float32)})


class OtherKeys(Changed):
    def changed(self, step):
        return replace(step, obs={"status": step.obs["state"]})


class FirstAgain(Changed):
    def changed(self, step):
        return replace(step, is_first=True)


class TerminalInMidlife(Changed):
    def changed(self, step):
        return replace(step, is_terminal=not step.is_last)


class InfiniteReward(Changed):
    def changed(self, step):
        return replace(step, reward=float("inf"))


class NeverOver(Changed):
    def changed(self, step):
        return replace(step, is_last=False)


class TerminalAtTheLimit(Changed):
    def changed(self, step):
        return replace(step, is_terminal=step.is_last)


class Crashing(Changed):
    def changed(self, step):
        raise ZeroDivisionError("the world is flat")


class NoFirst(Sound):
    def stepped(self, reward):
        return replace(super().stepped(reward), is_first=False)


class RewardForNothing(Sound):
    def reset(self, seed):
        return replace(super().reset(seed), reward=2.5)


class SameBuffer(Sound):
    buffer = np.zeros(2, np.float32)

    def stepped(self, reward):
        self.buffer[:] = self.total, self.count
        return replace(super().stepped(reward), obs={"state": self.buffer})


class Remembers(Sound):
    episodes = 0

    def reset(self, seed):
        self.episodes += 1
        super().reset(seed)
        self.total += self.episodes > 3
        return self.stepped(0.0)


class EachInstanceDiffers(Sound):
    instances = 0

    def __init__(self, config):
        super().__init__(config)
        type(self).instances += 1

    def reset(self, seed):
        return super().reset(seed + 100 * self.instances)


class Unclipped(Sound):
    def bounded(self, action):
        return float(action[0])


class PlaysOn(Sound):
    def step(self, action):
        self.count = min(self.count, 5)
        return super().step(action)


class DeafToSeeds(Sound):
    def reset(self, seed):
        return super().reset(0)


class Sampling(Sound):
    def sample_actions(self, count, seed):
        return uniform_actions(self.spec.action, count, np.random.default_rng(seed))


class DoubleSampled(Sound):
    def sample_actions(self, count, seed):
        return np.zeros((count, 1))


class BeyondSampled(Sound):
    def sample_actions(self, count, seed):
        return np.full((count, 1), 2, np.float32)


class WhimsicalSampled(Sampling):
    asked = 0

    def sample_actions(self, count, seed):
        self.asked += 1
        return super().sample_actions(count, seed + self.asked)


class DisturbingSampled(Sampling):
    def sample_actions(self, count, seed):
        self.total += 1
        return super().sample_actions(count, seed)


class NoSampled(Sound):
    def sample_actions(self, count, seed):
        raise NotImplementedError("no idea")


class GrayFrames(Sound):
    def render(self):
        return np.zeros((10, 20), np.uint8)


class Undrawable(Sound):
    def render(self):
        raise NotImplementedError("no screen")


class WillNotClose(Sound):
    def close(self):
        raise OSError("stuck")


class FloatImage(Sound):
    spec = replace(SPEC, obs={"state": Space((8, 8, 3), "float32")})


class BigImage(Sound):
    spec = replace(SPEC, obs={"state": Space((9, 9, 3), "uint8")})


class OtherRepeat(Sound):
    spec = replace(SPEC, repeat=2)


def unmakeable(config):
    raise ImportError("no such library")


def test_a_correct_environment_has_no_fault():
    assert check_environment(CONFIG, make=Sound) == []
    assert check_environment(replace(CONFIG, time_limit=None), make=Sound) == []
    assert check_environment(CONFIG, make=Sampling) == []


@pytest.mark.parametrize(
    ("world", "sentence"),
    [
        (WrongShape, "'state' is float32 (3,) in step 3, but float32 (2,) in the spec."),
        (WrongDtype, "'state' is float64 (2,) in step 3, but float32 (2,) in the spec."),
        (NotANumber, "'state' holds NaN or infinity in step 3."),
        (OtherKeys, "Step 3 observes ['status'], the spec ['state']."),
        (FirstAgain, "Step 3 has is_first, which only the reset may have."),
        (NoFirst, "The reset's step has no is_first."),
        (TerminalInMidlife, "Step 3 has is_terminal without is_last."),
        (InfiniteReward, "The reward of step 3 is inf, not a finite float."),
        (RewardForNothing, "The reward of the reset is 2.5, not 0."),
        (NeverOver, "An episode was not over at its time limit of 6 frames."),
        (TerminalAtTheLimit, "The time limit is marked is_terminal"),
        (Crashing, "In step 3 of an episode it raised ZeroDivisionError: the world is flat."),
        (SameBuffer, "The observation of step 0 changed later: copy its buffer."),
        (Remembers, "Seed 0 with the same actions, played again after other episodes, differs from step 0 on"),
        (EachInstanceDiffers, "Seed 0 with the same actions, played in a second instance, differs from step 0 on"),
        (Unclipped, "An action of 3 is not clipped to 1."),
        (PlaysOn, "A step after is_last must raise an error until reset is called."),
        (DeafToSeeds, f"{REMARK}every seed starts with the same observation."),
        (DoubleSampled, "sample_actions(5, seed) gives float64 (5, 1), not float32 (5, 1)."),
        (BeyondSampled, "sample_actions is not within [-1, 1]."),
        (WhimsicalSampled, "sample_actions differs for the same state and seed."),
        (DisturbingSampled, "sample_actions changes the rest of the episode."),
        (NoSampled, "sample_actions(count, seed) raised NotImplementedError: no idea."),
        (GrayFrames, "render() gives uint8 (10, 20), not a uint8 image (height, width, 3)."),
        (Undrawable, f"{REMARK}render() raised NotImplementedError: no screen, so there will be no videos."),
        (WillNotClose, "close() raised OSError: stuck."),
        (FloatImage, "The spec of 'state' is neither a uint8 image nor a float32 vector."),
        (BigImage, "The image 'state' is (9, 9, 3), not of image_size 8."),
        (OtherRepeat, "The spec has repeat 2, the config 1."),
        (unmakeable, "It could not be made: ImportError: no such library."),
    ],
)
def test_every_fault_is_named(world, sentence):
    sentences = check_environment(CONFIG, make=world)
    assert any(found.startswith(sentence) for found in sentences), sentences
    if world not in (FloatImage, BigImage, NeverOver):  # what these break shows in more than one place
        assert len(sentences) == 1, sentences


def test_an_endless_world_without_a_limit_is_named(monkeypatch):
    monkeypatch.setattr("reverie.testing.environments.MOST_DECISIONS", 5)
    sentences = check_environment(replace(CONFIG, time_limit=None), make=Sound)
    assert sentences == ["An episode was not over after 5 decisions: set a time limit."]
