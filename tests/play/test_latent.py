"""A walk through the latent space of untrained models."""

from contextlib import closing

import numpy as np
import pytest
import torch
from mocks import random_batch, spec

from reverie.errors import UserError
from reverie.models.cvae import CVAEConfig
from reverie.models.vae import VAEConfig
from reverie.nn.mlp import MLPConfig
from reverie.play.latent import STRIDE, LatentSession, LatentStage

IMAGE = MLPConfig(1, 16)


def stage(config, held_out=True):
    torch.manual_seed(0)
    model = config.build(spec(image=8)).eval()
    return LatentStage("latent", model, random_batch(spec(image=8), 3, 4) if held_out else None)


@pytest.fixture
def walk():
    with closing(LatentSession(stage(VAEConfig(image=IMAGE)))) as session:
        yield session


def pixels(images):
    return (255 * images).round().to(torch.uint8).numpy()


def test_a_point_is_the_image_that_the_model_decodes(walk):
    z = torch.linspace(-1, 1, 16)
    point = walk.move(z)
    np.testing.assert_array_equal(
        point.image, pixels(walk.stage.model.imagine(torch.zeros(1, 0), z[None]))[0].astype(int)
    )


def test_an_encoded_image_is_its_mean_reconstruction(walk):
    stage, model = walk.stage, walk.stage.model
    point = walk.encode(5)
    batch = random_batch(spec(image=8), 3, 4)
    output = model.trace(batch, None).output
    expected = pixels(model.likelihood.mean(output).clamp(0, 1)).reshape(12, 8, 8, 3)[5]
    np.testing.assert_allclose(point.image.astype(int), expected.astype(int), atol=1)
    np.testing.assert_array_equal(stage.images[5], batch.obs["pixels"].flatten(0, 1)[5])
    assert sorted(stage.order) == list(range(16))


def test_a_random_walk_keeps_the_variance_of_the_prior(walk):
    walk.move(torch.full((16,), 2.0))
    generator = torch.Generator().manual_seed(0)
    noise = walk.stage.model.latent.noise(1, generator=generator)[0]
    expected = 2 * (1 - STRIDE**2) ** 0.5 + STRIDE * noise
    torch.testing.assert_close(walk.walk().z, expected)


def test_a_walk_goes_back_and_branches(walk):
    for _ in range(3):
        walk.walk()
    second = walk.points[1]
    assert walk.rewind(1) is second
    walk.sample()
    assert walk.now == 2
    assert len(walk.points) == 3


def test_a_condition_changes_the_image_and_not_the_point():
    with closing(LatentSession(stage(CVAEConfig(image=IMAGE, hidden=MLPConfig(1, 16), prior="learned")))) as walk:
        before, after = walk.encode(0), walk.condition(4)
        assert torch.equal(before.z, after.z)
        assert (before.image != after.image).any()
        assert len(walk.stage.images) == 8, "the first frames of 3 sequences and of an episode have no condition"


def test_mistakes_are_sentences(walk, monkeypatch):
    with pytest.raises(UserError, match="There is no recorded image 12: take 0 to 11"):
        walk.encode(12)
    with pytest.raises(UserError, match="16 finite coordinates"):
        walk.move(torch.tensor([1.0]))
    with pytest.raises(UserError, match="16 finite coordinates"):
        walk.move(torch.full((16,), torch.nan))
    monkeypatch.setattr("reverie.play.latent.LONGEST", 2)
    walk.walk()
    with pytest.raises(UserError, match="2 points at most"):
        walk.walk()


def test_a_conditional_model_needs_its_recordings():
    with pytest.raises(UserError, match="needs its recordings"):
        stage(CVAEConfig(image=IMAGE), held_out=False)
    with closing(LatentSession(stage(VAEConfig(image=IMAGE), held_out=False))) as walk:
        assert walk.point.z.tolist() == [0.0] * 16
