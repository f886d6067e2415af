"""Checks of the contracts, for parts of your own: each returns a sentence for each violation.

    from reverie.testing import check_dynamics

    def test_mamba_keeps_the_contract():
        assert not check_dynamics(MambaConfig())

Each check builds the part from its config at small sizes, and takes seconds. Errors of the part are violations too. The
global random state is left as it was.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reverie.testing.data import check_data as check_data
    from reverie.testing.dynamics import check_dynamics as check_dynamics
    from reverie.testing.dynamics import check_forward_model as check_forward_model
    from reverie.testing.dynamics import check_latent as check_latent
    from reverie.testing.environments import check_environment as check_environment
    from reverie.testing.learners import check_learner as check_learner
    from reverie.testing.models import check_generative as check_generative
    from reverie.testing.networks import check_image as check_image
    from reverie.testing.networks import check_optimizer as check_optimizer
    from reverie.testing.networks import check_scalar as check_scalar
    from reverie.testing.planners import check_objective as check_objective
    from reverie.testing.planners import check_planner as check_planner
    from reverie.testing.signals import check_signal as check_signal

_NAMES = {
    "data": ("check_data",), "dynamics": ("check_dynamics", "check_forward_model", "check_latent"),
    "environments": ("check_environment",), "learners": ("check_learner",), "models": ("check_generative",),
    "networks": ("check_image", "check_optimizer", "check_scalar"),
    "planners": ("check_objective", "check_planner"), "signals": ("check_signal",),
}  # fmt: skip
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_MODULES)  # pyrefly: ignore


def __getattr__(name: str) -> Any:
    """Import a check on first use, so that checking an environment imports no model."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
