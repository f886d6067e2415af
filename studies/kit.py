"""Runs of a study: trained once, resumed where they were interrupted, and read where they are finished."""

from dataclasses import replace
from pathlib import Path

from reverie.errors import UserError
from reverie.progress import Progress
from reverie.runs import checkpoint
from reverie.runs.config import RunConfig, read_config
from reverie.runs.loop import resume, train
from studies import OnProgress


def trained(config: RunConfig, folder: Path, on_progress: OnProgress) -> Path:
    """The folder of the finished run of `config`. UserError where another run is in it."""

    def tell(progress: Progress) -> None:
        said = progress.message
        if said and said.startswith("warning"):  # an alarm, which stays: it must not hide what is being trained
            progress = replace(progress, message=f"training {folder.name}; {said}")
        on_progress(folder.name, progress)

    if not folder.exists():
        return train(config, folder, progress=False, callbacks=[tell], evaluate=False)
    if read_config(folder) != config:
        raise UserError(f"{folder} holds a run with other settings: delete it, or give the study another --out.")
    if not checkpoint.paths(folder / "checkpoints"):
        raise UserError(f"{folder} was stopped before its first checkpoint: delete it, and the study begins it anew.")
    return resume(folder, progress=False, callbacks=[tell], evaluate=False)
