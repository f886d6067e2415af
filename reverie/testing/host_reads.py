"""Detects where an update would wait for a device, also on a CPU, where such a wait costs nothing."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

READS = {"_local_scalar_dense", "item", "is_nonzero", "nonzero", "nonzero_numpy", "equal", "masked_select", "_unique2"}
"""Operators whose result, or its shape, needs a tensor's value on the host."""


class HostRead(AssertionError):
    """An operator read a tensor's value; its name is the message."""


class NoHostReads(TorchDispatchMode):
    """Raises where an operator reads a tensor's value."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        if name in READS:
            raise HostRead(name)
        if name == "index" and any(x is not None and x.dtype == torch.bool for x in args[1]):
            raise HostRead("index by a mask")
        return func(*args, **(kwargs or {}))
