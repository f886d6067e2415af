"""Hints for a setting that does not exist: the paths that the user probably meant."""

from collections.abc import Sequence
from difflib import get_close_matches

from reverie.errors import did_you_mean

_FEW = 20
"""Settings that one sentence can list."""
_CUTOFF = 0.6
"""Similarity, from 0 to 1, from which a word counts as a typing mistake for another."""

_NEARLY = 0.85
"""Similarity of two paths from which one is meant by the other."""

_WORDS = {
    ("behavior.gamma", "objective.gamma"): "discount",
    ("data.folder", "data"): "dataset",
    ("device",): "cuda gpu",
    ("env.count",): "num_envs",
    ("env.id", "data.env.id"): "env env_id env_name environment game task",
    ("env.image_size",): "resolution",
    ("env.repeat",): "action_repeat frame_skip",
    ("evaluation.episodes", "episodes"): "eval_episodes",
    ("evaluation.every", "training.evaluate_every"): "eval_every",
    ("model.optimizer.lr", "behavior.actor_optimizer.lr", "behavior.value_optimizer.lr"): "learning_rate",
    ("num_samples",): "futures",
    ("replay.capacity",): "buffer_size",
    ("run",): "logdir out",
    ("run", "out"): "output",
    ("training.batch",): "batch_size",
    ("training.checkpoint_every",): "checkpoint save_every",
    ("training.frames", "training.updates"): "steps timesteps total_steps total_timesteps",
    ("training.length",): "seq_len sequence_length",
    ("training.log_every",): "log_interval",
    ("training.updates",): "epochs iterations",
}
SYNONYMS = {word: settings for settings, words in _WORDS.items() for word in words.split()}
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
        return did_you_mean([prefix + setting for setting in synonyms or same_word])
    last_words = [setting.split(".")[-1] for setting in below]
    if similar := get_close_matches(word, last_words, n=1, cutoff=_CUTOFF):
        return did_you_mean([prefix + setting for setting in _with_last_word(similar[0], below)])
    if parent and len(below) <= _FEW:
        return f" There is {', '.join(prefix + setting for setting in below)}."
    without_end = path.removesuffix(f".{word}")
    closest = [without_end] if without_end in settings else get_close_matches(path, settings, n=1, cutoff=_CUTOFF)
    return did_you_mean([prefix + setting for setting in closest])


def group_hint(path: str, settings: Sequence[str]) -> str:
    """A hint, with the full stop before it, for a value given to a group: the setting in it that names the subject."""
    named = [setting for setting in (f"{path}.id", f"{path}.folder") if setting in settings]
    return f".{did_you_mean(named)}" if named else ""


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
