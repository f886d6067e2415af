"""What a planner weighed at one moment of an episode: the futures that its model imagined, beside what came.

The search is repeated from the agent's own belief, memory and noise, so it is the very one that was executed, while
somebody listens to the scores. Futures are drawn by mean transitions, also where scores are means over sampled ones.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie import tree
from reverie.agents.agent import Agent
from reverie.config.declared import short_name
from reverie.dynamics.rollout import imagine
from reverie.envs.conversions import as_colors
from reverie.errors import UserError
from reverie.evaluate import figures
from reverie.evaluate.returns import Evaluation
from reverie.planning.actor import PlanningActor
from reverie.planning.base import Score
from reverie.planning.objectives import GOALS
from reverie.signals.base import ReconstructionHead

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_RANKS = {"best": 0.0, "better than 75 %": 0.25, "median": 0.5, "worst": 1.0}
"""Which candidates are shown: the share of all that scored higher."""
_COLORS = ("tab:blue", "tab:purple", "tab:cyan", "tab:orange", "tab:red")
_REAL, _OTHERS = "tab:green", "0.6"
_MOST_COLUMNS = 15
_TILE, _LABELS, _NOW = 0.8, 1.75, 1.3  # inches: a frame's side, the rows' names, the frame seen at the moment


@dataclass(frozen=True)
class Future:
    """A sequence of H actions and what the model expects of it."""

    name: str
    action: Float[np.ndarray, "H A"]
    score: float
    reward: Float[np.ndarray, " H"]
    frames: UInt8[np.ndarray, "H h w c"] | None

    @property
    def predicted_return(self) -> float:
        """The sum of the predicted rewards: what a score is too, but for discount, value and sampled futures."""
        return float(self.reward.sum())


@dataclass(frozen=True)
class Plans:
    """Everything scored at one decision. Step h of a future is what arrives h decisions later, h = 1 .. H.

    Rewards and scores are in the environment's unit: `WorldModel.to_env_units`.
    """

    decision: int
    """How many were made before, in the episode."""
    action: Float[np.ndarray, "N H A"]
    """The candidates, in the order in which the planner asked for their scores."""
    score: Float[np.ndarray, " N"]
    reward: Float[np.ndarray, "N H"]
    shown: list[Future]
    """The plan whose first action was executed, then candidates from the best to the worst."""
    real_reward: Float[np.ndarray, " T"]
    """Of the decisions that followed; T is less than H where the episode ended."""
    real_frames: UInt8[np.ndarray, "T1 h w c"] | None
    """The one seen at the moment, then the T that followed. None, as all frames, where none can be seen or decoded."""


def planning_actor(agent: Agent) -> PlanningActor:
    """The agent's actor. UserError where it does not plan."""
    if not isinstance(agent.actor, PlanningActor):
        raise UserError("This run acts by a policy, which weighs no plans: name a planner, such as --planner ICEM.")
    if isinstance(agent.actor.config.objective, GOALS):
        raise UserError("Plans towards a goal are not drawn as a picture: leave --moment out.")
    return agent.actor


@torch.no_grad()
def record(agent: Agent, result: Evaluation, decision: int) -> Plans:
    """Repeat the search of the `decision`-th decision (from 0) of the first episode, which `result` has kept.

    UserError where the agent does not plan, or the episode ended before.
    """
    actor, episode, moment = planning_actor(agent), result.episodes[0], result.moment
    if moment is None or moment.decision != decision:
        count = len(episode.actions)
        raise UserError(
            f"The first episode had {count} decisions: there is no moment {decision}, take 0 to {count - 1}."
        )
    scores: list[tuple[Tensor, Tensor]] = []
    own: list[Score] = []

    def listening(belief: Any, futures: Tensor | None = None, /) -> Score:
        own.append(actor.score(belief, futures))

        def score(action: Tensor) -> Tensor:
            found = own[0](action)
            scores.append((action[0].detach().clone(), found[0].detach()))
            return found

        return score

    plan = actor.plan(moment.belief, moment.memory, None, listening)
    executed = plan.elites[:, 0]
    action, score = (torch.cat(parts) for parts in zip(*scores))
    # In the parts in which they were scored, which fit into memory.
    reward = torch.cat([_reward(agent, _features(agent, moment.belief, part)) for part, _ in scores])
    order = score.argsort(descending=True)
    ranked = [(name, action[order[round(share * (len(order) - 1))]]) for name, share in _RANKS.items()]
    if torch.equal(ranked[0][1], executed[0]):
        chosen = [("executed plan (best)", executed[0]), *ranked[1:]]
    else:
        chosen = [("executed plan", executed[0]), *ranked]
    sequences = torch.stack([sequence for _, sequence in chosen])
    features = _features(agent, moment.belief, sequences)
    frames = _decoded(agent, features)
    found_score, found_reward = agent.model.to_env_units(own[0](sequences[None])[0]), _reward(agent, features)
    shown = [
        Future(
            name,
            sequence.cpu().numpy(),
            float(found_score[i]),
            found_reward[i].cpu().numpy(),
            None if frames is None else frames[i],
        )
        for i, (name, sequence) in enumerate(chosen)
    ]
    after, image = episode.steps[decision : decision + 1 + len(executed[0])], _image(agent)
    return Plans(
        decision=decision,
        action=action.cpu().numpy(),
        score=agent.model.to_env_units(score).cpu().numpy(),
        reward=reward.cpu().numpy(),
        shown=shown,
        real_reward=np.array([step.reward for step in after[1:]], np.float32),
        real_frames=None if frames is None or image is None else np.stack([step.obs[image] for step in after]),
    )


def sentence(plans: Plans) -> str:
    """How many candidates there were, what the executed plan promised, and what came."""
    executed, came = plans.shown[0], plans.real_reward
    return (
        f"decision {plans.decision}: {len(plans.score)} candidates scored {plans.score.min():z.1f} to "
        f"{plans.score.max():z.1f}; the executed plan's predicted return over {len(executed.reward)} decisions is "
        f"{executed.predicted_return:z.1f}, and {came.sum():z.1f} came in {len(came)}"
    )


def title(agent: Agent, plans: Plans) -> str:
    """Whose decision it is."""
    config = planning_actor(agent).config
    planner, objective = short_name(type(config.planner)), short_name(type(config.objective))
    gamma = getattr(config.objective, "gamma", 1.0)
    sampled = f" over {config.num_samples} sampled futures, drawn by the mean" if config.num_samples else ""
    return (
        f"{agent.config.world.id}, decision {plans.decision} of an episode: {planner} weighs {len(plans.score)} plans "
        f"by {objective} (gamma {gamma:g}){sampled}"
    )


def draw(path: Path, plans: Plans, title: str) -> Path:
    """Write a PNG: rows of imagined frames with the real ones among them, and the rewards of every step under them."""
    real, steps = plans.real_frames, figures.moments(plans.reward.shape[1], _MOST_COLUMNS)
    width = _LABELS + _NOW + max(len(steps) * _TILE, 5.0)
    if real is None:
        with figures.picture(path, width, 3.6) as figure:
            figure.suptitle(title, fontsize=11)
            key, axes = figure.subplots(1, 2, width_ratios=[_NOW, width - _NOW])
            _draw_rewards(axes, key, plans, steps)
        return Path(path)
    apart = any(abs(future.score - future.predicted_return) > 0.05 for future in plans.shown)
    rows = []
    for future, color in zip(plans.shown, _colors(plans)):
        both = f", return {future.predicted_return:z.1f}" if apart else ""
        rows.append((f"{future.name}\nscore {future.score:z.1f}{both}", future.frames, color))
    rows.insert(1, (f"what really came, replanning\nreturn {plans.real_reward.sum():z.1f}", real[1:], _REAL))
    tall = len(rows) * _TILE * real.shape[1] / real.shape[2]
    with figures.picture(path, width, tall + 3.4) as figure:
        figure.suptitle(title, fontsize=11)
        grid = figure.add_gridspec(
            len(rows) + 1, len(steps) + 1, height_ratios=[*[tall / len(rows)] * len(rows), 2.6],
            width_ratios=[_NOW, *[(width - _LABELS - _NOW) / len(steps)] * len(steps)],
        )  # fmt: skip
        _draw_frame(figure.add_subplot(grid[: len(rows), 0]), real[0], _REAL, f"seen at\ndecision {plans.decision}")
        for row, (name, frames, color) in enumerate(rows):
            for column, step in enumerate(steps, start=1):
                axes = figure.add_subplot(grid[row, column])
                frame = frames[step] if frames is not None and step < len(frames) else None
                _draw_frame(axes, frame, color, f"+{step + 1}" if row == 0 else "")
                if column == 1:
                    axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9, color=color, labelpad=8)
        _draw_rewards(figure.add_subplot(grid[-1, 1:]), figure.add_subplot(grid[-1, 0]), plans, steps)
    return Path(path)


def _draw_frame(axes: "Axes", frame: np.ndarray | None, color: str, title: str) -> None:
    """One frame, or an empty place, bordered by the color of its row."""
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=9)
    axes.spines[:].set(color=color, linewidth=1.5, visible=frame is not None)
    if frame is not None:
        axes.imshow(as_colors(frame), interpolation="nearest")


def _draw_rewards(axes: "Axes", key: "Axes", plans: Plans, ticks: list[int]) -> None:
    """Reward against decisions after the moment: all candidates faintly, those shown by their colors, and the real.

    The legend goes to `key`, a place of its own.
    """
    executed, horizon = plans.shown[0], plans.reward.shape[1]
    steps = np.arange(1, horizon + 1)
    faint = float(np.clip(20 / len(plans.reward), 0.04, 0.4))
    axes.plot(steps, plans.reward.T, color=_OTHERS, alpha=faint, linewidth=0.8)
    axes.plot([], [], color=_OTHERS, linewidth=0.8, label=f"all {len(plans.reward)} candidates")
    for future, color in reversed(list(zip(plans.shown, _colors(plans)))):
        bold = future is executed
        axes.plot(
            steps, future.reward, color=color, linewidth=2.6 if bold else 1.2, marker="o" if bold else None,
            markersize=4, label=f"{future.name}, predicted" if bold else future.name,
        )  # fmt: skip
    real = plans.real_reward
    axes.plot(
        steps[: len(real)],
        real,
        color=_REAL,
        linewidth=2,
        linestyle="--",
        marker="s",
        markersize=4,
        label="really came",
    )
    axes.set(xlabel="decisions after the moment", ylabel="reward of each decision", xlim=(0.5, horizon + 0.5))
    axes.set_xticks([tick + 1 for tick in ticks], [f"+{tick + 1}" for tick in ticks])
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    key.set_axis_off()
    key.legend(handles[::-1], labels[::-1], frameon=False, fontsize=8, loc="center left", borderaxespad=0)


def _colors(plans: Plans) -> tuple[str, ...]:
    """One for each future shown; a rank keeps its own whether or not the executed plan is the best."""
    return (_COLORS[0], *_COLORS[len(_COLORS) + 1 - len(plans.shown) :])


def _features(agent: Agent, belief: Any, action: Float[Tensor, "N H A"]) -> Float[Tensor, "N H F"]:
    """Of the mean states that each sequence leads to from the one belief."""
    each = tree.map(lambda x: x.expand(len(action), *x.shape[1:]), belief)
    return agent.model.dynamics.features(imagine(agent.model.dynamics, each, action, None))


def _reward(agent: Agent, features: Float[Tensor, "N H F"]) -> Float[Tensor, "N H"]:
    """In the environment's unit."""
    return agent.model.reward(features, in_env_units=True)


def _image(agent: Agent) -> str | None:
    """The name of the image that is shown."""
    return min((name for name, space in agent.config.spec.obs.items() if space.is_image), default=None)


def _decoded(agent: Agent, features: Float[Tensor, "N H F"]) -> UInt8[np.ndarray, "N H h w c"] | None:
    """Imagined frames; None where the agent sees no image, or has not learned to reconstruct it."""
    model, name = agent.model, _image(agent)
    if name is None or not model.has(ReconstructionHead):
        return None
    decoded = model.decode(features, in_env_units=True)[name]
    return decoded.round().to(torch.uint8).cpu().numpy()
