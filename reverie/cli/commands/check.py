"""`reverie check` and `check-env`: the public contract checks of `reverie.testing`, for one part."""

from argparse import Namespace
from dataclasses import make_dataclass
from importlib import import_module

from reverie.cli.commands import common
from reverie.cli.parsing import Argument, Settings, Texts, command
from reverie.errors import UserError, nearest

KINDS = {
    "dynamics": ("reverie.dynamics", "DynamicsConfig", "check_dynamics"),
    "latent": ("reverie.dynamics.latents", "LatentConfig", "check_latent"),
    "forward": ("reverie.dynamics.deterministic", "ForwardConfig", "check_forward_model"),
    "image": ("reverie.nn.image", "ImageConfig", "check_image"),
    "scalar": ("reverie.nn.scalar", "ScalarConfig", "check_scalar"),
    "optimizer": ("reverie.nn.optimizer", "OptimizerConfig", "check_optimizer"),
    "signal": ("reverie.signals", "SignalConfig", "check_signal"),
    "planner": ("reverie.planning", "PlannerConfig", "check_planner"),
    "data": ("reverie.data", "RecordedConfig", "check_data"),
    "generative": ("reverie.models", "GenerativeConfig", "check_generative"),
    "learner": ("reverie.learners", "LearnerConfig", "check_learner"),
}
"""Kind -> module and name of its family of configs, and its check in `reverie.testing`.

An objective needs a model: check it in Python, with `reverie.testing.check_objective`.
"""


@command(
    "reverie check dynamics RSSM --deter 32 --use my_lab.parts",
    Argument("KIND", f"{', '.join(KINDS)} or env"),
    Argument("NAME", "the part, as `reverie show` names it, or the id of an environment"),
    settings=Settings("Other options are settings of the part: --deter 32, --latent Categorical."),
)
def check(arguments: Namespace, settings: Texts) -> int:
    """Test whether a part of Reverie or of your own keeps its contract. The exit code is 1 where it does not."""
    kind, name = arguments.kind, arguments.name
    if kind == "env":
        return check_env.run(Namespace(id=name), {f"env.{path}": text for path, text in settings.items()})
    if kind not in KINDS:
        kinds = [*KINDS, "env"]
        raise UserError(f"There are no checks for `{kind}`.{nearest(kind, kinds)} There are: {', '.join(kinds)}.")
    module, family, function = KINDS[kind]
    from reverie.config.overrides import override

    holder = make_dataclass("Holder", [(kind, getattr(import_module(module), family), None)], frozen=True)
    config = override(getattr(override(holder(), {kind: name}), kind), settings, prefix="--")
    return _report(name, getattr(import_module("reverie.testing"), function)(config))


@command("reverie check-env CartPole-v1 --env.repeat 2", common.ENV, settings=common.ENV_SETTINGS)
def check_env(arguments: Namespace, settings: Texts) -> int:
    """Test whether an environment keeps the contract. The exit code is 1 where it does not."""
    from reverie.testing.environments import check_environment

    return _report(arguments.id, check_environment(common.environment(arguments.id, settings)))


def _report(name: str, complaints: list[str]) -> int:
    from reverie.testing.environments import REMARK

    print("\n".join(complaints) or f"{name} keeps the contract.")
    return int(any(not complaint.startswith(REMARK) for complaint in complaints))
