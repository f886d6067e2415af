"""The commands: what each takes, and what its help says."""

import argparse

from reverie.cli.commands import check, completion, data, evaluate, info, train
from reverie.cli.parsing import Argument, Command, Settings


def _at_least_one(text: str) -> int:
    return _at_least(1, text)


def _not_negative(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    number = int(text)
    if number < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}, and {number} was given")
    return number


_RECIPE = Argument("RECIPE", "a name that `reverie recipes` lists")
_RUN = Argument("RUN", "the folder of a run")
_ENV = Argument("ID", "an environment's id, as `reverie envs` lists them")
_SEED = Argument("--seed", "of the episodes that are played (default: 0)", "N", int, 0)
_DEVICE = Argument("--device", "auto, cpu or cuda (default: auto)", "NAME", str, "auto")
_CONFIG = (
    Argument("--env.id", "environment that `reverie envs` lists (default: the recipe's own)", "ID"),
    Argument("--size", "tiny, laptop or paper (default: laptop)", "SIZE", str, "laptop"),
    Argument("--seed", "of everything random in the run (default: 0)", "N"),
    Argument("--device", "auto, cpu or cuda (default: auto)", "NAME"),
)

_OF_THE_CONFIG = Settings(
    "Every other setting of the config has an option too, by its dotted path: `reverie show RECIPE` lists them.\n"
    "  --model.dynamics.deter 400   a number\n"
    "  --env.observe pixels,state   a list\n"
    "  --env.time_limit none        nothing\n"
    "  --env.workers true           yes or no\n"
    "For a recipe that learns from recordings, --env.NAME means --data.env.NAME."
)
_OF_THE_ENVIRONMENT = Settings(
    "How the environment is seen and played:\n"
    "  --env.observe pixels,state   what is observed (default: pixels)\n"
    "  --env.time_limit 50          frames in a trajectory (default: the environment's own)\n"
    "  --env.image_size 64          height and width of images\n"
    "  --env.repeat 2               frames that each action is held for; also --env.rendering, --env.camera",
    ("env",),
)
_OF_EVALUATION = Settings(
    "Another environment, or another setting of the run's own:\n"
    "  --env.id NAME                play in this environment; a run that learned from recordings may need it\n"
    "  --env.kwargs g=5.0           a setting of the environment by its dotted path\n\n"
    "Any of these makes the agent act by planning in its world model, whatever it was trained to do. A run that plans\n"
    "keeps its other settings; for one with a policy they are the defaults.\n"
    "  --planner NAME               CEM, ICEM, MPPI, Gradient, CEMThenGradient or RandomShooting (default: ICEM)\n"
    "  --planner.candidates 200     a setting of the planner by its dotted path; a wrong one lists those there are\n"
    "  --objective NAME             RewardSum (default), or RewardAndValue where the run has learned a value;\n"
    "                               Goal or PixelGoal towards goal images\n"
    "  --objective.gamma 0.97       discount a decision (default: 1; beside a value, as that was learned)\n"
    "  --num_samples 4              score the mean of so many sampled futures (default: 0, the mean transition)\n"
    "  --warm_start false           search anew at every decision, not from the last plan (default: true)",
    ("env", "planner", "objective", "num_samples", "warm_start"),
)
_OF_A_LONGER_RUN = Settings(
    "A finished run continues with a larger budget. Only the budget, evaluation and log intervals can change:\n"
    "  --training.frames 200000     the whole budget of an agent, with what it has played already\n"
    "  --training.updates 20000     the whole budget of a model that learns from recorded data\n"
    "  --evaluation.every 5000      frames between two evaluations",
    ("training", "evaluation", "goals", "goal_episodes"),
)

COMMANDS = {
    "train": Command(
        train.train,
        "learn in a new run folder, evaluate, and draw the results",
        "reverie train dreamer_v1 --env.id Pendulum-v1 --seed 1 --training.frames 20000",
        (_RECIPE, *_CONFIG, Argument("--run", "new folder for the run (default: runs/RECIPE-ENV-SEED)", "DIR")),
        _OF_THE_CONFIG,
    ),
    "resume": Command(
        train.resume,
        "continue a run from its newest checkpoint",
        "reverie resume runs/dreamer_v1-Pendulum-v1-0 --training.frames 40000",
        (_RUN,),
        _OF_A_LONGER_RUN,
    ),
    "evaluate": Command(
        evaluate.evaluate,
        "play episodes with a trained agent, or with a planner in its world model; film the first",
        "reverie evaluate runs/dreamer_v1-Pendulum-v1-0 --episodes 10 --video pendulum.mp4",
        (
            _RUN,
            Argument("--episodes", "how many to play (default: 10)", "N", _at_least_one, 10),
            Argument("--video", "mp4 file for a film of the first episode", "FILE"),
            Argument("--moment", "draw the candidates N decisions into the first episode", "N", _not_negative),
            Argument(
                "--goal",
                "goal to act towards: a name such as horizontal, or an image file (default: the run's, one by one)",
                "NAME|FILE",
            ),
            Argument("--out", "PNG file for the moment, or folder for the goals (default: in the run)", "PATH"),
            Argument("--json", "print the result as one JSON object and nothing else", flag=True),
            _SEED,
            _DEVICE,
        ),
        _OF_EVALUATION,
    ),
    "imagine": Command(
        evaluate.imagine,
        "let a trained model continue from a few frames, and compare with what really happens",
        "reverie imagine runs/dreamer_v1-Pendulum-v1-0 --context 5 --horizon 45",
        (
            _RUN,
            Argument(
                "--context",
                "decisions that the model sees first (default: 5, half of the episode at most)",
                "N",
                _at_least_one,
            ),
            Argument("--horizon", "decisions that it then imagines (default: 45)", "N", _at_least_one, 45),
            Argument("--out", "folder for the pictures (default: the run's)", "DIR"),
            _SEED,
            _DEVICE,
        ),
    ),
    "sample": Command(
        evaluate.sample,
        "draw pictures from a trained generative model",
        "reverie sample runs/vae-digits-0 --count 64",
        (
            _RUN,
            Argument("--count", "how many (default: 64)", "N", _at_least_one, 64),
            Argument("--out", "PNG file (default: samples.png in the run)", "FILE"),
            Argument("--seed", "of the noise (default: 0)", "N", int, 0),
        ),
    ),
    "collect": Command(
        data.collect,
        "record random interaction with an environment, as a dataset to learn from",
        "reverie collect Pendulum-v1 --transitions 20000 --env.time_limit 50 --privileged state",
        (
            _ENV,
            Argument("--transitions", "how many, in whole trajectories (default: 10000)", "N", _at_least_one, 10_000),
            Argument("--out", "folder, continued if it exists (default: datasets/ID-SEED)", "DIR"),
            Argument("--seed", "of everything random (default: 0)", "N", _not_negative, 0),
            Argument("--workers", "processes that play at once (default: one a core)", "N", _at_least_one),
            Argument("--held-out", "share of the trajectories that is held out (default: 0.1)", "SHARE", float, 0.1),
            Argument("--privileged", "observations to record that models do not see: state, ...", "NAMES", str, ""),
            Argument("--minari", "give the dataset to Minari too, by this id: slide/random-v0", "ID"),
        ),
        _OF_THE_ENVIRONMENT,
    ),
    "show": Command(
        info.show,
        "print the settings of a recipe, or of one part of it, and what to read to understand it",
        "reverie show dreamer_v1 model.dynamics --size paper",
        (_RECIPE, Argument("[PART]", "a part of the config, such as model.dynamics (default: all)"), *_CONFIG),
        _OF_THE_CONFIG,
    ),
    "recipes": Command(info.recipes, "list the methods that can be trained", "reverie recipes"),
    "envs": Command(
        info.envs,
        "list the environments that are installed",
        "reverie envs cartpole",
        (Argument("[FILTER]", "a part of the id"),),
    ),
    "check-env": Command(
        check.check_env,
        "test whether an environment keeps the contract",
        "reverie check-env CartPole-v1 --env.repeat 2",
        (_ENV,),
        _OF_THE_ENVIRONMENT,
    ),
    "check": Command(
        check.check,
        "test whether a part keeps its contract, one of Reverie's or of your own",
        "reverie check dynamics RSSM --deter 32 --use my_lab.parts",
        (
            Argument("KIND", f"{', '.join(check.KINDS)} or env"),
            Argument("NAME", "the part, as `reverie show` names it, or the id of an environment"),
        ),
        Settings("Other options are settings of the part: --deter 32, --latent Categorical."),
    ),
    "doctor": Command(info.doctor, "report what this machine has and lacks", "reverie doctor"),
    "completion": Command(
        completion.completion,
        "print a script that completes commands, options, recipes and environments by the tab key",
        "reverie completion bash",
        (Argument("SHELL", "bash, zsh or fish; the script's first line says where to put it"),),
    ),
    "version": Command(info.version, "print the version", "reverie version"),
}
