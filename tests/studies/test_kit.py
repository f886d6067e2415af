"""What all studies share, and their command."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from reverie import recipes
from reverie.errors import UserError
from reverie.runs.interrupt import Interrupted
from studies import __main__ as command
from studies import kit


def test_a_measurement_is_cached_by_its_settings(tmp_path):
    path, calls = tmp_path / "sub" / "x.json", []
    path.parent.mkdir()

    def measure() -> dict:
        calls.append(None)
        return {1: [float("nan"), 2.0]}

    assert kit.cached(path, measure, {"seeds": (0, 1)}) == {"1": [None, 2.0]}
    assert kit.cached(path, measure, {"seeds": (0, 1)}) == {"1": [None, 2.0]}
    assert len(calls) == 1
    kit.cached(path, measure, {"seeds": (0, 2)})
    assert len(calls) == 2


def test_a_run_with_other_settings_is_refused(tmp_path):
    config = recipes.build("vae", "tiny")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with pytest.raises(UserError):
        kit.ensure_trained(config, folder, lambda progress: None)


def test_tables_and_numbers():
    assert kit.table(["", "a"], [["x", "1"]]) == "|  | a |\n| --- | --- |\n| x | 1 |"
    assert [kit.number(value) for value in (None, float("nan"), 1.234)] == ["–", "–", "1.23"]
    assert kit.mean_std([1.0, 3.0], 1) == "2.0 ± 1.0"


def test_publish_renews_what_stands_between_the_markers(tmp_path):
    folder, out = tmp_path / "some", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    (out / "x.png").write_bytes(b"png")
    readme = folder / "README.md"
    place = "<!-- numbers: {} -->\n{}\n<!-- /numbers -->"
    readme.write_text(f"A.\n{place.format('one', 'old')}\nB.\n{place.format('two', '')}\n")
    kit.publish("some", out, {"size": "laptop"}, {"one": "| 1 |", "two": r"| \2 |"}, root=tmp_path)
    text = readme.read_text()
    kit.publish("some", out, {"size": "laptop"}, {"one": "| 1 |"}, root=tmp_path)
    assert readme.read_text() == text
    first, second = place.format("one", "\n| 1 |\n"), place.format("two", "\n| \\2 |\n")
    assert text == f"A.\n{first}\nB.\n{second}\n"
    assert (folder / "figures" / "x.png").read_bytes() == b"png"
    assert json.loads((folder / "numbers.json").read_text()) == {"size": "laptop"}
    with pytest.raises(UserError, match="add `<!-- numbers: three -->`"):
        kit.fill(text, {"three": ""})


def test_a_part_is_measured_anew_and_the_others_stay(monkeypatch, tmp_path):
    folder = tmp_path / "some"
    folder.mkdir()
    old = {"size": "laptop", "conditions": {"rope": {"cfm": {"0": 1}}, "cloth": {"cfm": {"0": 2}, "joint": {"0": 3}}}}
    (folder / "numbers.json").write_text(json.dumps(old))
    new = {"size": "laptop", "conditions": {"cloth": {"joint": {"0": 4}}}}
    study = SimpleNamespace(study=lambda *arguments: new, PARTS=("cloth/joint",))
    report = SimpleNamespace(draw=lambda *arguments: None, tables=lambda numbers: {})
    monkeypatch.setattr(command, "check_name", lambda name: None)
    monkeypatch.setattr(command, "import_module", lambda name: report if name.endswith("report") else study)
    monkeypatch.setattr(kit, "ROOT", tmp_path)
    numbers, _ = command.run("some", tmp_path / "out", "laptop", lambda shown: None, ("cloth/joint",))
    cloth = {"cfm": {"0": 2}, "joint": {"0": 4}}
    assert numbers == {"size": "laptop", "conditions": {"rope": {"cfm": {"0": 1}}, "cloth": cloth}}


@pytest.mark.parametrize("name", command.names())
def test_what_is_published_fits_together(name):
    """Tables in the README are those of the numbers, and it shows every figure."""
    folder = Path("studies", name)
    numbers = json.loads((folder / "numbers.json").read_text())
    text = (folder / "README.md").read_text()
    tables = command.import_module(f"studies.{name}.report").tables(numbers)
    assert kit.fill(text, tables) == text
    figures = {path.name for path in (folder / "figures").glob("*.png")}
    assert figures == {part.split(")")[0] for part in text.split("(figures/")[1:]}
    assert f"python -m studies {name} --publish" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("generativ", "Did you mean generative?"),
        ("generativ --redraw", "Did you mean generative?"),
        ("generative --size paper", "no size 'paper' of the study generative: take one of tiny, laptop."),
        ("deformable --size huge", "take one of tiny, laptop, paper."),
        ("deformable --parts rope,string", "no part 'string'"),
        ("generative --parts rope", "it has no parts"),
        ("generative --size tiny --publish", "publish with --size laptop"),
    ],
)
def test_mistakes_are_one_sentence(words, sentence, tmp_path, capsys):
    assert command.main([*words.split(), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_ctrl_c_says_how_to_go_on(monkeypatch, tmp_path, capsys):
    def interrupt(*arguments: object) -> None:
        raise Interrupted("Interrupted and saved.")

    monkeypatch.setattr(command, "run", interrupt)
    assert command.main(["generative", "--out", str(tmp_path)]) == 130
    assert f"Interrupted and saved: the same command goes on where {tmp_path} stands." in capsys.readouterr().err


def test_the_command_prints_tables_and_publishes(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "run", lambda *arguments: ({"x": 1}, {"one": "| 1 |"}))
    monkeypatch.setattr(kit, "publish", lambda name, *arguments: Path("studies") / name)
    assert command.main(["generative", "--out", str(tmp_path), "--publish"]) == 0
    printed = capsys.readouterr().out
    assert "| 1 |" in printed
    assert "published in studies/generative" in printed


def test_a_new_place_takes_nothing_of_the_page():
    place = "<!-- numbers: {} -->\n{}<!-- /numbers -->\n"
    text = "A.\n" + place.format("new", "") + "B.\n" + place.format("old", "0\n")
    filled = "A.\n" + place.format("new", "\n1\n\n") + "B.\n" + place.format("old", "\n2\n\n")
    assert kit.fill(text, {"new": "1", "old": "2"}) == filled
