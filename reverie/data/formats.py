"""The formats of other programs in which a collected dataset can be written, and read back.

A format is a module with `check_new(target)`, which raises UserError unless `write(folder, target)` can write there.
"""

from pathlib import Path
from types import ModuleType

from reverie.data import arrays_writer, lerobot_writer, minari

FORMATS: dict[str, ModuleType] = {"minari": minari, "lerobot": lerobot_writer, "arrays": arrays_writer}


def default_target(form: str, folder: Path) -> str:
    """Return where a dataset of `folder` is written if nothing else is asked for."""
    return {"minari": f"{folder.name}-v0", "lerobot": f"{folder}-lerobot", "arrays": f"{folder}.npz"}[form]


def reading(form: str, target: str) -> str:
    """Return the options that read it back."""
    return {
        "minari": f"--data Minari --data.id {target}",
        "lerobot": f"--data LeRobot --data.path {target}",
        "arrays": f"--data Arrays --data.file {target}",
    }[form]
