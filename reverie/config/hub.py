"""Runs on the Hub of Hugging Face: `hf:user/name`, or `hf:user/name@revision`, in the place of a run's folder.

Only files that are read as JSON or safetensors are fetched, and pictures. So what comes from there can name code, like
any folder, and can never bring it. The package huggingface_hub is imported only for such a name.
"""

import re
from pathlib import Path
from types import ModuleType

from reverie.config.plugins import explain_errors
from reverie.errors import UserError

PREFIX = "hf:"
"""It is obligatory, so that a mistyped path is never looked for on the network."""
FILES = (
    *("config.json", "versions.json", "evaluation.json"),
    *("agent.json", "agent.safetensors", "model.json", "model.safetensors"),
)
"""All that is read of a run that was fetched."""
PICTURES = ("*.png", "*.mp4")
_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def package() -> ModuleType:
    """Import huggingface_hub. UserError if it is missing."""
    try:
        import huggingface_hub  # pyrefly: ignore
    except ImportError as error:
        raise UserError("The Hub needs the package huggingface_hub: `pip install 'reverie[hub]'`.") from error
    return huggingface_hub


def check_name(name: str) -> str:
    """Return the name of a repository. UserError if it is none."""
    if not _NAME.fullmatch(name):
        raise UserError(f"`{name}` is no name on the Hub: give user/name.")
    return name


def local(place: str | Path, copy: bool = False) -> Path:
    """Return the folder of a run. One on the Hub is fetched first: into its cache, or as a `copy` into `runs/`.

    UserError where it cannot be fetched, or holds no run.
    """
    if not str(place).startswith(PREFIX):
        return Path(place)
    name, _, revision = str(place).removeprefix(PREFIX).partition("@")
    check_name(name)
    folder = str(Path("runs") / name.replace("/", "--")) if copy else None
    with explain_errors(
        f"{place} cannot be fetched", "check the name and the network; `hf auth login` opens private ones"
    ):
        fetched = Path(
            package().snapshot_download(
                name, revision=revision or None, allow_patterns=[*FILES, *PICTURES], local_dir=folder
            )
        )
    if not (fetched / "config.json").is_file():
        raise UserError(f"{place} holds no run: it has no config.json.")
    return fetched
