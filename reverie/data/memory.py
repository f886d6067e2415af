"""How much memory is free, before anything large is allocated."""

import os
from pathlib import Path

import torch


def available_memory(device: torch.device) -> int:
    """Free bytes on `device`; for the host what the kernel says can be had without swapping."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def gigabytes(count: int | float) -> str:
    """`count` bytes in GiB, for a sentence."""
    return f"{count / 2**30:.2f} GiB"
