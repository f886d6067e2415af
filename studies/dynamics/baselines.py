"""Returns in `reverie/Curtain-v0` of players without a model: by chance, without memory, and with it."""

import numpy as np

from reverie_worlds.curtain import HIDDEN_ROWS, SIZE, SPEED, Curtain


def baseline_returns(episodes: int = 2_000) -> dict[str, float]:
    """Mean returns: `random` actions; `forgetful` follows the ball while it is visible, else the middle; `perfect`."""
    env, rng, means = Curtain(), np.random.default_rng(0), {}
    for player in ("random", "forgetful", "perfect"):
        returns = []
        for seed in range(episodes):
            env.reset(seed=seed)
            ended = False
            while not ended:
                goal = (SIZE - 1) / 2 if player == "forgetful" and env.row in HIDDEN_ROWS else env.column
                action = rng.uniform(-1, 1) if player == "random" else (goal - env.paddle) / SPEED
                _, reward, ended, _, _ = env.step(np.array([action], np.float32))
                if ended:
                    returns.append(reward)
        means[player] = float(np.mean(returns))
    return means
