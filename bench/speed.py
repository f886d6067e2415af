"""CPU seconds of an update and of a planned decision at size `laptop`, beside those of an earlier commit.

    python bench/speed.py --before 43169de
    python bench/speed.py --before 43169de --cases demo planning

Both trees run the same program, in turns, each with one thread. The number of a turn is the median over its repeats. A
ratio compares the medians over the turns, so it hardly depends on what else the machine does. Writes
`bench/results/speed.json`.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "bench" / "results" / "speed.json"
WALKER, PENDULUM = ("dm_control/walker-walk-v0", 64, 6), ("Pendulum-v1", 32, 1)
CASES: dict[str, tuple[str, str, int, int]] = {
    "DreamerV1, 64x64": ("dreamer_v1", *WALKER),
    "DreamerV2, 64x64": ("dreamer_v2", *WALKER),
    "DreamerV1, the demo": ("dreamer_v1", *PENDULUM),
    "PlaNet, a decision": ("planet", *WALKER),
}
"""By name: recipe, environment, and the sizes of its images and actions."""
PROGRAM = """
import contextlib, json, statistics, sys, time
import torch
from reverie import recipes
from reverie.models.world_model import WorldModel
from reverie.nn.optimizer import Optimizer
from reverie.runs.update import draw_noise, make_update
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.testing.batches import random_batch

with contextlib.suppress(ImportError):  # earlier commits lack it
    from reverie.runs.processor import keep_memory
    keep_memory()
recipe, env, image, action, repeats = json.loads(sys.argv[1])
torch.set_num_threads(1)
torch.manual_seed(0)
config, generator = recipes.build(recipe, "laptop", env), torch.Generator().manual_seed(0)
spec = EnvSpec({"pixels": Space((image, image, 3), "uint8")}, ActionSpace(action, False), 2)
model, training = WorldModel(config.model, spec), config.training
learner = config.behavior.build(spec, model.dynamics.feature_size)
if learner is None:
    actor, belief = config.behavior.build_actor(model, spec), model.dynamics.initial(1)
    work = torch.no_grad()(lambda: actor.act(belief, actor.initial(1), None))
else:
    optimizers = {"model": Optimizer(config.model.optimizer, model.parameters())} | learner.optimizers()
    update = make_update(model, learner, optimizers, "eager")
    batch = random_batch(spec, training.batch, training.length)
    noise = draw_noise(model, learner, training.batch, training.length, generator)
    work = lambda: update(batch, noise)
for _ in range(2):
    work()
seconds = []
for _ in range(repeats):
    start = time.process_time()
    work()
    seconds.append(time.process_time() - start)
print(json.dumps(statistics.median(seconds)))
"""


def measure(tree: Path, case: str, repeats: int) -> float:
    """Return the median CPU seconds of the case with the library of `tree`."""
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, json.dumps([*CASES[case], repeats])]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, help="the commit to compare with")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    if not re.fullmatch(r"[\w./-]+", asked.before):
        parser.error(f"{asked.before!r} does not name a commit")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", asked.before], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        for case in asked.cases:
            turns = [
                (measure(Path(folder), case, asked.repeats), measure(ROOT, case, asked.repeats))
                for _ in range(asked.rounds)
            ]
            before, now = (statistics.median(side) for side in zip(*turns))
            rows.append({"case": case, "before": before, "now": now, "ratio": now / before, "turns": turns})
            print(f"{case:24}{before:8.3f} s{now:8.3f} s{now / before:7.2f}", flush=True)
    machine = {"cpu": platform.processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    result = {"command": f"python bench/speed.py {' '.join(sys.argv[1:])}", "machine": machine, "rows": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
