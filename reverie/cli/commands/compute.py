"""Commands that compute: `train`, `resume`, `evaluate`, `imagine`, `sample`, `collect`."""

import json
import sys
import time
from argparse import Namespace
from pathlib import Path

from reverie.cli.commands import common
from reverie.cli.parsing import Argument, Settings, Texts, command
from reverie.errors import UserError

FORMATS = ("minari", "lerobot", "arrays")
"""Those of `reverie.data.formats`, which takes a second to import."""

EVALUATION_SETTINGS = Settings(
    "Another environment, or other settings of the run's own:\n"
    "  --env.id NAME                play here; a run that learned from recordings may need it\n"
    "  --env.kwargs g=5.0           an argument of the environment\n\n"
    "Any of these makes the agent plan in its world model, also an agent with a policy. A run that plans keeps its\n"
    "other settings. A run with a policy has the defaults.\n"
    "  --planner NAME               CEM, ICEM, MPPI, Gradient, CEMThenGradient or RandomShooting (default: ICEM)\n"
    "  --planner.candidates 200     a setting of the planner; a wrong name lists the settings there are\n"
    "  --objective NAME             RewardSum (default), RewardAndValue for a run that has learned a value,\n"
    "                               Goal or PixelGoal towards goal images\n"
    "  --objective.gamma 0.97       discount a decision (default: 1; beside a value, as it was learned)\n"
    "  --num_samples 4              sampled futures whose mean is scored (default: 0, the mean transition)\n"
    "  --warm_start false           do not begin the search at the last plan (default: true)",
    ("env", "planner", "objective", "num_samples", "warm_start"),
)
_RESUME_SETTINGS = Settings(
    "A finished run continues with a larger budget. What was computed stays as it is, so only these can change:\n"
    "  --training.frames 200000     budget of an agent, with the frames played already\n"
    "  --training.updates 20000     budget of a model that learns from recorded data, with the updates done already\n"
    "  --time-budget 1h30m          budget of wall time, with the time spent already; none lifts it\n"
    "  --training.log_every 100     an interval; also checkpoint_every, checkpoint_minutes, evaluate_every\n"
    "  --evaluation.every 5000      frames between two evaluations; also --evaluation.episodes\n"
    "  --device cpu                 where the run goes on; --replay.storage, --training.execution belong to it\n"
    "  --log tensorboard,wandb      what shows the log from here on, or none; --log.wandb.mode offline is a setting\n"
    "  --threads 2                  CPU threads; --env.workers true plays in processes of their own\n"
    "  --data.folder data/slide     where the same recorded data lie now; also --data.run, --data.file",
    ("training", "evaluation", "goals", "goal_episodes", "device", "threads", "replay", "env", "data", "log"),
)


@command(
    "reverie train dreamer_v1 --env.id Pendulum-v1 --seed 1 --training.frames 20000",
    common.RECIPE,
    *common.CONFIG,
    Argument("--run", "new folder for the run (default: runs/RECIPE-ENV-SEED)", "DIR"),
    settings=common.CONFIG_SETTINGS,
)
def train(arguments: Namespace, settings: Texts) -> int:
    """Train in a new run folder, evaluate, and draw the results.

    Without --size it first times a few decisions and updates. Then it says which size fits, why, and how long it takes.
    """
    began = time.monotonic()
    choice = common.run_config(arguments, settings, timed=True)
    for sentence in filter(None, [choice.why, choice.time]):
        print(sentence, flush=True)
    from reverie.runs.loop import train

    return _finish(train(choice.config, arguments.run, progress=True, evaluate=False, began=began))


@command(
    "reverie resume runs/dreamer_v1-Pendulum-v1-0 --training.frames 40000",
    common.RUN,
    common.TIME_BUDGET,
    settings=_RESUME_SETTINGS,
)
def resume(arguments: Namespace, settings: Texts) -> int:
    """Continue a run from its newest checkpoint."""
    folder = common.run_folder(arguments.run)
    settings |= {} if arguments.time_budget is None else {"training.minutes": arguments.time_budget}
    from reverie.runs.loop import resume

    resume(folder, overrides=settings, progress=True, evaluate=False)
    return _finish(folder)


def _finish(folder: Path) -> int:
    """Evaluate and draw the finished run, and print the results and their files. Of several ranks, one does."""
    from reverie.runs import group
    from reverie.runs.loop import evaluate_finished

    if group.follows():
        return 0
    results = evaluate_finished(folder, shown=True)
    print("\n".join(results.sentences))
    common.print_paths({"run": folder, **results.files})
    return 0


@command(
    "reverie evaluate runs/dreamer_v1-Pendulum-v1-0 --episodes 10 --video pendulum.mp4",
    common.RUN,
    Argument("--episodes", "number of episodes (default: 10)", "N", type=common.COUNT, default=10),
    Argument("--video", "mp4 or gif file for a film of the first episode", "FILE"),
    Argument("--moment", "draw the candidates of decision N in the first episode", "N", type=common.integer(0)),
    Argument("--goal", "name (horizontal) or image file of a goal (default: all goals of the run)", "NAME|FILE"),
    Argument("--out", "PNG file for the moment, or folder for the goals (default: in the run)", "PATH"),
    Argument("--json", "print the result as one JSON object and nothing else", action="store_true"),
    common.SEED,
    common.DEVICE,
    settings=EVALUATION_SETTINGS,
)
def evaluate(arguments: Namespace, settings: Texts) -> int:
    """Play episodes with a trained agent, or with a planner in its world model."""
    folder = common.run_folder(arguments.run)
    from reverie.runs.evaluation import evaluate

    env, planner = common.env_and_planner(settings)
    options = {name: getattr(arguments, name) for name in ("goal", "video", "moment", "out", "seed", "device")}
    result = evaluate(folder, arguments.episodes, env=env, planner=planner, **options)
    if arguments.json:
        for sentence in result.sentences:
            if sentence.startswith("warning: "):
                print(sentence, file=sys.stderr)
        print(json.dumps(result.values | {"files": {name: str(path) for name, path in result.files.items()}}))
        return 0
    print("\n".join(result.sentences))
    common.print_paths(result.files)
    return 0


@command(
    "reverie imagine runs/dreamer_v1-Pendulum-v1-0 --context 5 --horizon 45",
    common.RUN,
    Argument("--context", "decisions observed first (default: 5, at most half the episode)", "N", type=common.COUNT),
    Argument("--horizon", "decisions imagined after them (default: 45)", "N", type=common.COUNT, default=45),
    Argument("--out", "folder for the pictures (default: the run's)", "DIR"),
    common.SEED,
    common.DEVICE,
)
def imagine(arguments: Namespace, _: Texts) -> int:
    """Continue an episode with a trained model, and compare with the real frames."""
    folder = common.run_folder(arguments.run)
    from reverie.runs.evaluation import imagine

    options = {name: getattr(arguments, name) for name in ("out", "seed", "device")}
    common.print_paths(imagine(folder, arguments.context, arguments.horizon, **options).files)
    return 0


@command(
    "reverie sample runs/vae-digits-0 --count 64",
    common.RUN,
    Argument("--count", "number of pictures (default: 64)", "N", type=common.COUNT, default=64),
    Argument("--out", "PNG file (default: samples.png in the run)", "FILE"),
    Argument("--seed", "seed of the noise (default: 0)", "N", type=common.integer(0), default=0),
)
def sample(arguments: Namespace, _: Texts) -> int:
    """Draw pictures from a trained generative model."""
    folder = common.run_folder(arguments.run)
    from reverie.runs.results import draw_samples

    print(f"{arguments.count} samples: {draw_samples(folder, arguments.count, arguments.seed, arguments.out)}")
    return 0


@command(
    "reverie collect Pendulum-v1 --transitions 20000 --env.time_limit 50 --privileged state",
    common.ENV,
    Argument("--transitions", "in whole trajectories (default: 10000)", "N", type=common.COUNT, default=10_000),
    Argument("--out", "folder, continued if it exists (default: datasets/ID-SEED)", "DIR"),
    Argument("--seed", "seed of everything random (default: 0)", "N", type=common.integer(0), default=0),
    Argument("--workers", "processes (default: one a core)", "N", type=common.COUNT),
    Argument("--held-out", "held-out share of trajectories (default: 0.1)", "SHARE", type=float, default=0.1),
    Argument("--privileged", "observations to record that models do not see: state, ...", "NAMES", default=""),
    Argument("--format", "write it for other programs too: minari, lerobot or arrays", choices=FORMATS),
    Argument(
        "--to", "where: an id of Minari (slide/random-v0), a folder or an .npz file (default: by --out)", "TARGET"
    ),
    settings=common.ENV_SETTINGS,
)
def collect(arguments: Namespace, settings: Texts) -> int:
    """Record random interaction with an environment as a dataset."""
    from reverie.data import formats
    from reverie.data.recording import available_cores, collect
    from reverie.runs.display import LiveDisplay
    from reverie.runs.interrupt import Interrupted, Stopped, asked_to_stop

    env = common.environment(arguments.id, settings)
    out = Path(arguments.out or f"datasets/{env.id.replace('/', '-').replace(':', '-')}-{arguments.seed}")
    privileged = tuple(name for name in arguments.privileged.split(",") if name)
    workers = arguments.workers or available_cores()
    form, target = arguments.format, arguments.to
    if target and not form:
        raise UserError("--to says where a --format is written: name it too.")
    if form:
        target = target or formats.default_target(form, out)
        formats.FORMATS[form].check_new(target)
    sizes = (arguments.transitions, arguments.seed, arguments.held_out)
    title, promise = f"collecting from {env.id}, seed {arguments.seed}, in {out}", "what is written stays"
    with LiveDisplay(title) as display, asked_to_stop(promise) as stop:
        try:
            made = collect(env, out, *sizes, privileged, workers, display, stop.check)
        except Stopped:
            raise Interrupted(f"Interrupted: the same command continues with the data in {out}.") from None
    for name, part in (("train", made.train), ("test", made.test)):
        print(f"{name}: {part.transitions:,} transitions in {part.trajectories:,} trajectories")
    common.print_paths({"dataset": out})
    reading = f"--data Dataset --data.folder {out}"
    if form:
        formats.FORMATS[form].write(out, target)
        print(f"  {form}  {target}")
        reading += f", or {formats.reading(form, target)}"
    print(f"To learn from it: reverie train RECIPE {reading}")
    return 0
