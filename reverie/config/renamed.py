"""Names of earlier versions, so that what 0.1 has saved is still read: configs, weights and checkpoints."""

from typing import Any

FORMAT = 2
"""Version of the names in a config file; files of 0.1 have none."""

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
    "PlanningConfig": {"futures": "num_samples"},
}
"""Keys of one config, by its type's new name."""
OLD_KEYS = frozenset(KEYS).union(*KEYS_OF.values())
PARAMETERS = {"guess.": "prior_net.", "standardise.": "normalize."}
"""Parts of parameters' names in saved weights."""


def current_key(cls: type, key: str) -> str:
    """The name of today for a key of the config `cls`, which may be one of 0.1."""
    return key if key in getattr(cls, "__dataclass_fields__", ()) else _keys_of(cls.__name__).get(key, key)


def _keys_of(kind: str) -> dict[str, str]:
    return KEYS | KEYS_OF.get(kind, {})


def renamed(tree: Any) -> Any:
    """An encoded config of 0.1 with the names of today."""
    if isinstance(tree, list):
        return [renamed(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    kind = tree.get("type")
    kind = TYPES.get(kind, kind) if isinstance(kind, str) else None
    own = _keys_of(kind) if kind else {}
    result = {own.get(key, key): renamed(value) for key, value in tree.items()}
    if kind:
        result["type"] = kind
    if kind == "EnvConfig":
        result["kwargs"] = [text.replace("randomise=", "randomize=") for text in result["kwargs"]]
    return result


def renamed_parameters(state: dict[str, Any]) -> dict[str, Any]:
    """A module's saved state with the parameter names of today."""
    result = {}
    for name, value in state.items():
        for old, new in PARAMETERS.items():
            if name.startswith(old) or f".{old}" in name:
                name = name.replace(old, new)
        result[name] = value
    return result
