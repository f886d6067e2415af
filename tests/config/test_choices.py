"""Families of parts: choices of other packages, by name, in files and in dotted options."""

import json
import runpy
import sys
from dataclasses import dataclass, field, replace

import pytest

from reverie.config import plugins
from reverie.config.checks import at_least
from reverie.config.choices import PARTS, Choice
from reverie.config.files import check_readable, decode, encode, read_file, write_file
from reverie.config.overrides import leaves, override
from reverie.errors import UserError

PART = """
from dataclasses import dataclass
from test_choices import EngineConfig

@dataclass(frozen=True)
class {name}Config(EngineConfig):
    power: int = 3
"""


class EngineConfig(Choice):
    def build(self, size: int) -> object:
        raise NotImplementedError


@dataclass(frozen=True)
class SteamConfig(EngineConfig):
    size: int = field(default=1, metadata=at_least(1))

    def build(self, size: int) -> object:
        return [0] * size if size else 1 / size


@dataclass(frozen=True)
class Car:
    engine: EngineConfig = field(default_factory=SteamConfig)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module into a folder on the path; gives its name. Everything is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "test_choices", sys.modules[__name__])
    monkeypatch.setattr(plugins, "_used", {})
    monkeypatch.setitem(PARTS, EngineConfig, list(PARTS[EngineConfig]))
    written = []

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


def restored(config):
    return decode(type(config), json.loads(json.dumps(encode(config))))


def test_a_choice_belongs_to_its_family():
    assert EngineConfig.choices()["Steam"] is SteamConfig


def test_a_part_of_a_script_is_chosen_saved_and_read(module):
    plugins.use(module("lab_parts", PART.format(name="Diesel")))
    car = override(Car(), {"engine": "Diesel", "engine.power": "7"})
    assert leaves(car) == {"engine": "Diesel", "engine.power": 7}
    tree = encode(car)
    assert tree["engine"] == {"type": "DieselConfig", "plugin": "lab_parts", "power": 7}
    assert restored(car) == car
    assert restored(replace(car, engine=replace(car.engine, power=8))).engine.power == 8


def test_a_file_cannot_bring_a_module(module):
    name = module("lab_evil", "raise SystemExit('imported')")
    tree = encode(Car()) | {"engine": {"type": "EvilConfig", "plugin": name}}
    with pytest.raises(UserError, match="This needs the plug-in lab_evil, which has the part EvilConfig: install it"):
        decode(Car, tree)
    assert name not in sys.modules


def test_a_plugin_that_lacks_the_part_is_too_old(module):
    plugins.use(module("lab_parts", PART.format(name="Diesel")))
    tree = encode(Car()) | {"engine": {"type": "RocketConfig", "plugin": "lab_parts"}}
    with pytest.raises(UserError, match="The plug-in lab_parts has no RocketConfig, which `engine` needs"):
        decode(Car, tree)


def test_two_modules_that_claim_one_name(module):
    plugins.use(module("lab_one", PART.format(name="Diesel")))
    plugins.use(module("lab_two", PART.format(name="Diesel")))
    with pytest.raises(UserError, match="Two parts for `engine` are called `Diesel`, of lab_one and lab_two"):
        override(Car(), {"engine": "Diesel"})


def test_a_typing_error_is_answered_by_the_nearest_name():
    with pytest.raises(UserError, match=r"`engine` cannot be `Steem`; .*Did you mean Steam\?"):
        override(Car(), {"engine": "Steem"})


def test_a_plugin_that_cannot_be_imported_is_one_sentence(module):
    with pytest.raises(UserError, match=r"The plug-in lab_broken cannot be imported \(ZeroDivisionError"):
        plugins.use(module("lab_broken", "1 / 0"))
    with pytest.raises(UserError, match=r"There is no file parts\.py"):
        plugins.use("parts.py")


def test_a_file_with_parts_can_be_used_like_a_module(module, tmp_path):
    name = module("lab_script", PART.format(name="Diesel"))
    plugins.use(str(tmp_path / f"{name}.py"))
    assert override(Car(), {"engine": "Diesel"}).engine.power == 3


def test_a_running_script_may_define_parts(module, tmp_path):
    check = "from test_choices import Car\nfrom reverie.config.files import check_readable\n"
    name = module("lab_main", f"{PART.format(name='Diesel')}\n{check}check_readable(Car(DieselConfig()))\n")
    runpy.run_path(str(tmp_path / f"{name}.py"), run_name="__main__")


def test_a_file_names_the_plugins_that_it_needs(module, tmp_path):
    plugins.use(module("lab_parts", PART.format(name="Diesel")))
    car = override(Car(), {"engine": "Diesel"})
    write_file(tmp_path / "car.json", car)
    assert json.loads((tmp_path / "car.json").read_text())["plugins"] == ["lab_parts"]
    assert read_file(Car, tmp_path / "car.json") == car
    plugins._used.clear()
    with pytest.raises(UserError, match=r"needs the plug-in lab_parts.*--use MODULE"):
        read_file(Car, tmp_path / "car.json")


def test_a_class_that_is_not_frozen_is_one_sentence(module):
    text = PART.format(name="Diesel").replace("(frozen=True)", "")
    plugins.use(module("lab_parts", text))
    with pytest.raises(UserError, match=r"lab_parts\.DieselConfig cannot be chosen, because it is no frozen dataclass"):
        override(Car(), {"engine": "Diesel"})


def test_a_build_that_fails_names_the_part():
    assert SteamConfig().build(2) == [0, 0]
    with pytest.raises(UserError, match=r"Steam of \S*test_choices cannot be built \(ZeroDivisionError: division"):
        SteamConfig().build(0)


def test_limits_hold_in_python_and_in_options():
    with pytest.raises(UserError, match="`size` of Steam is 0: it must be 1 or more"):
        SteamConfig(size=0)
    with pytest.raises(UserError, match=r"`--engine\.size` is 0: it must be 1 or more"):
        override(Car(), {"engine.size": "0"}, prefix="--")


def test_a_config_that_would_come_back_otherwise_is_refused():
    with pytest.raises(UserError, match="could not be read back"):
        check_readable(Car(engine=SteamConfig(size=2.5)))  # an int is declared
