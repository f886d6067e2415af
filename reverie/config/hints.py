"""Hints for a setting that does not exist: the paths that the user probably meant."""

from collections.abc import Sequence
from difflib import get_close_matches

from reverie.errors import did_you_mean

_FEW = 20
"""Settings that one sentence can list."""
_CUTOFF = 0.6
"""Similarity, from 0 to 1, from which a word counts as a typing mistake for another."""
_NEARLY_EQUAL = 0.85
"""Similarity of two paths from which the other paths are not suggested."""
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
    ("training.minutes",): "time_budget max_time max_seconds",
    ("training.updates",): "epochs iterations",
}
SYNONYMS = {word: settings for settings, words in _WORDS.items() for word in words.split()}
"""The settings that words of other libraries mean here. Only settings of the config at hand are suggested."""


def hint(path: str, settings: Sequence[str], prefix: str = "") -> str:
    """Return a hint about `path`, which is none of the dotted `settings`; empty where nothing is close.

    In this order: synonyms; settings with the same last word; similar last words below the longest beginning that
    exists; everything below it, if that is little; similar paths. `prefix` precedes each suggestion.
    """
    *beginning, word = path.split(".")
    parents = [".".join(beginning[:length]) + "." for length in range(len(beginning), 0, -1)] + [""]
    parent = next((parent for parent in parents if any(name.startswith(parent) for name in settings)), "")
    below = [name for name in settings if name.startswith(parent)]
    found = [name for name in SYNONYMS.get(path, SYNONYMS.get(word, ())) if name in settings]
    if not found:
        same_word = _with_last_word(word, below) or _with_last_word(word, settings)
        found = get_close_matches(path, same_word, n=1, cutoff=_NEARLY_EQUAL) or same_word
    if not found:
        similar = get_close_matches(word, [name.split(".")[-1] for name in below], n=1, cutoff=_CUTOFF)
        found = _with_last_word(similar[0], below) if similar else []
    if not found and parent and len(below) <= _FEW:
        return f" There is {', '.join(prefix + name for name in below)}."
    if not found:
        without_end = ".".join(beginning)
        found = [without_end] if without_end in settings else get_close_matches(path, settings, n=1, cutoff=_CUTOFF)
    return did_you_mean([prefix + name for name in found])


def _with_last_word(word: str, settings: Sequence[str]) -> list[str]:
    return [name for name in settings if name.split(".")[-1] == word]
