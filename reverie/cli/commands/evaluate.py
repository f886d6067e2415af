"""`reverie evaluate`, `imagine` and `sample`: what a trained run can do."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.cli.commands.given import Texts, mean_return, print_paths, run_folder
from reverie.errors import UserError

if TYPE_CHECKING:
    from reverie.agents.agent import Agent


def evaluate(arguments: Namespace, settings: Texts) -> int:
    """`reverie evaluate RUN`"""
    folder = run_folder(arguments.run)
    from reverie.agents.agent import after_goals, load
    from reverie.evaluate import films, plan_picture
    from reverie.evaluate.returns import evaluate
    from reverie.runs import outcome

    agent = load(folder, arguments.device)
    agent = _with_planner(agent, folder, settings) if settings else agent
    if after_goals(agent):
        return _pursue(agent, folder, arguments)
    if arguments.goal is not None:
        raise UserError("`--goal` is for agents that act towards goal images, such as a run of cfm.")
    if arguments.out and arguments.moment is None:
        raise UserError("`--out` is where the picture of a moment goes: say which by --moment N.")
    if arguments.moment is not None:
        plan_picture.planning_actor(agent)
    film = arguments.video is not None
    result = evaluate(agent, agent.config.world, arguments.episodes, arguments.seed, film, arguments.moment)
    for number, value in enumerate(result.returns):
        print(f"episode {number}: return {value:.1f} in {result.lengths_frames[number]} frames")
    print(mean_return(result.returns, agent.config.world))
    if result.frames is not None:
        Path(arguments.video).parent.mkdir(parents=True, exist_ok=True)
        print(f"film: {films.write_video(Path(arguments.video), result.frames, outcome.FPS)}")
    if arguments.moment is not None:
        found = plan_picture.record(agent, result, arguments.moment)
        out = Path(arguments.out) if arguments.out else folder / "plans.png"
        out.parent.mkdir(parents=True, exist_ok=True)
        print(plan_picture.sentence(found))
        print(f"plans: {plan_picture.draw(out, found, plan_picture.title(agent, found))}")
    return 0


def _pursue(agent: "Agent", folder: Path, arguments: Namespace) -> int:
    """Episodes towards goal images: those of the run, or the one that was named."""
    from reverie.evaluate import goals
    from reverie.runs.config import OfflineConfig, read_config

    if arguments.video is not None or arguments.moment is not None:
        raise UserError("Episodes towards goals are shown as film strips: leave --video and --moment out.")
    config = read_config(folder)
    own = config.goals if isinstance(config, OfflineConfig) else ()
    out = Path(arguments.out) if arguments.out else folder
    out.mkdir(parents=True, exist_ok=True)
    wanted = own if arguments.goal is None else (arguments.goal,)
    found, paths = goals.write(out, agent, wanted, arguments.episodes, arguments.seed)
    print("\n".join(goals.sentences(found, arguments.episodes)))
    print_paths(paths)
    return 0


def imagine(arguments: Namespace, _: Texts) -> int:
    """`reverie imagine RUN`"""
    folder = run_folder(arguments.run)
    from reverie.agents.agent import load
    from reverie.evaluate.returns import evaluate
    from reverie.runs import outcome

    agent = load(folder, arguments.device)
    out = Path(arguments.out) if arguments.out else folder
    out.mkdir(parents=True, exist_ok=True)
    episode = evaluate(agent, agent.config.world, 1, arguments.seed).episodes[0]
    print_paths(outcome.draw_imagination(agent, episode, arguments.context, arguments.horizon, out))
    return 0


def sample(arguments: Namespace, _: Texts) -> int:
    """`reverie sample RUN`"""
    folder = run_folder(arguments.run)
    from reverie.evaluate import generation

    out = Path(arguments.out) if arguments.out else folder / "samples.png"
    out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{arguments.count} samples: {generation.draw_samples(folder, arguments.count, arguments.seed, out)}")
    return 0


def _with_planner(agent: "Agent", folder: Path, settings: Texts) -> "Agent":
    """The agent of a run, acting by its own planner or the default one, with the settings that were typed.

    Beside a learned value rewards are discounted as that value was learned, unless typed otherwise.
    """
    from reverie.agents.agent import replan
    from reverie.config.overrides import override
    from reverie.planning.actor import PlanningConfig
    from reverie.planning.objectives import RewardAndValueConfig
    from reverie.runs.config import read_config
    from reverie.runs.online import load_value

    own = agent.config.actor
    planning = override(own if isinstance(own, PlanningConfig) else PlanningConfig(), settings)
    if not isinstance(planning.objective, RewardAndValueConfig):
        return replan(agent, planning)
    gamma = getattr(getattr(read_config(folder), "behavior", None), "gamma", None)
    if gamma is not None and "objective.gamma" not in settings:
        planning = replace(planning, objective=replace(planning.objective, gamma=gamma))
    return replan(agent, planning, load_value(folder, agent))
