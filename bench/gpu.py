"""What a GPU does with the library, in one command of at most 20 minutes.

    python bench/gpu.py                            # on a machine with a GPU
    python bench/gpu.py --device cpu --size tiny   # tries every part where there is none, in a minute

It checks that eager, compiled and recorded updates compute the same. It times updates and decisions of the agents at
the size of their papers, and trains walker walk for the rest of the time. Writes `bench/results/gpu-DEVICE.json`.
Without a GPU it says so and exits with code 2.
"""

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from update import describe_machine, matmul_peak, timed

import reverie
from reverie import recipes, tree
from reverie.agents.agent import AgentConfig, build
from reverie.errors import UserError
from reverie.nn.precision import Precision, set_precision
from reverie.progress import Progress
from reverie.runs.config import OnlineConfig
from reverie.runs.execution import WARM_UP, Execution, executed
from reverie.runs.update import draw_noise, make_optimizers, make_update
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.batches import random_batch

RESULTS = Path(__file__).resolve().parent / "results"
METHODS = ("dreamer_v1", "dreamer_v2", "dreamer_v3")
WAYS: tuple[tuple[Execution, Precision], ...] = (
    ("eager", "float32"),
    ("graph", "float32"),
    ("eager", "bfloat16"),
    ("graph", "bfloat16"),
)
"""Executions and precisions that are timed. Compiling at these sizes takes too long, so it is checked only."""
TOLERANCE = 1e-3
"""The largest relative difference of a loss between two executions, after a few updates."""
WALKER = "dm_control/walker-walk-v0"
SPEC = EnvSpec({"pixels": Space((64, 64, 3), "uint8")}, ActionSpace(6, False), 2)
SMALL = EnvSpec({"pixels": Space((16, 16, 3), "uint8")}, ActionSpace(2, False), 2)


class Agent:
    """A new agent of a recipe, and its update."""

    def __init__(
        self,
        method: str,
        size: str,
        spec: EnvSpec,
        device: torch.device,
        way: tuple[Execution, Precision],
        batch: int = 0,
    ) -> None:
        config = recipes.build(method, size)
        assert isinstance(config, OnlineConfig)
        torch.manual_seed(0)
        self.config, self.spec, self.device = config, spec, device
        self.agent = build(AgentConfig(spec, config.model, config.behavior.actor)).to(device)
        learner = config.behavior.build(spec, self.agent.model.dynamics.feature_size)
        self.learner = None if learner is None else learner.to(device)
        execution, precision = way
        for module in (self.agent, self.learner):
            if module is not None:
                set_precision(module, precision)
        self.agent.decide = executed(self.agent.decide, "graph" if execution == "graph" else "eager")
        optimizers = make_optimizers(config.model.optimizer, self.agent.model, self.learner)
        self.update = make_update(self.agent.model, self.learner, optimizers, execution)
        self.batch, self.length = batch or config.training.batch, config.training.length

    def data(self, seed: int) -> tuple[Any, Any]:
        """Draw a batch and its noise, on the device."""
        generator = torch.Generator().manual_seed(seed)
        noise = draw_noise(self.agent.model, self.learner, self.batch, self.length, generator)
        return tree.to((random_batch(self.spec, self.batch, self.length, seed), noise), self.device)

    def act(self, count: int) -> Callable[[], Any]:
        """Return a function that makes one decision for `count` environments."""
        observation = {name: x[:, 0] for name, x in random_batch(self.spec, count, 2).obs.items()}
        noise = tree.to(self.agent.noise(count, torch.Generator().manual_seed(0)), self.device)
        on_device, carry = tree.to(observation, self.device), self.agent.initial(count)
        return lambda: self.agent.act(carry, on_device, None, noise)


def check_executions(device: torch.device, size: str, executions: tuple[Execution, ...]) -> dict[str, Any]:
    """Compare updates of all executions with eager ones, from the same weights, batches and noise."""
    found = {}
    for method in METHODS:
        losses: dict[str, list[dict[str, float]]] = {}
        for execution in executions:
            agent = Agent(method, size, SMALL, device, (execution, "float32"), batch=2)
            metrics = [agent.update(*agent.data(seed)) for seed in range(WARM_UP + 3)]
            losses[execution] = [{name: x.item() for name, x in each.items() if "loss" in name} for each in metrics]
        for execution in executions[1:]:
            difference = max(
                abs(each[name] - expected[name]) / max(1.0, abs(expected[name]))
                for each, expected in zip(losses[execution], losses["eager"])
                for name in expected
            )
            found[f"{method} {execution}"] = {"largest_relative_difference": difference, "same": difference < TOLERANCE}
    return found


def time_updates(device: torch.device, size: str, spec: EnvSpec, seconds: float) -> dict[str, Any]:
    """Return the median seconds of an update of every method in every way. `seconds` is for all of them."""
    found, start, left = {}, time.perf_counter(), len(METHODS) * len(WAYS)
    for method in METHODS:
        for way in WAYS:
            share, left = (seconds - (time.perf_counter() - start)) / left, left - 1
            agent = Agent(method, size, spec, device, way)
            batch, noise = agent.data(0)
            found[f"{method} {' '.join(way)}"] = measured(lambda: agent.update(batch, noise), device, share)  # noqa: B023
            del agent
            if device.type == "cuda":
                torch.cuda.empty_cache()
    return found


def time_decisions(device: torch.device, size: str, spec: EnvSpec, seconds: float) -> dict[str, Any]:
    """Return the median seconds of a decision: PlaNet's whole plan, and a policy, for 1 and 8 environments."""
    found, cases = {}, [(method, count) for method in ("planet", "dreamer_v1") for count in (1, 8)]
    for method, count in cases:
        for execution in ("eager", "graph"):
            agent = Agent(method, size, spec, device, (execution, "float32"))
            name = f"{method} {count} environments {execution}"
            found[name] = measured(agent.act(count), device, seconds / len(cases) / 2)
    return found


def measured(compute: Callable[[], Any], device: torch.device, seconds: float) -> dict[str, float]:
    """Call until `seconds` are over, after a warm-up. Return the median time of a call, and the memory on a GPU."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    for _ in range(WARM_UP + 1):
        compute()
    timed(lambda: None, device)
    times = [timed(compute, device)]
    while time.perf_counter() - start < seconds and len(times) < 200:
        times.append(timed(compute, device))
    peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
    return {"seconds": statistics.median(times), "calls": len(times), "peak_gib": peak}


class Enough(Exception):
    """The time is over."""


def train(device: torch.device, size: str, env_id: str, seconds: float) -> dict[str, Any]:
    """Train for so many seconds, as fast as a GPU can, and return the speed and the returns of training episodes."""
    config = recipes.build("dreamer_v1", size, env_id)
    assert isinstance(config, OnlineConfig)
    training = replace(config.training, execution="graph", precision="bfloat16", overlap=True)
    config = replace(config, device=device.type, training=training, evaluation=replace(config.evaluation, every=0))
    if size != "tiny":
        config = replace(config, env=replace(config.env, workers=True))
    start, counted = time.perf_counter(), {"frames": 0, "updates": 0}

    def watch(progress: Progress) -> None:
        counted.update(frames=progress.done, updates=progress.updates)
        if time.perf_counter() - start > seconds:
            raise Enough

    with tempfile.TemporaryDirectory() as folder:
        try:
            reverie.train(config, Path(folder) / "run", progress=False, callbacks=[watch], evaluate=False)
        except Enough:
            pass
        except UserError as error:
            return {"env": env_id, "left_out": str(error)}
        episodes = [json.loads(line) for line in (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()]
    return {
        "env": env_id,
        "seconds": time.perf_counter() - start,
        **counted,
        "returns": [[line["frames"], line["return"]] for line in episodes if line["kind"] == "episode"],
    }


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda (default), or cpu to try the parts")
    parser.add_argument("--size", default="paper", help="size of what is timed and trained (default: paper)")
    parser.add_argument("--minutes", type=float, default=20, help="all in all (default: 20)")
    parser.add_argument("--env", default=WALKER, help=f"environment to train in (default: {WALKER})")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result")
    asked = parser.parse_args(words)
    if asked.device == "cuda" and not torch.cuda.is_available():
        print(
            "There is no usable CUDA device here, and bench/gpu.py measures one: run it on a machine with a GPU, or "
            "try its parts by `--device cpu --size tiny`.",
            file=sys.stderr,
        )
        return 2
    device, start, budget = torch.device(asked.device), time.perf_counter(), 60 * asked.minutes
    spec = SMALL if asked.size == "tiny" else SPEC
    machine = describe_machine(device)
    result: dict[str, Any] = {"command": f"python bench/gpu.py {' '.join(words or sys.argv[1:])}", "machine": machine}
    path = asked.results / f"gpu-{re.sub('[^a-z0-9]+', '-', machine['device'].lower()).strip('-')}.json"

    def keep(**parts: Any) -> None:
        """Write what is known so far: the machine may be taken away."""
        result.update(parts, seconds=time.perf_counter() - start)
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(json.dumps(parts, indent=1), flush=True)

    keep(matmul_peak_gflops=matmul_peak(device) / 1e9)
    keep(executions=check_executions(device, "tiny", ("eager", "graph")))
    keep(updates=time_updates(device, asked.size, spec, 0.2 * budget))
    keep(decisions=time_decisions(device, asked.size, spec, 0.1 * budget))
    if device.type == "cuda":
        keep(compiled=check_executions(device, "tiny", ("eager", "compiled")))
    keep(training=train(device, asked.size, asked.env, budget - (time.perf_counter() - start)))
    agree = [row["same"] for part in ("executions", "compiled") for row in result.get(part, {}).values()]
    if not all(agree):
        print(f"Executions differ by more than {TOLERANCE}: see {path}.", file=sys.stderr)
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
