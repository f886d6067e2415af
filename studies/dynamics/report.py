"""What the study of dynamics found, in words: every figure and every verdict is made of its numbers."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from reverie_worlds import curtain

FORK, LANDING = curtain.FORK_STEP, curtain.STEPS


def text(numbers: Mapping[str, Any]) -> str:
    """The report, Markdown."""
    behind, swung, known = numbers["curtain"], numbers["pendulum"], numbers["references"]
    curtain_rows = "\n".join(
        f"| {name} | {_nats(v)} | {v['surprise'][FORK - 1]:.1f} | {v['surprise'][LANDING - 1]:.1f} "
        f"| {v['memory'][FORK + 1]:.2f} | {v['memory'][LANDING - 1]:.2f} "
        f"| {v['ahead_image_error'][-1]:.1f} | {v['ahead_reward_error'][-1]:.3f} | {_return(v, 2)} "
        f"| {v['parameters']:,} |"
        for name, v in behind.items()
    )
    pendulum_rows = "\n".join(
        f"| {name} | {_nats(v)} | {_mean(v['surprise']):.1f} | {v['ahead_image_error'][0]:.1f} "
        f"| {v['ahead_image_error'][-1]:.1f} | {v['ahead_reward_error'][-1]:.3f} | {_return(v, 1)} |"
        for name, v in swung.items()
    )
    return f"""# Four latent models

`reverie study dynamics --size {numbers["size"]}`. The same encoder, decoder, heads, data and number of updates, four
dynamics. *Surprise*: nats by which the image that came was less likely than if it had been foreseen exactly, from
samples of the model's one-step prediction (`evaluation/prediction.py`): one unit for all, where a bound exists only for
the two that have a distribution. One seed each; returns are of {len(next(iter(behind.values()))["returns"])} and
{len(next(iter(swung.values()))["returns"])} episodes, with their standard deviation.

## A ball that forks at random, then falls behind a curtain

![surprise](curtain_surprise.png) ![memory](curtain_memory.png)

| | bound (nats a step) | surprise at the fork | at the landing | known of the ball, last seen | just before it lands \
| image error at the landing, open loop | reward error there | return as a PlaNet agent | parameters of the dynamics |
|---|---|---|---|---|---|---|---|---|---|
{curtain_rows}

*Known*: how much of the column in which the ball will land a linear probe of the belief tells (R², held out). The fork
is one bit, {math.log(2):.2f} nats, to whoever foresees both futures, and what was seen before it is enough
for everything else. Open loop begins before the fork. Without a model: random actions
return {known["random"]:.2f}, a catcher who forgets what is hidden {known["forgetful"]:.2f}, a perfect one
{known["perfect"]:.2f}.

![futures](curtain.png)

First row: what came; the wide gap is where seeing ends. Then two imagined futures of each, from the top: RSSM, SSM,
RNN, deterministic. ![image error](curtain_image_error.png) ![reward error](curtain_reward_error.png)

## Pendulum from pixels

| | bound (nats a step) | surprise, one step | image error, 1 step | 30 steps | reward error, 30 steps \
| return as a PlaNet agent |
|---|---|---|---|---|---|---|
{pendulum_rows}

![image error](pendulum_image_error.png) ![reward error](pendulum_reward_error.png)

![futures](pendulum.png)

{conclusion(numbers)}
"""


def conclusion(numbers: Mapping[str, Any]) -> str:
    """What the numbers say, whichever way they fall."""
    behind, swung = numbers["curtain"], numbers["pendulum"]
    fork = {name: v["surprise"][FORK - 1] for name, v in behind.items()}
    known = {name: v["memory"][LANDING - 1] for name, v in behind.items()}
    returns = {name: _mean(v["returns"]) for name, v in behind.items()}
    swing = {name: _mean(v["returns"]) for name, v in swung.items()}
    two = fork["RNN"] > 2 * fork["RSSM"]
    forgets = 1 - known["SSM"] > 2 * (1 - known["RSSM"])
    first = max(returns, key=lambda name: returns[name])
    order = ", ".join(f"{name} {value:.2f}" for name, value in sorted(returns.items(), key=lambda pair: -pair[1]))
    swing_order = ", ".join(f"{name} {value:.0f}" for name, value in sorted(swing.items(), key=lambda pair: -pair[1]))
    return " ".join(
        [
            f"At the fork the RNN is surprised by {fork['RNN']:.1f} nats, the RSSM by {fork['RSSM']:.1f}:",
            "**the RNN cannot hold two futures.**" if two else "the RNN holds its own there.",
            f"Just before the landing {100 * known['SSM']:.0f} % of where the ball is can be read from the SSM,",
            f"{100 * known['RSSM']:.0f} % from the RSSM:",
            "**the SSM has forgotten where the ball was.**"
            if forgets
            else "the SSM has remembered where the ball was.",
            f"Caught: {order};",
            "**the RSSM comes first.**" if first == "RSSM" else f"the {first} comes first, not the RSSM.",
            f"On Pendulum: {swing_order}.",
        ]
    )


def _nats(found: Mapping[str, Any]) -> str:
    return f"{found['bound']:.2f}" if "bound" in found else "–"


def _return(found: Mapping[str, Any], digits: int) -> str:
    return f"{_mean(found['returns']):.{digits}f} ± {np.std(found['returns']):.{digits}f}"


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
