import importlib.metadata
import tomllib
from collections import namedtuple
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from reverie.cli import command_line as main
from reverie.cli.commands import doctor
from reverie.cli.commands.doctor import Finding
from reverie.data import storage


def named(findings, name):
    return next(finding for finding in findings if finding.name == name)


def testversions_name_what_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "mujoco" else "1.0")
    findings = list(doctor.versions())
    assert named(findings, "torch") == Finding("torch", "1.0", True)
    assert named(findings, "mujoco") == Finding("mujoco", "not installed", False)


def testdevices_name_the_cpu_cores():
    assert "cores" in named(doctor.devices(), "cpu").text


@pytest.mark.parametrize(
    ("probe", "text", "good"),
    [
        ("import os; assert os.environ['MUJOCO_GL'] == 'egl'", "draws", True),
        ("import os; os.abort()", "does not draw: exit code -6", False),
        ("raise RuntimeError('no display')", "does not draw: RuntimeError: no display", False),
    ],
)
def testrendering_survives_any_driver(monkeypatch, probe, text, good):
    monkeypatch.setattr(doctor, "_version", lambda name: "3.17")
    assert named(doctor.rendering(probe), "egl") == Finding("egl", text, good)


def testrendering_gives_up_on_a_driver_that_hangs_and_names_the_fix(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: "3.17")
    findings = list(doctor.rendering("import time; time.sleep(600)", seconds=0.1))
    assert "drew nothing" in named(findings, "egl").text
    assert "apt-get install libegl1" in named(findings, "fix").text


def testrendering_without_mujoco_starts_nothing(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    assert [finding.name for finding in doctor.rendering("not python")] == ["mujoco"]


def test_little_room_is_marked(monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage(free=2**30))
    monkeypatch.setattr(storage, "available_memory", lambda device: 8 * 2**30)
    findings = list(doctor.room())
    assert [(finding.name, finding.good) for finding in findings] == [("memory", True), ("disk", False)]


def test_an_extra_has_what_it_gives_its_state_and_the_command(monkeypatch):
    class Metadata:
        def get_all(self, key):
            return {
                "Provides-Extra": ["dmc", "dev"],
                "Requires-Dist": [
                    "torch>=2",
                    'mujoco<4; extra == "dmc"',
                    'dm_control; extra == "dmc"',
                    'pytest; extra == "dev"',
                ],
            }[key]

    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: Metadata())
    monkeypatch.setattr(doctor, "_version", lambda name: {"mujoco": "4.0.0", "pytest": "9.0"}.get(name))
    dmc, dev = doctor.extras()
    assert dmc.text == (
        "tasks of DeepMind Control (`dm_control/walker-walk-v0`): mujoco is 4.0.0, not <4, dm_control is missing "
        "(`pip install 'reverie[dmc]'`)"
    )
    assert dev.text == "tests and checks of Reverie itself: installed (`pip install 'reverie[dev]'`)"
    assert (dmc.good, dev.good) == (False, True)


def test_plugins_are_listed_with_what_is_wrong(monkeypatch):
    points = {
        name: EntryPoint(name, module, "reverie")
        for name, module in (("doctor_lab", "json"), ("doctor_bad", "no_module"))
    }
    monkeypatch.setattr(doctor.plugins, "installed", lambda: points)
    lab, bad = doctor.plug_ins()
    assert lab == Finding("doctor_lab", "json", True)
    assert not bad.good
    assert "cannot be imported (ModuleNotFoundError" in bad.text


def test_every_extra_is_described():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) <= set(doctor._EXTRAS)


def test_each_section_has_a_heading(capsys, monkeypatch):
    findings = {"versions": [Finding("torch", "2.13", True), Finding("python", "3.13")]}
    findings["room"] = [Finding("disk", "1 GiB free", False)]
    for section in ("versions", "devices", "rendering", "room", "extras"):
        fake = lambda section=section: iter(findings.get(section, ()))  # noqa: E731
        fake.__name__ = section
        monkeypatch.setattr(doctor, section, fake)
    assert main.main(["doctor"]) == 0
    sections = capsys.readouterr().out.split("\n\n")
    assert sections[0] == f"versions\n  ok {'torch':<24} 2.13\n     {'python':<24} 3.13"
    assert sections[1:3] == ["devices", "rendering"]
    assert sections[3] == f"room\n  -- {'disk':<24} 1 GiB free"
    assert sections[5].startswith("plug-ins\n")
