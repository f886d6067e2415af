"""Milliseconds of one plan: PlaNet's planner, the laptop recipe's, and the others, at the published model's size.

    python bench/planning.py --repeats 7

The model is an RSSM of 200 / 30 with a reward head of 2 x 200, for 1 and 6 action dimensions, and the horizon is 12.
PlaNet's plan has 1000 candidates and 10 iterations. All planners run in turns, on one thread and on all. The numbers
are medians, their ratios to PlaNet's, and their shares of the measured float32 matrix-product peak. PyTorch counts the
FLOPs, and a count by hand checks them for one candidate.

On a GPU each plan also runs as one CUDA graph, which must agree with eager, for 1, 8 and 64 environments. Writes
`bench/results/planning.json`.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from update import describe_machine, matmul_peak, timed

from reverie import tree
from reverie.agents.agent import choose_device
from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.nn.mlp import MLPConfig
from reverie.planning import PlannerConfig
from reverie.planning.actor import PlanningActor, PlanningConfig
from reverie.planning.cem import CEMConfig
from reverie.planning.gradient import CEMThenGradientConfig, GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.recipes.planet import planet
from reverie.signals.reward import RewardConfig
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.types import ActNoise
from studies.planners.budgets import evaluations

PLANET, LAPTOP = "PlaNet's CEM", "laptop's iCEM"
HORIZON, DETER, STOCH, HIDDEN, UNITS = 12, 200, 30, 200, 200
PLANNERS: dict[str, PlannerConfig] = {
    PLANET: CEMConfig(),
    LAPTOP: planet("laptop", None).behavior.planner,
    "random shooting": RandomShootingConfig(HORIZON, 1000),
    "MPPI": MPPIConfig(),
    "gradient": GradientConfig(),
    "iCEM + gradient": CEMThenGradientConfig(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    device = choose_device(asked.device)
    found = {}
    for actions in (1, 6):
        problems = {name: Problem(config, actions, 1, device) for name, config in PLANNERS.items()}
        check_flops(actions, device)
        for threads in (1,) if device.type == "cuda" else sorted({1, len(os.sched_getaffinity(0))}):
            with limit_threads(threads):
                found[f"{actions} actions, {threads} threads"] = measure(problems, asked.repeats, device)
    result = {
        "command": "python bench/planning.py " + " ".join(sys.argv[1:]),
        "machine": describe_machine(device),
        "eager": found,
        "graph": graphs(asked.repeats, device) if device.type == "cuda" else {},
    }
    path = Path(__file__).parent / "results" / "planning.json"
    path.write_text(json.dumps(result, indent=1))
    for case, of in found.items():
        print(f"{case} (matmul peak {of['matmul_peak_gflops']:.0f} GFLOP/s)")
        for name, row in of["planners"].items():
            print(
                f"  {name:16} {row['evaluations']:6,} evaluations {row['milliseconds']:8.1f} ms"
                f"   {row['ratio_to_planet']:6.3f} of PlaNet's   {row['share_of_peak']:4.0%} of the peak"
            )
    for case, row in result["graph"].items():
        print(f"{case}: eager {row['eager_milliseconds']:.2f} ms, graph {row['graph_milliseconds']:.2f} ms")


class Problem:
    """A planner with `batch` beliefs and its noise."""

    def __init__(self, config: PlannerConfig, actions: int, batch: int, device: torch.device) -> None:
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        self.model = published_model(actions).to(device)
        self.actor = PlanningActor(PlanningConfig(config), self.model, ActionSpace(actions, False))
        self.batch, self.device = batch, device
        self.belief = tree.to(self.model.dynamics.initial(batch), device)
        self.memory = tree.to(self.actor.initial(batch), device)
        self.noise = self.draw_noise(generator)

    def draw_noise(self, generator: torch.Generator) -> Any:
        return tree.to(self.actor.noise(self.batch, generator)[0], self.device)

    @torch.no_grad()
    def plan(self) -> Tensor:
        return self.actor.act(self.belief, self.memory, ActNoise(None, self.noise, None))[0]


def published_model(actions: int) -> WorldModel:
    """Return a model of the published size, with the parts that a plan needs."""
    spec = EnvSpec({"state": Space((3,), "float32")}, ActionSpace(actions, False), 1)
    config = WorldModelConfig(
        dynamics=RSSMConfig(DETER, HIDDEN, GaussianConfig(STOCH)),
        signals={"reward": RewardConfig(MLPConfig(2, UNITS))},
        weights={"reward": 1.0},
    )
    return WorldModel(config, spec)


def flops_of_one(actions: int) -> int:
    """Return the FLOPs of the matrix products that score one candidate sequence."""
    inputs, cell = (STOCH + actions) * HIDDEN, (HIDDEN + DETER) * 3 * DETER
    prior, reward = DETER * HIDDEN + HIDDEN * 2 * STOCH, (DETER + STOCH) * UNITS + UNITS * UNITS + UNITS
    return 2 * HORIZON * (inputs + cell + prior + reward)


def check_flops(actions: int, device: torch.device) -> None:
    """Compare the count by hand with PyTorch's."""
    problem = Problem(RandomShootingConfig(HORIZON, 7), actions, 1, device)
    with FlopCounterMode(display=False) as counter:
        problem.plan()
    if counter.get_total_flops() != 8 * flops_of_one(actions):
        raise SystemExit(f"By hand {8 * flops_of_one(actions)} FLOPs, by PyTorch {counter.get_total_flops()}.")


def measure(problems: dict[str, Problem], repeats: int, device: torch.device) -> dict[str, Any]:
    """Time all planners in turns, after a first plan whose FLOPs are counted."""
    taken: dict[str, list[float]] = {name: [] for name in problems}
    flops = {}
    for name, problem in problems.items():
        with FlopCounterMode(display=False) as counter:
            problem.plan()
        flops[name] = counter.get_total_flops()
    for _ in range(repeats):
        for name, problem in problems.items():
            taken[name].append(timed(problem.plan, device))
    peak, median = matmul_peak(device), {name: statistics.median(times) for name, times in taken.items()}
    rows = {}
    for name, seconds in median.items():
        scored, climbing = evaluations(PLANNERS[name])
        rows[name] = {
            "evaluations": scored,
            "for_a_gradient": climbing,
            "milliseconds": 1e3 * seconds,
            "ratio_to_planet": seconds / median[PLANET],
            "gflop": flops[name] / 1e9,
            "share_of_peak": flops[name] / seconds / peak,
            "seconds": taken[name],
        }
    return {"matmul_peak_gflops": peak / 1e9, "planners": rows}


def graphs(repeats: int, device: torch.device) -> dict[str, Any]:
    """Compare eager plans with one captured graph, from the same noise and from noise that came later."""
    found = {}
    for name in (PLANET, LAPTOP):
        for batch in (1, 8, 64):
            problem = Problem(PLANNERS[name], 6, batch, device)
            replay, action = capture(problem.plan)
            differences = []
            for seed in (0, 1):
                noise = problem.draw_noise(torch.Generator().manual_seed(seed))
                for old, new in zip(tree.leaves(problem.noise), tree.leaves(noise), strict=True):
                    old.copy_(new)
                replay()
                differences.append((problem.plan() - action).abs().max().item())
            if max(differences) > 1e-3:
                raise SystemExit(f"{name}, {batch} environments: graph and eager plan differently, by {differences}.")
            eager, graph = (
                statistics.median(timed(run, device) for _ in range(repeats)) for run in (problem.plan, replay)
            )
            found[f"{name}, {batch} environments"] = {
                "eager_milliseconds": 1e3 * eager,
                "graph_milliseconds": 1e3 * graph,
                "ratio": eager / graph,
                "largest_difference_of_an_action": max(differences),
            }
    return found


def capture(plan: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """Return a function that plans by a CUDA graph, and the tensor of its actions."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries allocate here: they may not during the capture
        for _ in range(3):
            plan()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        action = plan()
    return graph.replay, action


@contextmanager
def limit_threads(threads: int) -> Iterator[None]:
    """Use `threads` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    main()
