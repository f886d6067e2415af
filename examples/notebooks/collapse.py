# %% [markdown]
# # Collapse of latent prediction, and its remedies
#
# A latent forward model learns without a decoder. It encodes an image, predicts the next encoding, and is punished
# for the difference. In this lesson you watch such a model cheat, measure how, and prevent it in two ways.
#
# An encoder $\phi$ maps the image $o_t$ to $z_t = \phi(o_t)$. A forward model $f$ predicts the next encoding from
# $z_t$ and the action $a_t$. The loss is
#
# $$
# L_t = \left\| f(\phi(o_t), a_t) - \phi(o_{t+1}) \right\|^2
# $$
#
# A constant encoder has the loss zero. Nothing in the loss forbids it.

# %%
import json
import os
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import reverie

UPDATES = int(os.environ.get("NOTEBOOK_UPDATES", 500))
"""Updates of each model. With 20 the notebook runs in seconds and shows nothing."""

# %% [markdown]
# ## A world of one disc
#
# A disc lies on a board of 32x32 pixels. An action pushes it down and right. The recordings are random pushes. The
# true place is recorded as privileged: the model never sees it, but an evaluation may.

# %%
rng = np.random.default_rng(0)
rows, columns = np.mgrid[:32, :32]


def draw(place: np.ndarray) -> np.ndarray:
    """Return the image of a disc at `place`, (row, column) in pixels."""
    distance = np.hypot(rows - place[0], columns - place[1])
    light = np.clip(4.5 - distance, 0, 1)[..., None]
    return (255 * light * np.array([1.0, 0.6, 0.2]) + 25 * (1 - light)).astype(np.uint8)


def record(steps: int) -> dict[str, np.ndarray]:
    """Return one episode of random pushes."""
    place, images, actions, places = rng.uniform(5, 27, 2), [], [], []
    for _ in range(steps):
        push = rng.uniform(-4, 4, 2)
        images.append(draw(place))
        actions.append(push)
        places.append(place)
        place = np.clip(place + push, 4, 28)
    return {"images": np.stack(images), "actions": np.stack(actions), "state": np.stack(places)}


data = reverie.save_recordings([record(50) for _ in range(60)], "disc.npz", image_size=32)
data = replace(data, privileged=("state",))

# %% [markdown]
# ## Three methods, one difference
#
# The recipes `naive`, `vicreg` and `contrastive` have the same encoder, forward model and optimizer. They differ in
# their learning signals alone.
#
# - `naive` has the loss above and nothing else.
# - `vicreg` adds a variance term and a covariance term (Bardes 2022). The first keeps the standard deviation of each
#   feature above 1. The second keeps features from repeating each other.
# - `contrastive` asks another question: which of many frames came next? A constant encoder cannot answer it.


# %%
def train(method: str) -> list[dict]:
    """Train a method on the recordings and return its measurements on held-out data, one a row."""
    config = reverie.recipe(method, "laptop")
    training = replace(config.training, updates=UPDATES, evaluate_every=max(10, UPDATES // 10))
    config = replace(config, data=data, training=training, behavior=None, goals=(), threads=1, log={})
    folder = reverie.train(config, progress=False)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "evaluation"]


measured = {method: train(method) for method in ("naive", "vicreg", "contrastive")}

# %% [markdown]
# ## Look at three measures, not at the loss
#
# - **Scale**: the standard deviation of the features, divided by that before training. Near zero, the encoder has
#   shrunk.
# - **RankMe** (Garrido 2022): how many dimensions the features fill. It finds an encoder that kept its scale and lost
#   its dimensions.
# - **Probe**: how well a linear map reads the true place from the features, as $R^2$ on held-out data. One is
#   perfect.

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
for axis, (key, title) in zip(axes, {"scale": "scale", "rankme": "RankMe", "probe": "probe of the place"}.items()):
    for method, lines in measured.items():
        axis.plot([line["updates"] for line in lines], [line[key] for line in lines], label=method, marker=".")
    axis.set(title=title, xlabel="updates")
axes[0].set_yscale("log")
axes[1].set_ylim(bottom=0)
axes[2].set_ylim(-0.5, 1.05)
axes[2].legend()
figure.savefig("collapse.png", dpi=90)

for method, lines in measured.items():
    last = "  ".join(f"{key} {lines[-1][key]:.3g}" for key in ("scale", "rankme", "probe", "error_to_copy"))
    print(f"{method:12}", last)

# %% [markdown]
# ## What to see
#
# The scale of `naive` falls by orders of magnitude, and its loss falls with it. In the end a linear map reads the
# place worse than a guess of the mean would be. The other two keep their scale, and their probes rise.
#
# `error_to_copy` divides the error of the prediction by that of a copy of the last encoding, so it does not depend on
# the scale. Only `vicreg` predicts better than a copy. The bilinear score of `contrastive` need not bring a
# prediction near the encoding that comes.
#
# ## Exercises
#
# 1. Replace `naive` by `autoencoder`, whose decoder must draw the image. Does it collapse? Give the board a
#    background that flickers: what do its features spend themselves on?
# 2. Set `config.model.weights["vicreg"]` to a tenth, by `replace(config.model, weights=config.model.weights |
#    {"vicreg": 0.1})`. Where does the remedy end?
# 3. Make the pushes small, `rng.uniform(-0.5, 0.5, 2)`. Which of the methods needs motion to learn?
#
# Read on: [latent prediction and collapse](../../docs/concepts/latent_prediction.md), [what prevents
# collapse](../../studies/collapse/README.md).
