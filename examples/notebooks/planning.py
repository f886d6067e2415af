# %% [markdown]
# # Planning by search and by gradients
#
# With a model you can act without a policy. Score sequences of actions by the model, execute the first action of the
# best sequence, and plan again. The score of a sequence over a horizon $H$ is the sum of its rewards:
#
# $$
# S(a_{1:H}) = \sum_{h=1}^{H} r(s_h, a_h), \qquad s_{h+1} = f(s_h, a_h)
# $$
#
# In this lesson you plan in a model that you write yourself, compare search with gradients at equal cost, and then
# plan in the latent space of a learned model. The planners are the same in both: they get a score, and know no model.

# %%
import math
import os
from dataclasses import replace

import gymnasium
import matplotlib.pyplot as plt
import numpy as np
import torch

import reverie

UPDATES = int(os.environ.get("NOTEBOOK_UPDATES", 1_000))
"""Updates of the learned model. With 20 the notebook runs in seconds and the learned model is wrong."""
SMALL = UPDATES < 200
DECISIONS, HORIZON = (5 if SMALL else 100), 20

# %% [markdown]
# ## A known model
#
# The pendulum's equations are a model: state, action and reward are tensors, and so everything is differentiable.
# `score` rolls out all candidates side by side. Candidates are (B, N, H, A): problems, candidates, time, action.


# %%
def score_from(theta: float, speed: float):
    """Return the score of action sequences (B, N, H, A) from one state of the pendulum, in its rewards (B, N)."""

    def score(actions: torch.Tensor) -> torch.Tensor:
        angle = torch.full(actions.shape[:2], theta)
        velocity, total = torch.full_like(angle, speed), torch.zeros_like(angle)
        for action in actions.unbind(2):
            torque = 2 * action[..., 0]
            wrapped = torch.remainder(angle + math.pi, 2 * math.pi) - math.pi
            total = total - (wrapped**2 + 0.1 * velocity**2 + 0.001 * torque**2)
            velocity = (velocity + (15 * angle.sin() + 3 * torque) * 0.05).clamp(-8, 8)
            angle = angle + 0.05 * velocity
        return total

    return score


# %% [markdown]
# ## CEM and gradients
#
# The cross-entropy method (CEM) keeps a Gaussian over sequences. It samples candidates, and refits mean and standard
# deviation to the best of them (Rubinstein 1999). Gradient ascent starts from some sequences and climbs the score:
#
# $$
# a \leftarrow \mathrm{clip}\left(a + \alpha \, \frac{\partial S}{\partial a}, -1, 1\right)
# $$
#
# Noise is an argument of a planner, so the same noise gives the same plan.

# %%
ACTION = reverie.make_env("Pendulum-v1", observe=("state",)).spec.action


def plan(config, score, start=None, seed: int = 0):
    """Return the plan of one search. `start` is the plan before, or none."""
    planner = config.build(ACTION)
    start = planner.start(1, torch.device("cpu")) if start is None else start
    return planner(score, start, planner.noise(1, torch.Generator().manual_seed(seed)))


def cem(candidates: int, iterations: int = 5) -> reverie.CEMConfig:
    return reverie.CEMConfig(HORIZON, candidates, elites=max(2, candidates // 10), iterations=iterations)


def gradient(starts: int, steps: int = 20) -> reverie.GradientConfig:
    return reverie.GradientConfig(HORIZON, starts, steps)


def icem(candidates: int) -> reverie.ICEMConfig:
    return reverie.ICEMConfig(HORIZON, candidates, elites=min(10, candidates // 2))


hanging = score_from(math.pi - 0.1, 0.0)
budgets = (1,) if SMALL else (1, 3, 10, 30)
searches = {
    "CEM": {5 * 20 * n: cem(20 * n) for n in budgets},
    "iCEM": {sum(icem(40 * n).populations): icem(40 * n) for n in budgets},
    "gradients": {21 * 4 * n: gradient(4 * n) for n in budgets},
}
found = {
    name: {
        cost: np.mean([float(hanging(plan(config, hanging, seed=seed).elites[:, :1])) for seed in range(5)])
        for cost, config in configs.items()
    }
    for name, configs in searches.items()
}
for name, scores in found.items():
    print(f"{name:10}", "  ".join(f"{cost} sequences: {score:.1f}" for cost, score in scores.items()))

# %% [markdown]
# ## Act by planning
#
# One plan is open loop. In model-predictive control only its first action is executed, then the planner starts again
# from the new state. The real pendulum is Gymnasium's.


# %%
def swing(config) -> list[float]:
    """Return the rewards of an episode that is played by planning in the known model."""
    env, rewards = gymnasium.make("Pendulum-v1"), []
    env.reset(seed=0)
    env.unwrapped.state = np.array([math.pi - 0.1, 0.0])  # it hangs
    for step in range(DECISIONS):
        score = score_from(*map(float, env.unwrapped.state))
        action = plan(config, score, seed=step).action[0]
        rewards.append(float(env.step(2 * action.numpy())[1]))
    env.close()
    return rewards


played = {"CEM": swing(cem(100)), "iCEM": swing(icem(60)), "gradients": swing(gradient(8))}
for name, rewards in played.items():
    print(f"{name:10} return of {DECISIONS} decisions {sum(rewards):.1f}")

# %% [markdown]
# ## A learned latent model
#
# Now the equations are unknown. A recurrent state-space model learns them from random interaction: it predicts the
# observation and the reward. The planner sees only its latent space. `behavior` says how to act with the finished
# model.

# %%
config = reverie.recipe("state_space", "laptop", "Pendulum-v1")
env = replace(config.data.env, observe=("state",), repeat=2)
config = replace(
    config,
    data=replace(config.data, env=env, train=400 if SMALL else 10_000, test=200 if SMALL else 1_000),
    training=replace(config.training, updates=UPDATES, evaluate_every=0),
    behavior=reverie.PlanningConfig(reverie.ICEMConfig(15 if not SMALL else 3, candidates=200)),
    threads=1,
    log={},
)
folder = reverie.train(config, progress=False)
limit = {"time_limit": 10 if SMALL else 200}
result = reverie.evaluate(folder, episodes=1 if SMALL else 3, env=limit)
print(f"planned in the learned model: mean return {result.values['mean']:.0f}")

# %% [markdown]
# Random actions have a return near -1200. The same model with another planner needs no training:

# %%
settings = {"planner": "Gradient", "planner.horizon": 3 if SMALL else 15, "planner.starts": 4, "planner.steps": 5}
climbed = reverie.evaluate(folder, episodes=1, env=limit, planner=settings)
print(f"by gradients through the learned model: return {climbed.values['mean']:.0f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for name, scores in found.items():
    axes[0].plot(list(scores), list(scores.values()), marker="o", label=name)
axes[0].set(xscale="log", xlabel="scored sequences", title="score of one plan, from hanging")
for name, rewards in played.items():
    axes[1].plot(rewards, label=name)
axes[1].set(xlabel="decision", title="reward while planning in the known model")
axes[1].legend()
figure.savefig("planning.png", dpi=90)

# %% [markdown]
# ## Exercises
#
# 1. Set `HORIZON` to 5. Which planner still swings the pendulum up? Why must a plan reach beyond the first swing?
# 2. Pass the last plan as `start` in `swing`, shifted by one step. How many candidates does a warm start save?
# 3. Train the learned model with 100 updates and plan in it. Compare the score that the planner predicts with the
#    return that it gets: a planner exploits the errors of a model.
#
# Read on: [planning](../../docs/concepts/planning.md), [which planner](../../studies/planners/README.md).
