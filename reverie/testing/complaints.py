"""What all checks share: promises that are tried one by one, and a sentence for each that is broken."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from reverie import tree

Part = TypeVar("Part")

STEPS = 50
"""Updates on one batch, which must cut a loss."""


class Broken(Exception):
    """A promise was broken; the message is a sentence for whoever wrote the part."""


def require(condition: bool | Tensor, sentence: str) -> None:
    """Raise `Broken` where a condition does not hold."""
    if not condition:
        raise Broken(sentence)


def complaints(build: Callable[[], Part], promises: Sequence[Callable[[Part], None]]) -> list[str]:
    """Try each promise on a part that `build` makes anew; returns the sentences of those that are broken."""
    sentences: list[str] = []
    with _fixed_seed():
        try:
            build()
        except Exception as error:
            return [f"It cannot be built: {_words(error)}."]
    for promise in promises:
        with _fixed_seed():
            try:
                promise(build())
            except Broken as broken:
                sentences.append(str(broken))
            except Exception as error:
                name = promise.__name__.strip("_").replace("_", " ")
                sentences.append(f"It raised an error when checked for `{name}`: {_words(error)}.")
    return sentences


def close(one: Any, other: Any, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Whether two trees have the same tensors, up to rounding."""
    pairs = list(zip(tree.leaves(one), tree.leaves(other), strict=True))
    return all(a.shape == b.shape and torch.allclose(a, b, rtol=rtol, atol=atol) for a, b in pairs)


def identical(one: Any, other: Any) -> bool:
    """Whether two trees have the same tensors, bit for bit."""
    return all(torch.equal(a, b) for a, b in zip(tree.leaves(one), tree.leaves(other), strict=True))


def shapes(state: Any) -> list[torch.Size]:
    """The shape of each tensor of a tree."""
    return [leaf.shape for leaf in tree.leaves(state)]


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU."""
    return torch.Generator().manual_seed(seed)


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
    require(close(permuted, tree.map(lambda x: x[rows], function(*inputs)), atol=atol), sentence)


def require_gradients(module: nn.Module) -> None:
    """Require that the last backward pass reached every parameter."""
    if names := without_gradient(module):
        raise Broken(f"No gradient reaches the parameters {', '.join(names)}.")


def without_gradient(module: nn.Module) -> list[str]:
    """The names of parameters that the last backward pass did not reach."""
    return [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]


def losses_while_fitting(loss: Callable[[], Tensor], parameters: Sequence[nn.Parameter], lr: float) -> list[float]:
    """Minimize `loss` by 50 steps of Adam; returns it before each step and at the end."""
    optimizer, values = torch.optim.Adam(parameters, lr=lr), []
    for _ in range(STEPS + 1):
        value = loss()
        values.append(value.item())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return values


@contextmanager
def _fixed_seed() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _words(error: Exception) -> str:
    """The kind of error and the first line of what it says."""
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{type(error).__name__}: {first.rstrip('.')}"
