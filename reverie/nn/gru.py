"""DreamerV2's recurrent cell: a GRU with a layer normalization over its three gates jointly (Hafner 2021, Sec. 2)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LayerNormGRUCell(nn.Module):
    """
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
