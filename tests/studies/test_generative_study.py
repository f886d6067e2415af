"""The study of generative models: its measures on known models, and the tiny study from end to end."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reverie.errors import UserError
from reverie_worlds.fork import GO, SIZE, WAIT, Fork, ball
from studies.generative import fork
from studies.generative.run import configs
from studies.kit import ensure_trained


def test_the_fork_goes_both_ways_and_waits_surely():
    world = Fork(render_mode="rgb_array")
    columns = set()
    for seed in range(20):
        before, _ = world.reset(seed=seed)
        assert np.array_equal(world.step(WAIT)[0], before)
        world.reset(seed=seed)
        _, reward, terminated, truncated, _ = world.step(GO)
        assert (terminated, truncated) == (True, False)
        assert reward == (world.column > SIZE // 2)
        columns.add(world.column)
    assert columns == {3, 13}
    assert world.render().shape == (256, 256, 3)


def test_a_ball_is_round_and_where_it_should_be():
    picture = ball(5, 9)[..., 0].astype(float)
    y, x = np.mgrid[:SIZE, :SIZE]
    assert (picture * y).sum() / picture.sum() == pytest.approx(5)
    assert (picture * x).sum() / picture.sum() == pytest.approx(9)
    assert picture.max() == 255


class Known:
    """Draws one of the two futures, by the sign of its noise; or their mean."""

    name = "view"

    def __init__(self, mean: bool) -> None:
        self.mean, self.latent = mean, self

    def noise(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(count, 1, generator=generator)

    def condition(self, batch) -> torch.Tensor:
        row = int(batch.obs["view"][0, 0].float().sum((1, 2)).argmax())
        action = int(batch.action[0, 0].argmax())
        return torch.tensor([[[0.0, 0.0], [row, action]]])

    def imagine(self, condition: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        truth = fork.possible(int(condition[0, 0]), int(condition[0, 1]))
        if self.mean:
            return truth.mean(0).expand(len(noise), -1, -1, -1)
        return truth[(noise[:, 0] > 0).long() % len(truth)]


def test_the_measures_of_futures():
    """A model that is always right in one of the two ways, and one that is the mean: the numbers by hand."""
    sure, mean = fork.measure(Known(False)), fork.measure(Known(True))
    assert [sure[name] for name in ("error_go", "error_wait", "spread_wait")] == pytest.approx([0, 0, 0], abs=1e-6)
    assert 0.4 < sure["left"] < 0.6
    left, right = fork.possible(5, GO)
    apart = float((left - right).square().mean().sqrt())
    assert mean["error_go"] == pytest.approx(apart / 2, rel=0.05)
    assert sure["spread_go"] == pytest.approx(apart / 2, rel=0.05)
    assert mean["spread_go"] == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_the_tiny_study_runs_and_resumes(run_tiny, tmp_path):
    numbers, _ = run_tiny("generative")
    assert numbers["pca"]["best_exact"] == pytest.approx(9.1348, abs=1e-4)
    assert numbers["pca"]["best_bound"] == pytest.approx(9.1348, abs=1e-4)
    assert len(list(tmp_path.glob("*.png"))) == 6
    assert run_tiny("generative")[0] == numbers
    other = replace(configs("tiny")["digits"], seed=1)
    with pytest.raises(UserError, match="holds a run with other settings"):
        ensure_trained(other, tmp_path / "digits", lambda progress: None)
