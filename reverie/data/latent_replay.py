"""A replay that remembers the agent's beliefs, so that training sequences begin where acting was.

DreamerV3 (Hafner 2023, published code) stores the belief of every decision, and overwrites it by the posterior of each
update that sees the step. A sequence then begins at the belief of the column before it, instead of the initial one:
memory reaches further back than a sequence is long.

Stored beliefs change after they were written, so they are no part of the replay's files, which never change. They are
one array in half precision, on the model's device, which a checkpoint holds as a whole.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reverie import tree
from reverie.data.chunks import Columns
from reverie.data.replay import Replay, ReplayConfig
from reverie.data.storage import available_memory
from reverie.errors import UserError
from reverie.math import ranks
from reverie.spaces import EnvSpec
from reverie.types import Batch, Context, State

LARGEST = torch.finfo(torch.float16).max


class LatentReplay(Replay):
    """A replay, the latents of its columns, and those of the episodes that are still played.

    `initial` is the belief before an episode, (1, ...). It stands where no belief is known: for random decisions, and
    at the end of an episode, after which nothing continues.
    """

    def __init__(
        self,
        config: ReplayConfig,
        spec: EnvSpec,
        device: torch.device,
        generator: torch.Generator,
        initial: State,
        environments: int,
    ) -> None:
        super().__init__(config, spec, device, generator)
        self.initial = tree.to(initial, device)
        row = to_rows(self.initial)
        needed, free = config.capacity * row.numel() * row.element_size(), available_memory(device)
        if needed > 0.9 * free:
            raise UserError(
                f"The latents of {config.capacity:,} decisions need {needed / 2**30:.2f} GiB and {free / 2**30:.2f} GiB"
                f" are free on {device}: take a smaller --replay.capacity, or --replay.latents false."
            )
        self.latents = row.new_zeros(config.capacity, row.shape[1])
        self.playing: list[list[Tensor]] = [[] for _ in range(environments)]

    def record(self, belief: State, is_first: np.ndarray) -> None:
        """Keep the beliefs of one decision in every environment, (environments, ...)."""
        for rows, first, row in zip(self.playing, is_first, to_rows(belief)):
            if first:
                rows.clear()
            rows.append(row)

    def add_episode(self, stretch: Columns, environment: int) -> None:
        """Append the columns of an episode that this environment has finished, with the beliefs of its decisions."""
        self.add(stretch)
        rows = torch.stack([*self.playing[environment], to_rows(self.initial)[0]])[-self.capacity :]
        self.latents[self._places(torch.arange(self.total - len(rows), self.total))] = rows
        self.playing[environment].clear()

    def sample(self, batch: int, length: int, queue: bool = False) -> Batch:
        """Draw sequences as a replay does, each with the latent and the action of the column before it."""
        before = self._starts(batch, length + 1, queue)
        columns = self._places(before + 1 + torch.arange(length))
        place = self._places(before[:, 0])
        action = self.storage.windows(before, 1, ["action"])["action"][:, 0]
        context = Context(from_rows(self.latents[place], self.initial), action, columns)
        return replace(self._windows(before + 1, length), context=context)

    def write_latents(self, columns: Int[Tensor, "B T"], states: State) -> None:
        """Overwrite the latents of sampled columns by newer beliefs (B, T, ...).

        Row by row, so that of two sequences with a common column the second one counts, on every device. Of several
        ranks, each keeps what all have learned.
        """
        rows = ranks.gather(to_rows(tree.flatten_batch(states)).unflatten(0, columns.shape))
        columns = ranks.gather(columns)
        for where, row in zip(columns, rows):
            self.latents[where] = row

    def _places(self, numbers: Tensor) -> Tensor:
        """Return where the latents of these columns lie, on the model's device."""
        return (numbers % self.capacity).to(self.device)

    def latent_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds besides the replay's own position."""
        return {
            "stored": self.latents[: len(self)].cpu().clone(),
            "playing": [[row.cpu() for row in rows] for rows in self.playing],
        }

    def load_latent_state(self, state: dict[str, Any]) -> None:
        """Restore what `latent_state` returned, after the columns were read."""
        self.latents[: len(self)] = state["stored"].to(self.device)
        self.playing = [[row.to(self.device) for row in rows] for rows in state["playing"]]


def to_rows(states: State) -> Float[Tensor, "N P"]:
    """Return states with a leading axis (N,) as vectors of half precision, without a gradient."""
    leaves = tree.leaves(states)
    parts = [leaf.detach().reshape(len(leaf), -1) for leaf in leaves]
    return torch.cat(parts, -1).clamp(-LARGEST, LARGEST).half()


def from_rows(rows: Float[Tensor, "N P"], like: State) -> State:
    """Return the states that `to_rows` made vectors of. `like` is one state (1, ...) of the same kind."""
    parts = iter(rows.split([leaf[0].numel() for leaf in tree.leaves(like)], -1))
    return tree.map(lambda leaf: next(parts).to(leaf.dtype).reshape(len(rows), *leaf.shape[1:]), like)
