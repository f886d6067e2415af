import pytest

from reverie.config.hints import SYNONYMS, hint
from reverie.errors import nearest

SETTINGS = [
    "seed",
    "threads",
    "device",
    "env.id",
    "env.repeat",
    "model.dynamics",
    "model.dynamics.deter",
    "model.optimizer.lr",
    "behavior.actor.lr",
    "behavior.gamma",
    "training.frames",
    "training.updates",
    "training.batch",
]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("steps", "Did you mean training.frames or training.updates?"),
        ("training.steps", "Did you mean training.frames or training.updates?"),
        ("lr", "Did you mean model.optimizer.lr or behavior.actor.lr?"),
        ("learning_rate", "Did you mean model.optimizer.lr?"),
        ("gamma", "Did you mean behavior.gamma?"),
        ("discount", "Did you mean behavior.gamma?"),
        ("batch_size", "Did you mean training.batch?"),
        ("env", "Did you mean env.id?"),
        ("task", "Did you mean env.id?"),
        ("gpu", "Did you mean device?"),
        ("frame_skip", "Did you mean env.repeat?"),
        ("model.dynamics.detr", "Did you mean model.dynamics.deter?"),
        ("model.dynamcs.deter", "Did you mean model.dynamics.deter?"),
        ("training.xyz", "There is training.frames, training.updates, training.batch."),
        ("seed.x", "Did you mean seed?"),
    ],
)
def test_hints(path, sentence):
    assert hint(path, SETTINGS) == f" {sentence}"


def test_a_word_like_no_other_has_no_hint():
    assert hint("qqqq", SETTINGS) == ""


def test_only_settings_that_exist_are_suggested():
    assert hint("steps", ["training.updates"]) == " Did you mean training.updates?"


def test_a_prefix_is_written_before_each():
    assert hint("steps", SETTINGS, "--") == " Did you mean --training.frames or --training.updates?"


def test_no_synonym_is_a_setting_of_its_own():
    assert not {path for paths in SYNONYMS.values() for path in paths} & set(SYNONYMS) - {"out"}


def test_all_names_that_begin_so_come_before_the_closest():
    assert nearest("dreamer", ["planet", "dreamer_v1", "dreamer_v2"]) == " Did you mean dreamer_v1 or dreamer_v2?"
    assert nearest("dremer_v1", ["planet", "dreamer_v1", "dreamer_v2"]) == " Did you mean dreamer_v1?"
    assert nearest("a", ["ab", "ac", "ad", "ae", "af"]) == " Did you mean ab, ac, ad or ae?"
    assert nearest("qqq", ["planet"]) == ""
