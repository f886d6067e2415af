"""What each command does: a few lines that call the library and print.

Everything heavy is imported inside the commands, which keeps help and typing mistakes quick.
"""

import importlib.metadata
import statistics
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import make_dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.errors import UserError, nearest

if TYPE_CHECKING:
    from reverie.agents.agent import Agent
    from reverie.envs.base import EnvConfig
    from reverie.progress import Progress
    from reverie.runs.config import RunConfig

Texts = dict[str, str]
"""What the user typed for settings of the config, by dotted path."""


def train(arguments: Namespace, settings: Texts) -> int:
    """`reverie train RECIPE`"""
    config = _built(arguments, settings)
    folder = Path(arguments.run) if arguments.run else _free_folder(config)
    from reverie.runs.loop import train

    return _see_through(config, folder, lambda on_progress: train(config, folder, on_progress))


def resume(arguments: Namespace, _: Texts) -> int:
    """`reverie resume RUN`"""
    folder = _run_folder(arguments.run)
    from reverie.runs.config import read_config

    config = read_config(folder)
    from reverie.runs.loop import resume

    return _see_through(config, folder, lambda on_progress: resume(folder, on_progress))


def evaluate(arguments: Namespace, settings: Texts) -> int:
    """`reverie evaluate RUN`"""
    folder = _run_folder(arguments.run)
    from reverie.agents.agent import after_goals, load
    from reverie.evaluate import figures, plan_picture
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
    print(_mean_return(result.returns, agent.config.world))
    if result.frames is not None:
        Path(arguments.video).parent.mkdir(parents=True, exist_ok=True)
        print(f"film: {figures.write_video(Path(arguments.video), result.frames, outcome.FPS)}")
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
    _print_paths(paths)
    return 0


def imagine(arguments: Namespace, _: Texts) -> int:
    """`reverie imagine RUN`"""
    folder = _run_folder(arguments.run)
    from reverie.agents.agent import load
    from reverie.evaluate.returns import evaluate
    from reverie.runs import outcome

    agent = load(folder, arguments.device)
    out = Path(arguments.out) if arguments.out else folder
    out.mkdir(parents=True, exist_ok=True)
    episode = evaluate(agent, agent.config.world, 1, arguments.seed).episodes[0]
    _print_paths(outcome.draw_imagination(agent, episode, arguments.context, arguments.horizon, out))
    return 0


def sample(arguments: Namespace, _: Texts) -> int:
    """`reverie sample RUN`"""
    folder = _run_folder(arguments.run)
    from reverie.evaluate import generation

    out = Path(arguments.out) if arguments.out else folder / "samples.png"
    out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{arguments.count} samples: {generation.draw_samples(folder, arguments.count, arguments.seed, out)}")
    return 0


def collect(arguments: Namespace, settings: Texts) -> int:
    """`reverie collect ID`"""
    from reverie.cli.display import LiveDisplay
    from reverie.data import minari
    from reverie.data.recording import collect
    from reverie.data.recording_workers import cores
    from reverie.runs.interrupt import Interrupted, asked_to_stop

    env = _environment(arguments.id, settings)
    out = Path(arguments.out or f"datasets/{env.id.replace('/', '-').replace(':', '-')}-{arguments.seed}")
    privileged = tuple(name for name in arguments.privileged.split(",") if name)
    workers = arguments.workers or cores()
    if arguments.minari:
        minari.check_new(arguments.minari)
    with LiveDisplay(f"collecting from {env.id}, seed {arguments.seed}, in {out}") as display, asked_to_stop() as stop:

        def on_progress(progress: "Progress") -> None:
            display(progress)
            if stop and progress.done < progress.total:
                raise Interrupted

        try:
            made = collect(
                env, out, arguments.transitions, arguments.seed, arguments.held_out, privileged, workers, on_progress
            )
        except Interrupted:
            print(f"reverie: Interrupted: the same command goes on with what is in {out}.", file=sys.stderr)
            return 130
    for name in ("train", "test"):
        part = getattr(made, name)
        print(f"{name}: {part.transitions:,} transitions in {part.trajectories:,} trajectories")
    _print_paths({"dataset": out})
    if arguments.minari:
        minari.write(out, arguments.minari)
        print(f"  minari   {arguments.minari}")
    print(f"To learn from it: reverie train RECIPE --data Dataset --data.folder {out}")
    return 0


def study(arguments: Namespace, _: Texts) -> int:
    """`reverie study NAME`"""
    import json

    from reverie.cli.display import LiveDisplay
    from reverie.files import atomic_write
    from reverie.runs.interrupt import Interrupted
    from studies import run

    out = Path(arguments.out) if arguments.out else Path("runs") / f"study-{arguments.name}-{arguments.size}"
    try:
        with LiveDisplay(f"study {arguments.name}, {arguments.size}, in {out}") as display:
            findings = run(
                arguments.name,
                out,
                arguments.size,
                lambda what, progress: display(replace(progress, message=progress.message or f"training {what}")),
                tuple(arguments.parts.split(",")) if arguments.parts else (),
            )
    except Interrupted:
        print(f"reverie: Interrupted and saved: the same command goes on where {out} stands.", file=sys.stderr)
        return 130
    atomic_write(out / "study.json", json.dumps(findings.numbers, indent=1).encode())
    atomic_write(out / "study.md", findings.report.encode())
    print(findings.report)
    _print_paths({"report": out / "study.md", "numbers": out / "study.json"})
    return 0


def show(arguments: Namespace, settings: Texts) -> int:
    """`reverie show RECIPE`"""
    from reverie.config.overrides import as_text, leaves

    shown = leaves(_built(arguments, settings))
    width = max(map(len, shown))
    for path, value in shown.items():
        print(f"{path:<{width}}  {as_text(value)}".rstrip())
    from reverie.recipes import document

    print(f"\n{document(arguments.recipe)}")
    return 0


def recipes(arguments: Namespace, _: Texts) -> int:
    """`reverie recipes`"""
    from reverie.recipes import describe, names

    width = max(map(len, names()))
    for name in names():
        print(f"{name:<{width}}  {describe(name)}")
    return 0


def envs(arguments: Namespace, _: Texts) -> int:
    """`reverie envs [FILTER]`"""
    from reverie.envs import list_ids

    word = arguments.filter or ""
    families = list_ids()
    found = {family: [id for id in ids if word.lower() in id.lower()] for family, ids in families.items()}
    if word and not any(found.values()):
        known = [id for ids in families.values() for id in ids]
        raise UserError(f"No environment has `{word}` in its id.{nearest(word, known)} `reverie envs` lists all.")
    for family, ids in found.items():
        if ids or not word:
            print("\n  ".join([family, *ids]))
    return 0


def check_env(arguments: Namespace, settings: Texts) -> int:
    """`reverie check-env ID`; exit code 1 where the environment breaks the contract."""
    from reverie.testing.environments import check

    config = _environment(arguments.id, settings)
    complaints = check(config)
    print("\n".join(complaints) or f"{config.id} keeps the contract.")
    return 1 if complaints else 0


def doctor(arguments: Namespace, _: Texts) -> int:
    """`reverie doctor`"""
    from reverie.cli.doctor import examine, report

    report(examine())
    return 0


def version(arguments: Namespace, _: Texts) -> int:
    """`reverie version`"""
    print(f"reverie {importlib.metadata.version('reverie')}")
    return 0


def _environment(env_id: str, settings: Texts) -> "EnvConfig":
    """The environment that was named, with its settings that were typed."""
    from reverie.config.overrides import override
    from reverie.envs.base import EnvConfig

    wrapper = make_dataclass("Settings", [("env", EnvConfig)], frozen=True)
    return override(wrapper(EnvConfig(id=env_id)), settings).env


def _built(arguments: Namespace, settings: Texts) -> "RunConfig":
    """The recipe's config with the settings that were typed."""
    from reverie.config.overrides import override
    from reverie.recipes import build

    if "recipe" in settings:
        raise UserError("The recipe is named without an option: `reverie train RECIPE`.")
    named = {"seed": arguments.seed, "device": arguments.device}
    texts = settings | {path: text for path, text in named.items() if text is not None}
    return override(build(arguments.recipe, arguments.size, getattr(arguments, "env.id")), texts)


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


def _free_folder(config: "RunConfig") -> Path:
    """`runs/RECIPE-ENV-SEED`, with the first number behind it that makes it new."""
    name = f"{config.recipe}-{config.world.replace('/', '-')}-{config.seed}"
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(Path("runs") / name for name in names if not (Path("runs") / name).exists())


def _run_folder(text: str) -> Path:
    folder = Path(text)
    if (folder / "config.json").is_file():
        return folder
    beside = [str(path.parent) for path in folder.parent.glob("*/config.json")]
    hint = nearest(text, beside) or " `reverie train RECIPE` makes one."
    raise UserError(f"{folder} is not the folder of a run: it has no config.json.{hint}")


def _see_through(config: "RunConfig", folder: Path, work: "Callable[[Callable[[Progress], None]], Path]") -> int:
    """Train under the live display, then evaluate, draw, and tell where everything lies."""
    from reverie.cli.display import LiveDisplay
    from reverie.runs.config import OnlineConfig
    from reverie.runs.interrupt import Interrupted

    try:
        with LiveDisplay(f"{config.recipe} on {config.world}, seed {config.seed}, in {folder}") as display:
            work(display)
    except Interrupted as stop:
        print(f"reverie: {stop}", file=sys.stderr)
        return 130
    print("evaluating ...", flush=True)
    if isinstance(config, OnlineConfig):
        from reverie.runs import outcome

        result, paths = outcome.write(folder, config)
        print(_mean_return(result.returns, config.env))
    else:
        from reverie.envs.base import EnvConfig
        from reverie.evaluate import generation, prediction, representation
        from reverie.models.world_model import WorldModelConfig

        judges = [generation]
        if isinstance(config.model, WorldModelConfig):
            judges = [*[prediction] * ("reconstruction" in config.model.signals), representation]
        values, paths = judges[0].write(folder, config)
        for judge in judges:
            print(judge.sentence(values))
            if warning := judge.warning(values):
                print(f"warning: {warning}")
        if config.goals and isinstance(getattr(config.data, "env", None), EnvConfig):
            from reverie.agents.agent import load
            from reverie.evaluate import goals

            agent = load(folder, config.device)
            found, more = goals.write(folder, agent, config.goals, config.goal_episodes, config.seed)
            print("\n".join(goals.sentences(found, config.goal_episodes)))
            paths |= more
    from reverie.runs.logger import read_metrics

    for line in read_metrics(folder, "alarm"):
        print(f"warning: {line['text']} (update {line['updates']})")
    _print_paths({"run": folder, **paths})
    return 0


def _mean_return(returns: list[float], env: "EnvConfig") -> str:
    """One line; games with a human reference also get 0 % for random play and 100 % for a human's."""
    from reverie.evaluate.human_scores import normalized

    mean = statistics.fmean(returns)
    spread = f" (standard deviation {statistics.stdev(returns):.1f})" if len(returns) > 1 else ""
    human = normalized(env, mean)
    beside = "" if human is None else f", human-normalized {human:.1%}"
    return f"mean return of {len(returns)} episodes: {mean:.1f}{spread}{beside}"


def _print_paths(paths: dict[str, Path]) -> None:
    width = max(map(len, paths))
    for what, path in paths.items():
        print(f"  {what:<{width}}  {path}")
