"""Draw the README's moving picture: episodes of a trained agent beside the imagination of its model.

python bench/moving_picture.py runs/demo docs/images/imagination.gif
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import reverie
from reverie.evaluation.imagination import imagine_episode
from reverie.evaluation.returns import evaluate
from reverie.runs.config import read_config

SIDE, GAP, HEADING = 192, 8, 30
SEEN, IMAGINED = (26, 127, 55), (207, 34, 46)


def draw(real: np.ndarray, imagined: np.ndarray, context: int) -> list[Image.Image]:
    """Return the frames: real, imagined and their difference side by side, with a heading."""
    font = ImageFont.load_default(size=15)
    difference = np.abs(real.astype(int) - imagined).astype(np.uint8)
    frames = []
    for step, images in enumerate(zip(real, imagined, difference)):
        frame = Image.new("RGB", (3 * SIDE + 4 * GAP, SIDE + HEADING + GAP), "white")
        pen = ImageDraw.Draw(frame)
        seen = step < context
        titles = ("real", "seen by the model" if seen else "imagined", "difference")
        for column, (image, title) in enumerate(zip(images, titles)):
            left = GAP + column * (SIDE + GAP)
            color = "black" if column != 1 else (SEEN if seen else IMAGINED)
            pen.text((left + SIDE / 2, HEADING / 2), title, color, font, anchor="mm")
            frame.paste(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.NEAREST), (left, HEADING))
        frames.append(frame.quantize(64, dither=Image.Dither.NONE))
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the episodes")
    parser.add_argument("--horizon", type=int, default=25, help="decisions to imagine in each episode")
    asked = parser.parse_args()
    agent, config = reverie.load(asked.run), read_config(asked.run)
    frames: list[Image.Image] = []
    for seed in asked.seeds:
        episode = evaluate(agent, config.env, 1, seed).episodes[0]
        open_loop = imagine_episode(agent, episode, horizon=asked.horizon)
        frames += draw(open_loop.real, open_loop.imagined, open_loop.context)
    frames[0].save(asked.out, save_all=True, append_images=frames[1:], duration=120, loop=0, optimize=True)
    print(f"{asked.out}: {len(frames)} frames, {asked.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
