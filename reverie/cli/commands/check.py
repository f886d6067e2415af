"""`reverie check` and `check-env`: the public contract checks of `reverie.testing`, on one part."""

from argparse import Namespace
from dataclasses import make_dataclass
from importlib import import_module

from reverie.cli.commands.arguments import Texts, environment
from reverie.errors import UserError, nearest

KINDS = {
    "dynamics": ("reverie.dynamics", "DynamicsConfig", "check_dynamics"),
    "latent": ("reverie.dynamics.latents", "LatentConfig", "check_latent"),
    "forward": ("reverie.dynamics.deterministic", "ForwardConfig", "check_forward_model"),
    "signal": ("reverie.signals", "SignalConfig", "check_signal"),
    "planner": ("reverie.planning", "PlannerConfig", "check_planner"),
    "data": ("reverie.data", "RecordedConfig", "check_data"),
    "generative": ("reverie.models", "GenerativeConfig", "check_generative"),
    "learner": ("reverie.learners", "LearnerConfig", "check_learner"),
}
"""Kind -> the module and the name of its family of configs, and the check in `reverie.testing`.

An objective needs a model: check it in Python, by `reverie.testing.check_objective`.
"""


def check(arguments: Namespace, settings: Texts) -> int:
    """`reverie check KIND NAME`; exit code 1 where the part breaks its contract."""
    kind = arguments.kind
    if kind == "env":
        return check_env(Namespace(id=arguments.name), {f"env.{path}": text for path, text in settings.items()})
    if kind not in KINDS:
        kinds = [*KINDS, "env"]
        raise UserError(f"There are no checks for `{kind}`.{nearest(kind, kinds)} There are: {', '.join(kinds)}.")
    module, family, function = KINDS[kind]
    from reverie.config.overrides import override

    family_type = getattr(import_module(module), family)
    holder = make_dataclass("Holder", [(kind, family_type, None)], frozen=True)
    config = getattr(override(holder(), {kind: arguments.name}), kind)
    config = override(config, settings)
    return _report(arguments.name, getattr(import_module("reverie.testing"), function)(config))


def check_env(arguments: Namespace, settings: Texts) -> int:
    """`reverie check-env ID`; exit code 1 where the environment breaks the contract."""
    from reverie.testing.environments import check_environment

    config = environment(arguments.id, settings)
    return _report(config.id, check_environment(config))


def _report(name: str, complaints: list[str]) -> int:
    print("\n".join(complaints) or f"{name} keeps the contract.")
    return 1 if complaints else 0
