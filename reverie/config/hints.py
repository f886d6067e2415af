"""Hints for a setting that does not exist: the paths that the user probably meant."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_FEW = 20
"""Settings that one sentence can list."""
_MOST = 4
"""Suggestions that one sentence can give."""
_CUTOFF = 0.6
"""Similarity, from 0 to 1, from which a word counts as a typing mistake for another."""

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


def nearest_few(word: str, names: Iterable[str]) -> str:
    """A hint ` Did you mean A or B?`: the names that begin with `word`, else the closest; empty where none is close."""
    names = list(names)
    beginning = [name for name in names if word and name.startswith(word)]
    return _question(beginning or _close(word, names))


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
    if synonyms or same_word:
        return _question(synonyms or same_word, prefix)
    by_word: dict[str, list[str]] = {}
    for setting in below:
        by_word.setdefault(setting.split(".")[-1], []).append(setting)
    words = _close(word, by_word)
    if words:
        return _question([setting for word in words for setting in by_word[word]], prefix)
    if parent and len(below) <= _FEW:
        return f" There is {', '.join(prefix + setting for setting in below)}."
    without_end = path.removesuffix(f".{word}")
    return _question([without_end] if without_end in settings else _close(path, settings), prefix)


def group_hint(path: str, settings: Sequence[str]) -> str:
    """`. Did you mean PATH?` for a value given to a group of settings: the setting in it that names its subject, if any."""
    named = [setting for setting in (f"{path}.id", f"{path}.folder") if setting in settings]
    return f".{_question(named)}" if named else ""


def _close(word: str, names: Iterable[str]) -> list[str]:
    return get_close_matches(word, list(names), n=_MOST, cutoff=_CUTOFF)


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


def _question(suggestions: Sequence[str], prefix: str = "") -> str:
    listed = [prefix + suggestion for suggestion in suggestions[:_MOST]]
    if not listed:
        return ""
    beginning = ", ".join(listed[:-1])
    return f" Did you mean {f'{beginning} or ' if beginning else ''}{listed[-1]}?"
