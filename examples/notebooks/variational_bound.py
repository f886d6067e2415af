# %% [markdown]
# # The variational bound
#
# A variational autoencoder (VAE) explains an image $x$ by a code $z$ with a simple prior $N(0, I)$. A decoder gives
# $p(x \mid z)$, and an encoder gives $q(z \mid x)$. The log-likelihood $\ln p(x)$ is an integral over all codes,
# which has no closed form. Training maximizes a lower bound instead, the ELBO (Kingma & Welling 2014):
#
# $$
# \ln p(x) \ge \mathbb{E}_{q(z \mid x)} \left[ \ln p(x \mid z) \right]
# - \mathrm{KL}\left[ q(z \mid x) \,\|\, p(z) \right]
# $$
#
# The first term is the reconstruction. The second is the price of the code, in nats. In this lesson you watch both
# terms, change their balance, and draw images from noise. A world model maximizes the same bound at every step of
# time.

# %%
import json
import os
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits

import reverie

UPDATES = int(os.environ.get("NOTEBOOK_UPDATES", 1_500))
"""Updates of each model. With 20 the notebook runs in seconds and shows nothing."""

# %% [markdown]
# ## Train three models
#
# The recipe `vae` learns 8x8 handwritten digits, which scikit-learn has. The setting `beta` is the weight of the KL
# term. One is the bound itself (Higgins 2017 has others).


# %%
def train(beta: float) -> tuple[torch.nn.Module, list[dict]]:
    """Train on the digits. Return the model and its measurements on held-out digits."""
    config = reverie.recipe("vae", "laptop")
    model = replace(config.model, beta=beta)
    training = replace(config.training, updates=UPDATES, evaluate_every=max(10, UPDATES // 10))
    config = replace(config, model=model, training=training, threads=1, log={})
    folder = reverie.train(config, progress=False)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return reverie.load_model(folder, device="cpu"), [line for line in lines if line["kind"] == "evaluation"]


trained = {beta: train(beta) for beta in (0.1, 1.0, 10.0)}

# %% [markdown]
# ## The two terms
#
# A small `beta` buys reconstruction with an expensive code. A large one makes codes cheap, and fewer latent units
# depend on the image. Only `beta` 1 maximizes the bound, so it should win the column `bound`.
#
# `evidence` is a tighter estimate of $\ln p(x)$ by importance weighting (Burda 2016). It is never below the bound, up
# to the noise of sampling.

# %%
for beta, (_, lines) in trained.items():
    last = lines[-1]
    terms = "  ".join(f"{name} {last[name]:7.2f}" for name in ("bound", "reconstruction", "divergence", "evidence"))
    print(f"beta {beta:4}  {terms}  active units {last['active_units']:.0f} of {last['units']:.0f}")

# %% [markdown]
# ## The KL term by hand
#
# For Gaussians the KL term has a closed form. With mean $\mu_i$ and standard deviation $\sigma_i$ of each latent unit
# it is
#
# $$
# \mathrm{KL} = \frac{1}{2} \sum_i \left( \mu_i^2 + \sigma_i^2 - 1 - \ln \sigma_i^2 \right)
# $$
#
# The numbers of the library must be those of this formula.

# %%
digits = np.round(load_digits().images[-297:] / 16 * 255).astype(np.uint8)[..., None]
model = trained[1.0][0]
with torch.no_grad():
    none = torch.zeros(len(digits), 0)  # a conditional model would have its condition here
    posterior = model.posterior(model.normalize({"pixels": torch.from_numpy(digits)})["pixels"], none)
    prior = model.prior(none)
    by_hand = 0.5 * (posterior.mean**2 + posterior.std**2 - 1 - 2 * posterior.std.log()).sum(-1)
    torch.testing.assert_close(by_hand, model.latent.divergence(posterior, prior))
print(f"KL of the held-out digits: {by_hand.mean():.2f} nats")

# %% [markdown]
# ## Pictures
#
# Left: held-out digits, and below each its reconstruction from the mean of the posterior. Right: digits decoded from
# noise, one row for each `beta`. The noise is the same in all rows.


# %%
def show(axis: plt.Axes, rows: dict[str, np.ndarray], title: str) -> None:
    """Draw named rows of images (n, 8, 8) as one picture."""
    tiles = [np.hstack([np.pad(image, 1) for image in row]) for row in rows.values()]
    axis.imshow(np.vstack(tiles), cmap="gray", vmin=0, vmax=1)
    axis.set(title=title, xticks=[], yticks=[10 * number + 4.5 for number in range(len(rows))])
    axis.set_yticklabels(rows)


with torch.no_grad():
    decoded = model.likelihood.mean(model.decode(posterior.mean[:10], none[:10])).clamp(0, 1)
    noise = torch.randn(10, model.latent.sample_size, generator=torch.Generator().manual_seed(0))
    drawn = {f"beta {beta}": each.imagine(none[:10], noise)[..., 0].numpy() for beta, (each, _) in trained.items()}

figure, axes = plt.subplots(2, 2, figsize=(9, 4.5), layout="constrained", height_ratios=(3, 4))
show(axes[0, 0], {"held out": digits[:10, ..., 0] / 255, "model": decoded[..., 0].numpy()}, "reconstruction")
show(axes[0, 1], drawn, "decoded from noise")
for axis, name, title in zip(axes[1], ("bound", "divergence"), ("bound, held out (nats)", "KL term (nats)")):
    for beta, (_, lines) in trained.items():
        axis.plot([line["updates"] for line in lines], [line[name] for line in lines], label=f"beta {beta}")
    axis.set(title=title, xlabel="updates")
axes[1, 0].legend()
figure.savefig("variational_bound.png", dpi=90)

# %% [markdown]
# ## Exercises
#
# 1. Set `latent=replace(config.model.latent, size=2)` in `train`. How does the bound change? Decode a grid of codes:
#    neighbors in the plane should be similar digits.
# 2. Which `beta` draws the best digits, and which has the best bound? Say why the two may differ.
# 3. Take the recipe `cvae`. It knows the label, which is the condition `c`, so its prior and decoder can use it. Draw
#    ten samples of each label.
#
# Read on: [generative models](../../docs/concepts/generative.md), [the study](../../studies/generative/README.md).
