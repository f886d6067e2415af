"""CPU seconds of one DreamerV3 update, here and in sheeprl, with networks of equal size on equal batches.

    python -m venv /tmp/peer && /tmp/peer/bin/pip install sheeprl
    python bench/peers.py --python /tmp/peer/bin/python

Both programs run in turns with one thread, on 64x64 images and six continuous actions. `1m` has the published network.
`laptop` has a smaller memory, which sheeprl's network gets too. There Reverie's encoder has strides, and every second
step is decoded. The numbers of parameters are equal in both cases. Writes `bench/results/peers.json`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "bench" / "results" / "peers.json"
CASES = {"1m": 512, "laptop": 256}
"""Size of the memory by the size of the recipe."""
OURS = """
import json, statistics, sys, time
import torch
from reverie import recipes
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import Optimizer
from reverie.runs.processor import keep_memory
from reverie.runs.update import draw_noise, make_update
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.batches import random_batch

size, deter, batch, length, repeats = json.loads(sys.argv[1])
keep_memory()
torch.set_num_threads(1)
torch.manual_seed(0)
config, generator = recipes.build("dreamer_v3", size, "dm_control/walker-walk-v0"), torch.Generator().manual_seed(0)
spec = EnvSpec({"pixels": Space((64, 64, 3), "uint8")}, ActionSpace(6, False), 2)
model = WorldModel(config.model, spec)
learner = config.behavior.build(spec, model.dynamics.feature_size)
parameters = [p for part in (model, learner) for p in part.parameters() if p.requires_grad]
update = make_update(model, learner, {"model": Optimizer(config.model.optimizer, parameters)}, "eager")
data, noise = random_batch(spec, batch, length), draw_noise(model, learner, batch, length, generator)
step = lambda: update(data, noise)
"""
THEIRS = """
import json, statistics, sys, time
import gymnasium, hydra, numpy as np, torch
from hydra import compose, initialize_config_module
from lightning import Fabric
from omegaconf import OmegaConf
from sheeprl.algos.dreamer_v3_5.dreamer_v3_5 import Moments, build_agent, train, update_target_critic
from sheeprl.utils.utils import dotdict

size, deter, batch, length, repeats = json.loads(sys.argv[1])
torch.set_num_threads(1)
overrides = [
    "exp=dreamer_v3_5", "algo=dreamer_v3_5_1M", "env=dummy", "metric.log_level=0", "algo.cnn_keys.encoder=[rgb]",
    "algo.mlp_keys.encoder=[]", f"algo.world_model.recurrent_model.recurrent_state_size={deter}",
]
with initialize_config_module("sheeprl.configs", version_base="1.3"):
    cfg = dotdict(OmegaConf.to_container(compose("config", overrides=overrides), resolve=True))
fabric = Fabric(accelerator="cpu", devices=1)
space = gymnasium.spaces.Dict({"rgb": gymnasium.spaces.Box(0, 255, (3, 64, 64), np.uint8)})
world_model, actor, critic, slow, _ = build_agent(fabric, (6,), True, cfg, space)
parameters = [p for part in (world_model, actor, critic) for p in part.parameters()]
optimizer = fabric.setup_optimizers(hydra.utils.instantiate(cfg.algo.optimizer, params=parameters, _convert_="all"))
setting = cfg.algo.actor.moments
moments = Moments(setting.decay, setting.max, setting.percentile.low, setting.percentile.high)
steps, groups = length + cfg.algo.replay_context, cfg.algo.world_model.stochastic_size
zeros = torch.zeros(steps, batch, 1)
data = {
    "rgb": torch.randint(0, 256, (steps, batch, 3, 64, 64), dtype=torch.uint8),
    "actions": 2 * torch.rand(steps, batch, 6) - 1, "rewards": torch.rand(steps, batch, 1),
    "terminated": zeros, "truncated": zeros, "is_first": zeros,
    "deter": torch.zeros(steps, batch, deter, dtype=torch.float16),
    "stoch": torch.zeros(steps, batch, groups, dtype=torch.uint8),
}
def step():
    train(fabric, cfg, world_model, actor, critic, slow, optimizer, moments, dict(data), None, (6,))
    update_target_critic(critic, slow, cfg.algo.critic.tau)
"""
TIMING = """
for _ in range(2):
    step()
seconds = []
for _ in range(repeats):
    start = time.process_time()
    step()
    seconds.append(time.process_time() - start)
count = sum(p.numel() for p in parameters)
print(json.dumps({"seconds": statistics.median(seconds), "parameters": count, "torch": torch.__version__}))
"""


def measure(python: str, program: str, case: list[Any]) -> dict[str, Any]:
    """Return the median CPU seconds of a step, and the number of parameters that are trained."""
    environment = os.environ | {"PYTHONPATH": str(ROOT) if program is OURS else "", "OMP_NUM_THREADS": "1"}
    command = [python, "-c", program + TIMING, json.dumps(case)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="an interpreter that can import sheeprl")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    version = "import importlib.metadata as m; print(m.version('sheeprl'))"
    peer = subprocess.run([asked.python, "-c", version], capture_output=True, text=True, check=True).stdout.strip()
    rows = []
    for size, deter in CASES.items():
        case = [size, deter, asked.batch, asked.length, asked.repeats]
        turns = [
            (measure(sys.executable, OURS, case), measure(asked.python, THEIRS, case)) for _ in range(asked.rounds)
        ]
        ours, theirs = (statistics.median(one["seconds"] for one in side) for side in zip(*turns))
        counts = [one["parameters"] for one in turns[0]]
        rows.append({"size": size, "ours": ours, "theirs": theirs, "ratio": ours / theirs, "parameters": counts})
        print(f"{size:10}{ours:8.3f} s{theirs:8.3f} s{ours / theirs:7.2f}", flush=True)
    machine = {"cores": os.cpu_count(), "platform": platform.platform(), "load": os.getloadavg()[0]}
    command = f"python bench/peers.py {' '.join(sys.argv[1:])}".replace(asked.python, "PYTHON")
    batch = {"batch": asked.batch, "length": asked.length}
    result = {"command": command, "peer": f"sheeprl {peer}", "machine": machine, **batch, "rows": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
