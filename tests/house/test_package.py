"""What is installed is whole: the wheel's files, its entry points, and the image of the Dockerfile."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def pip(*words: str) -> None:
    """Run pip, which may not reach any network."""
    command = [sys.executable, "-m", "pip", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of what the image copies."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in ("reverie", "reverie_worlds"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(target), str(source))
    (built,) = target.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_has_every_file_of_both_packages_and_no_other(wheel):
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    here = [path for package in ("reverie", "reverie_worlds") for path in (ROOT / package).rglob("*") if path.is_file()]
    assert files == {str(path.relative_to(ROOT)) for path in here if "__pycache__" not in path.parts}


@pytest.mark.slow
def test_the_wheel_names_its_license_and_entry_points(wheel):
    contents = zipfile.ZipFile(wheel)
    (entry_points,) = (name for name in contents.namelist() if name.endswith("entry_points.txt"))
    parser = ConfigParser()
    parser.read_string(contents.read(entry_points).decode())
    assert dict(parser["console_scripts"]) == PROJECT["scripts"]
    assert dict(parser["reverie"]) == PROJECT["entry-points"]["reverie"]
    assert any(name.endswith("licenses/LICENSE") for name in contents.namelist())


@pytest.mark.slow
def test_the_installed_wheel_runs_without_the_checkout(wheel, tmp_path):
    target = tmp_path / "installed"
    pip("install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = str(target)

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    places = run("-c", "import reverie, reverie_worlds as worlds; print(reverie.__file__, worlds.__file__)").split()
    assert [Path(place).parents[1] for place in places] == [target, target]
    assert run("-m", "reverie", "version").startswith(f"reverie {PROJECT['version']}")


def test_the_image_installs_what_the_tests_install():
    apt = set(re.search(r"no-install-recommends (.*) \\", DOCKERFILE)[1].split())
    assert apt == set(re.search(r"for package in (.*);", (ROOT / ".ci" / "run").read_text())[1].split())
    extras = set(re.search(r"ARG EXTRAS=(.*)", DOCKERFILE)[1].split(","))
    assert extras <= set(PROJECT["optional-dependencies"])
    version = re.search(r"FROM python:(\S+)-slim", DOCKERFILE)[1]
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_what_the_image_copies_exists_and_is_not_ignored():
    copied = {name for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()}
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    assert copied == set(re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))


def test_the_changelog_and_the_citation_name_the_version():
    assert re.search(
        rf"^## {re.escape(PROJECT['version'])} - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert f"\nversion: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text()
