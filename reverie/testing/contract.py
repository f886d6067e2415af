"""What all checks share: a contract is a class, and each of its own public methods checks one rule."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from reverie import tree

STEPS = 50
"""Updates on one batch that must reduce a loss."""
HOST_READS = {
    *("_local_scalar_dense", "item", "is_nonzero", "nonzero", "nonzero_numpy", "equal", "masked_select", "_unique2")
}
"""Operators whose result, or its shape, needs a tensor's value on the host."""


class Violation(Exception):
    """A rule does not hold; the message is a sentence for the author of the part."""


def require(condition: bool | Tensor, sentence: str) -> None:
    """Raise `Violation` unless the condition holds."""
    if not condition:
        raise Violation(sentence)


def violations(contract: Callable[..., object], *arguments: Any) -> list[str]:
    """Check each rule on a new `contract(*arguments)`; return a sentence for each rule that does not hold.

    Every rule starts from the same random state, and the global one is left as it was.
    """
    sentences: list[str] = []
    for rule in (name for name in vars(contract) if not name.startswith("_")):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                case = contract(*arguments)
            except Exception as error:
                return [f"It cannot be built: {_describe(error)}."]
            try:
                getattr(case, rule)()
            except Violation as violation:
                sentences.append(str(violation))
            except Exception as error:
                title = rule.replace("_", " ")
                sentences.append(f"It raised an error in the check `{title}`: {_describe(error)}.")
    return sentences


def _describe(error: Exception) -> str:
    """Return the type of an error and the first line of its message."""
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{type(error).__name__}: {first.rstrip('.')}"


def seeded(seed: int) -> torch.Generator:
    """Return a generator on the CPU."""
    return torch.Generator().manual_seed(seed)


def shapes(state: Any) -> list[torch.Size]:
    """Return the shape of each tensor of a tree."""
    return [leaf.shape for leaf in tree.leaves(state)]


def close(one: Any, other: Any, atol: float = 1e-5) -> bool:
    """Return whether two trees have the same tensors up to rounding."""
    pairs = list(zip(tree.leaves(one), tree.leaves(other), strict=True))
    return all(a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=atol) for a, b in pairs)


def identical(one: Any, other: Any) -> bool:
    """Return whether two trees have the same tensors, bit for bit."""
    return all(torch.equal(a, b) for a, b in zip(tree.leaves(one), tree.leaves(other), strict=True))


def require_seeded(noise: Callable[[torch.Generator], Any]) -> None:
    """Require that `noise` draws from the given generator and from nothing else."""
    one, same, other = (noise(seeded(seed)) for seed in (5, 5, 6))
    empty = not any(leaf.numel() for leaf in tree.leaves(one))
    differs = empty or not identical(one, other)
    require(identical(one, same) and differs, "`noise` must come from the given generator alone.")


def require_permutes(
    function: Callable[..., Any], inputs: tuple[Any, ...], order: list[int], sentence: str, atol: float = 1e-5
) -> None:
    """Require that the rows `order` of all inputs give the rows `order` of the result."""
    rows = torch.tensor(order)
    permuted = function(*tree.map(lambda x: x[rows], inputs))
    require(close(permuted, tree.map(lambda x: x[rows], function(*inputs)), atol), sentence)


def without_gradient(module: nn.Module) -> list[str]:
    """Return the names of parameters that the last backward pass did not reach."""
    return [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]


def require_gradients(module: nn.Module) -> None:
    """Require that the last backward pass reached every parameter."""
    names = without_gradient(module)
    require(not names, f"No gradient of the loss reaches the parameters {', '.join(names)}.")


def losses_while_fitting(loss: Callable[[], Tensor], parameters: Sequence[nn.Parameter], lr: float) -> list[float]:
    """Minimize `loss` by `STEPS` steps of Adam; return it before each step and at the end."""
    optimizer, values = torch.optim.Adam(parameters, lr=lr), []
    for _ in range(STEPS + 1):
        value = loss()
        values.append(value.item())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return values


class HostRead(AssertionError):
    """An operator read a tensor's value; its name is the message."""


class NoHostReads(TorchDispatchMode):
    """Raise `HostRead` where an update would wait for a device, also on a CPU, where such a wait costs nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        if name in HOST_READS:
            raise HostRead(name)
        if name == "index" and any(x is not None and x.dtype == torch.bool for x in args[1]):
            raise HostRead("index by a mask")
        return func(*args, **(kwargs or {}))


class OneDevice(TorchDispatchMode):
    """Raise `HostRead` where data lie on or come from another device, which no CUDA graph may do."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device, self.constants = device, _NoConstants()

    def __enter__(self) -> "OneDevice":
        self.constants.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:  # pyrefly: ignore[bad-override]
        super().__exit__(*error)
        self.constants.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        asked = [kwargs["device"]] if kwargs.get("device") is not None else []
        for device in [*asked, *(leaf.device for leaf in tree.leaves([list(args), kwargs]))]:
            if device.type != self.device.type:
                raise HostRead(f"{func.__name__} on {device}")
        return func(*args, **kwargs)


class _NoConstants(TorchFunctionMode):
    """Refuse tensors that are made from Python's numbers, which the host copies to a device. No operator shows it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("tensor", "new_tensor", "as_tensor", "from_numpy"):
            raise HostRead(func.__name__)
        return func(*args, **(kwargs or {}))
