"""The software that computes a run, for the record and for messages about files of other versions."""

import functools
import json
import platform
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import torch

PACKAGES = ("reverie", "torch", "numpy", "gymnasium", "mujoco", "dm_control", "scikit-learn")


def versions(device: torch.device) -> dict[str, str]:
    """Return software, hardware and commit, which belong beside every figure."""
    names = {"python": platform.python_version(), "platform": platform.platform(), "device": str(device)}
    if device.type == "cuda":
        names["device"] = torch.cuda.get_device_name(device)
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            names[package] = metadata.version(package)
    return names | {"commit": commit()}


@functools.cache
def commit() -> str:
    """Return the commit of this library, if it is a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    return "none: installed from a package"


@functools.cache
def writer() -> str:
    """Return this version of the library in words."""
    return _in_words(metadata.version("reverie"), commit())


def writer_of(folder: Path) -> str:
    """Return the version that began the run of `folder`, in words; an empty string if it is unknown."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        names = json.loads((folder / "versions.json").read_text())
        return _in_words(names["reverie"], names["commit"])
    return ""


def that_version_reads(written_by: str) -> str:
    """Return the end of a message about a file that does not fit: which version can read it, unless it is this one."""
    return f" It was written by {written_by}: that version can read it." if written_by not in ("", writer()) else ""


def _in_words(version: str, commit: str) -> str:
    return f"Reverie {version}" + ("" if commit.startswith("none") else f", commit {commit[:10]}")
