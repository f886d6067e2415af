import pytest
import torch
from mocks import added, random_batch, spec
from torch.distributions import Normal

from reverie.nn.conv import ConvConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.normalize import Normalize
from reverie.signals.reconstruction import PixelPredictionConfig, ReconstructionConfig

WORLD = spec(image=16, vector=2, action=3)
CONV, DENSE = ConvConfig(4), MLPConfig(1, 16)


def signal_and_trace(steps: int):
    """Return the signal and a trace with observations. Sequence 1 has a border before column 3."""
    batch = random_batch(WORLD)
    generator = torch.Generator().manual_seed(0)
    obs = {name: torch.randn(value.shape, generator=generator) for name, value in batch.obs.items()}
    torch.manual_seed(0)
    signal = PixelPredictionConfig(CONV, DENSE, std=0.5, vector_std=0.5, steps=steps).build(WORLD, 3)
    return signal, added(torch.randn(3, 6, 3, generator=generator), batch.action, batch.is_first, obs=obs)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_loss_equals_a_loop_over_predictions(steps):
    signal, trace = signal_and_trace(steps)
    loss, expected = signal.loss(trace), torch.zeros(3, 6)
    for d in range(1, min(steps, 5) + 1):
        pairs = [(b, t) for b in range(3) for t in range(6 - d) if not trace.batch.is_first[b, t + 1 : t + d + 1].any()]
        for b, t in pairs:
            prediction = trace.features[b, t] + trace.batch.action[b, t : t + d].sum(0)
            means = signal.decode(prediction[None])
            nats = -sum(Normal(means[name][0], 0.5).log_prob(trace.obs[name][b, t + d]).sum() for name in means)
            expected[b, t + d] += nats * 18 / len(pairs) / steps
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-4, atol=1e-2)


def test_an_averaged_reconstruction_is_the_unexplained_fraction_of_the_variance():
    """A decoder that knows nothing draws the mean: of normalized images it explains nothing, at any size and contrast.

    The published weight of pixels in [-1, 1] is four times their variance as much.
    """
    for image_size, contrast in ((16, 255), (32, 20)):
        world = spec(image=image_size, vector=0)
        normalize = Normalize(world, bits=8)
        batch = random_batch(world)
        images = {name: (value // 128) * contrast for name, value in batch.obs.items()}
        normalize.calibrate(images)
        signal = ReconstructionConfig(CONV, DENSE, average=True).build(world, 3)
        torch.nn.init.zeros_(list(signal.heads.parameters())[-2])  # the last layer's weight, before its bias of zeros
        loss = signal.loss(added(torch.randn(3, 6, 3), batch.action, obs=normalize(images)))
        assert loss.mean().item() == pytest.approx(1.0, rel=1e-4)
        assert loss.shape == (3, 6)


def test_weights_load_into_a_reconstruction():
    """Both have the same heads under the same names."""
    signal, trace = signal_and_trace(1)
    reconstruction = ReconstructionConfig(CONV, DENSE).build(WORLD, 3)
    reconstruction.load_state_dict(signal.state_dict())
    means, expected = signal.decode(trace.features), reconstruction.decode(trace.features)
    assert means.keys() == expected.keys() == {"pixels", "state"}
    assert all(torch.equal(means[name], expected[name]) for name in means)
