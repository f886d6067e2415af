"""Where the likelihood is known, the bound is held to it."""

import pytest
import torch
from pictures import batch
from torch.distributions import MultivariateNormal

from reverie.data.digits import Digits
from reverie.dynamics.latents import GaussianConfig
from reverie.models.likelihoods import GaussianPixelsConfig
from reverie.models.vae import VAEConfig
from reverie.nn.mlp import MLPConfig
from studies.generative import pca
from studies.generative.run import linear_gaussian


@pytest.fixture(scope="module")
def digits():
    data = Digits(torch.device("cpu"), torch.Generator())
    data.load(lambda text: None)
    return data.train.sequential(1, 300)


def linear(size: int):
    torch.manual_seed(0)
    return VAEConfig(MLPConfig(0, 1), GaussianConfig(size, 1e-3), GaussianPixelsConfig(0.3, learned=True)).build(
        Digits.spec
    )


def test_the_solution_recovers_what_made_the_data():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    z = torch.randn(200_000, 2, generator=generator, dtype=torch.float64)
    noise = torch.randn(200_000, 6, generator=generator, dtype=torch.float64)
    solution = pca.solve(z @ weight.T + 0.5 * noise + 3, 2)
    torch.testing.assert_close(solution.weight @ solution.weight.T, weight @ weight.T, atol=0.05, rtol=0.02)
    assert solution.variance.item() == pytest.approx(0.25, rel=0.02)
    torch.testing.assert_close(solution.mean, torch.full((6,), 3.0, dtype=torch.float64), atol=0.02, rtol=0)


def test_no_other_model_has_a_higher_likelihood(digits):
    x = digits.obs["pixels"].flatten(1).double() / 255
    best = pca.solve(x, 3)
    top = best.log_prob(x).mean()
    for scale, variance in ((1.1, 1.0), (0.9, 1.0), (1.0, 1.1), (1.0, 0.9)):
        other = pca.PCA(best.mean, best.weight * scale, best.variance * variance, best.eigenvalues)
        assert other.log_prob(x).mean() < top


def test_at_the_optimum_of_a_linear_model_the_bound_is_the_likelihood(digits):
    """To 1e-3 nats for every image and every sample: the exact posterior leaves no gap and no variance."""
    x = digits.obs["pixels"].flatten(1).float() / 255
    model, solution = linear(5), pca.solve(x, 5)
    model.calibrate(digits)
    pca.install(solution, model)
    exact = solution.log_prob(x.double())
    noise = torch.randn(4, len(x), 1, 5, generator=torch.Generator().manual_seed(0))
    for sample in noise:
        bound = model.evidence(digits, sample[None])[:, 0].double()
        torch.testing.assert_close(bound, exact, atol=1e-3, rtol=0)
    torch.testing.assert_close(pca.exact_log_prob(model, x), exact, atol=1e-3, rtol=0)
    torch.testing.assert_close(exact, independent(solution, x), atol=1e-9, rtol=0)


def independent(solution: pca.PCA, x: torch.Tensor) -> torch.Tensor:
    """`ln N(x; m, W W^T + s^2 I)` by the eigenvalues alone."""
    covariance = solution.weight @ solution.weight.T + solution.variance * torch.eye(64, dtype=torch.float64)
    return MultivariateNormal(solution.mean, precision_matrix=torch.linalg.inv(covariance)).log_prob(x.double())


def test_the_bound_of_any_other_model_is_below(digits):
    model = linear(5)
    model.calibrate(digits)
    nats = linear_gaussian(model, digits)
    assert nats["learned_bound"] < nats["learned_exact"] < nats["best_exact"]
    assert nats["best_bound"] == pytest.approx(nats["best_exact"], abs=1e-3)


def test_a_model_that_is_not_linear_is_refused():
    model = VAEConfig(MLPConfig(1, 4)).build(Digits.spec)
    with pytest.raises(ValueError, match="too many values"):
        pca.exact_log_prob(model, batch().obs["view"].flatten(0, 1).flatten(1).float())
