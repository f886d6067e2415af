"""Draw the README's moving picture: episodes of a trained agent beside the imagination of its model.

python bench/moving_picture.py runs/demo docs/images/imagination.gif
"""

import argparse
from pathlib import Path

import numpy as np

import reverie
from reverie.evaluation import films
from reverie.evaluation.imagination import imagine_episode
from reverie.evaluation.returns import evaluate
from reverie.runs.config import read_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the episodes")
    parser.add_argument("--horizon", type=int, default=25, help="decisions to imagine in each episode")
    asked = parser.parse_args()
    agent, config, parts = reverie.load(asked.run), read_config(asked.run), []
    for seed in asked.seeds:
        loop = imagine_episode(agent, evaluate(agent, config.env, 1, seed).episodes[0], horizon=asked.horizon)
        parts.append(films.film_panels(loop.panels, loop.context, least_side=192))
    films.write_video(asked.out, np.concatenate(parts), fps=8)
    print(f"{asked.out}: {sum(map(len, parts))} frames, {asked.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
