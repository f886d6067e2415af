"""Limits of settings: values that a tensor cannot hold, or with which nothing happens, are refused where they are."""

from dataclasses import dataclass, field

import pytest

from reverie.config.checks import Checked, above, at_least, below, between, positive, share
from reverie.errors import UserError


@dataclass(frozen=True)
class Numbers(Checked):
    least: float = field(default=1.0, metadata=at_least(0))
    whole: int = field(default=1, metadata=at_least(-5))
    positive: float = field(default=1.0, metadata=positive())
    clip: float = field(default=1.0, metadata=above(0))
    both: float = field(default=1.0, metadata=between(0, 1e9))
    momentum: float = field(default=0.0, metadata=below(1))
    rate: float = field(default=1.0, metadata=share())
    maybe: float | None = field(default=None, metadata=at_least(0))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("least", float("inf"), "it must be 0 or more"),
        ("least", float("nan"), "it must be 0 or more"),
        ("least", -1e-9, "it must be 0 or more"),
        ("least", 1e300, "no setting is finer than 1e-30 or coarser than 1e+30"),
        ("positive", 1e-300, "no setting is finer than"),
        ("positive", 0.0, "it must be positive and finite"),
        ("clip", float("nan"), "it must be above 0"),
        ("whole", 2**70, "no setting goes beyond 9007199254740992"),
        ("whole", -6, "it must be -5 or more"),
        ("both", 1e10, "it must be between 0 and 1000000000.0"),
        ("momentum", 1.0, "it must be 0 or more, and below 1"),
        ("rate", 0.0, "it must be above 0 and at most 1"),
        ("maybe", -1.0, "it must be 0 or more, or none"),
    ],
)
def test_a_value_out_of_range_is_one_sentence(name, value, words):
    with pytest.raises(UserError, match=rf"`{name}` of Numbers is .+{words}".replace("+30", r"\+30")):
        Numbers(**{name: value})


def test_the_ends_of_the_ranges_are_legal():
    Numbers(least=0.0, whole=-5, positive=1e-30, clip=float("inf"), both=1e9, momentum=0.999, rate=1.0, maybe=None)
    Numbers(whole=2**53, positive=1e30, least=1e-30)
