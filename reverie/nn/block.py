"""Block-diagonal layers, and DreamerV3's recurrent cell, which is made of them (Hafner 2023, published code)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.errors import UserError


class BlockLinear(nn.Module):
    """`y_g = x_g W_g + b_g` for g = 1..G equal parts of the last axis: a linear layer of 1/G of the weights.

    Initial weights are small by the size of the whole input, not of a block (`nn.mlp.initialize`).
    """

    def __init__(self, size_in: int, size_out: int, blocks: int) -> None:
        super().__init__()
        if size_in % blocks or size_out % blocks:
            raise UserError(f"A layer from {size_in} to {size_out} numbers has no {blocks} equal blocks: take others.")
        self.weight = nn.Parameter(torch.empty(blocks, size_in // blocks, size_out // blocks))
        self.bias = nn.Parameter(torch.empty(size_out))

    def forward(self, x: Float[Tensor, "*b I"]) -> Float[Tensor, "*b O"]:
        blocks = x.unflatten(-1, (len(self.weight), -1))
        return torch.einsum("...gi,gio->...go", blocks, self.weight).flatten(-2) + self.bias


class BlockGRUCell(nn.Module):
    """
        hidden = act(RMSNorm(blocks of [h_g, x]))       each block sees its part of the state, and all inputs
        r, c, u = blocks of hidden
        h' = s(u - 1) tanh(s(r) c) + (1 - s(u - 1)) h   s: the logistic function

    Blocks meet in the norm, in the inputs and through what reads the state. A new cell keeps most of its state.
    """  # fmt: skip

    def __init__(self, input_size: int, size: int, blocks: int, norm: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.blocks = blocks
        self.hidden = BlockLinear(size + blocks * input_size, size, blocks)
        self.norm, self.activation = norm, activation
        self.gates = BlockLinear(size, 3 * size, blocks)

    def forward(self, inputs: Float[Tensor, "*b I"], state: Float[Tensor, "*b D"]) -> Float[Tensor, "*b D"]:
        parts = state.unflatten(-1, (self.blocks, -1))
        repeated = inputs[..., None, :].expand(*parts.shape[:-1], -1)
        hidden = self.activation(self.norm(self.hidden(torch.cat([parts, repeated], -1).flatten(-2))))
        gates = self.gates(hidden).unflatten(-1, (self.blocks, 3, -1))
        reset, candidate, update = (gate.flatten(-2) for gate in gates.unbind(-2))
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        gate = torch.sigmoid(update - 1)
        return gate * candidate + (1 - gate) * state
