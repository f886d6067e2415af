"""Small models with their learners, and all arguments of an update."""

import pytest
import torch
from mocks import behavior_config, model_config, random_batch, spec

from reverie import recipes
from reverie.learners.evolution import EvolutionConfig
from reverie.models.world_model import WorldModel
from reverie.runs.update import UpdateNoise, draw_noise, make_optimizers, make_update


def tiny(recipe):
    config = recipes.build(recipe, "tiny")
    return config.model, config.behavior


METHODS = {
    "dreamer_v1": lambda: (model_config(), behavior_config()),
    "dreamer_v2": lambda: tiny("dreamer_v2"),
    "dreamer_v3": lambda: tiny("dreamer_v3"),
    "evolution": lambda: (model_config(), EvolutionConfig(population=4, horizon=3)),
}
KINDS = [("dreamer_v1", False), ("dreamer_v1", True), ("dreamer_v2", True), ("dreamer_v3", False), ("dreamer_v3", True)]
every_method = pytest.mark.parametrize(("method", "discrete"), [*KINDS, ("evolution", False)])


class Setting:
    """A small model, its learner and all arguments of an update. The same arguments give the same weights."""

    def __init__(self, discrete: bool = False, batch: int = 2, length: int = 4, method: str = "dreamer_v1") -> None:
        torch.manual_seed(0)
        self.spec = spec(image=16, vector=2, action=3, discrete=discrete)
        config, behavior = METHODS[method]()
        self.model = WorldModel(config, self.spec)
        self.learner = behavior.build(self.spec, self.model.dynamics.feature_size)
        self.optimizers = make_optimizers(config.optimizer, self.model, self.learner)
        self.batch = random_batch(self.spec, batch, length)
        generator = torch.Generator().manual_seed(1)
        self.noise: UpdateNoise = draw_noise(self.model, self.learner, batch, length, generator)
        self.update = make_update(self.model, self.learner, self.optimizers, "eager")

    def weights(self) -> list[torch.Tensor]:
        return [*self.model.parameters(), *self.learner.parameters()]
