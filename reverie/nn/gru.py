"""Recurrent cells that PyTorch lacks: DreamerV2's with layer normalization, and PlaNet's, which resets first."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LayerNormGRUCell(nn.Module):
    """A GRU with a layer normalization over its three gates jointly (Hafner 2021, Sec. 2).

        r, c, u = LayerNorm(W [x, h])       without a bias of its own
        candidate = tanh(sigmoid(r) * c)
        h' = g * candidate + (1 - g) * h    with g = sigmoid(u - keep)

    With the constant `keep`, 1 in the published agent, a new cell keeps most of its state. Unlike PyTorch's cell, it
    applies the reset gate after the matrix product, to inputs and state together.
    """

    def __init__(self, input_size: int, size: int, keep: float) -> None:
        super().__init__()
        self.keep = keep
        self.linear = nn.Linear(input_size + size, 3 * size, bias=False)
        self.norm = nn.LayerNorm(3 * size, eps=1e-3)  # Keras' default, as in the published code

    def forward(self, inputs: Float[Tensor, "N I"], state: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        reset, candidate, update = self.norm(self.linear(torch.cat([inputs, state], -1))).chunk(3, -1)
        candidate = torch.tanh(torch.sigmoid(reset) * candidate)
        gate = torch.sigmoid(update - self.keep)
        return gate * candidate + (1 - gate) * state


class ResetFirstGRUCell(nn.Module):
    """The GRU of Cho 2014, which TensorFlow's `GRUBlockCell` computes: the reset gate comes before the matrix.

    r, u = sigmoid(W [x, h] + b)
    candidate = tanh(V [x, r * h] + c)
    h' = u * h + (1 - u) * candidate
    """

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__()
        self.gates = nn.Linear(input_size + size, 2 * size)
        self.candidate = nn.Linear(input_size + size, size)

    def forward(self, inputs: Float[Tensor, "N I"], state: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        reset, update = torch.sigmoid(self.gates(torch.cat([inputs, state], -1))).chunk(2, -1)
        candidate = torch.tanh(self.candidate(torch.cat([inputs, reset * state], -1)))
        return update * state + (1 - update) * candidate
