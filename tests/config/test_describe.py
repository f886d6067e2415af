from dataclasses import dataclass, field

from reverie import recipes
from reverie.config.describe import describe, field_descriptions
from reverie.config.overrides import leaves


@dataclass(frozen=True)
class Base:
    """A part.

    More about it.
    """

    size: int = 1
    """Numbers in
    a vector."""
    plain: int = 2


@dataclass(frozen=True)
class Part(Base):
    own: float = 0.5
    """Its own."""


@dataclass(frozen=True)
class Whole:
    part: Base = field(default_factory=Part)
    parts: dict[str, Base] = field(default_factory=lambda: {"a": Base()})
    seed: int = 0
    """Of everything random."""


def test_descriptions_stand_under_fields_and_are_inherited():
    assert field_descriptions(Part) == {"size": "Numbers in a vector.", "own": "Its own."}
    assert describe(Whole()) == {
        "part.size": "Numbers in a vector.",
        "part.own": "Its own.",
        "parts.a": "A part.",
        "parts.a.size": "Numbers in a vector.",
        "seed": "Of everything random.",
    }


def test_a_class_without_source_has_none():
    config = dataclass(frozen=True)(type("Made", (), {"__annotations__": {"size": int}, "size": 1, "__module__": "x"}))
    assert field_descriptions(config) == {}


def test_what_is_described_exists():
    config = recipes.build("dreamer_v1", "tiny")
    described = describe(config)
    assert "training.batch" in described
    assert {path for path in described if "." in path and path not in leaves(config)} <= {
        path for path in described if any(leaf.startswith(f"{path}.") for leaf in leaves(config))
    }
