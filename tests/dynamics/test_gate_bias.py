from functools import partial

import pytest
import torch

from reverie.dynamics.rssm import RNNConfig, RSSMConfig


@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize("kind", [RSSMConfig, RNNConfig, partial(RSSMConfig, cell="reset_first")])
def test_a_new_cell_keeps_the_sigmoid_of_its_bias(kind, bias):
    """With zero weights the gate is sigmoid(bias) and the candidate is 0."""
    torch.manual_seed(0)
    model = kind(deter=8, hidden=8, gate_bias=bias).build(3, 2)
    with torch.no_grad():
        for weight in model.cell.parameters():
            if weight.ndim == 2:
                weight.zero_()
        state = model.initial(4)
        before = torch.randn(4, 8)
        after = model.predict(type(state)(before, state.stoch, state.stats), torch.zeros(4, 2), None).deter
    torch.testing.assert_close(after, before * torch.tensor(bias).sigmoid())
