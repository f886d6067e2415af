"""The study of latents: what it measures on known latents, its verdicts, and that all but the latent is the same."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from mocks import model_config, random_batch, spec

from reverie.cli import main
from reverie.dynamics.categorical import CategoricalConfig, CategoricalStats
from reverie.dynamics.latents import GaussianStats
from reverie.dynamics.rssm import RSSMConfig
from reverie.models.world_model import WorldModel
from studies.latents import run
from studies.latents.report import conclusion


def judged(bound: float, error: float, back: float) -> dict:
    return {"bound": bound, "ahead_image_error": [error, error], "returns": [back, back]}


def test_the_conclusion_follows_from_the_numbers():
    numbers = {
        "curtain": {"Gaussian": judged(1.0, 3.0, 0.5), "categorical": judged(2.0, 4.0, 0.7)},
        "pendulum": {"Gaussian": judged(1.0, 3.0, -150.0), "categorical": judged(0.5, 2.0, -300.0)},
    }
    said = conclusion(numbers)
    assert "On curtain the categorical latent has the highest bound (Gaussian 1.00, categorical 2.00)" in said
    assert "the Gaussian one the smallest open-loop error (Gaussian 3.0, categorical 4.0)" in said
    assert "On pendulum the Gaussian latent has the highest bound" in said
    assert "the Gaussian one the highest return (Gaussian -150.00, categorical -300.00)" in said
    numbers["pendulum"]["categorical"]["returns"] = [-300.0, 10.0]
    assert "(Gaussian -150.00, categorical -145.00; Gaussian within what the episodes tell)" in conclusion(numbers)
    numbers["pendulum"]["wide"] = judged(2.0, 3.0, -900.0)
    assert (
        "On pendulum the wide latent has the highest bound (Gaussian 1.00, categorical 0.50, wide 2.00)"
        in conclusion(numbers)
    )
    assert "wide -900.00; Gaussian within what the episodes tell)" in conclusion(numbers)


@pytest.mark.parametrize("world", run.WORLDS)
def test_only_the_latent_differs(world):
    for build in (run.fit, run.agent):
        one, *others = (build(world, name, "laptop") for name in run.LATENTS)
        latent = one.model.dynamics.latent
        for other in others:
            assert other.model.dynamics.latent != latent
            same = replace(other.model, dynamics=replace(other.model.dynamics, latent=latent))
            assert replace(other, model=same) == one
        assert others[0].model.dynamics.latent.build().output_size == 2 * latent.size
        assert others[1].model.dynamics.latent.build().output_size > 2 * latent.size


def test_bits_are_counted():
    """A group that is sure of one of four values, all as often, tells 2 bits; one that never knows, none."""
    sure = torch.eye(4)[torch.arange(8) % 4]
    vague = torch.full((8, 4), 0.25)
    stats = CategoricalStats(torch.cat([sure, vague], 1).clamp(min=1e-30).log()[None])
    assert run.bits(stats, CategoricalConfig(2, 4).build()) == pytest.approx(2.0, abs=1e-5)
    mean = torch.randn(1, 4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 0.0, 0.0])
    stats = GaussianStats(mean, torch.ones_like(mean))
    # ln sqrt(1 + 9) in bits, for the one dimension that moves
    assert run.bits(stats, None) == pytest.approx(0.5 * np.log2(10), abs=0.05)


@pytest.mark.parametrize("latent", [None, CategoricalConfig(5, 3)])
def test_codes_are_means_of_the_images(latent):
    torch.manual_seed(0)
    config, seen = model_config(), spec(action=2)
    if latent:
        config = replace(config, dynamics=RSSMConfig(12, 16, latent))
    model, batch = WorldModel(config, seen), random_batch(seen, 4, 8)
    weight = run.values(model, batch)
    torch.testing.assert_close(weight.sum(2), torch.ones(weight.shape[:2]))
    rows = run.codes(model, batch)
    assert len(rows) == 5
    images = batch.obs["pixels"].flatten(0, 1).double()
    every = [
        (weight[:, k, v][:, None, None, None] * images).sum(0) / weight[:, k, v].sum()
        for k in range(5)
        for v in range(weight.shape[2])
    ]
    for picture in rows[0]:
        assert min(np.abs(picture - one.numpy()).max() for one in every) <= 0.51


def test_the_study_runs(tmp_path, capsys):
    assert main.main(f"study latents --size tiny --out {tmp_path / 'study'}".split()) == 0
    assert "# Gaussian and categorical latents" in capsys.readouterr().out
    numbers = json.loads((tmp_path / "study" / "study.json").read_text())
    report = (tmp_path / "study" / "study.md").read_text()
    for world in run.WORLDS:
        for name, found in numbers[world].items():
            assert found["bits"] >= 0
            assert f"({world}_{name}_codes.png)" in report
            assert (tmp_path / "study" / f"{world}_{name}_codes.png").stat().st_size > 500
    for found in numbers["pendulum"].values():
        assert set(found["trust"]) == {"0", str(run.FUTURES)}
        assert all(-1 <= one["order"] <= 1 for one in found["trust"].values())
        assert len(found["returns_sampled"]) == len(found["returns"])
