"""The contract of a learner: who improves a policy from beliefs, in imagination or otherwise."""

from typing import Any, Protocol

import torch

from reverie.agents.policies import Policy
from reverie.nn.optimizer import Optimizer
from reverie.types import Metrics


class Learner(Protocol):
    """Owns a policy and whatever else it needs (a value, a population); a module with a state dict."""

    policy: Policy

    def optimizers(self) -> dict[str, Optimizer]:
        """Fresh optimizers by name, made once the parameters are on their device."""
        ...

    def noise(self, model: Any, batch: int, generator: torch.Generator) -> Any:
        """All standard noise of one update from `batch` beliefs."""
        ...

    def update(self, model: Any, belief: Any, noise: Any, optimizers: dict[str, Optimizer]) -> Metrics:
        """Improve the policy from detached beliefs with leading axis (batch,). The world model is only read."""
        ...
