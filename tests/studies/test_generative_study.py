import json

import numpy as np
import pytest
import torch

from reverie.cli import main
from reverie.errors import UserError
from reverie_worlds.fork import GO, SIZE, WAIT, Fork, ball
from studies import run
from studies.generative import fork
from studies.generative.run import conclusion


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


class Sure:
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
    sure, mean = fork.examine(Sure(False)), fork.examine(Sure(True))
    assert (sure.error_go, sure.error_wait, sure.spread_wait) == pytest.approx((0, 0, 0), abs=1e-6)
    assert 0.4 < sure.left < 0.6
    left, right = fork.possible(5, GO)
    apart = float((left - right).square().mean().sqrt())
    assert mean.error_go == pytest.approx(apart / 2, rel=0.05)
    assert sure.spread_go == pytest.approx(apart / 2, rel=0.05)
    assert mean.spread_go == pytest.approx(0, abs=1e-6)


def test_the_conclusion_follows_the_numbers():
    numbers = {
        "bound_by_samples": {"1": 1.0, "10": 2.0, "100": 3.0, "1000": 4.0},
        "pca": {"best_exact": 9.0, "best_bound": 9.0},
        "fork": {
            "conditional VAE": {"error_go": 0.01, "spread_go": 0.1, "spread_wait": 0.0, "left": 0.5},
            "regressor": {"error_go": 0.1},
        },
    }
    said = conclusion(numbers)
    assert "the mean of two futures is neither" in said
    assert "they differ where the world is uncertain" in said
    assert "The bound rises with the number of samples (by 3.00 nats)" in said
    assert said.endswith("where ln p(x) is known it is reached.")
    numbers["fork"]["regressor"]["error_go"] = 0.012
    numbers["fork"]["conditional VAE"]["spread_wait"] = 0.09
    numbers["bound_by_samples"]["1000"] = 2.5
    numbers["pca"]["best_bound"] = 8.0
    said = conclusion(numbers)
    assert "not the difference that was expected" in said
    assert "do not tell where" in said
    assert "does not rise with every sample" in said
    assert said.endswith("it is missed.")


def test_the_study_runs_and_goes_on_where_it_stopped(tmp_path, capsys):
    line = f"study generative --size tiny --out {tmp_path / 'study'}"
    assert main.main(line.split()) == 0
    first = capsys.readouterr().out
    assert "ln p(x) = 9.1348 and its bound is 9.1348" in " ".join(first.split())
    report = (tmp_path / "study" / "study.md").read_text()
    for name in ("ring", "digits", "manifold", "labels", "tightness", "fork"):
        assert f"({name}.png)" in report
        assert (tmp_path / "study" / f"{name}.png").stat().st_size > 1000
    numbers = json.loads((tmp_path / "study" / "study.json").read_text())
    (tmp_path / "study" / "study.json").unlink()
    assert main.main(line.split()) == 0
    assert json.loads((tmp_path / "study" / "study.json").read_text()) == numbers
    other = tmp_path / "study" / "digits" / "config.json"
    other.write_text(other.read_text().replace('"seed": 0', '"seed": 1'))
    assert main.main(line.split()) == 2
    assert "holds a run with other settings" in capsys.readouterr().err


def test_unknown_studies_and_sizes_are_one_sentence(tmp_path):
    with pytest.raises(UserError, match="Did you mean generative"):
        run("generativ", tmp_path, "tiny", lambda what, progress: None)
    with pytest.raises(UserError, match="take one of tiny, laptop"):
        run("generative", tmp_path, "paper", lambda what, progress: None)
