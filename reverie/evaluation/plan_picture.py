"""The candidates that a planner scored at one decision, and its executed plan beside what really happened.

The search is repeated from the agent's own belief, memory and noise, so it is the executed one. Every score is
recorded. Frames and rewards are those of mean transitions, also where scores are means over sampled futures.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie import tree
from reverie.agents.agent import Agent
from reverie.config.choices import short_name
from reverie.dynamics.rollout import imagine
from reverie.errors import UserError
from reverie.evaluation import figures, films
from reverie.evaluation.returns import Evaluation
from reverie.models.world_model import WorldModel
from reverie.planning.actor import PlanningActor, PlanningNoise
from reverie.planning.objectives import GoalObjectiveConfig

_MOST_COLUMNS = 12


@dataclass(frozen=True)
class Plans:
    """Everything scored at one decision. Step h of a plan is what arrives h decisions later, h = 1 .. H.

    Rewards and scores are in the environment's unit (`WorldModel.to_env_units`). All frames are None if the agent
    sees no image or decodes none.
    """

    decision: int
    """The number of decisions before it in the episode."""
    action: Float[np.ndarray, "N H A"]
    """The candidates, in the order of their scoring."""
    score: Float[np.ndarray, " N"]
    reward: Float[np.ndarray, "N H"]
    """Predicted for each candidate."""
    executed_action: Float[np.ndarray, "H A"]
    """The plan whose first action was executed."""
    executed_score: float
    executed_reward: Float[np.ndarray, " H"]
    executed_frames: UInt8[np.ndarray, "H h w c"] | None
    real_reward: Float[np.ndarray, " T"]
    """The rewards that followed; T is less than H if the episode ended."""
    real_frames: UInt8[np.ndarray, "T1 h w c"] | None
    """The frame at the decision, then the T frames that followed."""


def planning_actor(agent: Agent) -> PlanningActor:
    """Return the agent's actor. UserError unless it plans for rewards."""
    if not isinstance(agent.actor, PlanningActor):
        raise UserError("This run acts by a policy, which weighs no plans: name a planner, such as --planner ICEM.")
    if isinstance(agent.actor.config.objective, GoalObjectiveConfig):
        raise UserError("Plans towards a goal are not drawn as a picture: leave --moment out.")
    return agent.actor


@dataclass(frozen=True)
class Search:
    """One search: the candidates in the parts in which they were scored, their scores, and the executed plan."""

    parts: list[tuple[Float[Tensor, "_ H A"], Float[Tensor, " _"]]]
    executed: Float[Tensor, "1 H A"]
    executed_score: Float[Tensor, ""]


@torch.no_grad()
def search(actor: PlanningActor, belief: Any, memory: Any, noise: PlanningNoise | None = None) -> Search:
    """Search from one belief and record every score. Without noise it is the fixed one of the actor."""
    noise = actor.fixed_noise(1, tree.leaves(belief)[0].device) if noise is None else noise
    score, parts = actor.score(belief, noise.samples), list[tuple[Tensor, Tensor]]()

    def record_scores(action: Tensor) -> Tensor:
        scores = score(action)
        parts.append((action[0].detach().clone(), scores[0].detach()))
        return scores

    executed = actor.plan(belief, memory, noise, lambda *_: record_scores).elites[:, 0]
    return Search(parts, executed, score(executed[:, None])[0, 0])


def imagined_features(model: WorldModel, belief: Any, action: Float[Tensor, "N H A"]) -> Float[Tensor, "N H F"]:
    """Return the features of the mean states that N plans lead to from one belief."""
    each = tree.map(lambda x: x.expand(len(action), *x.shape[1:]), belief)
    return model.dynamics.features(imagine(model.dynamics, each, action, None))


@torch.no_grad()
def record(agent: Agent, result: Evaluation) -> Plans:
    """Repeat the search of the decision of the first episode that `result` has recorded, its `moment`.

    UserError if the agent does not plan, ValueError if no moment was recorded.
    """
    actor, model, episode, moment = planning_actor(agent), agent.model, result.episodes[0], result.moment
    if moment is None:
        raise ValueError("evaluate with `moment`")
    decision, found = moment.decision, search(actor, moment.belief, moment.memory)

    def features(action: Float[Tensor, "N H A"]) -> Float[Tensor, "N H F"]:
        return imagined_features(model, moment.belief, action)

    expected = features(found.executed)
    after = episode.steps[decision : decision + 1 + found.executed.shape[1]]
    frames: dict[str, Any] = {"executed_frames": None, "real_frames": None}
    if model.draws_images:
        image = model.normalize.images[0]
        decoded = model.decode(expected, in_env_units=True)[image][0]
        frames["executed_frames"] = decoded.round().to(torch.uint8).cpu().numpy()
        frames["real_frames"] = np.stack([step.obs[image] for step in after])
    # Candidates are predicted in the parts in which they were scored: these fit into memory.
    reward = torch.cat([model.reward(features(part), in_env_units=True) for part, _ in found.parts])
    return Plans(
        decision=decision,
        action=torch.cat([part for part, _ in found.parts]).cpu().numpy(),
        score=model.to_env_units(torch.cat([scores for _, scores in found.parts])).cpu().numpy(),
        reward=reward.cpu().numpy(),
        executed_action=found.executed[0].cpu().numpy(),
        executed_score=float(model.to_env_units(found.executed_score)),
        executed_reward=model.reward(expected, in_env_units=True)[0].cpu().numpy(),
        real_reward=np.array([step.reward for step in after[1:]], np.float32),
        **frames,
    )


def sentence(plans: Plans) -> str:
    """Return the number of candidates, the executed plan's predicted return and the real one, as text."""
    predicted, real = plans.executed_reward, plans.real_reward
    return (
        f"decision {plans.decision}: {len(plans.score)} candidates scored {plans.score.min():z.1f} to "
        f"{plans.score.max():z.1f}; the executed plan's predicted return over {len(predicted)} decisions is "
        f"{predicted.sum():z.1f}, the real return over {len(real)} is {real.sum():z.1f}"
    )


def title(agent: Agent, plans: Plans) -> str:
    """Return a title: the environment, the decision, the planner and its objective."""
    config = planning_actor(agent).config
    planner, objective = short_name(type(config.planner)), short_name(type(config.objective))
    gamma = getattr(config.objective, "gamma", 1.0)
    sampled = f" over {config.num_samples} sampled futures, drawn by the mean" if config.num_samples else ""
    return (
        f"{agent.config.world.id}, decision {plans.decision} of an episode: {planner} weighs {len(plans.score)} plans "
        f"by {objective} (gamma {gamma:g}){sampled}"
    )


def draw(path: Path, plans: Plans, title: str) -> Path:
    """Write a PNG of rewards by step, and under them the executed plan's imagined frames and the real ones."""
    rewards = _rewards(plans, title)
    real, imagined = plans.real_frames, plans.executed_frames
    if real is None or imagined is None:
        return films.write_image(path, rewards)
    steps = films.spread(0, len(imagined), _MOST_COLUMNS)
    rows = [[real[0], *(imagined[h] for h in steps)], [real[0], *(real[h + 1] for h in steps if h + 1 < len(real))]]
    labels = [
        f"executed plan\nscore {plans.executed_score:z.1f}\nreturn {plans.executed_reward.sum():z.1f}",
        f"real episode\nreturn {plans.real_reward.sum():z.1f}",
    ]
    times = [f"decision {plans.decision}", *(f"+{h + 1}" for h in steps)]
    frames = films.mosaic(rows, gap_after=1, row_labels=labels, column_labels=times)
    width = max(frames.shape[1], rewards.shape[1])
    parts = (np.pad(x, ((0, 0), (0, width - x.shape[1]), (0, 0)), constant_values=255) for x in (rewards, frames))
    return films.write_image(path, np.concatenate([*parts]))


def _rewards(plans: Plans, title: str) -> UInt8[np.ndarray, "h w 3"]:
    """Draw rewards against decisions: all candidates faintly, the executed plan, and the real ones."""
    steps, real = np.arange(1, plans.reward.shape[1] + 1), plans.real_reward
    figure = figures.new_figure(8, 3.2)
    axes = figure.add_subplot()
    faint = float(np.clip(20 / len(plans.reward), 0.04, 0.4))
    axes.plot(steps, plans.reward.T, color="0.6", alpha=faint, linewidth=0.8)
    axes.plot([], [], color="0.6", linewidth=0.8, label=f"all {len(plans.reward)} candidates, predicted")
    axes.plot(steps, plans.executed_reward, linewidth=2.6, marker="o", markersize=4, label="executed plan, predicted")
    axes.plot(steps[: len(real)], real, "C2--s", linewidth=2, markersize=4, label="real, replanned at each decision")
    axes.set(xlabel="decisions later", ylabel="reward of a decision", xlim=(0.5, len(steps) + 0.5))
    axes.set_title(title, fontsize=9)
    figures.finish(axes)
    return figures.pixels(figure)
