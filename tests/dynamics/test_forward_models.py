import pytest
import torch

from reverie.dynamics.deterministic import (
    DeterministicConfig,
    DeterministicState,
    LinearForwardConfig,
    MatrixForwardConfig,
    MLPForwardConfig,
)
from reverie.nn.mlp import MLP, MLPConfig

VALUE, ACTION = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5]])


def test_linear_by_hand():
    model = LinearForwardConfig().build(2, 1)
    with torch.no_grad():
        model.net.weight.copy_(torch.tensor([[1.0, 2.0, 4.0], [0.0, -1.0, 6.0]]))
        model.net.bias.copy_(torch.tensor([10.0, 20.0]))
    assert model(VALUE, ACTION).tolist() == [[1 - 4 + 2 + 10, 2 + 3 + 20]]


def test_matrix_by_hand():
    """With zero weights the last bias is the matrix, row by row."""
    model = MatrixForwardConfig().build(2, 1)
    entries = torch.tensor([[0.1, 0.2], [0.3, -0.4]])
    with torch.no_grad():
        model.net[-1].weight.zero_()
        model.net[-1].bias.copy_(entries.flatten())
    expected = (entries.tanh() / 2**0.5) @ VALUE[0]
    torch.testing.assert_close(model(VALUE, ACTION)[0], expected)


def test_matrix_depends_on_value_and_action_and_is_bounded():
    torch.manual_seed(0)
    model = MatrixForwardConfig().build(8, 4)
    value, action = torch.randn(5, 3, 8), 100 * torch.randn(5, 3, 4)
    assert (model(value, action).abs().amax(-1) <= value.norm(dim=-1) + 1e-6).all()
    assert not torch.allclose(model(value, action), model(value, -action))
    assert not torch.allclose(model(2 * value, action), 2 * model(value, action))


def test_mlp_keeps_the_names_of_its_weights():
    """Models of version 0.1, which had no choice of forward models, load and predict the same."""
    torch.manual_seed(0)
    dynamics = DeterministicConfig(size=2).build(3, 1)
    names = [f"forward_model.net.{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")]
    assert list(dynamics.state_dict()) == ["encode.weight", "encode.bias", *names]
    old = MLP(MLPConfig(2, 200), 3, 2)
    old.load_state_dict({name: dynamics.forward_model.state_dict()[name] for name in old.state_dict()})
    expected = old(torch.cat([VALUE, ACTION], -1))
    assert torch.equal(dynamics.predict(DeterministicState(VALUE), ACTION, None).value, expected)


@pytest.mark.parametrize("forward", [LinearForwardConfig(), MLPForwardConfig(), MatrixForwardConfig()])
def test_residual_adds_the_encoding(forward):
    predictions = []
    for residual in (False, True):
        torch.manual_seed(0)
        dynamics = DeterministicConfig(2, forward, residual).build(3, 1)
        predictions.append(dynamics.predict(DeterministicState(VALUE), ACTION, None).value)
    torch.testing.assert_close(predictions[1], predictions[0] + VALUE)
