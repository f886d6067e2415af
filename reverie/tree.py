"""Map, stack, select and detach over nested values: dataclasses, dicts, lists and tuples of tensors.

The leaves of a tree are its tensors. Everything else (None, numbers, a module) stays as it is.
"""

import zlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def map(function: Callable[..., Any], tree: T, *others: Any) -> T:
    """Apply `function` to each tensor of `tree`, with the tensors at the same place of `others`."""
    if isinstance(tree, Tensor):
        return function(tree, *others)
    if is_dataclass(tree) and not isinstance(tree, type):
        names = [field.name for field in fields(tree)]
        parts = {name: map(function, getattr(tree, name), *(getattr(o, name) for o in others)) for name in names}
        return replace(tree, **parts)  # type: ignore[return-value]
    if isinstance(tree, dict):
        return {key: map(function, value, *(o[key] for o in others)) for key, value in tree.items()}  # type: ignore[return-value]
    if isinstance(tree, tuple | list):
        return type(tree)(map(function, *parts) for parts in zip(tree, *others))  # type: ignore[return-value, call-arg]
    return tree


def leaves(tree: object) -> list[Tensor]:
    """Return the tensors of `tree`, in a fixed order."""
    tensors: list[Tensor] = []

    def visit(leaf: Tensor) -> Tensor:
        tensors.append(leaf)
        return leaf

    map(visit, tree)
    return tensors


def signature(tree: object) -> Any:
    """Return a hashable description: the types, and the shape, dtype and device of each tensor."""
    if isinstance(tree, Tensor):
        return tree.shape, tree.dtype, tree.device
    if is_dataclass(tree) and not isinstance(tree, type):
        return type(tree), tuple(signature(getattr(tree, field.name)) for field in fields(tree))
    if isinstance(tree, dict):
        return dict, tuple((key, signature(value)) for key, value in tree.items())
    if isinstance(tree, tuple | list):
        return type(tree), tuple(signature(part) for part in tree)
    return tree


def copy(tree: T) -> T:
    """Copy every tensor, without its gradient, in as few operations as there are kinds."""
    copies = map(lambda x: torch.empty_like(x, requires_grad=False), tree)
    copy_into(copies, tree)
    return copies


@torch.no_grad()
def copy_into(target: T, source: T) -> None:
    """Overwrite the tensors of `target` by those of a tree of the same structure."""
    into, values = leaves(target), leaves(source)
    if into:
        torch._foreach_copy_(into, values, non_blocking=True)


def stack(trees: list[T], dim: int) -> T:
    """Stack trees of the same structure along a new axis `dim`."""
    return map(lambda *parts: torch.stack(parts, dim), trees[0], *trees[1:])


def where(condition: Tensor, yes: T, no: T) -> T:
    """Select `yes` where `condition` holds, else `no`. The axes of the condition are the leading axes of the trees."""

    def select(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(condition.reshape(condition.shape + (1,) * (a.ndim - condition.ndim)), a, b)

    return map(select, yes, no)


def detach(tree: T) -> T:
    """Detach every tensor from the graph."""
    return map(Tensor.detach, tree)


def to(tree: T, device: torch.device | str) -> T:
    """Copy every tensor to `device`, asynchronously from pinned memory."""
    return map(lambda x: x.to(device, non_blocking=True), tree)


def flatten_batch(tree: T) -> T:
    """Merge the two leading axes, `(B, T, ...)` to `(B * T, ...)`."""
    return map(lambda x: x.flatten(0, 1), tree)


def every_kth(tree: T, k: int, dim: int) -> T:
    """Take every k-th element of an axis, the last one included."""

    def take(x: Tensor) -> Tensor:
        return x.movedim(dim, 0)[(x.shape[dim] - 1) % k :: k].movedim(0, dim)

    return map(take, tree)


def checksum(tensors: dict[str, Tensor]) -> str:
    """Return the CRC-32 of all tensors' bytes, in the order of their names."""
    crc = 0
    for _, x in sorted(tensors.items()):
        crc = zlib.crc32(x.contiguous().flatten().view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"
