"""Seconds of one full update: ours and `docs/dreamer_in_one_file.py`, plain PyTorch of the same sizes.

    python bench/update.py --size middle --rounds 5

First both get the same weights, batch and noise. They must compute the same losses and nearly the same steps. Then
they run in turns in one process. The numbers are medians over rounds and their ratio, and the share of the machine's
measured float32 matrix-product peak. On a CPU the world model and the behavior are also timed apart. On a GPU eager
and compiled updates are timed.

Sizes: `demo` (the demo's), `middle` (64x64, depth 32, deter 200, batch 16 x 50), `paper` (the published one,
50 x 50). Writes `bench/results/update-SIZE.json`.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.distributions import normal
from torch.utils.flop_counter import FlopCounterMode

from reverie.agents.agent import choose_device
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import Optimizer
from reverie.recipes.dreamer_v1 import networks
from reverie.runs.update import UpdateNoise, draw_noise, make_update
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.types import Batch

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
from dreamer_in_one_file import Dreamer, Settings

PAPER = Settings(
    image_size=64,
    batch=50,
    length=50,
    actions=6,
    depth=32,
    deter=200,
    stoch=30,
    hidden=200,
    units=400,
    layers=(2, 3, 4),
    image_std=1.0,
    reward_scale=1.0,
    reward_weight=1.0,
    gamma=0.99,
    entropy=0.0,
    init_std=5.0,
    min_std=1e-4,
    rates=(6e-4, 8e-5, 8e-5),
    clips=(100.0, 100.0, 100.0),
    decay=0,
)
DEMO = replace(PAPER, image_size=32, depth=8, deter=64, stoch=20, hidden=64, units=64, layers=(2, 2, 2))
SIZES = {
    "demo": replace(DEMO, batch=16, length=24, actions=1),
    "middle": replace(PAPER, batch=16),
    "paper": PAPER,
}
LOSSES = {"reconstruction": "image", "reward": "reward", "divergence": "divergence", "actor": "actor", "value": "value"}
"""Names of the losses in the library, to those in the file."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="middle")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    device, sizes = choose_device(asked.device), SIZES[asked.size]
    torch.manual_seed(0)
    batch = random_batch(sizes, device)
    plain = Plain(sizes, batch, device)
    contestants: dict[str, Contestant] = {"plain": plain}
    for execution in ("eager", "compiled") if device.type == "cuda" else ("eager",):
        contestants[f"reverie {execution}"] = Ours(sizes, batch, device, execution)
    agreement = check(Ours(sizes, batch, device, "eager"), plain)
    with FlopCounterMode(display=False) as counter:
        plain.update()
    flops = counter.get_total_flops()
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    behavior: dict[str, list[float]] = {name: [] for name in contestants}
    for contestant in contestants.values():
        contestant.update()
    for _ in range(asked.rounds):
        for name, contestant in contestants.items():
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
        for name in (contestants if device.type == "cpu" else ())
    }
    result = {
        "command": "python bench/update.py " + " ".join(sys.argv[1:]),
        "machine": describe_machine(device),
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


def random_batch(s: Settings, device: torch.device) -> Batch:
    no = torch.zeros(s.batch, s.length, dtype=torch.bool, device=device)
    images = torch.randint(0, 256, (s.batch, s.length, s.image_size, s.image_size, 3), dtype=torch.uint8, device=device)
    action = torch.rand(s.batch, s.length, s.actions, device=device) * 2 - 1
    return Batch({"pixels": images}, action, torch.rand(s.batch, s.length, device=device), no, no, no)


class Contestant:
    """One implementation. `update` is one full update, which adds its behavior part to `behavior_seconds`."""

    behavior_seconds = 0.0
    update: Callable[[], object]

    def clock(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed_function(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments)
            self.behavior_seconds += time.perf_counter() - started
            return result

        return timed_function


class Plain(Contestant):
    def __init__(self, s: Settings, batch: Batch, device: torch.device) -> None:
        self.dreamer = dreamer = Dreamer(s, str(device))
        if device.type == "cpu":
            dreamer.learn_behavior = self.clock(dreamer.learn_behavior)
        self.columns = batch.obs["pixels"], batch.action, batch.reward, batch.is_first
        self.update = lambda: dreamer.update(*self.columns)


class Ours(Contestant):
    def __init__(self, s: Settings, batch: Batch, device: torch.device, execution: str) -> None:
        model_config, behavior = networks(s.depth, s.deter, s.stoch, s.hidden, s.units, s.layers, continuation=False)
        spec = EnvSpec({"pixels": Space((s.image_size, s.image_size, 3), "uint8")}, ActionSpace(s.actions, False), 2)
        self.model = WorldModel(model_config, spec).to(device)
        self.learner = behavior.build(spec, self.model.dynamics.feature_size).to(device)
        model_optimizer = Optimizer(model_config.optimizer, self.model.parameters())
        optimizers = {"model": model_optimizer, **self.learner.optimizers()}
        if device.type == "cpu":
            self.learner.update = self.clock(self.learner.update)  # pyrefly: ignore
        self.compute = make_update(self.model, self.learner, optimizers, execution)
        generator = torch.Generator(device).manual_seed(0)
        self.batch = batch
        self.draw = lambda: draw_noise(self.model, self.learner, s.batch, s.length, generator)
        self.update = lambda: self.compute(batch, self.draw())


def check(ours: Ours, plain: Plain) -> dict[str, float]:
    """Compare losses and steps of one update each, from the same weights, batch and noise.

    Exit with a sentence if the two differ.
    """
    pairs = copy_weights(ours.model, ours.learner, plain.dreamer)
    before = [(a.detach().clone(), b.detach().clone()) for a, b in pairs]
    noise = ours.draw()
    with fixed_noise(noise):
        losses = plain.update()
    metrics = ours.compute(ours.batch, noise)
    agreement: dict[str, float] = {}
    for name, plain_name in LOSSES.items():
        value, reference = metrics[f"loss/{name}"].item(), losses[plain_name].item()
        agreement[f"loss/{name}/reverie"], agreement[f"loss/{name}/plain"] = value, reference
        if abs(value - reference) > 1e-3 * max(1.0, abs(reference)):
            raise SystemExit(f"The two do not compute the same: {agreement}")
    steps = [(a.detach() - a0, b.detach() - b0) for (a, b), (a0, b0) in zip(pairs, before)]
    steps = [(a, b) for a, b in steps if a.any() or b.any()]  # within free nats the prior has no gradient
    cosines = [torch.cosine_similarity(a.flatten(), b.flatten(), dim=0).item() for a, b in steps]
    agreement["least_cosine_of_a_parameters_steps"] = min(cosines)
    if min(cosines) < 0.99:
        shape = tuple(steps[cosines.index(min(cosines))][0].shape)
        raise SystemExit(f"The two do not step alike, least of all a parameter of shape {shape}: {agreement}")
    agreement["parameters"] = sum(a.numel() for a, _ in pairs)
    return agreement


def copy_weights(model: WorldModel, learner: Any, dreamer: Dreamer) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Copy the library's parameters and normalization into `dreamer`. Return all pairs of parameters, ours first."""
    head, images, dynamics = model.signals["reconstruction"].heads["pixels"], dreamer.model.images, model.dynamics
    modules = [
        (model.encoder, images.encoder),
        (head.dense, images.to_maps),
        (head.net, images.decoder),
        (dynamics.inputs, dreamer.model.dynamics.inputs),
        (dynamics.cell, dreamer.model.dynamics.cell),
        (dynamics.prior, dreamer.model.dynamics.prior),
        (dynamics.posterior, dreamer.model.dynamics.posterior),
        (model.signals["reward"], dreamer.model.reward),
        (learner.policy, dreamer.actor),
        (learner.value, dreamer.value),
    ]
    pairs = [pair for a, b in modules for pair in zip(a.parameters(), b.parameters(), strict=True)]
    mean, scale = model.normalize.statistics("pixels")
    with torch.no_grad():
        for a, b in [*pairs, (mean, dreamer.model.mean), (scale, dreamer.model.scale)]:
            b.copy_(a)
    everything = [*model.parameters(), *learner.policy.parameters(), *learner.value.parameters()]
    assert len(pairs) == len(everything), "a part has no counterpart"
    return pairs


@contextmanager
def fixed_noise(noise: UpdateNoise) -> Iterator[None]:
    """Let `torch.distributions` take the noise of one update, in the order in which `dreamer` samples."""
    samples = list(noise.model.unbind(1))
    for action, state in zip(noise.behavior.policy.unbind(1), noise.behavior.dynamics.unbind(1)):
        samples += [action, state]
    queue, standard_normal = iter(samples), normal._standard_normal
    normal._standard_normal = lambda shape, dtype, device: next(queue)
    try:
        yield
    finally:
        normal._standard_normal = standard_normal


def timed(update: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of one call, with the device's work."""
    started = time.perf_counter()
    update()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return the device, its cores and load, and the version of PyTorch. The CPU's name is Linux's."""
    cpu = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu,
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "torch": torch.__version__,
    }


def matmul_peak(device: torch.device) -> float:
    """Return the FLOP/s of the best of ten float32 products of 2048 x 2048."""
    a = torch.rand(2048, 2048, device=device)
    best = min(timed(lambda: a @ a, device) for _ in range(10))
    return 2 * 2048**3 / best


if __name__ == "__main__":
    main()
