"""Earlier formats of configs, weights and checkpoints: names of version 0.1, and settings that came later."""

from typing import Any

FORMAT = 6
"""Version of a config file; files of 0.1 have none."""

TYPES = {
    "Config": "OnlineConfig",
    "FitConfig": "OfflineConfig",
    "FittingConfig": "OfflineTrainingConfig",
    "RankConfig": "RandomShootingConfig",
    "RefinedConfig": "CEMThenGradientConfig",
    "PointConfig": "DeterministicLatentConfig",
    "ForwardPredictionConfig": "LatentPredictionConfig",
    "PixelForwardConfig": "PixelPredictionConfig",
    "ReplayedConfig": "AgentReplayConfig",
}
KEYS = {
    "optimiser": "optimizer",
    "actor_optimiser": "actor_optimizer",
    "value_optimiser": "value_optimizer",
    "standardise": "normalize",
    "colour": "color",
}
"""Keys of any config."""
KEYS_OF = {
    "CEMThenGradientConfig": {"climb": "gradient"},
    "EnvConfig": {"settings": "kwargs"},
    "ICEMConfig": {"kept": "keep_fraction"},
    "OfflineConfig": {"actor": "behavior"},
    "PlanningConfig": {"futures": "num_samples"},
}
"""Keys of one config, by its type's new name."""
ADDED: dict[str, dict[str, Any]] = {
    "ActorCriticConfig": {"start_every": 1},
    "AdamConfig": {"epsilon_hat": False, "decay_by": "rate", "warmup": 0},
    "CategoricalConfig": {"unimix": 0.0},
    "ContinuationConfig": {"discount": 1.0},
    "EncoderConfig": {"bits": 8, "linear_output": True},
    "EvaluationConfig": {"sampled": False},
    "InverseConfig": {"average": False},
    "MLPConfig": {"norm": "none", "init": "glorot", "output_scale": 1.0},
    "OfflineTrainingConfig": {"checkpoint_minutes": 10.0},
    "PixelPredictionConfig": {"average": False, "shared": False},
    "PolicyConfig": {"unimix": 0.0},
    "ReconstructionConfig": {"average": False, "every": 1, "shared": False},
    "ReplayConfig": {"windows": "anywhere", "ends": False, "latents": False, "online": False},
    "TrainingConfig": {"checkpoint_minutes": 10.0, "ratio": None, "starts": 0},
}
"""Settings that format 2 lacks, by their config's type. Each value leaves what a run computes as it was."""
ADDED_LATER: dict[str, dict[str, Any]] = {
    "ArraysConfig": {"aspect": "stretch", "observe": ["all"]},
    "OfflineTrainingConfig": {"minutes": None, "precision": "float32"},
    "PooledConvConfig": {"strided": False},
    "TrainingConfig": {"minutes": None, "overlap": False, "precision": "float32"},
}
"""Those that format 3 lacks."""
_LOG: dict[str, Any] = {"log": {"tensorboard": {"type": "TensorBoardConfig"}}}
ADDED_SINCE_4: dict[str, dict[str, Any]] = {"OfflineConfig": _LOG, "OnlineConfig": _LOG}
"""Those that format 4 lacks."""
ADDED_SINCE_5: dict[str, dict[str, Any]] = {
    "JointActorCriticConfig": {"start_every": 1},
    "OfflineTrainingConfig": {"cooldown": 0.0},
    "TrainingConfig": {"cooldown": 0.0},
}
"""Those that format 5 lacks."""
VALUES: dict[str, dict[str, dict[str, Any]]] = {"ReplayConfig": {"storage": {"host": "auto"}}}
"""Choices of format 3 that have another name now, by their config's type and key."""
OLD_KEYS = frozenset(KEYS).union(*KEYS_OF.values())
PARAMETERS = {"guess": "prior_net", "standardise": "normalize"}
"""Modules in the names of saved weights."""


def current_key(cls: type, key: str) -> str:
    """Return the present name of a key of the config `cls`, which may be a name of 0.1."""
    return key if key in getattr(cls, "__dataclass_fields__", ()) else _new_keys(cls.__name__).get(key, key)


def _new_keys(kind: str) -> dict[str, str]:
    return KEYS | KEYS_OF.get(kind, {})


def renamed(tree: Any) -> Any:
    """Return an encoded config of an earlier format with the present names, and the settings that it lacks."""
    if isinstance(tree, list):
        return [renamed(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    kind = tree.get("type")
    if not isinstance(kind, str):
        return {key: renamed(value) for key, value in tree.items()}
    kind = TYPES.get(kind, kind)
    own = _new_keys(kind)
    result = {own.get(key, key): renamed(value) for key, value in tree.items()} | {"type": kind}
    if kind == "EnvConfig":
        result["kwargs"] = [text.replace("randomise=", "randomize=") for text in result.get("kwargs", [])]
    return result


def completed(tree: Any, added: dict[str, dict[str, Any]] = ADDED) -> Any:
    """Return an encoded config of format 2, or one that lacks what is `added`, with the settings that came later."""
    if isinstance(tree, list):
        return [completed(part, added) for part in tree]
    if not isinstance(tree, dict):
        return tree
    own = {} if "plugin" in tree else added.get(str(tree.get("type")), {})
    return own | {key: completed(value, added) for key, value in tree.items()}


def renamed_choices(tree: Any) -> Any:
    """Return an encoded config of format 3 with the present names of choices."""
    if isinstance(tree, list):
        return [renamed_choices(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    own = {} if "plugin" in tree else VALUES.get(str(tree.get("type")), {})
    chosen = {key: own[key].get(value, value) for key, value in tree.items() if key in own and isinstance(value, str)}
    return {key: renamed_choices(value) for key, value in tree.items()} | chosen


def since_format_3(tree: Any) -> Any:
    """Return an encoded config of format 3 with what came later, and the present names of choices."""
    return completed(renamed_choices(tree), ADDED_LATER)


def since_format_4(tree: Any) -> Any:
    """Return an encoded config of format 4 with what came later."""
    return completed(tree, ADDED_SINCE_4)


def since_format_5(tree: Any) -> Any:
    """Return an encoded config of format 5 with what came later.

    What acts in a run on recorded data has another name. The likelihood of vectors had the std of images.
    """
    return completed(_with_vector_std(tree), ADDED_SINCE_5)


def _with_vector_std(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_with_vector_std(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    result = {key: _with_vector_std(value) for key, value in tree.items()}
    if tree.get("type") == "OfflineConfig" and "actor" in result:
        result["behavior"] = result.pop("actor")
    if tree.get("type") in ("ReconstructionConfig", "PixelPredictionConfig") and "std" in result:
        result.setdefault("vector_std", result["std"])
    return result


MIGRATIONS = {1: renamed, 2: completed, 3: since_format_3, 4: since_format_4, 5: since_format_5}
"""What makes an encoded config of one format one of the next."""


def renamed_parameters(state: dict[str, Any]) -> dict[str, Any]:
    """Return a module's saved state with the present names of parameters."""
    return {".".join(PARAMETERS.get(part, part) for part in name.split(".")): value for name, value in state.items()}
