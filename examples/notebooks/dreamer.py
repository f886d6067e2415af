# %% [markdown]
# # Dreamer in one file
#
# `docs/dreamer_in_one_file.py` is Dreamer V1 (Hafner et al. 2020) in plain PyTorch, without the library. A test
# proves that it computes what Reverie computes. In this lesson you take its parts in your hands, one after another:
# experience, world model, imagination, returns, policy.
#
# This notebook needs a checkout, in which it looks for the file.

# %%
import inspect
import os
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import reverie

UPDATES = int(os.environ.get("NOTEBOOK_UPDATES", 600))
"""Updates of the world model. With 10 the notebook runs in seconds and shows nothing."""

for folder in (Path.cwd(), *Path.cwd().parents, *Path(reverie.__file__).parents):
    if (folder / "docs" / "dreamer_in_one_file.py").exists():
        sys.path.insert(0, str(folder / "docs"))
        break
else:
    raise FileNotFoundError("docs/dreamer_in_one_file.py is missing: run this notebook in a checkout of Reverie.")

import dreamer_in_one_file as dreamer_file
from dreamer_in_one_file import Dreamer, Env, Replay, Settings, State, lambda_return

# %% [markdown]
# ## 1. Experience
#
# The agent begins with random actions in `Pendulum-v1`, and sees images of 32x32 pixels. A column of the replay has
# an image, the reward and flag that came with it, and the action that was chosen after it.

# %%
torch.manual_seed(0)
rng = np.random.default_rng(0)
small = UPDATES < 100
settings = replace(Settings(), frames=400 if small else 4_000, **({"batch": 2, "length": 8} if small else {}))
env, replay = Env(settings), Replay(settings)

image, reward, first, seed = env.reset(0), 0.0, True, 0
while replay.rows < settings.frames // settings.repeat:
    action = rng.uniform(-1, 1, settings.actions).astype(np.float32)
    replay.add(image, action, reward, first)
    image, reward, over = env.step(action)
    first = False
    if over:
        replay.add(image, np.zeros(settings.actions, np.float32), reward, False)
        seed += 1
        image, reward, first = env.reset(seed), 0.0, True
env.env.close()

# %% [markdown]
# ## 2. The world model
#
# A recurrent state-space model has a memory $h_t$ and a stochastic state $s_t$:
#
# $$
# h_t = \mathrm{GRU}(h_{t-1}, s_{t-1}, a_{t-1}), \qquad s_t \sim p(s_t \mid h_t) \quad \text{or} \quad
# s_t \sim q(s_t \mid h_t, o_t)
# $$
#
# The prior $p$ does not see the image, the posterior $q$ does. The model maximizes the variational bound: image and
# reward from the posterior, and a small divergence of the two. Here is one step of it:

# %%
print(inspect.getsource(dreamer_file.RSSM))

# %%
agent = Dreamer(settings)
agent.model.calibrate(replay.image[: replay.rows])
losses: dict[str, list[float]] = {"image": [], "reward": [], "divergence": []}
for _ in range(UPDATES):
    terms, _ = agent.model.losses(*replay.sample(settings.batch, settings.length))
    agent.step(0, terms["image"] + settings.reward_weight * terms["reward"] + terms["divergence"])
    for name, values in losses.items():
        values.append(float(terms[name].detach()))
print("last losses:", {name: round(values[-1], 2) for name, values in losses.items()})

# %% [markdown]
# ## 3. Imagination
#
# Show the model five images, then only the actions. The prior takes the place of the posterior. This is the picture
# to look at before any policy: what the model cannot imagine, no policy can use.

# %%
LENGTH, SEEN = 20, 5


@torch.no_grad()
def imagine(start: int) -> tuple[np.ndarray, np.ndarray]:
    """Return real and imagined images (T, 32, 32, 3) of the replay's columns from `start`."""
    columns = slice(start, start + LENGTH)
    images, actions = replay.image[columns], replay.action[columns]
    embed = agent.model.images.encode(agent.model.normalize(images[:SEEN]))[None]
    states, _ = agent.model.observe(embed, actions[None, :SEEN], torch.zeros(1, SEEN, dtype=torch.bool))
    state, features = State(states.deter[:, -1], states.stoch[:, -1]), [states.features[0]]
    for action in actions[SEEN - 1 : -1]:
        deter, prior = agent.model.dynamics.predict(state, action[None])
        state = State(deter, prior.mean)
        features.append(state.features)
    drawn = agent.model.images.decode(torch.cat(features)) * agent.model.scale + agent.model.mean
    return images.numpy(), (255 * drawn.clamp(0, 1)).byte().numpy()


real, imagined = imagine(start=20)

# %% [markdown]
# ## 4. Returns
#
# The value $v$ of a state is the return that follows it. The $\lambda$-return mixes estimates of all lengths:
#
# $$
# V_t = r_{t+1} + \gamma \left( (1 - \lambda) \, v_{t+1} + \lambda \, V_{t+1} \right), \qquad V_H = v_H
# $$
#
# With $\lambda = 0$ it is one reward and the value. With $\lambda = 1$ it is all rewards, and the value at the end.
# Both are easy to compute by hand:

# %%
rewards, values = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[10.0, 20.0, 30.0]])
one_step = lambda_return(rewards, values, 0.9, 0.0)
all_steps = lambda_return(rewards, values, 0.9, 1.0)
torch.testing.assert_close(one_step, torch.tensor([[1 + 0.9 * 10, 2 + 0.9 * 20, 3 + 0.9 * 30]]))
torch.testing.assert_close(all_steps[0, 0], torch.tensor(1 + 0.9 * (2 + 0.9 * (3 + 0.9 * 30))))

# %% [markdown]
# ## 5. The policy
#
# The policy practices in imagination alone. It starts from states of the replay, imagines 15 steps, and climbs the
# returns by gradients through the model. No frame is played meanwhile.
#
# Do not judge by the returns that are climbed. The value is zero at first, and the rewards of the pendulum are
# negative, so the returns fall while the value is learned. The mean imagined reward of a decision tells what the policy
# gains.

# %%
practiced: dict[int, float] = {}
for update in range(UPDATES // 2 + 1):
    with torch.no_grad():
        _, states = agent.model.losses(*replay.sample(settings.batch, settings.length))
        start = State(*(part.flatten(0, 1)[::2] for part in states))
        if update % 10 == 0:
            features, _ = agent.imagine(start)
            practiced[update] = float(agent.model.reward(features[:, 1:]).mean()) / settings.reward_scale
    agent.learn_behavior(start)
rewards = list(practiced.values())
print(f"imagined reward of a decision: {rewards[0]:.2f} at first, {rewards[-1]:.2f} in the end")

# %%
figure = plt.figure(figsize=(9, 4.4), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(3, 4))
axis = above.subplots()
shown = [*range(0, SEEN, 2), *range(SEEN, LENGTH, 2)]
axis.imshow(np.vstack([np.hstack(list(each[shown])) for each in (real, imagined)]))
axis.axvline(3 * 32 - 0.5, color="tab:red")
axis.set(title="real, and below the model: seen before the line, then imagined", xticks=[], yticks=[])
axes = below.subplots(1, 4)
for axis, (name, points) in zip(axes, losses.items()):
    axis.plot(points[5:], linewidth=0.8)
    axis.set(title=f"{name} (nats)", xlabel="updates")
axes[3].plot(list(practiced), list(practiced.values()))
axes[3].set(title="imagined reward", xlabel="updates of the policy")
figure.savefig("dreamer.png", dpi=90)

# %% [markdown]
# ## The whole algorithm
#
# The imagined reward rises at once, and then the noise of the batches hides what is gained. That is little: the policy
# has seen only states of random actions. New frames, played by a better policy, bring better states.
#
# `train` alternates the parts: play with the policy, learn the model, practice. It is the same loop as above, in 20
# lines:

# %%
print(inspect.getsource(dreamer_file.train))

# %% [markdown]
# `python docs/dreamer_in_one_file.py` trains for 8,000 frames and swings the pendulum up. The library does the same
# by `reverie train dreamer_v1`, with checkpoints, films, other environments and GPUs.
#
# ## Exercises
#
# 1. Set `SEEN` to 1. One image shows no speed. Where does the imagination go wrong, and how many images repair it?
# 2. Set `horizon` in `settings` to 3. How does the imagined return change, and why do values matter more now?
# 3. Remove the stochastic part: return `posterior.mean` in place of `rsample` in `observe`. Which loss tells you
#    first?
#
# Read on: [Dreamer](../../docs/concepts/dreamer.md), [the one file](../../docs/dreamer_in_one_file.py), [policies in
# imagination](../../docs/concepts/policies.md).
