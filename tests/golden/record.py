"""Train every recipe at size tiny, and write down all numbers that it computes: `python tests/golden/record.py FILE`.

Each case runs through the command line in this process with one thread. The record holds every metric that was
logged except timings, the final evaluation, and a checksum of the weights, of the optimizers' state and of the random
generators. Checksums ignore names, so a renamed parameter keeps its checksum and a changed bit does not.
"""

import hashlib
import json
import os
import platform
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

# Before torch and numpy are imported: the same instructions on every x86 machine.
PORTABLE = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}

CASES = {
    "autoencoder": ["autoencoder"],
    "cfm": ["cfm"],
    "contrastive": ["contrastive"],
    "cvae": ["cvae"],
    "cvae_frames": ["cvae", "--env.id", "Pendulum-v1"],
    "dreamer_v1": ["dreamer_v1"],
    "dreamer_v1_cartpole": ["dreamer_v1", "--env.id", "CartPole-v1"],
    "dreamer_v1_evolution": ["dreamer_v1", "--behavior", "Evolution", "--behavior.population", "4"],
    "dreamer_v2": ["dreamer_v2"],
    "dreamer_v2_cartpole": ["dreamer_v2", "--env.id", "CartPole-v1"],
    "dreamer_v3": ["dreamer_v3"],
    "dreamer_v3_cartpole": ["dreamer_v3", "--env.id", "CartPole-v1", "--env.observe", "state,pixels"],
    "inverse": ["inverse"],
    "joint": ["joint"],
    "naive": ["naive"],
    "pixel_forward": ["pixel_forward"],
    "planet": ["planet"],
    "planet_gradient": ["planet", "--behavior.planner", "Gradient"],
    "sigreg": ["sigreg"],
    "state_space": ["state_space"],
    "state_space_deterministic": ["state_space", "--model.dynamics", "Deterministic"],
    "state_space_rnn": ["state_space", "--model.dynamics", "RNN"],
    "state_space_ssm": ["state_space", "--model.dynamics", "SSM"],
    "vae": ["vae"],
    "vicreg": ["vicreg"],
}
TIMINGS = ("seconds", "per_second")
FILE = Path(__file__).parent / "numbers.json"


def machine() -> dict[str, str]:
    """What the bits of a float may depend on beside the code."""
    flags = Path("/proc/cpuinfo")
    cpu = (
        next((line for line in flags.read_text().splitlines() if line.startswith("flags")), "")
        if flags.exists()
        else ""
    )
    names = ("torch", "numpy", "gymnasium", "scikit-learn", "mujoco", "opencv-python-headless")
    versions = {name: metadata.version(name) for name in names}
    return versions | {
        "python": platform.python_version(),
        "processor": hashlib.sha256(" ".join(sorted(cpu.split())).encode()).hexdigest()[:16],
    }


def checksum(tree: Any) -> str:
    """One checksum of all tensors in `tree`, whatever their names and their order."""
    import torch

    found: list[str] = []

    def visit(node: Any) -> None:
        if isinstance(node, torch.Tensor):
            content = (
                node.detach().cpu().contiguous().view(torch.uint8)
                if node.ndim
                else node.detach().cpu()[None].view(torch.uint8)
            )
            found.append(hashlib.sha256(f"{tuple(node.shape)}".encode() + content.numpy().tobytes()).hexdigest())
        elif isinstance(node, dict):
            for part in node.values():
                visit(part)
        elif isinstance(node, list | tuple):
            for part in node:
                visit(part)

    visit(tree)
    return hashlib.sha256("".join(sorted(found)).encode()).hexdigest()[:16]


def numbers(folder: Path) -> dict[str, Any]:
    """Everything that the run of `folder` has computed."""
    import torch

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    metrics = [{name: x for name, x in line.items() if not name.endswith(TIMINGS)} for line in lines]
    newest = max((folder / "checkpoints").glob("*.pt"), key=lambda path: path.name)
    state = torch.load(newest, weights_only=True)
    # Each is one group of parts; `state` names the parts of an agent's run and those of a model's.
    groups = {
        "weights": [part for name, part in state.items() if name in ("agent", "learner", "model")],
        "optimizers": [part for name, part in state.items() if name.startswith("optimi")],
        "generators": state["generators"],
    }
    found = {
        "metrics": metrics,
        "evaluation": json.loads((folder / "evaluation.json").read_text()),
        "checksums": {name: checksum(part) for name, part in groups.items()},
    }
    if (folder / "goals.json").exists():
        found["goals"] = json.loads((folder / "goals.json").read_text())
    return found


def record(case: str, folder: Path) -> dict[str, Any]:
    """Train one case into `folder`."""
    from reverie.cli.command_line import main

    words = [*CASES[case], "--size", "tiny", "--threads", "1", "--device", "cpu", "--run", str(folder)]
    code = main(["train", *words])
    assert code == 0, f"`reverie train {' '.join(words)}` ended with {code}"
    return numbers(folder)


def main(path: Path, cases: list[str]) -> None:
    """Record `cases`, or all, into `path`."""
    with tempfile.TemporaryDirectory() as folder:
        found = {case: record(case, Path(folder) / case) for case in cases or CASES}
    path.write_text(json.dumps({"machine": machine(), "cases": found}, indent=1) + "\n")


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in PORTABLE.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | PORTABLE)
    main(Path(sys.argv[1]), sys.argv[2:])
