"""What can be caught behind the curtain (`reverie_worlds/curtain.py`) by chance, without memory, and with it."""

import numpy as np

from reverie_worlds.curtain import HIDDEN_ROWS, SIZE, SPEED, Curtain


def references(episodes: int = 2_000) -> dict[str, float]:
    """Mean returns: `random` actions; `forgetful` goes to the ball while it sees it, else to the middle; `perfect`."""
    world, rng, found = Curtain(), np.random.default_rng(0), {}
    for name in ("random", "forgetful", "perfect"):
        returns = []
        for number in range(episodes):
            world.reset(seed=number)
            ended = False
            while not ended:
                goal = (SIZE - 1) / 2 if name == "forgetful" and world.row in HIDDEN_ROWS else world.column
                towards = rng.uniform(-1, 1) if name == "random" else (goal - world.paddle) / SPEED
                _, reward, ended, _, _ = world.step(np.array([towards], np.float32))
                if ended:
                    returns.append(reward)
        found[name] = float(np.mean(returns))
    return found
