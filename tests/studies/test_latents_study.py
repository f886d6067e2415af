"""The study of latents: its measures on known latents, that only the latent differs, and the tiny study."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mocks import model_config, random_batch, spec

from reverie.dynamics.latents import CategoricalConfig, CategoricalStats, GaussianStats
from reverie.dynamics.rssm import RSSMConfig
from reverie.models.world_model import WorldModel
from studies.latents import run
from studies.latents.report import differ


def test_means_differ_by_twice_their_standard_error():
    assert differ([-150.0, -150.0], [-300.0, -300.0])
    assert not differ([-150.0, -150.0], [-300.0, 10.0])


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


def test_information_in_bits():
    """A group that is certain of one of four equally frequent values has 2 bits; a uniform one, none."""
    sure = torch.eye(4)[torch.arange(8) % 4]
    vague = torch.full((8, 4), 0.25)
    stats = CategoricalStats(torch.cat([sure, vague], 1).clamp(min=1e-30).log()[None])
    assert run.information_bits(stats, CategoricalConfig(2, 4).build()) == pytest.approx(2.0, abs=1e-5)
    mean = torch.randn(1, 4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 0.0, 0.0])
    stats = GaussianStats(mean, torch.ones_like(mean))
    # ln sqrt(1 + 9) in bits, for the one dimension that moves
    assert run.information_bits(stats, None) == pytest.approx(0.5 * np.log2(10), abs=0.05)


@pytest.mark.parametrize("latent", [None, CategoricalConfig(5, 3)])
def test_codes_are_means_of_the_images(latent):
    torch.manual_seed(0)
    config, seen = model_config(), spec(action=2)
    if latent:
        config = replace(config, dynamics=RSSMConfig(12, 16, latent))
    model, batch = WorldModel(config, seen), random_batch(seen, 4, 8)
    weight = run.value_weights(model, batch)
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


@pytest.mark.slow
def test_the_tiny_study_runs(run_tiny, tmp_path):
    numbers, _ = run_tiny("latents")
    for world in run.WORLDS:
        for name, result in numbers[world].items():
            assert result["information_bits"] >= 0
            assert (tmp_path / f"{world}_{name}_codes.png").exists()
    for result in numbers["pendulum"].values():
        assert set(result["ranking"]) == {"0", str(run.FUTURES)}
        assert all(-1 <= ranking["correlation"] <= 1 for ranking in result["ranking"].values())
        assert len(result["returns_sampled"]) == len(result["returns"])
