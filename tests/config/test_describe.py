import importlib.util
import sys
from dataclasses import dataclass, field, fields
from typing import get_args

from reverie import recipes
from reverie.config import plugins
from reverie.config.choices import PARTS
from reverie.config.declared import alternatives, configs_of, declared_types
from reverie.config.describe import describe, field_descriptions
from reverie.config.overrides import leaves
from reverie.runs.config import RunConfig

PLUGIN = '''
from dataclasses import dataclass
from test_describe import Base

@dataclass(frozen=True)
class MineConfig(Base):
    power: int = 3
    """Power of the engine, in watts."""
'''


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
    weights: dict[str, float] = field(default_factory=lambda: {"a": 1.0})
    """Factor of each loss."""
    seed: int = 0
    """Seed of everything random."""


def test_descriptions_stand_under_fields_and_are_inherited():
    assert field_descriptions(Part) == {"size": "Numbers in a vector.", "own": "Its own."}
    assert describe(Whole()) == {
        "part.size": "Numbers in a vector.",
        "part.own": "Its own.",
        "parts.a": "A part.",
        "parts.a.size": "Numbers in a vector.",
        "weights": "Factor of each loss.",
        "weights.a": "Factor of each loss.",
        "seed": "Seed of everything random.",
    }


def test_parts_of_a_users_package_are_described(tmp_path, monkeypatch):
    (tmp_path / "lab_described.py").write_text(PLUGIN)
    monkeypatch.setitem(sys.modules, "test_describe", sys.modules[__name__])
    spec = importlib.util.spec_from_file_location("lab_described", tmp_path / "lab_described.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lab_described", module)
    spec.loader.exec_module(module)
    assert describe(Whole(part=module.MineConfig()))["part.power"] == "Power of the engine, in watts."
    assert describe(Whole(part=module.MineConfig()))["part.size"] == "Numbers in a vector."


def test_a_class_without_source_has_none():
    config = dataclass(frozen=True)(type("Made", (), {"__annotations__": {"size": int}, "size": 1, "__module__": "x"}))
    assert field_descriptions(config) == {}


def configs_within(declared) -> list[type]:
    """The config classes that a value of this type may have or hold."""
    inner = [cls for member in alternatives(declared) for item in get_args(member) for cls in configs_within(item)]
    return configs_of(declared) + inner


def config_classes() -> list[type]:
    """Every config class of Reverie: the kinds of run, all parts of all families, and the configs in their fields."""
    recipes.names()  # imports the plug-ins too
    found: list[type] = []
    remaining = [*configs_of(RunConfig), *(part for parts in PARTS.values() for part in parts)]
    while remaining:
        cls = remaining.pop()
        if cls not in found and cls.__module__.partition(".")[0] in plugins.OWN:
            found.append(cls)
            remaining += [config for declared in declared_types(cls).values() for config in configs_within(declared)]
    return found


def test_every_field_of_every_config_has_a_description():
    missing = [
        f"{cls.__module__}.{cls.__name__}.{name}"
        for cls in config_classes()
        for name in declared_types(cls)
        if name not in field_descriptions(cls)
    ]
    assert not missing, "\n" + "\n".join(sorted(missing))


def test_show_describes_every_setting_of_every_recipe():
    configs = {recipe: recipes.build(recipe, "tiny") for recipe in recipes.RECIPES}
    missing = {recipe: sorted(set(leaves(config)) - set(describe(config))) for recipe, config in configs.items()}
    assert not any(missing.values()), missing


def test_every_number_of_every_config_has_a_limit():
    numbers = (int, float, int | None, float | None)
    without = [
        f"{cls.__module__}.{cls.__name__}.{item.name}"
        for cls in config_classes()
        for item in fields(cls)
        if declared_types(cls)[item.name] in numbers and "limit" not in item.metadata
    ]
    assert not without, "\n" + "\n".join(sorted(without))
