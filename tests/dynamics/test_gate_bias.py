import pytest
import torch

from reverie.dynamics.rssm import RNNConfig, RSSMConfig


@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize("kind", [RSSMConfig, RNNConfig])
def test_a_new_cell_keeps_the_sigmoid_of_its_bias(kind, bias):
    """With zero weights the gate is sigmoid(bias) and the candidate is 0."""
    torch.manual_seed(0)
    model = kind(deter=8, hidden=8, gate_bias=bias).build(3, 2)
    with torch.no_grad():
        model.cell.weight_ih.zero_()
        model.cell.weight_hh.zero_()
        state = model.initial(4)
        before = torch.randn(4, 8)
        after = model.predict(type(state)(before, state.stoch, state.stats), torch.zeros(4, 2), None).deter
    torch.testing.assert_close(after, before * torch.tensor(bias).sigmoid())
