import pytest
import torch
from mocks import added, random_batch, spec
from torch.distributions import Normal

from reverie.nn.conv import ConvConfig
from reverie.nn.mlp import MLPConfig
from reverie.signals.reconstruction import PixelPredictionConfig, ReconstructionConfig

WORLD = spec(image=16, vector=2, action=3)
CONV, DENSE = ConvConfig(4), MLPConfig(1, 16)


def example(steps: int):
    """A trace with observations, and the signal; sequence 1 has a border before column 3."""
    batch = random_batch(WORLD)
    generator = torch.Generator().manual_seed(0)
    obs = {name: torch.randn(value.shape, generator=generator) for name, value in batch.obs.items()}
    torch.manual_seed(0)
    signal = PixelPredictionConfig(CONV, DENSE, std=0.5, steps=steps).build(WORLD, 3)
    return signal, added(torch.randn(3, 6, 3, generator=generator), batch.action, batch.is_first, obs=obs)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_each_observation_is_judged_by_its_prediction(steps):
    signal, trace = example(steps)
    found, expected = signal.loss(trace), torch.zeros(3, 6)
    for d in range(1, min(steps, 5) + 1):
        pairs = [(b, t) for b in range(3) for t in range(6 - d) if not trace.batch.is_first[b, t + 1 : t + d + 1].any()]
        for b, t in pairs:
            foreseen = trace.features[b, t] + trace.batch.action[b, t : t + d].sum(0)
            means = signal.decode(foreseen[None])
            nats = -sum(Normal(means[name][0], 0.5).log_prob(trace.obs[name][b, t + d]).sum() for name in means)
            expected[b, t + d] += nats * 18 / len(pairs) / steps
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-2)


def test_it_decodes_as_a_reconstruction_does():
    """The same heads under the same names: weights go from one to the other."""
    signal, trace = example(1)
    reconstruction = ReconstructionConfig(CONV, DENSE).build(WORLD, 3)
    reconstruction.load_state_dict(signal.state_dict())
    found, expected = signal.decode(trace.features), reconstruction.decode(trace.features)
    assert found.keys() == expected.keys() == {"pixels", "state"}
    assert all(torch.equal(found[name], expected[name]) for name in found)
