"""How long one full update takes: ours against a plain hand-written PyTorch step of the same sizes.

    python bench/update.py --size middle --rounds 5

First both get the same weights, batch and noise, and must compute the same losses and nearly the same steps. Then the
two run in turns in one process; figures are medians over rounds and their ratio, also of the two parts (world model,
behavior) where that costs no synchronization, on a CPU. Sizes: `demo` (the demo's),
`middle` (64x64, depth 32, deter 200, batch 16 x 50), `paper` (the published one, 50 x 50). Also prints the share of
the machine's measured float32 matrix-product peak. On a GPU eager and compiled are timed. Writes
`bench/results/update-SIZE.json`.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from plain_step import Agent as PlainAgent
from plain_step import Sizes
from torch.distributions import normal
from torch.utils.flop_counter import FlopCounterMode

from reverie.agents.agent import choose_device
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import Optimizer
from reverie.recipes.dreamer_v1 import network
from reverie.runs.update import draw_noise, make_update
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.types import Batch

SIZES = {
    "demo": (Sizes(32, 8, 64, 20, 64, 64, 16, 24, 1), (2, 2, 2)),
    "middle": (Sizes(64, 32, 200, 30, 200, 400, 16, 50, 6), (2, 3, 4)),
    "paper": (Sizes(64, 32, 200, 30, 200, 400, 50, 50, 6), (2, 3, 4)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="middle")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    device, (sizes, layers) = choose_device(asked.device), SIZES[asked.size]
    torch.manual_seed(0)
    batch = random_batch(sizes, device)
    plain = Plain(sizes, layers, batch, device)
    found: dict[str, Contestant] = {"plain": plain}
    for execution in ("eager", "compiled") if device.type == "cuda" else ("eager",):
        found[f"reverie {execution}"] = Ours(sizes, layers, batch, device, execution)
    agreement = check(Ours(sizes, layers, batch, device, "eager"), plain)
    with FlopCounterMode(display=False) as counter:
        plain.update()
    flops = counter.get_total_flops()
    seconds: dict[str, list[float]] = {name: [] for name in found}
    behavior: dict[str, list[float]] = {name: [] for name in found}
    for contestant in found.values():
        contestant.update()
    for _ in range(asked.rounds):
        for name, contestant in found.items():
            contestant.behavior_seconds = 0.0
            seconds[name].append(timed(contestant.update, device))
            behavior[name].append(contestant.behavior_seconds)
    peak = matmul_peak(device)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    parts = {
        name: {
            "world model": statistics.median(a - b for a, b in zip(seconds[name], behavior[name])),
            "behavior": statistics.median(behavior[name]),
        }
        for name in (found if device.type == "cpu" else ())
    }
    result = {
        "command": "python bench/update.py " + " ".join(sys.argv[1:]),
        "machine": {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "load": os.getloadavg()[0],
            "torch": torch.__version__,
        },
        "size": vars(sizes),
        "agreement": agreement,
        "seconds": seconds,
        "median_seconds": median,
        "ratio_to_plain": {name: value / median["plain"] for name, value in median.items()},
        "median_seconds_of_parts": parts,
        "gflop_per_update": flops / 1e9,
        "gflops": {name: flops / value / 1e9 for name, value in median.items()},
        "matmul_peak_gflops": peak / 1e9,
        "share_of_peak": {name: flops / value / peak for name, value in median.items()},
    }
    path = Path(__file__).parent / "results" / f"update-{asked.size}.json"
    path.write_text(json.dumps(result, indent=1))
    for name, value in median.items():
        share = result["share_of_peak"][name]
        print(f"{name:18} {value:7.3f} s   {value / median['plain']:5.2f} of plain   {share:4.0%} of the matmul peak")
        for part, value in parts.get(name, {}).items():
            print(f"  {part:16} {value:7.3f} s   {value / parts['plain'][part]:5.2f} of plain")


def random_batch(s: Sizes, device: torch.device) -> Batch:
    no = torch.zeros(s.batch, s.length, dtype=torch.bool, device=device)
    images = torch.randint(0, 256, (s.batch, s.length, s.image, s.image, 3), dtype=torch.uint8, device=device)
    action = torch.rand(s.batch, s.length, s.action, device=device) * 2 - 1
    return Batch({"pixels": images}, action, torch.rand(s.batch, s.length, device=device), no, no, no)


class Contestant:
    """`update` is one full update; what its behavior part took is added to `behavior_seconds`."""

    behavior_seconds = 0.0
    update: Callable[[], object]

    def clocked(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed_function(*arguments: Any) -> Any:
            started = time.perf_counter()
            found = function(*arguments)
            self.behavior_seconds += time.perf_counter() - started
            return found

        return timed_function


class Plain(Contestant):
    def __init__(self, s: Sizes, layers: tuple[int, int, int], batch: Batch, device: torch.device) -> None:
        self.agent = agent = PlainAgent(s, layers, 3.0, 0.99)
        for net in (agent.model, agent.actor, agent.value):
            net.to(device)
        if device.type == "cpu":
            agent.behavior = self.clocked(agent.behavior)
        self.columns = batch.obs["pixels"], batch.action, batch.reward, batch.is_first
        self.update = lambda: agent.update(*self.columns)


class Ours(Contestant):
    def __init__(
        self, s: Sizes, layers: tuple[int, int, int], batch: Batch, device: torch.device, execution: str
    ) -> None:
        model_config, behavior = network(s.depth, s.deter, s.stoch, s.hidden, s.units, layers, continuation=False)
        spec = EnvSpec({"pixels": Space((s.image, s.image, 3), "uint8")}, ActionSpace(s.action, False), 2)
        self.model = WorldModel(model_config, spec).to(device)
        self.learner = behavior.build(spec, self.model.dynamics.feature_size).to(device)
        optimizers = {
            "model": Optimizer(model_config.optimizer, self.model.parameters()),
            **self.learner.optimizers(),
        }
        if device.type == "cpu":
            self.learner.update = self.clocked(self.learner.update)  # pyrefly: ignore
        self.compute = make_update(self.model, self.learner, optimizers, execution)
        generator = torch.Generator(device).manual_seed(0)
        self.batch = batch
        self.draw = lambda: draw_noise(self.model, self.learner, s.batch, s.length, generator)
        self.update = lambda: self.compute(batch, self.draw())


def check(ours: Ours, plain: Plain) -> dict[str, float]:
    """One update each from the same weights, batch and noise: losses, and how parallel the steps of the weights are."""
    pairs = same_weights(ours, plain)
    before = [(a.detach().clone(), b.detach().clone()) for a, b in pairs]
    noise = ours.draw()
    drawn = list(noise.model.unbind(1))
    for action, state in zip(noise.behavior.policy.unbind(1), noise.behavior.dynamics.unbind(1)):
        drawn += [action, state]
    queue, losses = iter(drawn), []
    real, step = normal._standard_normal, plain.agent.step
    normal._standard_normal = lambda shape, dtype, device: next(queue)
    plain.agent.step = lambda adam, net, loss: (losses.append(loss.item()), step(adam, net, loss))
    try:
        plain.update()
    finally:
        normal._standard_normal, plain.agent.step = real, step
    metrics = ours.compute(ours.batch, noise)
    found = {}
    for name, theirs in zip(("model", "actor", "value"), losses):
        found[f"loss/{name}/reverie"], found[f"loss/{name}/plain"] = metrics[f"loss/{name}"].item(), theirs
        if abs(found[f"loss/{name}/reverie"] - theirs) > 1e-3 * max(1.0, abs(theirs)):
            raise SystemExit(f"The two do not compute the same: {found}")
    moved = [(a.detach() - a0, b.detach() - b0) for (a, b), (a0, b0) in zip(pairs, before)]
    moved = [(a, b) for a, b in moved if a.any() or b.any()]  # within free nats the prior stays where it is
    alike = [torch.cosine_similarity(a.flatten(), b.flatten(), dim=0).item() for a, b in moved]
    found["least_cosine_of_a_parameters_steps"] = min(alike)
    if min(alike) < 0.99:
        odd = tuple(moved[alike.index(min(alike))][0].shape)
        raise SystemExit(f"The two do not step alike, least of all a parameter of shape {odd}: {found}")
    found["parameters"] = sum(a.numel() for a, _ in pairs)
    return found


def same_weights(ours: Ours, plain: Plain) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Copy ours into plain's; all pairs of parameters. Only the order of a map's axes differs."""
    theirs, mine = plain.agent, ours.model
    reconstruction = mine.signals["reconstruction"].heads["pixels"]
    dynamics = mine.dynamics
    modules = [
        (mine.encoder, theirs.model.encoder),
        (reconstruction.net, theirs.model.decoder),
        (dynamics.inputs, theirs.model.inputs),
        (dynamics.cell, theirs.model.cell),
        (dynamics.prior, theirs.model.prior),
        (dynamics.posterior, theirs.model.posterior),
        (mine.signals["reward"], theirs.model.reward),
        (ours.learner.policy, theirs.actor),
        (ours.learner.value, theirs.value),
    ]
    pairs = [pair for a, b in modules for pair in zip(a.parameters(), b.parameters(), strict=True)]
    channels, height, width = theirs.model.start
    counted = sum(a.numel() for a, _ in pairs)
    with torch.no_grad():
        for a, b in pairs:
            b.copy_(a)
        for a, b in zip(reconstruction.dense.parameters(), theirs.model.to_maps.parameters()):
            b.copy_(a.unflatten(0, (height, width, channels)).permute(2, 0, 1, *range(3, a.ndim + 2)).flatten(0, 2))
            counted += a.numel()
    everything = [*mine.parameters(), *ours.learner.policy.parameters(), *ours.learner.value.parameters()]
    assert counted == sum(a.numel() for a in everything), "a part has no counterpart"
    return pairs


def timed(update: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, the device's work included."""
    started = time.perf_counter()
    update()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def processor() -> str:
    """The CPU's name, as Linux gives it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def matmul_peak(device: torch.device) -> float:
    """FLOP/s of the best of ten float32 products of 2048 x 2048."""
    a = torch.rand(2048, 2048, device=device)
    best = min(timed(lambda: a @ a, device) for _ in range(10))
    return 2 * 2048**3 / best


if __name__ == "__main__":
    main()
