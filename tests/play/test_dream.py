"""The model as a world, where every number is known: the action is added to the belief."""

import torch
from mocks import AddAction, KnownWorld, spec

from reverie.play.dream import Dream


class Threefold(torch.nn.Module):
    def forward(self, features):
        return 3 * features


def dream(**heads) -> Dream:
    model = KnownWorld(AddAction(1, start=10.0), **heads)
    model.weight = torch.nn.Parameter(torch.zeros(1))
    return Dream(model, spec(image=0, vector=1, action=1), Threefold())


def test_a_dream_adds_up_its_actions():
    world = dream(reward=lambda features: 2 * features[..., 0], continuation=lambda features: features[..., 0] / 40)
    belief = world.begin(2, None)
    belief = world.step(belief, torch.tensor([[0.5], [-1.0]]), None)
    prediction = world.predict(belief)
    assert belief.value.flatten().tolist() == [10.5, 9.0]
    assert prediction.reward.tolist() == [21.0, 18.0]
    assert prediction.value.tolist() == [31.5, 27.0]
    torch.testing.assert_close(torch.tensor(prediction.alive), torch.tensor([10.5 / 40, 9 / 40]))


def test_noise_moves_a_dream_and_its_beginning():
    world = dream(reward=lambda features: features[..., 0])
    noise = torch.tensor([[2.0]])
    assert float(world.begin(1, noise).value) == 12.0
    assert float(world.step(world.begin(1, None), torch.zeros(1, 1), noise).value) == 12.0


def test_without_a_head_for_the_end_a_dream_goes_on():
    world = dream(reward=lambda features: features[..., 0])
    assert not world.ends
    assert world.predict(world.begin(3, None)).alive.tolist() == [1.0, 1.0, 1.0]
