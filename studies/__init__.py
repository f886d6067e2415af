"""One file a question that the field asks; each trains what it needs, draws figures and writes a table.

A study is a module with `study(out, size, on_progress) -> Findings`, and with `PARTS` and a fourth argument if it can
be run in parts. Adding one: a file, and a line in `STUDIES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from reverie.errors import UserError, nearest
from reverie.progress import Progress

STUDIES = {
    "collapse": "studies.collapse.run",
    "deformable": "studies.deformable.run",
    "dynamics": "studies.dynamics.run",
    "generative": "studies.generative.run",
    "latents": "studies.latents.run",
    "planners": "studies.planners.run",
    "policies": "studies.policies.run",
}
SIZES = ("tiny", "laptop")
"""Of a study whose module does not name its own `SIZES`."""
OnProgress = Callable[[str, Progress], None]
"""Told what is being trained, and how far it is."""


@dataclass(frozen=True)
class Findings:
    """`numbers` go to study.json, `report` (Markdown, with the study's figures by their names) to study.md."""

    numbers: dict[str, Any]
    report: str


def names() -> list[str]:
    """The studies there are."""
    return sorted(STUDIES)


def run(name: str, out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Findings:
    """Run a study, or those `parts` of it, into the folder `out`; what was trained there is not trained again."""
    if name not in STUDIES:
        raise UserError(f"There is no study '{name}'.{nearest(name, STUDIES)} There are: {', '.join(names())}.")
    module = import_module(STUDIES[name])
    sizes = getattr(module, "SIZES", SIZES)
    if size not in sizes:
        raise UserError(f"There is no size '{size}' of the study {name}: take one of {', '.join(sizes)}.")
    known = getattr(module, "PARTS", ())
    for part in parts:
        if part not in known:
            there = f"take some of {', '.join(known)}" if known else "it is run as a whole"
            raise UserError(f"There is no part '{part}' of the study {name}: {there}.")
    out.mkdir(parents=True, exist_ok=True)
    return module.study(out, size, on_progress, parts) if parts else module.study(out, size, on_progress)
