"""How long one full update takes: ours against a plain hand-written PyTorch step of the same sizes.

    python bench/update.py --size middle --rounds 5

The two run in turns in one process; figures are medians over rounds and their ratio. Sizes: `demo` (the demo's),
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
from pathlib import Path

import torch
from plain_step import Agent as PlainAgent
from plain_step import Sizes
from torch.utils.flop_counter import FlopCounterMode

from reverie import agent as agents
from reverie.agent import AgentConfig, choose_device
from reverie.envs.adapter import ActionSpace, EnvConfig, EnvSpec, Space
from reverie.optimiser import Optimiser
from reverie.recipes.dreamer_v1 import network
from reverie.types import Batch
from reverie.update import draw_noise, make_update

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
    found: dict[str, Callable[[], object]] = {"plain": plain(sizes, layers, batch, device)}
    for execution in ("eager", "compiled") if device.type == "cuda" else ("eager",):
        found[f"reverie {execution}"] = ours(sizes, layers, batch, device, execution)
    with FlopCounterMode(display=False) as counter:
        found["plain"]()
    flops = counter.get_total_flops()
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for update in found.values():
        update()
    for _ in range(asked.rounds):
        for name, update in found.items():
            seconds[name].append(timed(update, device))
    peak = matmul_peak(device)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    result = {
        "command": "python bench/update.py " + " ".join(sys.argv[1:]),
        "machine": {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
            "threads": torch.get_num_threads(),
            "load": os.getloadavg()[0],
            "torch": torch.__version__,
        },
        "size": vars(sizes),
        "seconds": seconds,
        "median_seconds": median,
        "ratio_to_plain": {name: value / median["plain"] for name, value in median.items()},
        "gflop_per_update": flops / 1e9,
        "matmul_peak_gflops": peak / 1e9,
        "share_of_peak": {name: flops / value / peak for name, value in median.items()},
    }
    path = Path(__file__).parent / "results" / f"update-{asked.size}.json"
    path.write_text(json.dumps(result, indent=1))
    for name, value in median.items():
        share = result["share_of_peak"][name]
        print(f"{name:18} {value:7.3f} s   {value / median['plain']:5.2f} of plain   {share:4.0%} of the matmul peak")


def random_batch(s: Sizes, device: torch.device) -> Batch:
    no = torch.zeros(s.batch, s.length, dtype=torch.bool, device=device)
    images = torch.randint(0, 256, (s.batch, s.length, s.image, s.image, 3), dtype=torch.uint8, device=device)
    action = torch.rand(s.batch, s.length, s.action, device=device) * 2 - 1
    return Batch({"pixels": images}, action, torch.rand(s.batch, s.length, device=device), no, no, no)


def plain(s: Sizes, layers: tuple[int, int, int], batch: Batch, device: torch.device) -> Callable[[], object]:
    agent = PlainAgent(s, layers, 3.0, 0.99)
    for net in (agent.model, agent.actor, agent.value):
        net.to(device)
    return lambda: agent.update(batch.obs["pixels"], batch.action, batch.reward, batch.is_first)


def ours(
    s: Sizes, layers: tuple[int, int, int], batch: Batch, device: torch.device, execution: str
) -> Callable[[], object]:
    model_config, behavior = network(s.depth, s.deter, s.stoch, s.hidden, s.units, layers, continuation=False)
    spec = EnvSpec({"pixels": Space((s.image, s.image, 3), "uint8")}, ActionSpace(s.action, False), 2)
    agent = agents.build(AgentConfig(spec, model_config, behavior.policy, EnvConfig()))
    learner = behavior.build(spec, agent.model.dynamics.feature_size)
    agent.to(device), learner.to(device)
    optimisers = {
        "model": Optimiser(model_config.optimiser, agent.model.parameters()),
        **learner.optimisers(),
    }
    update = make_update(agent.model, learner, optimisers, execution)
    generator = torch.Generator(device).manual_seed(0)
    return lambda: update(batch, draw_noise(agent.model, learner, s.batch, s.length, generator))


def timed(update: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, the device's work included."""
    started = time.perf_counter()
    update()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def matmul_peak(device: torch.device) -> float:
    """FLOP/s of the best of ten float32 products of 2048 x 2048."""
    a = torch.rand(2048, 2048, device=device)
    best = min(timed(lambda: a @ a, device) for _ in range(10))
    return 2 * 2048**3 / best


if __name__ == "__main__":
    main()
