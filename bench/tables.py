"""Write the tables of README and docs from the measurements under `bench/results` and `studies`.

    python bench/tables.py            # renew every table between `<!-- numbers: NAME -->` and `<!-- /numbers -->`
    python bench/tables.py --check    # exit code 1 if a page differs from its numbers

No number of a result is typed by hand: a page names a table, this file fills it. A percentage or a number with decimals
in the text around must stand in a table of the page, except in code and formulas.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from reverie.evaluation import published as scores  # noqa: E402
from reverie.files import atomic_write  # noqa: E402
from studies.deformable.report import PUBLISHED  # noqa: E402
from studies.kit import fill, table  # noqa: E402

PAGES = (
    "README.md",
    "docs/results.md",
    "docs/guides/cost.md",
    "docs/guides/cluster.md",
    "docs/guides/environments.md",
    "docs/guides/play.md",
)
TABLE = re.compile(r"<!-- numbers: .*?<!-- /numbers -->", re.DOTALL)
NO_RESULT = re.compile(r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)|Python [\d.]+ to [\d.]+")
"""Code, formulas, addresses of links, and versions."""
FIGURE = re.compile(r"(?<![\w.])(?:-?\d[\d,]*\.\d+|\d+ ?%|\d+e-?\d+)(?![\w])")
CURVES: dict[str, str] = {
    "demo": "Dreamer V1",
    "planet": "PlaNet",
    "dreamer_v2": "DreamerV2",
    "walker_stand": "Dreamer V1",
    "cartpole_swingup": "Dreamer V1",
    "planet_cartpole_swingup": "PlaNet",
    "minatar_breakout": "DreamerV2",
    "minatar_breakout_v1": "Dreamer V1",
    "minatar_breakout_gaussian": "DreamerV2, Gaussian latent",
}
"""Results of `bench/learning.py` that the pages show, and the method of each."""


def read(path: str) -> Any:
    return json.loads((ROOT / path).read_text())


def task(env_id: str) -> str:
    """Return a task's name: `walker stand` for `dm_control/walker-stand-v0`."""
    return env_id.rpartition("/")[2].rpartition("-v")[0].replace("-", " ")


def published(method: str, env_id: str, frames: int) -> str:
    """Return the published score of a method on a task at the budget nearest to `frames`, or a dash."""
    name = next((name for name in scores.names() if scores.title(name) == method), None)
    points = scores.points(name, scores.benchmark({"id": env_id}), env_id) if name else []
    if not points:
        return "–"
    near = min(points, key=lambda point: abs(point.frames - frames))
    return f"{near.mean:.0f} after {near.frames:,}"


def returns(result: Mapping[str, Any]) -> str:
    """Return the final return of each seed: 10 episodes or more, without exploration."""
    means = [seed["mean"] for seed in result["seeds"]]
    digits = 1 if max(map(abs, means)) < 100 else 0
    return ", ".join(f"{mean:.{digits}f}" for mean in means)


def largest(result: Mapping[str, Any], name: str) -> int:
    return max(seed[name] for seed in result["seeds"])


def agents() -> str:
    """Return a row a learning curve: returns of all seeds, budget, time and the published score."""
    rows = []
    for name, method in CURVES.items():
        result = read(f"bench/results/{name}.json")
        minutes = max(seed["training_seconds"] for seed in result["seeds"]) / 60
        rows.append(
            [
                task(result["env"]),
                method,
                returns(result),
                *(f"{largest(result, unit):,}" for unit in ("frames", "decisions", "updates")),
                f"{minutes:.0f}",
                published(method, result["env"], largest(result, "frames")),
            ]
        )
    head = ["task", "method", "return, each seed", "frames", "decisions", "updates", "minutes a seed", "published"]
    return table(head, rows)


def commands() -> str:
    """Return the command behind each learning curve, with its machine."""
    rows = []
    for name, method in CURVES.items():
        result = read(f"bench/results/{name}.json")
        machine = f"{result['machine']['cores']} thread, torch {result['machine']['torch']}"
        rows.append([f"{task(result['env'])}, {method}", f"`{result['command']}`", machine])
    return table(["curve", "command", "machine"], rows)


def remaining(results: Mapping[str, Any], method: str) -> float:
    """Return the distance to the goal that is left, divided by that of random actions, mean over goals and seeds."""
    goals = results["random"]["0"]
    seeds = results[method].values()
    ratios = [np.mean([seed[goal]["distance"] for seed in seeds]) / goals[goal]["distance"] for goal in goals]
    return float(np.mean(ratios))


def methods() -> str:
    """Return the README's table: method, command, best result, and the published one."""
    rows = []
    for name, command in (
        ("walker_stand", "reverie train dreamer_v1 --env.id dm_control/walker-stand-v0"),
        ("minatar_breakout", "reverie train dreamer_v2 --env.id MinAtar/Breakout-v1"),
        ("planet_cartpole_swingup", "reverie train planet --env.id dm_control/cartpole-swingup-v0"),
    ):
        result = read(f"bench/results/{name}.json")
        best = max(seed["mean"] for seed in result["seeds"])
        shown = f"{best:.1f}" if best < 100 else f"{best:.0f}"
        ours = f"{task(result['env'])}: {shown} after {largest(result, 'frames') // 1000},000 frames"
        theirs = published(CURVES[name], result["env"], largest(result, "frames"))
        rows.append([CURVES[name], f"`{command}`", ours, theirs])
    rope = read("studies/deformable/numbers.json")["conditions"]["rope"]
    left = f"rope to goal images: {100 * remaining(rope, 'cfm'):.0f} % of random actions' distance left"
    theirs = np.mean(np.divide(PUBLISHED["rope"]["cfm"], PUBLISHED["rope"]["random"]))
    rows.append(["CFM, no reward, no decoder", "`reverie train cfm`", left, f"{100 * theirs:.0f} %"])
    evolution = read("studies/policies/numbers.json")["methods"]["evolution"].values()
    best = max(seed["points"][-1]["return"] for seed in evolution)
    rows.append(
        ["Evolution in imagination", "`python -m studies policies`", f"Pendulum, frozen model: {best:.0f}", "–"]
    )
    digits = read("studies/generative/numbers.json")["digits"]["digits"]
    rows.append(["VAE, conditional VAE", "`reverie train vae`", f"digits: bound {digits['bound']:.1f} nats", "–"])
    return table(["method", "command", "best result here", "published"], rows)


def update() -> str:
    """Return the time of a Dreamer update beside a plain PyTorch step of the same sizes."""
    rows = []
    for size in ("demo", "middle"):
        result = read(f"bench/results/update-{size}.json")
        shape, seconds = result["size"], result["median_seconds"]
        rows.append(
            [
                f"{shape['image']}x{shape['image']}, batch {shape['batch']} x {shape['length']}",
                f"{seconds['plain']:.2f}",
                f"{seconds['reverie eager']:.2f}",
                f"{result['ratio_to_plain']['reverie eager']:.2f}",
                f"`{result['command']}`",
            ]
        )
    return table(["sizes", "plain step, s", "Reverie, s", "ratio", "command"], rows)


def planning() -> str:
    """Return the time of one decision by each planner in a model of PlaNet's size."""
    result = read("bench/results/planning.json")
    planners = result["eager"]["1 actions, 2 threads"]["planners"]
    rows = [
        [
            name,
            f"{row['evaluations'] + row['for_a_gradient']:,}",
            f"{row['milliseconds']:.0f}",
            f"{row['ratio_to_planet']:.2f}",
            f"{100 * row['share_of_peak']:.0f} %",
        ]
        for name, row in planners.items()
    ]
    return table(["planner", "evaluations", "ms a decision", "time / PlaNet's", "of the matrix-product peak"], rows)


def rendering() -> str:
    """Return observations a second of one core, by world and way of rendering."""
    rows = [
        [
            row["world"].replace("_", " "),
            row["how"],
            f"{row['observations_per_core_second']:.0f}",
            f"{row['times_as_shipped']:.1f}" if "times_as_shipped" in row else "–",
        ]
        for row in read("bench/results/envs.json")["rows"]
    ]
    return table(["world", "rendered by", "observations a second of one core", "times as shipped"], rows)


def generative() -> str:
    """Return bounds of static models: nats an image."""
    rows = []
    digits = read("studies/generative/numbers.json")["digits"]
    results = {f"VAE, {name}": result for name, result in digits.items()} | {
        "VAE, Pendulum frames": read("bench/results/vae_pendulum.json"),
        "conditional VAE, Pendulum frames": read("bench/results/cvae_pendulum.json"),
    }
    for name, result in results.items():
        values = (result[key] for key in ("bound", "evidence", "divergence"))
        active = f"{result['active_units']:.0f} of {result['units']:.0f}"
        rows.append([name, *(f"{value:.1f}" for value in values), active])
    return table(["model, data", "bound", "log-likelihood (100 samples)", "divergence", "active units"], rows)


def goals() -> str:
    """Return what is left of random actions' distance to goal images, by method and world."""
    names = {
        "cfm": "CFM",
        "joint": "joint forward + inverse",
        "cfm_published": "CFM as published",
        "autoencoder": "autoencoder",
        "ssm": "PlaNet's SSM, no reward",
        "pixel_forward": "forward in pixels",
        "naive": "naive forward",
    }
    conditions = read("studies/deformable/numbers.json")["conditions"]
    rows = []
    for method, label in names.items():
        cells = [
            f"{100 * remaining(results, method):.0f} %" if method in results else "–" for results in conditions.values()
        ]
        rows.append([label, *cells])
    return table(["method", *(name.replace("-", ", ") for name in conditions)], rows)


def policies() -> str:
    """Return final returns of the three learners in one frozen world model."""
    names = {
        "backpropagation": "gradients through the model",
        "reinforce": "REINFORCE",
        "evolution": "evolution strategies",
    }
    found = read("studies/policies/numbers.json")["methods"]
    rows = [
        [label, ", ".join(f"{seed['points'][-1]['return']:.0f}" for seed in found[name].values())]
        for name, label in names.items()
    ]
    return table(["learner", "return of ten real episodes, each seed"], rows)


def cost() -> str:
    """Return what recipes cost at two rates: two cores as measured, and a GPU that reaches 10 TFLOP/s."""
    cores = read("bench/results/update-middle.json")["gflops"]["reverie eager"]
    rows = []
    for row in read("bench/results/cost.json")["rows"]:
        gflop = 1e6 * row["petaflop_per_run"]
        rows.append(
            [
                f"{row['recipe']}, {row['size']}, `{row['env']}`",
                f"{row['million_parameters']:.1f}",
                f"{row['gflop_per_update']:,.0f}",
                f"{row['frames']:,}",
                f"{row['updates']:,}",
                f"{row['replay_gib']:.1f}",
                f"{row['checkpoints_gib']:.1f}",
                duration(gflop / cores),
                duration(gflop / 10_000),
            ]
        )
    head = ["run", "million parameters", "GFLOP an update", "frames", "updates", "replay, GiB", "checkpoints, GiB"]
    return table([*head, f"two cores, {cores:.0f} GFLOP/s", "GPU at 10,000 GFLOP/s"], rows)


def replay() -> str:
    """Return what a batch, a checkpoint and opening cost, by what a replay holds."""
    rows = []
    for row in read("bench/results/replay.json")["rows"]:
        resident = row["resident_bytes"]
        rows.append(
            [
                f"{row['decisions']:,}",
                f"{row['storage']}, {row['images']}",
                f"{row['stored_bytes'] / 2**30:.1f}",
                f"{1000 * row['cpu_seconds_a_batch']:.0f}",
                f"{resident['before'] / 2**20:.0f}, {resident['drawing'] / 2**20:.0f}",
                f"{row['open']['cpu_seconds']:.2f}",
                f"{row['save']['bytes'] / 2**20:.0f}",
            ]
        )
    head = ["decisions", "storage, images", "GiB", "CPU ms a batch", "resident MiB: begins, draws"]
    return table([*head, "CPU s to open", "MiB of a save of 5,000"], rows)


def kinds(subject: str, partner: str) -> str:
    """Return a row for each kind of `subject` that was tried with each plain kind of `partner`: what came of it."""
    result, rows = read("bench/results/kinds.json"), {}
    for pair in result["pairs"]:
        if pair[partner] in result[f"plain_{partner}"]:
            rows.setdefault(pair[subject], []).append((pair["outcome"], pair["sentence"].replace("|", "\\|")))
    return table([subject, "outcome", "what Reverie says"], [[kind, *_joined(found)] for kind, found in rows.items()])


def _joined(found: list[tuple[str, str]]) -> tuple[str, str]:
    """Return outcomes and sentences, each once."""
    outcomes, sentences = (list(dict.fromkeys(column)) for column in zip(*found))
    return " or ".join(outcomes), " ".join(sentences)


def fuzz() -> str:
    """Return the counts of fuzzed inputs, by kind and outcome."""
    result = read("bench/results/fuzz.json")
    outcomes = ("ran", "refused", "found", "traceback", "hang", "nonsense", "lost")
    rows = [[kind, *(str(found.get(outcome, 0)) for outcome in outcomes)] for kind, found in result["by_kind"].items()]
    return table(
        ["input", *outcomes], [*rows, ["all", *(str(result["outcomes"].get(outcome, 0)) for outcome in outcomes)]]
    )


def sweeps() -> str:
    """Return what a sweep costs besides its cells, and by proportion what ten times as many would."""
    result = read("bench/results/sweep_cost.json")
    measured = {
        "to make the cells": (result["make_core_seconds"], 2, "s"),
        "to read the state of all cells": (result["look_core_milliseconds"] / 1000, 3, "s"),
        "`reverie sweep FOLDER --status`": (result["status_core_seconds"], 2, "s"),
        "the driver, a minute": (result["drive_core_seconds_a_minute"], 1, "s"),
    }
    rows = [[what, *(f"{times * x:.{d}f} {unit}" for times in (1, 10))] for what, (x, d, unit) in measured.items()]
    cells = result["cells"]
    return table([f"seconds of one core, {cells} cells", "measured", f"{10 * cells:,} cells, by proportion"], rows)


def grid() -> str:
    """Return the scores of the grid that was disturbed, and whether both ways gave the same bits."""
    cells = read("bench/results/grid.json")["cells"]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        recipe, *env, _ = cell["cell"].split("-")
        found.setdefault((recipe, task("-".join(env))), []).append(cell)
    rows = [
        [
            name,
            recipe,
            ", ".join(f"{cell['mean']:.0f}" for cell in seeds),
            "yes" if all(c["equal"] for c in seeds) else "no",
        ]
        for (recipe, name), seeds in found.items()
    ]
    return table(["task", "recipe", "return, both seeds", "equal bit for bit"], rows)


def play() -> str:
    """Return what a frame of `reverie play` costs through the socket, and a step of a batch of dreams."""
    result = read("bench/results/play.json")
    cost = {(row["worlds"], row["driver"]): row["ms_of_a_core"] for row in result["rows"] if row["how"] == "socket"}
    rows = [
        [shown, *(f"{cost[worlds, driver]:.0f} ms" for driver in ("policy", "planner"))]
        for worlds, shown in (("dream", "dream alone"), ("both", "side by side"))
    ]
    batch = [f"{result['batch']['dreams']} dreams as a batch", f"{result['batch']['ms_of_a_core']:.1f} ms", "–"]
    return table(["worlds", "policy", "planner"], [*rows, batch])


def stranger() -> str:
    """Return what another library's agent learns in the demo's dream."""
    result = read("bench/results/sb3_in_the_dream.json")
    own = read("bench/results/demo.json")["seeds"][0]["mean"]
    rows = [
        ["PPO, untrained", "0", f"{result['untrained']:.0f}"],
        ["PPO, trained in the dream", f"{result['imagined_decisions']:,}", f"{result['return']:.0f}"],
        ["the demo's own policy", "–", f"{own:.0f}"],
    ]
    return table(["agent", "imagined decisions", "return in the environment"], rows)


def peers() -> str:
    """Return the time of a DreamerV3 update here and in another library, with networks of equal size."""
    result = read("bench/results/peers.json")
    rows = [
        [
            f"`{row['size']}`",
            f"{row['parameters'][0]:,}",
            f"{row['ours']:.2f}",
            f"{row['theirs']:.2f}",
            f"{row['ratio']:.2f}",
        ]
        for row in result["rows"]
    ]
    return table(["size", "parameters, both", "Reverie, s", f"{result['peer']}, s", "ratio"], rows)


def duration(seconds: float) -> str:
    """Return a duration in the largest unit of which it has two."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds > 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


TABLES: dict[str, Callable[[], str]] = {
    "methods": methods,
    "agents": agents,
    "commands": commands,
    "goals": goals,
    "policies": policies,
    "generative": generative,
    "update": update,
    "planning": planning,
    "rendering": rendering,
    "cost": cost,
    "replay": replay,
    "observations": partial(kinds, "observation", "environment"),
    "environments": partial(kinds, "environment", "observation"),
    "fuzz": fuzz,
    "sweeps": sweeps,
    "play": play,
    "stranger": stranger,
    "peers": peers,
    "grid": grid,
}


def renewed(page: Path) -> str:
    """Return the page's text with its tables made anew."""
    text = page.read_text()
    return fill(text, {name: make() for name, make in TABLES.items() if f"<!-- numbers: {name} -->" in text})


def typed_by_hand(text: str) -> list[str]:
    """Return the figures of a page's text that none of its tables has."""
    shown, prose = set(FIGURE.findall(" ".join(TABLE.findall(text)))), NO_RESULT.sub("", TABLE.sub("", text))
    return [figure for figure in FIGURE.findall(prose) if figure not in shown]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a page is out of date")
    check = parser.parse_args().check
    old = [page for name in PAGES if (page := ROOT / name).exists() and renewed(page) != page.read_text()]
    for page in old:
        if check:
            print(f"{page.relative_to(ROOT)} differs from its numbers: run `python bench/tables.py`.")
        else:
            atomic_write(page, renewed(page).encode())
    texts = [*(ROOT / name for name in PAGES), *sorted(ROOT.glob("studies/*/README.md"))]
    typed = {page: figures for page in texts if (figures := typed_by_hand(page.read_text()))}
    for page, figures in typed.items():
        print(f"{page.relative_to(ROOT)}: no table of the page has {', '.join(figures)}")
    return int(check and bool(old or typed))


if __name__ == "__main__":
    sys.exit(main())
