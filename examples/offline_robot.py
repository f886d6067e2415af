"""From recordings to a model, and its open-loop errors: how far ahead can it be trusted?

    python examples/offline_robot.py mine.npz                        # arrays of `reverie.save_recordings`
    python examples/offline_robot.py mine.npz --updates 20000 --run runs/mine
    python examples/offline_robot.py --demo                          # a pushed square, made here

The file has `images` (N, H, W, C), `actions` (N, A) and `episode` (N,). Whole episodes are held out. For each number of
steps ahead the script prints the error of the imagined images beside that of two baselines: the last image seen, and
the mean image. A model is worth something while it is better than both.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import reverie
from reverie.evaluation import open_loop

SEEN = 5
"""Steps that the model sees before it imagines."""


def demo(file: Path, episodes: int) -> None:
    """Write recordings of a square that is pushed around."""
    rng, recorded = np.random.default_rng(0), []
    for _ in range(episodes):
        place, images, actions = rng.uniform(2, 22, 2), [], []
        for _ in range(40):
            row, column = place.astype(int)
            image = np.full((32, 32, 3), 40, np.uint8)
            image[row : row + 8, column : column + 8] = (240, 90, 60)
            images.append(image)
            actions.append(rng.uniform(-4, 4, 2))
            place = np.clip(place + actions[-1], 0, 24)
        recorded.append({"images": np.stack(images), "actions": np.stack(actions)})
    reverie.save_recordings(recorded, file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", default="pushes.npz", help="an .npz file of recordings")
    parser.add_argument("--demo", type=int, nargs="?", const=60, help="first write so many episodes to the file")
    parser.add_argument("--size", choices=("tiny", "laptop"), default="laptop")
    parser.add_argument("--updates", type=int, default=2_000)
    parser.add_argument("--horizon", type=int, default=15, help="steps ahead, at most")
    parser.add_argument("--run", help="folder of the run")
    options = parser.parse_args()
    if options.demo is not None:
        demo(Path(options.file), options.demo)

    # 1. Recordings to a model
    config = reverie.recipe("state_space", options.size)
    data = reverie.ArraysConfig(options.file, image_size=16 if options.size == "tiny" else 32)
    config = replace(config, data=data, training=replace(config.training, updates=options.updates))
    folder = reverie.train(config, options.run)

    # 2. Held-out sequences, by the same seed and split as in training
    model = reverie.load_model(folder, device="cpu")
    recorded = data.build(folder, config.seed, torch.device("cpu"), torch.Generator())
    recorded.load(lambda text: None)
    batch = recorded.test.sequential(SEEN + options.horizon, 64)

    # 3. Errors by steps ahead, root mean squares of 255
    loop = open_loop.predict(model, batch, SEEN)
    files = open_loop.draw(folder, loop)
    images = batch.obs[model.normalize.images[0]].float()
    mean = recorded.train.sequential(SEEN + options.horizon, 64).obs[model.normalize.images[0]].float().mean((0, 1))
    mean_error = (images[:, SEEN:] - mean).square().mean((0, 2, 3, 4)).sqrt()
    print("steps ahead   model   last image   mean image")
    for ahead in range(options.horizon):
        errors = loop.model_error[ahead], loop.copy_error[ahead], float(mean_error[ahead])
        print(f"{ahead + 1:11}   {errors[0]:5.1f}   {errors[1]:10.1f}   {errors[2]:10.1f}")
    trusted = np.flatnonzero(loop.model_error >= np.minimum(loop.copy_error, mean_error.numpy()))
    result = {"trusted_steps": int(trusted[0]) if len(trusted) else options.horizon, "run": str(folder)}
    print(json.dumps(result | {name: str(path) for name, path in files.items()}))


if __name__ == "__main__":
    main()
