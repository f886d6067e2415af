"""The candidates that a planner scored at one decision, and its executed plan beside what really happened.

The search is repeated from the agent's own belief, memory and noise, so that it is the executed one, and every score is
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
from reverie.planning.actor import PlanningActor
from reverie.planning.base import Score
from reverie.planning.objectives import GoalObjectiveConfig
from reverie.signals.base import ReconstructionHead

_MOST_COLUMNS = 12


@dataclass(frozen=True)
class Plans:
    """Everything scored at one decision. Step h of a plan is what arrives h decisions later, h = 1 .. H.

    Rewards and scores are in the environment's unit: `WorldModel.to_env_units`.
    """

    decision: int
    """How many were made before, in the episode."""
    action: Float[np.ndarray, "N H A"]
    """The candidates, in the order in which the planner asked for their scores."""
    score: Float[np.ndarray, " N"]
    reward: Float[np.ndarray, "N H"]
    """Predicted for each candidate."""
    executed_action: Float[np.ndarray, "H A"]
    """The plan whose first action was executed."""
    executed_score: float
    executed_reward: Float[np.ndarray, " H"]
    executed_frames: UInt8[np.ndarray, "H h w c"] | None
    real_reward: Float[np.ndarray, " T"]
    """Of the decisions that followed; T is less than H where the episode ended."""
    real_frames: UInt8[np.ndarray, "T1 h w c"] | None
    """The frame at the decision, then the T that followed. None, as all frames, where none is seen or decoded."""


def planning_actor(agent: Agent) -> PlanningActor:
    """The agent's actor. UserError where it does not plan."""
    if not isinstance(agent.actor, PlanningActor):
        raise UserError("This run acts by a policy, which weighs no plans: name a planner, such as --planner ICEM.")
    if isinstance(agent.actor.config.objective, GoalObjectiveConfig):
        raise UserError("Plans towards a goal are not drawn as a picture: leave --moment out.")
    return agent.actor


@torch.no_grad()
def record(agent: Agent, result: Evaluation, decision: int) -> Plans:
    """Repeat the search of the `decision`-th decision (from 0) of the first episode, which `result` has recorded.

    UserError where the agent does not plan, or the episode ended before.
    """
    actor, episode, moment = planning_actor(agent), result.episodes[0], result.moment
    if moment is None or moment.decision != decision:
        count = len(episode.actions)
        raise UserError(
            f"The first episode had {count} decisions: there is no moment {decision}, take 0 to {count - 1}."
        )
    calls: list[tuple[Tensor, Tensor]] = []
    score_functions: list[Score] = []

    def recorded_score(belief: Any, samples: Tensor | None = None, /) -> Score:
        score_functions.append(actor.score(belief, samples))

        def score(action: Tensor) -> Tensor:
            scores = score_functions[0](action)
            calls.append((action[0].detach().clone(), scores[0].detach()))
            return scores

        return score

    executed = actor.plan(moment.belief, moment.memory, None, recorded_score).elites[:, 0]
    action, score = (torch.cat(parts) for parts in zip(*calls))
    # In the parts in which they were scored, which fit into memory.
    reward = torch.cat([_reward(agent, _features(agent, moment.belief, part)) for part, _ in calls])
    features = _features(agent, moment.belief, executed)
    frames, image = _decoded(agent, features), _image(agent)
    after = episode.steps[decision : decision + 1 + len(executed[0])]
    return Plans(
        decision=decision,
        action=action.cpu().numpy(),
        score=agent.model.to_env_units(score).cpu().numpy(),
        reward=reward.cpu().numpy(),
        executed_action=executed[0].cpu().numpy(),
        executed_score=float(agent.model.to_env_units(score_functions[0](executed[:, None])[0, 0])),
        executed_reward=_reward(agent, features)[0].cpu().numpy(),
        executed_frames=None if frames is None else frames[0],
        real_reward=np.array([step.reward for step in after[1:]], np.float32),
        real_frames=None if frames is None or image is None else np.stack([step.obs[image] for step in after]),
    )


def sentence(plans: Plans) -> str:
    """How many candidates there were, what the executed plan promised, and the rewards that came."""
    predicted, real = plans.executed_reward, plans.real_reward
    return (
        f"decision {plans.decision}: {len(plans.score)} candidates scored {plans.score.min():z.1f} to "
        f"{plans.score.max():z.1f}; the executed plan's predicted return over {len(predicted)} decisions is "
        f"{predicted.sum():z.1f}, and {real.sum():z.1f} came in {len(real)}"
    )


def title(agent: Agent, plans: Plans) -> str:
    """Which planner decided, in which environment, by which objective."""
    config = planning_actor(agent).config
    planner, objective = short_name(type(config.planner)), short_name(type(config.objective))
    gamma = getattr(config.objective, "gamma", 1.0)
    sampled = f" over {config.num_samples} sampled futures, drawn by the mean" if config.num_samples else ""
    return (
        f"{agent.config.world.id}, decision {plans.decision} of an episode: {planner} weighs {len(plans.score)} plans "
        f"by {objective} (gamma {gamma:g}){sampled}"
    )


def draw(path: Path, plans: Plans, title: str) -> Path:
    """Write a PNG of the executed plan's imagined frames over the real ones, and of every step's rewards under them."""
    rewards = _rewards(plans, title)
    real, imagined = plans.real_frames, plans.executed_frames
    if real is None or imagined is None:
        return films.write_image(path, rewards)
    steps = films.spread(0, len(imagined), _MOST_COLUMNS)
    rows = [[real[0], *(imagined[h] for h in steps)], [real[0], *(real[h + 1] for h in steps if h + 1 < len(real))]]
    labels = [
        f"executed plan\nscore {plans.executed_score:z.1f}\nreturn {plans.executed_reward.sum():z.1f}",
        f"what really came\nreturn {plans.real_reward.sum():z.1f}",
    ]
    times = [f"decision {plans.decision}", *(f"+{h + 1}" for h in steps)]
    frames = films.mosaic(rows, gap_after=1, row_labels=labels, column_labels=times)
    width = max(frames.shape[1], rewards.shape[1])
    parts = [
        np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=255) for part in (rewards, frames)
    ]
    return films.write_image(path, np.concatenate(parts))


def _rewards(plans: Plans, title: str) -> UInt8[np.ndarray, "h w 3"]:
    """Reward against decisions: all candidates faintly, the executed plan, and what really came."""
    steps, real = np.arange(1, plans.reward.shape[1] + 1), plans.real_reward
    figure = figures.new_figure(8, 3.2)
    axes = figure.add_subplot()
    faint = float(np.clip(20 / len(plans.reward), 0.04, 0.4))
    axes.plot(steps, plans.reward.T, color="0.6", alpha=faint, linewidth=0.8)
    axes.plot([], [], color="0.6", linewidth=0.8, label=f"all {len(plans.reward)} candidates, predicted")
    axes.plot(steps, plans.executed_reward, linewidth=2.6, marker="o", markersize=4, label="executed plan, predicted")
    axes.plot(
        steps[: len(real)], real, color="C2", linewidth=2, linestyle="--", marker="s", markersize=4,
        label="what really came, replanning",
    )  # fmt: skip
    axes.set(xlabel="decisions later", ylabel="reward of a decision", xlim=(0.5, len(steps) + 0.5))
    axes.set_title(title, fontsize=9)
    figures.finish(axes)
    return figures.pixels(figure)


def _features(agent: Agent, belief: Any, action: Float[Tensor, "N H A"]) -> Float[Tensor, "N H F"]:
    """Of the mean states that each sequence leads to from the one belief."""
    each = tree.map(lambda x: x.expand(len(action), *x.shape[1:]), belief)
    return agent.model.dynamics.features(imagine(agent.model.dynamics, each, action, None))


def _reward(agent: Agent, features: Float[Tensor, "N H F"]) -> Float[Tensor, "N H"]:
    """In the environment's unit."""
    return agent.model.reward(features, in_env_units=True)


def _image(agent: Agent) -> str | None:
    """The name of the image to show."""
    return min((name for name, space in agent.config.spec.obs.items() if space.is_image), default=None)


def _decoded(agent: Agent, features: Float[Tensor, "N H F"]) -> UInt8[np.ndarray, "N H h w c"] | None:
    """Imagined frames; None where the agent sees no image, or has not learned to reconstruct it."""
    model, name = agent.model, _image(agent)
    if name is None or not model.has(ReconstructionHead):
        return None
    decoded = model.decode(features, in_env_units=True)[name]
    return decoded.round().to(torch.uint8).cpu().numpy()
