"""Checkpoints as version 0.1 wrote them, made from present ones."""

from pathlib import Path
from typing import Any

import torch

from reverie.runs import checkpoint

SETTINGS = {"lr": 9.0, "eps": 1.0, "betas": (0.5, 0.5), "weight_decay": 9.0, "fused": True, "capturable": True}
"""What no config has. Version 0.1 saved settings beside the moments, and a GPU's are `capturable`."""


def as_format_1(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state of format 2 as version 0.1 would have saved it."""
    old = {name: old for old, name in checkpoint.OLD_KEYS.items()}
    state = {key: part for key, part in state.items() if key not in ("format", "writer", "config", "device")}
    state["clock"] = {name: count for name, count in state["clock"].items() if name != "logged"}
    state["optimizers"] = {
        name: {"state": dict(enumerate(each)), "param_groups": [SETTINGS | {"params": list(range(len(each)))}]}
        for name, each in state["optimizers"].items()
    }
    return {old.get(key, key): part for key, part in state.items()}


def rewrite(folder: Path) -> None:
    """Rewrite all checkpoints of a run in format 1, under their old names."""
    for path in checkpoint.paths(folder / "checkpoints"):
        torch.save(as_format_1(torch.load(path, weights_only=True)), path)
        path.rename(path.with_name(path.name.replace("checkpoint", "decision")))
