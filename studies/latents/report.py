"""What the study of latents found, in words: every figure and every verdict is made of its numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reverie_worlds import curtain

FORK, LANDING = curtain.FORK_STEP, curtain.STEPS
WORLDS = {
    "curtain": "A ball that forks at random, then falls behind a curtain",
    "pendulum": "Pendulum from pixels",
}


def text(numbers: Mapping[str, Any]) -> str:
    """The report, Markdown."""
    parts = [
        f"""# Gaussian and categorical latents

`reverie study latents --size {numbers["size"]}`. The same RSSM, encoder, decoder, heads, data and number of updates;
one latent is a diagonal Gaussian; the others are groups of classes, once with as many outputs as the Gaussian has (a
mean and a deviation for each dimension), once with more. *Bits told*: what the posterior says of a moment beyond
its average. *Surprise*: nats by which the image that came was less likely than if foreseen exactly. One seed each;
returns are of PlaNet agents, with their standard deviation over episodes.
"""
    ]
    for world in (world for world in WORLDS if world in numbers):
        found = numbers[world]
        parts += [f"## {WORLDS[world]}\n", table(world, found), ""]
        parts += [plans(found)] if "trust" in next(iter(found.values())) else []
        parts.append(figures(world, found))
    return "\n".join([*parts, conclusion(numbers), ""])


def table(world: str, found: Mapping[str, Any]) -> str:
    """A row a latent."""
    behind = world == "curtain"
    extra = " surprise at the fork | known of the ball just before it lands |" if behind else ""
    rows = [
        "| | bound (nats a step) | divergence | bits told | surprise, one step | image error, open loop, first step "
        f"| last step | reward error there |{extra} return |",
        "|---|---|---|---|---|---|---|---|" + "---|" * (3 if behind else 1),
    ]
    for name, v in found.items():
        cells = [
            f"{v['bound']:.2f}",
            f"{v['divergence']:.2f}",
            f"{v['bits']:.1f}",
            f"{np.mean(v['surprise']):.2f}",
            f"{v['ahead_image_error'][0]:.1f}",
            f"{v['ahead_image_error'][-1]:.1f}",
            f"{v['ahead_reward_error'][-1]:.3f}",
        ]
        if behind:
            cells += [f"{v['surprise'][FORK - 1]:.2f}", f"{v['memory'][LANDING - 1]:.2f}"]
        digits = 2 if behind else 1
        cells.append(_returned(v["returns"], digits))
        rows.append(f"| {name}, {v['latent']} | {' | '.join(cells)} |")
    return "\n".join(rows)


def plans(found: Mapping[str, Any]) -> str:
    """A row a latent: planning by one future without noise, and by sampled ones."""
    count = max(map(int, next(iter(found.values()))["trust"]))
    rows = [
        f"| | return, by the mean or the likeliest future | by {count} sampled ones | order of plans near the top, "
        "mean or likeliest | sampled | predicted less true return, mean or likeliest | sampled |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, v in found.items():
        one, many = v["trust"]["0"], v["trust"][str(count)]
        rows.append(
            f"| {name} | {_returned(v['returns'])} | {_returned(v['returns_sampled'])} | {one['order']:.2f} "
            f"| {many['order']:.2f} | {one['excess']:+.1f} | {many['excess']:+.1f} |"
        )
    table = "\n".join(rows)
    return f"""{table}

*Order*: correlation of the predicted with the true return of 64 action sequences of 12 decisions, from moments in which
a disturbed pole is balanced; of models that all learned from the Gaussian agent's replay. Agents collect for
themselves.
"""


def _returned(returns: list[float], digits: int = 1) -> str:
    return f"{np.mean(returns):.{digits}f} ± {np.std(returns):.{digits}f}"


def figures(world: str, found: Mapping[str, Any]) -> str:
    """The pictures of one world, Markdown."""
    drawn = ["image_error", "reward_error", *(["surprise", "memory"] if world == "curtain" else [])]
    lines = " ".join(f"![{what}]({world}_{what}.png)" for what in drawn)
    coded = "\n\n".join(f"![codes, {name}]({world}_{name}_codes.png)\n\n*{_caption(name)}*" for name in found)
    order = ", ".join(found)
    return (
        f"{lines}\n\n![futures]({world}.png)\n\n*First row: what came; the wide gap is where seeing ends. Then two "
        f"imagined futures of each, from the top: {order}.*\n\n{coded}\n"
    )


def _caption(name: str) -> str:
    if name != "Gaussian":
        most = "" if name == "categorical" else ", and the classes that are taken most"
        which = f"the ones first that split the images best{most}"
        return f"{name.capitalize()}: the mean image of each class, a row a group, {which}."
    return "Gaussian: the mean image of each eighth of the moments, by one dimension's value; a row a dimension."


def conclusion(numbers: Mapping[str, Any]) -> str:
    """What the numbers say, whichever way they fall."""
    parts = []
    for world in (world for world in WORLDS if world in numbers):
        found = numbers[world]
        bound = {name: v["bound"] for name, v in found.items()}
        ahead = {name: float(np.mean(v["ahead_image_error"])) for name, v in found.items()}
        returns = {name: float(np.mean(v["returns"])) for name, v in found.items()}
        parts.append(
            f"On {world} the {_best(bound, True)} latent has the highest bound ({_told(bound, 2)}), the "
            f"{_best(ahead, False)} one the smallest open-loop error ({_told(ahead, 1)}), and the "
            f"{_best(returns, True)} one the highest return ({_told(returns, 2)}"
            f"{_undecided(found, _best(returns, True))})."
        )
    if "pendulum" in numbers and "trust" in next(iter(numbers["pendulum"].values())):
        parts.append(_planning(numbers["pendulum"]))
    return " ".join(parts)


def _planning(found: Mapping[str, Any]) -> str:
    """What sampling changes."""

    def told(of: Callable[[Any], tuple[float, float]], digits: int) -> str:
        each = {name: of(v) for name, v in found.items()}
        return ", ".join(f"{name} {one:.{digits}f} and {many:.{digits}f}" for name, (one, many) in each.items())

    count = max(next(iter(found.values()))["trust"], key=int)
    order = told(lambda v: (v["trust"]["0"]["order"], v["trust"][count]["order"]), 2)
    excess = told(lambda v: (v["trust"]["0"]["excess"], v["trust"][count]["excess"]), 0)
    returned = told(lambda v: (np.mean(v["returns"]), np.mean(v["returns_sampled"])), 0)
    better = [
        name
        for name, v in found.items()
        if np.mean(v["returns_sampled"]) > np.mean(v["returns"]) and not _alike(v["returns"], v["returns_sampled"])
    ]
    return (
        f"Planned by the mean or the likeliest future and by {count} sampled ones, returns are {returned}: sampling is "
        f"better with {' and '.join(better) or 'none'}. Scores near the top order plans with correlations of {order}, "
        f"and promise too much by {excess}."
    )


def _undecided(found: Mapping[str, Any], best: str) -> str:
    """Who is not told from the best by these episodes, to be said behind the returns."""
    near = [name for name, v in found.items() if name != best and _alike(v["returns"], found[best]["returns"])]
    return f"; {' and '.join(near)} within what the episodes tell" if near else ""


def _alike(one: list[float], other: list[float]) -> bool:
    """Whether two means of returns are nearer than twice the standard error of their difference."""
    error = np.sqrt(np.var(one) / len(one) + np.var(other) / len(other))
    return bool(abs(np.mean(one) - np.mean(other)) < 2 * error)


def _best(found: Mapping[str, float], most: bool) -> str:
    return (max if most else min)(found, key=lambda name: found[name])


def _told(found: Mapping[str, float], digits: int) -> str:
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in found.items())
