"""Models that are fitted to recorded data: training, results, kill and resume."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import reverie
from reverie import recipes
from reverie.cli import command_line as main
from reverie.config.files import encode
from reverie.data import storage as storages
from reverie.data.chunks import chunks
from reverie.data.digits import Digits
from reverie.data.interaction import InteractionConfig
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.evaluation import generation
from reverie.models.world_model import WorldModel
from reverie.runs.config import OfflineConfig, read_config
from reverie.runs.logger import read_metrics
from reverie.runs.offline import OfflineRun, load_model
from reverie.runs.results import summarize
from reverie.signals.contrastive import ContrastiveConfig

FORK = InteractionConfig(EnvConfig("reverie/Fork-v0", observe=("state",), image_size=16), train=60, test=20)


def digits(**training) -> OfflineConfig:
    config = reverie.recipe("vae", "tiny")
    return replace(config, threads=1, training=replace(config.training, **training))


def fork(**training) -> OfflineConfig:
    config = reverie.recipe("cvae", "tiny", "reverie/Fork-v0")
    return replace(config, threads=1, data=FORK, training=replace(config.training, **training))


def state_space(**training) -> OfflineConfig:
    config = reverie.recipe("state_space", "tiny")
    data = replace(config.data, train=150, test=50)
    return replace(config, threads=1, data=data, training=replace(config.training, **training))


def an_agent(recipe: str) -> OfflineConfig:
    settings = {"data": "Interaction", "data.train": "150", "data.test": "50", "training.updates": "60"}
    return replace(recipes.configure(recipe, "tiny", None, settings), threads=1)


def result(folder: Path) -> tuple[list[str], list[bytes]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    weights = [path.read_bytes() for path in sorted(folder.glob("*.safetensors"))]
    return [line for line in lines if json.loads(line)["kind"] != "timing"], weights


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


CONFIGS = [digits, fork, state_space, partial(an_agent, "dreamer_v1"), partial(an_agent, "dreamer_v3")]


@pytest.fixture(scope="module", params=CONFIGS, ids=["digits", "fork", "state_space", "dreamer_v1", "dreamer_v3"])
def uninterrupted(request, tmp_path_factory) -> tuple[Callable[[], OfflineConfig], Path]:
    """A function that returns a config, and the folder of its run."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    return request.param, reverie.train(request.param(), folder, evaluate=False)


@pytest.mark.slow
@pytest.mark.parametrize("update", [21, 40, 59])
def test_a_killed_run_resumes_bit_for_bit(uninterrupted, update, tmp_path, monkeypatch):
    config, whole = uninterrupted
    real = OfflineRun.next_batch

    def draw(run):
        if run.clock.updates == update:
            raise Killed
        return real(run)

    monkeypatch.setattr(OfflineRun, "next_batch", draw)
    with pytest.raises(Killed):
        reverie.train(config(), tmp_path / "killed", evaluate=False)
    monkeypatch.setattr(OfflineRun, "next_batch", real)
    reverie.resume(tmp_path / "killed", evaluate=False)
    assert result(tmp_path / "killed") == result(whole)


@pytest.mark.slow
def test_reports_come_at_their_intervals(tmp_path):
    folder = reverie.train(
        digits(updates=50, log_every=20, checkpoint_every=15, evaluate_every=25), tmp_path / "run", evaluate=False
    )
    assert [line["updates"] for line in read_metrics(folder, "train")] == [20, 40, 50]
    assert [line["updates"] for line in read_metrics(folder, "evaluation")] == [25, 50]
    assert sorted(path.name[-6:-3] for path in (folder / "checkpoints").iterdir()) == ["045", "050"]


@pytest.mark.slow
def test_a_vae_learns_the_digits(tmp_path):
    """The held-out bound rises, and the saved model has the bound of the trained one."""
    folder = reverie.train(digits(updates=300, evaluate_every=10), tmp_path / "run", evaluate=False)
    bounds = [line["bound"] for line in read_metrics(folder, "evaluation")]
    assert bounds[-1] > bounds[0] + 5
    results = summarize(folder)
    values, paths = results.values, results.files
    assert values["bound"] == pytest.approx(bounds[-1], abs=1e-4)
    assert values["bound"] < values["evidence"]
    assert all(path.exists() for path in paths.values())


@pytest.mark.slow
def test_the_data_are_recorded_once(tmp_path):
    folder = reverie.train(fork(), tmp_path / "run", evaluate=False)
    chunks = sorted(path.relative_to(folder) for path in (folder / "replay").rglob("*.safetensors"))
    assert [str(path.parent) for path in chunks] == ["replay/test", "replay/train"]
    first, again = (FORK.build(folder, 0, torch.device("cpu"), torch.Generator()) for _ in range(2))
    for recorded in (first, again):
        recorded.load(lambda text: pytest.fail("recorded again"))
    anew = FORK.build(tmp_path / "anew", 0, torch.device("cpu"), torch.Generator())
    anew.load(lambda text: None)
    for name, column in anew.train.ring.items():
        assert torch.equal(column, first.train.ring[name])
    assert not torch.equal(anew.train.ring["obs/state"][:20], anew.test.ring["obs/state"][:20])


@pytest.mark.parametrize("recipe", ["state_space", "vae"])
def test_a_model_does_not_see_privileged_observations(recipe, tmp_path):
    """The model sees one image. Another image and a vector are privileged."""
    env = EnvConfig("worlds:Slide-v0", observe=("picture",), image_size=16)
    data = InteractionConfig(env, train=24, test=24, privileged=("place", "pixels"))
    config = replace(reverie.recipe(recipe, "tiny"), threads=1, data=data)
    config = replace(config, training=replace(config.training, updates=2, batch=2, length=4))
    folder = reverie.train(config, tmp_path / "run", evaluate=False)
    recorded = data.build(folder, 0, torch.device("cpu"), torch.Generator())
    recorded.load(lambda text: pytest.fail("recorded again"))
    assert list(recorded.spec.obs) == ["picture"]
    batch = recorded.test.sequential(5, 3)
    assert set(batch.obs) == {"picture", "place", "pixels"}
    place = batch.obs["place"][..., 0].round().clamp(0, 15).long()
    assert torch.equal(batch.obs["picture"][..., 0, :, 0].argmax(-1), place)
    assert "place" not in json.dumps(json.loads((folder / "model.json").read_text()))


@pytest.mark.parametrize(
    ("observe", "privileged", "sentence"),
    [
        ("picture", "picture", "'picture' cannot be both observed and privileged"),
        ("picture", "plaice", "has no observation 'plaice'"),
        ("all", "picture,place", "Everything that was recorded is privileged"),
    ],
)
def test_a_mistake_about_what_is_privileged_is_one_sentence(observe, privileged, sentence, tmp_path, capsys):
    settings = f"--data.env.id worlds:Slide-v0 --data.env.observe {observe} --data.privileged {privileged}"
    assert main.main(f"train state_space --size tiny --run {tmp_path / 'run'} {settings}".split()) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow  # the first import of scikit-learn takes seconds
def test_the_digits_are_real():
    data = Digits(torch.device("cpu"), torch.Generator())
    data.load(lambda text: None)
    assert (len(data.train), len(data.test)) == (1500, 297)
    batch = data.train.sequential(1, 3)
    assert batch.obs["label"].argmax(-1).flatten().tolist() == [0, 1, 2]
    assert batch.obs["pixels"].shape == (3, 1, 8, 8, 1)
    assert int(batch.obs["pixels"].max()) == 255
    assert batch.obs["label"].sum() == 3


@pytest.mark.slow
def test_warns_of_posterior_collapse(tmp_path, capsys):
    folder = tmp_path / "run"
    line = f"train vae --size tiny --run {folder} --model.beta 1e6 --model.optimizer.lr 1e-2 --model.optimizer.decay 0"
    line += " --training.updates 300"
    assert main.main(line.split()) == 0
    output = capsys.readouterr().out
    assert "0 of 16 latent units active" in output
    assert "warning: The posterior has collapsed: 0 of 16 latent units depend on the image" in output
    assert generation.warning({"active_units": 2.0, "units": 16.0}) is None


@pytest.mark.slow
def test_samples_and_the_manifold(tmp_path, capsys):
    from PIL import Image

    folder = tmp_path / "run"
    assert main.main(f"train vae --size tiny --run {folder} --model.latent.size 2".split()) == 0
    assert "manifold" in capsys.readouterr().out
    assert main.main(f"sample {folder} --count 7 --out {tmp_path / 'seven.png'}".split()) == 0
    assert "7 samples" in capsys.readouterr().out
    picture = np.asarray(Image.open(tmp_path / "seven.png"))
    pitch = (picture.shape[1] - 12) // 3  # a tile of digits, 8 pixels wide before it was enlarged, and a gap of 4
    assert (pitch - 4) % 8 == 0
    assert picture.shape[0] > 3 * pitch + 12  # the title stands above
    last_row = picture[-pitch - 4 : -8]
    blank = [bool((last_row[:, 8 + i * pitch : 4 + (i + 1) * pitch] == 255).all()) for i in range(3)]
    assert blank == [False, True, True]


def test_a_generative_run_is_no_agent(tmp_path, capsys):
    folder = reverie.train(fork(updates=1, batch=2), tmp_path / "run", evaluate=False)
    for command in ("evaluate", "imagine"):
        assert main.main([command, str(folder)]) == 2
        assert "holds no trained agent" in capsys.readouterr().err
    agent = tmp_path / "agent"
    agent.mkdir()
    (agent / "config.json").write_text(json.dumps(encode(reverie.recipe("dreamer_v1", "tiny"))))
    with pytest.raises(UserError, match="holds no fitted model"):
        load_model(agent)


def test_too_little_data_for_a_sequence(tmp_path):
    config = replace(fork(), data=replace(FORK, test=1))
    with pytest.raises(UserError, match="There are 1 decisions and a sequence has 2"):
        reverie.train(config, tmp_path / "run", evaluate=False)


@pytest.mark.slow
def test_a_model_of_an_agents_replay_leaves_the_replay_unchanged(tmp_path, capsys, monkeypatch):
    agent = tmp_path / "agent"
    line = f"train dreamer_v1 --size tiny --run {agent} --env.id reverie/Fork-v0 --env.observe state --env.repeat 1"
    assert main.main([*line.split(), "--training.frames", "420"]) == 0
    before = {path: path.read_bytes() for path in (agent / "replay").iterdir()}
    line = f"train cvae --size tiny --run {tmp_path / 'model'} --data AgentReplay --data.run {agent}"
    settings = "--training.length 2 --model.given past --model.image.units 8"
    assert main.main([*line.split(), *settings.split()]) == 0
    assert "held-out images: bound" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in (agent / "replay").iterdir()} == before
    config = read_config(tmp_path / "model")
    data = config.data.build(tmp_path, 0, torch.device("cpu"), torch.Generator())
    data.load(lambda text: None)
    assert len(data.train) + len(data.test) == sum(end - start for start, end, _ in chunks(agent / "replay"))
    assert data.test.sequential(1, 1).is_first.all()
    monkeypatch.setattr(storages, "available_memory", lambda device: 0)  # then it stays in its files
    large = config.data.build(tmp_path, 0, torch.device("cpu"), torch.Generator())
    large.load(lambda text: None)
    for part, own in ((large.train, data.train), (large.test, data.test)):
        assert isinstance(part.storage, storages.Disk)
        for name, column in own.ring.items():
            assert torch.equal(part.storage.whole(name), column)
    assert config.world == "agent"


def test_agent_replay_needs_the_folder_of_a_run(tmp_path, capsys):
    assert main.main(["train", "vae", "--data", "AgentReplay", "--run", str(tmp_path / "run")]) == 2
    assert "name the folder of an agent's run with --data.run" in capsys.readouterr().err


@pytest.mark.slow
def test_a_world_model_is_fitted_and_measured(tmp_path, capsys):
    folder = tmp_path / "run"
    settings = "--data.env.id reverie/Curtain-v0 --data.env.observe state --training.length 10 --model.dynamics SSM"
    assert main.main(f"train state_space --size tiny --run {folder} --training.updates 20 {settings}".split()) == 0
    output = capsys.readouterr().out
    assert "held-out sequences: bound" in output
    assert "last seen frame repeated" in output
    for name in ("evaluation.json", "prediction.png", "bound.png"):
        assert (folder / name).stat().st_size > 100
    assert isinstance(load_model(folder, "cpu"), WorldModel)
    assert main.main(["sample", str(folder)]) == 2
    assert "holds no generative model" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_starts_from_another_runs_weights(tmp_path):
    """Two stages: an encoder alone, then encoder and forward model. Parts that are not shared are new."""
    tiny = reverie.recipe("contrastive", "tiny", "worlds:Slide-v0")
    data = InteractionConfig(EnvConfig("worlds:Slide-v0", observe=("picture",), image_size=16), 200, 40)
    training = replace(tiny.training, updates=10, evaluate_every=0)
    alone = ContrastiveConfig("dot", predict=False)
    model = replace(tiny.model, signals={"contrastive": alone})
    first = replace(tiny, threads=1, data=data, training=training, model=model)
    reverie.train(first, tmp_path / "first", evaluate=False)
    signals = {"contrastive": ContrastiveConfig("distance")}
    second = replace(first, model=replace(model, signals=signals), start=str(tmp_path / "first"))
    run = OfflineRun(second, tmp_path / "second")
    learned = load_model(tmp_path / "first").state_dict()
    begun = run.model.state_dict()
    assert all(torch.equal(begun[name], learned[name]) for name in learned if name.startswith("encoder"))
    reverie.train(second, tmp_path / "third", evaluate=False)
    ended = load_model(tmp_path / "third").state_dict()
    assert torch.equal(ended["normalize.mean_picture"], learned["normalize.mean_picture"])
    assert not torch.equal(ended["encoder.images.picture.net.0.weight"], learned["encoder.images.picture.net.0.weight"])
    wider = replace(second, model=replace(second.model, dynamics=replace(model.dynamics, size=7)))
    with pytest.raises(UserError, match="same sizes"):
        OfflineRun(wider, tmp_path / "fourth")
    with pytest.raises(UserError, match="finished run"):
        OfflineRun(replace(second, start=str(tmp_path / "nowhere")), tmp_path / "fifth")


@pytest.mark.slow
def test_recordings_give_an_agent_that_acts_towards_an_image(tmp_path, capsys):
    """A model of arrays acts, and is evaluated in an environment that the user names."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (120, 16, 16, 3), dtype=np.uint8)
    actions, episode = rng.uniform(-3, 3, (120, 2)).astype(np.float32), np.arange(120) // 12
    np.savez(tmp_path / "mine.npz", images=images, actions=actions, episode=episode)
    folder = tmp_path / "run"
    line = (
        f"train cfm --size tiny --run {folder} --data Arrays --data.file {tmp_path / 'mine.npz'} --data.image_size 16"
    )
    assert main.main(line.split()) == 0
    assert "RankMe" in capsys.readouterr().out
    agent = reverie.with_goal(reverie.load(folder), {"pixels": images[7]})
    _, action = agent.act(None, {"pixels": images[0]})
    assert action.shape == (2,)
    assert np.abs(action).max() <= 1
    assert main.main(["evaluate", str(folder)]) == 2
    assert "no environment to play in" in capsys.readouterr().err
    played = reverie.evaluate(folder, 1, env="worlds:Square-v0", goal=images[7])
    assert played.files["evaluation"] == folder / "evaluations" / "001" / "evaluation.json"
    assert played.values["env"] == "worlds:Square-v0"
    assert played.values["goal_image"]["best"] <= played.values["goal_image"]["start"]


@pytest.mark.slow
def test_a_fit_without_images_is_evaluated_by_its_features(tmp_path):
    config = reverie.recipe("state_space", "tiny", "Pendulum-v1")
    data = replace(config.data, env=replace(config.data.env, observe=("state",)))
    config = replace(config, data=data, training=replace(config.training, updates=30, evaluate_every=10))
    folder = reverie.train(config, tmp_path / "run", progress=False)
    values = json.loads((folder / "evaluation.json").read_text())
    assert values["std"] > 0
    assert not (folder / "prediction.png").exists()


@pytest.mark.slow
def test_data_that_changed_are_not_learned_from_in_silence(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "images": rng.integers(0, 255, (60, 16, 16, 3), np.uint8),
        "actions": rng.uniform(-1, 1, (60, 2)),
        "episode": np.repeat(np.arange(6), 10),
    }
    np.savez(tmp_path / "robot.npz", **arrays)
    config = reverie.recipe("state_space", "tiny", "Pendulum-v1")
    data = reverie.ArraysConfig(str(tmp_path / "robot.npz"), image_size=16)
    config = replace(config, data=data, training=replace(config.training, updates=20))
    folder = reverie.train(config, tmp_path / "run", progress=False, evaluate=False)
    reverie.resume(folder, updates=25, progress=False, evaluate=False)
    np.savez(tmp_path / "robot.npz", **arrays | {"rewards": rng.normal(size=60)})
    with pytest.raises(UserError, match="have changed since its last checkpoint"):
        reverie.resume(folder, updates=30, progress=False, evaluate=False)
