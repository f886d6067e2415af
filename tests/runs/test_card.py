"""Runs on the Hub: what is sent and what stays, the card, and that a fetched run brings no code."""

import json
import shutil
import sys

import fake_hub
import fake_runs
import numpy as np
import pytest
from safetensors.numpy import load_file

import reverie
from reverie.cli.command_line import main
from reverie.errors import UserError

FILES = {"README.md", "config.json", "versions.json", "agent.json", "agent.safetensors"}


@pytest.fixture
def run(uninterrupted, tmp_path):
    """A trained run with a result, as after its final evaluation."""
    folder = shutil.copytree(uninterrupted, tmp_path / "trained")
    result = {"returns": [-4.0, -2.0], "mean": -3.0, "standard_deviation": 1.0, "env": "x", "seed": 0}
    (folder / "evaluation.json").write_text(json.dumps(result))
    for name in ("curve.png", "evaluation.mp4"):
        (folder / name).write_bytes(b"picture")
    (folder / "parts.py").write_text("raise SystemExit")
    return folder


@pytest.fixture
def calls(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return fake_hub.install(monkeypatch, tmp_path / "hub")


@pytest.mark.slow
def test_a_run_is_sent_and_acts_the_same_when_it_is_loaded(run, calls, tmp_path):
    assert reverie.push(run, "someone/slide", private=True) == "hf:someone/slide"
    assert calls == [("create", "someone/slide", True), ("upload", "someone/slide")]
    sent = {path.name for path in (tmp_path / "hub" / "someone" / "slide").iterdir()}
    assert sent == {*FILES, "evaluation.json", "curve.png", "replay.mp4"}
    agent, original = reverie.load("hf:someone/slide", "cpu"), reverie.load(run, "cpu")
    assert calls[-1] == ("download", "someone/slide", None)
    obs = {
        name: np.random.default_rng(0).integers(0, 2, space.shape).astype(space.dtype)
        for name, space in agent.config.spec.obs.items()
    }
    assert np.array_equal(agent.act(None, obs)[1], original.act(None, obs)[1])
    reverie.load("hf:someone/slide@v1")
    assert calls[-1] == ("download", "someone/slide", "v1")


@pytest.mark.slow
def test_the_card_has_film_curve_numbers_settings_and_versions(run, tmp_path):
    place = reverie.push(run, "someone/slide", out=tmp_path / "card", license="mit")
    text = (tmp_path / "card" / "README.md").read_text()
    assert place == str(tmp_path / "card")
    _, front, page = text.split("---\n", 2)
    about = {key: json.loads(value) for key, _, value in (line.partition(": ") for line in front.splitlines())}
    assert (about["license"], about["library_name"], about["pipeline_tag"]) == (
        "mit",
        "reverie",
        "reinforcement-learning",
    )
    assert about["tags"] == ["reverie", "world-model", "dreamer_v1", "worlds:Slide-v0"]
    (result,) = about["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == "-3.00 +/- 1.00"
    for part in (
        "](replay.mp4)", "](curve.png)", "| mean | -3 |", "| episodes | 2 |", "of 240 frames |", "| torch | ",
        "model.dynamics = RSSM\n", "training.frames = 240\n", 'reverie.load("hf:someone/slide")',
    ):  # fmt: skip
        assert part in page
    assert "open_loop.png" not in page  # it was not there
    assert sorted(load_file(tmp_path / "card" / "agent.safetensors")) == sorted(load_file(run / "agent.safetensors"))
    with pytest.raises(UserError, match="is not empty: choose another --out"):
        reverie.push(run, "someone/slide", out=tmp_path / "card")
    reverie.load(tmp_path / "card")  # the files are a run's folder


@pytest.mark.slow
def test_a_fetched_run_names_code_and_brings_none(run, calls, tmp_path, monkeypatch, capsys):
    """The environment is of a module that lies beside the run on the Hub, and of one that can be imported."""
    place = tmp_path / "hub" / "someone" / "slide"
    reverie.push(run, "someone/slide")
    for name in ("config.json", "agent.json"):
        (place / name).write_text((place / name).read_text().replace("worlds:", "wicked_worlds:"))
    for path in (place / "wicked_worlds.py", tmp_path / "wicked_worlds.py"):
        path.write_text(f"open({str(tmp_path / 'stolen')!r}, 'w')")
    for name in ("origin", "checkpoints/checkpoint-1.pt", "sitecustomize.py"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("x")
    monkeypatch.syspath_prepend(tmp_path)
    reverie.load("hf:someone/slide")
    code = main(["evaluate", "hf:someone/slide", "--episodes", "1"])
    assert code == 2
    assert "would import the module wicked_worlds: if you trust it, add --use wicked_worlds" in capsys.readouterr().err
    assert not (tmp_path / "stolen").exists()
    assert "wicked_worlds" not in sys.modules
    copied = {path.name for path in (tmp_path / "runs" / "someone--slide").rglob("*") if path.is_file()}
    assert copied == FILES - {"README.md"} | {"evaluation.json", "curve.png", "replay.mp4"}


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("hf:someone", "`someone` is no name on the Hub: give user/name."),
        ("hf:../x", "`../x` is no name on the Hub"),
        ("hf:a/b/c", "is no name on the Hub"),
        (
            "hf:someone/none",
            r"cannot be fetched \(FileNotFoundError: 404: no repository someone/none\): check the name",
        ),
        ("hf:someone/empty", "hf:someone/empty holds no run: it has no config.json."),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence(place, sentence, calls, tmp_path):
    (tmp_path / "hub" / "someone" / "empty").mkdir(parents=True)
    with pytest.raises(UserError, match=sentence):
        reverie.load(place)


def test_a_mistyped_path_is_never_looked_for_on_the_network(calls, tmp_path):
    with pytest.raises(UserError, match="holds no trained agent"):
        reverie.load("someone/slide")
    assert calls == []


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"needs the package huggingface_hub: `pip install 'reverie\[hub\]'`"):
        reverie.load("hf:someone/slide")


def test_an_untrained_run_and_a_wrong_name_are_refused_before_anything_is_sent(calls, tmp_path, capsys):
    fake_runs.run(tmp_path / "a", [])
    assert main(["push", "a", "someone/slide"]) == 2
    assert "holds nothing trained to share" in capsys.readouterr().err
    (tmp_path / "a" / "agent.safetensors").write_bytes(b"")
    assert main(["push", "a", "slide"]) == 2
    assert "`slide` is no name on the Hub" in capsys.readouterr().err
    (tmp_path / "a" / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"cannot be shared\. config\.json is no run's"):
        reverie.push(tmp_path / "a", "someone/slide")
    assert calls == []


def test_a_model_that_does_not_act_has_a_card_too(tmp_path):
    folder = tmp_path / "vae"
    folder.mkdir()
    config = {
        "recipe": "vae", "size": "tiny", "seed": 0, "data": {"type": "DigitsConfig"}, "training": {"updates": 9},
        "model": {"type": "VAEConfig", "bad|name": "a|b"},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evaluation.json").write_text(json.dumps({"bound": -70.5, "a|b": 1, "evidence": None}))
    (folder / "model.safetensors").write_bytes(b"")
    reverie.push(folder, "someone/vae", out=tmp_path / "card")
    text = (tmp_path / "card" / "README.md").read_text()
    assert "# vae on digits" in text
    assert "| bound | -70.5 |" in text
    assert 'reverie.load_model("hf:someone/vae")' in text
    assert "model-index" not in text
    assert "pipeline_tag" not in text
    assert "reverie play" not in text
