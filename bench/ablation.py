"""Which part of DreamerV3 matters on two cores? Take away one at a time, on Pendulum from pixels and CartPole's vector.

    python bench/ablation.py runs/ablation --seeds 0 1 2     # a sweep: the same command goes on after any end

Writes `bench/results/ablation.json`, in the form of `bench/scores.py`.
"""

import argparse
import sys
from pathlib import Path

import scores

import reverie
from reverie.recipes import configure
from reverie.runs.config import RunConfig

_DENSE = {"units": "64", "activation": "silu", "norm": "rms", "init": "truncated_normal", "output_scale": "0"}
_LATENT = {"groups": "32", "classes": "4", "unimix": "0.01"}


def _part(path: str, kind: str, settings: dict[str, str]) -> dict[str, str]:
    return {path: kind} | {f"{path}.{name}": value for name, value in settings.items()}


WITHOUT: dict[str, dict[str, str]] = {
    "complete": {},
    "without two-hot heads": _part("model.signals.reward.mlp", "MLP", _DENSE | {"layers": "1"})
    | _part("behavior.value", "MLP", _DENSE | {"layers": "3"}),
    "without the range of returns": {"behavior.range_rate": "0"},
    "without uniform shares": {"model.dynamics.latent.unimix": "0", "behavior.policy.unimix": "0"},
    "without blocks in the memory": _part(
        "model.dynamics", "RSSM", {"deter": "256", "hidden": "64", "activation": "silu", "cell": "layer_norm"}
    )
    | _part("model.dynamics.latent", "Categorical", _LATENT),
    "without value on recorded steps": {"behavior.replay_weight": "0"},
    "without stored beliefs": {"replay.latents": "false"},
    "without decoder, redundancy reduction": {"model.signals.reconstruction": "RedundancyReduction"},
    "without decoder, next embedding": {"model.signals.reconstruction": "NextEmbedding"},
    "with the published entropy": {"behavior.entropy": "0.0003"},
}
"""What is changed in the recipe, by the name of the row."""
TASKS = {
    "Pendulum-v1": {
        "env.repeat": "2", "env.image_size": "32", "training.ratio": "256", "training.frames": "5000",
        "evaluation.every": "1000", "evaluation.episodes": "5",
    },
    "CartPole-v1": {
        "env.observe": "state", "training.frames": "2500", "evaluation.every": "500", "evaluation.episodes": "5",
    },
}  # fmt: skip
EVERYWHERE = {"threads": "1", "device": "cpu"}


def methods(seeds: list[int]) -> dict[str, list[RunConfig]]:
    """Return the configs of every row: both tasks, all seeds."""
    return {
        name.replace(" ", "_").replace(",", ""): [
            configure("dreamer_v3", "laptop", task, settings | EVERYWHERE | changed | {"seed": str(seed)})
            for task, settings in TASKS.items()
            for seed in seeds
        ]
        for name, changed in WITHOUT.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int)
    asked = parser.parse_args()
    reverie.sweep(asked.folder, methods(asked.seeds), jobs=asked.jobs)
    result = {"commands": [f"python bench/ablation.py {' '.join(sys.argv[1:])}"], **scores.collect([asked.folder])}
    scores.write("ablation", result)


if __name__ == "__main__":
    main()
