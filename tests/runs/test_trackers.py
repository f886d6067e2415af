"""Trackers: what they are sent, once each, by every process of a run, and that they never cost it."""

import json
import subprocess
import sys
from dataclasses import replace

import fake_trackers
import numpy as np
import pytest
import small_run

import reverie
from reverie import recipes
from reverie.cli.command_line import main
from reverie.config.overrides import leaves, override
from reverie.errors import UserError
from reverie.runs.config import check_consistent
from reverie.runs.logger import Logger, read_metrics
from reverie.runs.trackers import TensorBoardConfig, TrackioConfig, WandbConfig

BOTH = {"wandb": WandbConfig(mode="offline"), "trackio": TrackioConfig(group="first")}


@pytest.fixture
def wandb(monkeypatch):
    return fake_trackers.install(monkeypatch, "wandb")


@pytest.fixture
def trackio(monkeypatch):
    return fake_trackers.install(monkeypatch, "trackio")


def log(logger, frames, **values):
    logger.write("train", {"frames": frames, "decisions": frames, "updates": frames}, values)


def steps(run):
    return [step for step, _ in run.logged]


def test_both_get_numbers_pictures_and_films(tmp_path, wandb, trackio):
    frames = np.random.default_rng(0).integers(0, 256, (4, 8, 10, 1), dtype=np.uint8)
    with Logger(tmp_path / "a", trackers=BOTH, config={"seed": 3}) as logger:
        log(logger, 10, loss=1.5)
        logger.image("evaluation", frames[0], 10)
        logger.video("open_loop", frames, 10, fps=10)
    for (run,) in (wandb, trackio):
        assert run.logged[:2] == [(10, {"train/loss": 1.5}), (10, {"evaluation": ("image", (8, 10, 3))})]
        kind, content, _ = run.logged[2][1]["open_loop"]
        assert (kind, content[:6]) == ("film", b"GIF89a")
        assert run.finished
        assert run.options["resume"] == "allow"
        assert run.options["config"] == {"seed": 3}
    assert wandb[0].options["mode"] == "offline"
    assert wandb[0].options["dir"] == str(tmp_path / "a")
    assert (trackio[0].options["group"], trackio[0].options["space_id"]) == ("first", None)


def test_the_lines_are_the_same_with_and_without_trackers(tmp_path, wandb):
    for name, trackers in (("with", BOTH | {"trackio": TensorBoardConfig()}), ("without", {})):
        with Logger(tmp_path / name, trackers=trackers) as logger:
            log(logger, 10, loss=float("nan"))
    assert (tmp_path / "with" / "metrics.jsonl").read_bytes() == (tmp_path / "without" / "metrics.jsonl").read_bytes()
    assert not (tmp_path / "without" / "tensorboard").exists()
    assert not (tmp_path / "without" / "trackers.json").exists()


def test_a_resumed_run_goes_on_with_the_same_id_and_sends_no_step_twice(tmp_path, wandb, trackio):
    """The first process is killed after 30, the second, which began again at 10, after 20."""
    for end in (30, 20, 40):
        resumed = (tmp_path / "metrics.jsonl").exists()
        position = (tmp_path / "metrics.jsonl").read_bytes().index(b"\n") + 1 if resumed else None
        logger = Logger(tmp_path, resume_at=position, purge_step=11, trackers=BOTH)
        for frames in range(20 if resumed else 10, end + 1, 10):
            log(logger, frames, loss=float(frames))
        logger._lines.close()  # nothing is sent at the end
    assert [line["frames"] for line in read_metrics(tmp_path)] == [10, 20, 30, 40]
    for runs in (wandb, trackio):
        assert [steps(run) for run in runs] == [[10, 20, 30], [], [40]]
        assert len({run.options.get("id", run.options["name"]) for run in runs}) == 1


def test_a_tracker_that_joins_later_gets_the_whole_log(tmp_path, wandb):
    with Logger(tmp_path, trackers={}) as logger:
        log(logger, 10, loss=1.0)
        logger.alarm({"frames": 10, "decisions": 10, "updates": 10}, "collapse", "It has collapsed.")
        log(logger, 20, loss=float("inf"))
        position = logger.position()
    with Logger(tmp_path, resume_at=position, trackers={"wandb": WandbConfig()}) as logger:
        log(logger, 30, loss=3.0)
    expected = [(10, {"train/loss": 1.0}), (20, {"train/loss": float("inf")}), (30, {"train/loss": 3.0})]
    assert wandb[0].logged == expected


def test_a_tracker_that_fails_is_left_out_and_gets_the_rest_later(tmp_path, wandb, trackio):
    logger = Logger(tmp_path, trackers=BOTH)
    wandb[0].fails_at = 20
    log(logger, 10, loss=1.0)
    with pytest.warns(UserWarning, match=r"wandb has failed \(ConnectionError: no route\): the run goes on"):
        log(logger, 20, loss=2.0)
    log(logger, 30, loss=3.0)
    position = logger.position()
    logger.close()
    assert (steps(wandb[0]), steps(trackio[0])) == ([10], [10, 20, 30])
    with Logger(tmp_path, resume_at=position, trackers=BOTH) as logger:
        log(logger, 40, loss=4.0)
    assert (steps(wandb[1]), steps(trackio[1])) == ([20, 30, 40], [40])


def test_a_tracker_that_is_left_out_for_a_while_lacks_nothing(tmp_path, wandb):
    for frames, trackers in ((10, BOTH), (20, {}), (30, BOTH)):
        with Logger(tmp_path, trackers={name: trackers[name] for name in trackers if name == "wandb"}) as logger:
            log(logger, frames, loss=1.0)
    assert [steps(run) for run in wandb] == [[10], [20, 30]]


@pytest.mark.parametrize("text", ["", "[]", '{"id": "a"}', '{"id": "a", "sent": {"wandb": "x"}, "open": []}', "\xff"])
def test_a_damaged_memory_costs_at_most_a_curve(tmp_path, wandb, text):
    (tmp_path / "trackers.json").write_bytes(text.encode("latin-1"))
    with Logger(tmp_path, trackers={"wandb": WandbConfig()}) as logger:
        log(logger, 10, loss=1.0)
    assert steps(wandb[0]) == [10]
    assert json.loads((tmp_path / "trackers.json").read_text())["open"] == ["wandb"]


def test_a_tracker_that_cannot_begin_is_one_sentence(tmp_path, monkeypatch):
    fake_trackers.install(monkeypatch, "wandb")

    def refuse(**_):
        raise ValueError("api_key not configured")

    monkeypatch.setattr(sys.modules["wandb"], "init", refuse)
    with pytest.raises(
        UserError, match=r"wandb cannot begin .*api_key not configured\): see to it, take another --log"
    ):
        Logger(tmp_path, trackers={"wandb": WandbConfig()})


def test_a_missing_package_is_one_sentence_before_a_folder_is_made(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reverie.runs.trackers.base.find_spec", lambda name: None)
    config = replace(small_run.config(), log={"trackio": TrackioConfig()})
    sentence = "`--log trackio` needs the package trackio: `pip install 'reverie[trackio]'`, or leave it out."
    with pytest.raises(UserError) as error:
        reverie.train(config, "run", evaluate=False)
    assert str(error.value) == sentence
    assert list(tmp_path.iterdir()) == []
    check_consistent(replace(config, log={"tensorboard": TensorBoardConfig()}))


def test_names_choose_trackers_and_keep_the_settings_of_those_there():
    config = recipes.build("dreamer_v1", "tiny")
    assert [path for path in leaves(config) if path.startswith("log")] == ["log.tensorboard"]
    chosen = override(config, {"log": "wandb, tensorboard", "log.wandb.project": "arm"})
    assert chosen.log == {"wandb": WandbConfig(project="arm"), "tensorboard": TensorBoardConfig()}
    assert override(chosen, {"log": "trackio,wandb"}).log["wandb"].project == "arm"
    assert override(chosen, {"log": "none"}).log == {}
    with pytest.raises(UserError, match=r"`--log` cannot be `wand`; it is one of .*Did you mean Wandb"):
        override(config, {"log": "wand"}, prefix="--")


def test_packages_are_imported_only_when_asked_for():
    code = (
        "import sys, reverie.runs.loop\n"
        "print([name for name in ('wandb', 'trackio', 'tensorboard', 'huggingface_hub') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_run_is_followed_and_may_change_its_trackers(tmp_path, wandb):
    folder = reverie.train(small_run.config(), tmp_path / "run", evaluate=False)
    settings = {"log": "wandb", "log.wandb.mode": "offline", "training.frames": 300}
    reverie.resume(folder, overrides=settings, evaluate=False)
    expected = [line["frames"] for line in read_metrics(folder) if line["kind"] != "alarm"]
    scalars = [step for step, values in wandb[0].logged if not isinstance(next(iter(values.values())), tuple)]
    assert scalars == expected
    assert wandb[0].options["config"]["recipe"] == "dreamer_v1"
    assert main(["runs", str(folder)]) == 0
