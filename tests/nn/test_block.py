"""Block-diagonal layers against masked dense ones, and the cell against its equations."""

import pytest
import torch
from torch import nn

from reverie.errors import UserError
from reverie.nn.block import BlockGRUCell, BlockLinear
from reverie.nn.mlp import initialize


def dense(layer: BlockLinear) -> torch.Tensor:
    """The same weights as one matrix (inputs, outputs) with zeros outside of the blocks."""
    return torch.block_diag(*layer.weight.detach())


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_a_block_layer_is_a_masked_dense_layer(blocks):
    layer = BlockLinear(8, 12, blocks)
    initialize(layer, "normal")
    nn.init.normal_(layer.bias)
    x = torch.randn(3, 5, 8)
    torch.testing.assert_close(layer(x), x @ dense(layer) + layer.bias)


def test_sizes_must_divide():
    with pytest.raises(UserError, match="8 to 12 numbers has no 3 equal blocks"):
        BlockLinear(8, 12, 3)


def test_the_cell_computes_its_equations():
    """Block by block: a block's hidden units see its own part of the state and all inputs."""
    torch.manual_seed(0)
    blocks, size = 2, 6
    cell = BlockGRUCell(4, size, blocks, nn.RMSNorm(size, eps=1e-4), nn.SiLU())
    initialize(cell, "normal")
    x, state = torch.randn(3, 4), torch.randn(3, size)
    parts = [torch.cat([part, x], -1) for part in state.chunk(blocks, -1)]
    hidden = torch.cat([part @ weight for part, weight in zip(parts, cell.hidden.weight)], -1)
    hidden = hidden / (hidden.square().mean(-1, keepdim=True) + 1e-4).sqrt()
    hidden = nn.functional.silu(hidden)
    gates = [part @ weight for part, weight in zip(hidden.chunk(blocks, -1), cell.gates.weight)]
    reset, candidate, update = (torch.cat(gate, -1) for gate in zip(*(gate.chunk(3, -1) for gate in gates)))
    gate = (update - 1).sigmoid()
    expected = gate * (reset.sigmoid() * candidate).tanh() + (1 - gate) * state
    torch.testing.assert_close(cell(x, state), expected)
    torch.testing.assert_close(cell(x[:, None], state[:, None])[:, 0], expected)


def test_a_new_cell_keeps_three_quarters_of_its_state():
    cell = BlockGRUCell(4, 8, 2, nn.Identity(), nn.SiLU())
    nn.init.zeros_(cell.hidden.weight), nn.init.zeros_(cell.gates.weight)
    nn.init.zeros_(cell.hidden.bias), nn.init.zeros_(cell.gates.bias)
    state = torch.ones(1, 8)
    torch.testing.assert_close(cell(torch.randn(1, 4), state), state * torch.tensor(1.0).sigmoid())
