"""The contracts as checks, for parts of your own: each returns what is wrong in words, and nothing where all is well.

    from reverie.testing import check_dynamics

    def test_mamba_keeps_the_contract():
        assert not check_dynamics(MambaConfig())

Each check builds the part from its config, at sizes of a few numbers, and takes seconds. The global random state is
left as it was. What the part raises is reported like everything else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reverie.testing.data import check_data
    from reverie.testing.dynamics import check_dynamics
    from reverie.testing.environments import check as check_environment
    from reverie.testing.latents import check_forward_model, check_latent
    from reverie.testing.learners import check_learner
    from reverie.testing.models import check_generative
    from reverie.testing.planners import check_objective, check_planner
    from reverie.testing.signals import check_signal

__all__ = [
    "check_data",
    "check_dynamics",
    "check_environment",
    "check_forward_model",
    "check_generative",
    "check_latent",
    "check_learner",
    "check_objective",
    "check_planner",
    "check_signal",
]

_MODULES = {
    "check_forward_model": "latents",
    "check_generative": "models",
    "check_latent": "latents",
    "check_learner": "learners",
    "check_objective": "planners",
    "check_planner": "planners",
    "check_signal": "signals",
}


def __getattr__(name: str) -> Any:
    """Import a check when it is asked for: an environment is checked without loading models."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "check_environment":
        return import_module("reverie.testing.environments").check
    module = _MODULES.get(name, name.removeprefix("check_"))
    return getattr(import_module(f"reverie.testing.{module}"), name)
