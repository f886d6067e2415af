"""Hints for a setting that does not exist: the paths that the user probably meant."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from reverie.errors import did_you_mean

_FEW = 20
"""Settings that one sentence can list."""
_CUTOFF = 0.6
"""Similarity, from 0 to 1, from which a word counts as a typing mistake for another."""

_NEARLY = 0.85
"""Similarity of two paths from which one is meant by the other."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "action_repeat": ("env.repeat",),
    "batch_size": ("training.batch",),
    "buffer_size": ("replay.capacity",),
    "checkpoint": ("training.checkpoint_every",),
    "cuda": ("device",),
    "dataset": ("data.folder", "data"),
    "discount": ("behavior.gamma", "objective.gamma"),
    "env": ("env.id", "data.env.id"),
    "env_id": ("env.id", "data.env.id"),
    "env_name": ("env.id", "data.env.id"),
    "environment": ("env.id", "data.env.id"),
    "epochs": ("training.updates",),
    "eval_every": ("evaluation.every", "training.evaluate_every"),
    "eval_episodes": ("evaluation.episodes", "episodes"),
    "frame_skip": ("env.repeat",),
    "futures": ("num_samples",),
    "game": ("env.id", "data.env.id"),
    "gpu": ("device",),
    "iterations": ("training.updates",),
    "learning_rate": ("model.optimizer.lr", "behavior.actor_optimizer.lr", "behavior.value_optimizer.lr"),
    "log_interval": ("training.log_every",),
    "logdir": ("run",),
    "num_envs": ("env.count",),
    "out": ("run",),
    "output": ("run", "out"),
    "resolution": ("env.image_size",),
    "save_every": ("training.checkpoint_every",),
    "seq_len": ("training.length",),
    "sequence_length": ("training.length",),
    "steps": ("training.frames", "training.updates"),
    "task": ("env.id", "data.env.id"),
    "timesteps": ("training.frames", "training.updates"),
    "total_steps": ("training.frames", "training.updates"),
    "total_timesteps": ("training.frames", "training.updates"),
}
"""Words that other libraries use -> the settings here; only those that exist in a config are suggested."""


def hint(path: str, settings: Sequence[str], prefix: str = "") -> str:
    """A hint about `path`, which is none of `settings` (dotted paths); empty where nothing is close.

    In this order: synonyms; settings with the same last word; similar last words, in the part that exists; all
    settings of that part if they are few; similar paths. `prefix` is written before each suggestion.
    """
    word = path.split(".")[-1]
    synonyms = [setting for setting in SYNONYMS.get(path, SYNONYMS.get(word, ())) if setting in settings]
    parent = _parent(path, settings)
    below = [setting for setting in settings if setting.startswith(parent)]
    same_word = _with_last_word(word, below) or _with_last_word(word, settings)
    same_word = get_close_matches(path, same_word, n=1, cutoff=_NEARLY) or same_word
    if synonyms or same_word:
        return _did_you_mean(synonyms or same_word, prefix)
    by_word: dict[str, list[str]] = {}
    for setting in below:
        by_word.setdefault(setting.split(".")[-1], []).append(setting)
    words = _closest(word, by_word)
    if words:
        return _did_you_mean([setting for word in words for setting in by_word[word]], prefix)
    if parent and len(below) <= _FEW:
        return f" There is {', '.join(prefix + setting for setting in below)}."
    without_end = path.removesuffix(f".{word}")
    return _did_you_mean([without_end] if without_end in settings else _closest(path, settings), prefix)


def group_hint(path: str, settings: Sequence[str]) -> str:
    """A hint, with the full stop before it, for a value given to a group: the setting in it that names the subject."""
    named = [setting for setting in (f"{path}.id", f"{path}.folder") if setting in settings]
    return f".{_did_you_mean(named)}" if named else ""


def _closest(word: str, names: Iterable[str]) -> list[str]:
    return get_close_matches(word, list(names), n=1, cutoff=_CUTOFF)


def _did_you_mean(settings: Sequence[str], prefix: str = "") -> str:
    return did_you_mean([prefix + setting for setting in settings])


def _with_last_word(word: str, settings: Sequence[str]) -> list[str]:
    return [setting for setting in settings if setting.split(".")[-1] == word]


def _parent(path: str, settings: Sequence[str]) -> str:
    """The longest beginning of `path`, with its dot, that some setting has; empty for the whole tree."""
    words = path.split(".")[:-1]
    for length in range(len(words), 0, -1):
        beginning = ".".join(words[:length]) + "."
        if any(setting.startswith(beginning) for setting in settings):
            return beginning
    return ""
