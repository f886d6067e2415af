"""Settings that contradict each other are refused before a run begins."""

import pytest

from reverie.config.overrides import override
from reverie.errors import UserError
from reverie.recipes import build
from reverie.runs.config import check_consistent


@pytest.mark.parametrize(
    ("recipe", "settings", "sentence"),
    [
        ("cfm", {"training.length": "1"}, "This model learns from transitions: take --training.length 2 or more."),
        ("cvae", {"training.length": "1", "model.given": "past"}, "take --training.length 2 or more."),
        ("cfm", {"model.signals.prediction.steps": "5"}, "predicts beyond sequences of --training.length 5: take 4 or"),
        ("naive", {"model.weights.prediction": "0"}, "are 0: nothing would be learned"),
        ("dreamer_v1", {"model.optimizer.lr": "0"}, "--model.optimizer.lr is 0, with which nothing is learned"),
        ("dreamer_v1", {"behavior.actor_optimizer.lr": "0"}, "--behavior.actor_optimizer.lr is 0"),
        ("vae", {"model.optimizer.lr": "0.0"}, "with which nothing is learned"),
        ("dreamer_v1", {"replay.capacity": "7"}, "--replay.capacity 7 holds no sequence of --training.length 8"),
        ("dreamer_v1", {"training.prefill": "1000"}, "--training.prefill 1000 leaves none of --training.frames 1000"),
    ],
)
def test_a_contradiction_is_one_sentence(recipe, settings, sentence):
    config = build(recipe, "tiny")
    check_consistent(config)
    with pytest.raises(UserError) as error:
        check_consistent(override(config, settings))
    assert sentence in str(error.value)


def test_what_is_odd_and_can_be_learned_from_is_legal():
    check_consistent(override(build("cvae", "tiny"), {"training.length": "1"}))  # of labels, not of the past
    check_consistent(override(build("cfm", "tiny"), {"model.weights.prediction": "0"}))
    check_consistent(override(build("dreamer_v1", "tiny"), {"replay.capacity": "8", "training.prefill": "0"}))
