"""Open a run's folder for play: whatever it holds, with as much as is installed and kept beside it."""

from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from reverie import envs
from reverie.agents.agent import Agent, AgentConfig, load, needs_goal
from reverie.config.files import read_file
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.evaluation.goals import goal_environment
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.planning.actor import PlanningActor, PlanningConfig
from reverie.planning.objectives import GoalConfig, RewardSumConfig
from reverie.play import controls
from reverie.play.dream import Dream
from reverie.play.latent import LatentSession, LatentStage
from reverie.play.recordings import Memories, held_out, read_recordings
from reverie.play.session import Session, Stage
from reverie.runs import checkpoint
from reverie.runs.config import RunConfig, read_config
from reverie.runs.environment import EnvArgument
from reverie.runs.evaluation import environment_of, plan_with
from reverie.runs.offline import load_model
from reverie.runs.online import load_value
from reverie.signals.base import RewardHead
from reverie.spaces import EnvSpec

Open = Callable[[], Session | LatentSession]
"""Makes a new session, which the caller closes."""


def open_run(
    folder: str | Path,
    env: EnvArgument | None = None,
    planner: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Open:
    """Load what a run's folder holds, once, and return a maker of sessions.

    `env` and `planner` are those of `reverie.evaluate`. UserError for mistakes; what is merely missing is left out.
    """
    folder = Path(folder)
    if (folder / "agent.safetensors").exists():
        return _of_agent(folder, load(folder, device), env, planner, seed)
    model, config = load_model(folder, device), read_config(folder)
    if isinstance(model, WorldModel):
        return _of_agent(folder, _planning_agent(folder, model, config), env, planner, seed)
    if env is not None or planner is not None:
        raise UserError("A model of single images has neither environment nor planner: leave these settings out.")
    stage = LatentStage(folder.name, model, held_out(folder, next(model.parameters()).device))
    return lambda: LatentSession(stage, seed)


def _planning_agent(folder: Path, model: WorldModel, config: RunConfig) -> Agent:
    """Return an agent that plans in a model without one: for its reward, or towards a goal."""
    assert isinstance(config.model, WorldModelConfig)
    spec = read_file(EnvSpec, folder / "model.json")
    planning = PlanningConfig(objective=RewardSumConfig() if model.has(RewardHead) else GoalConfig())
    return Agent(
        AgentConfig(spec, config.model, planning, config.env), model, PlanningActor(planning, model, spec.action)
    )


def _of_agent(
    folder: Path, agent: Agent, env: EnvArgument | None, planner: Mapping[str, Any] | None, seed: int
) -> Open:
    model, spec = agent.model, agent.config.spec
    value = load_value(folder, agent) if checkpoint.paths(folder / "checkpoints") else None
    dream = Dream(model, spec, value)
    world, missing = _find_world(agent, env)
    recordings = read_recordings(folder, spec)
    remembers = recordings is not None and not dream.draws and bool(model.normalize.images)
    env_id = (world or agent.config.env or EnvConfig()).id
    with closing(envs.make(world)) if world else nullcontext() as environment:
        meanings = controls.describe(env_id, environment, spec.action)
    stage = Stage(
        name=f"{folder.name}",
        dream=dream,
        agents=_agents(folder, agent, planner, value is not None),
        recordings=recordings,
        memories=Memories(dream, recordings) if remembers and recordings is not None else None,
        make=None if world is None else partial(envs.make, world),
        missing=missing,
        controls=meanings,
    )
    return lambda: Session(stage, seed)


def _agents(folder: Path, agent: Agent, planner: Mapping[str, Any] | None, has_value: bool) -> dict[str, Agent]:
    """Return who can act: the policy if there is one, and a planner if the model predicts what it needs."""
    agents = {} if isinstance(agent.actor, PlanningActor) else {"policy": agent}
    if planner is not None:
        return agents | {"planner": plan_with(agent, folder, planner)}
    if not agents:
        return {"planner": agent}
    if not agent.model.has(RewardHead):
        return agents
    return agents | {"planner": plan_with(agent, folder, {"objective": "RewardAndValue"} if has_value else {})}


def _find_world(agent: Agent, env: EnvArgument | None) -> tuple[EnvConfig | None, str]:
    """Return the environment to play in, one with a goal where there is one; or None, and why there is none.

    UserError only if the person named it.
    """
    try:
        config = replace(environment_of(agent, env), count=1, workers=False)
        envs.make(config).close()
    except UserError as error:
        if env is not None:
            raise
        return None, str(error)
    if not needs_goal(agent):
        return config, ""
    with suppress(UserError):  # it shows no goal
        shown = goal_environment(config, "", 1)
        envs.make(shown).close()
        return shown, ""
    return config, ""
