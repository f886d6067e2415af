"""`--size auto` chooses by what is observed, the machine and the budget, and says why."""

from dataclasses import replace

import pytest
import torch
import worlds  # noqa: F401  registers its ids

import reverie
from reverie import recipes
from reverie.cli import command_line
from reverie.errors import UserError
from reverie.recipes import sizing
from reverie.runs.config import OfflineConfig, OnlineConfig
from reverie.runs.speed import Speed, measure

SLIDE, CARTPOLE, WALKER = "worlds:Slide-v0", "CartPole-v1", "dm_control/walker-walk-v0"
GIB = 2**30


def choose(name, env_id, timed=False, **settings):
    return recipes.choose(name, env_id, settings, timed=timed)


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU. `gpu(update, replay_gib)` sets what would be measured there."""
    monkeypatch.setattr(sizing, "choose_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(sizing, "available_memory", lambda device: 64 * GIB)

    def set_measured(update: float, replay_gib: float = 8.0) -> None:
        monkeypatch.setattr(sizing, "measure", lambda config: Speed(config, 0.002, update, int(replay_gib * GIB)))

    return set_measured


@pytest.mark.parametrize("name", recipes.names())
def test_without_a_gpu_every_recipe_has_the_size_laptop(name):
    assert reverie.recipe(name, "auto") == reverie.recipe(name, "laptop")


@pytest.mark.parametrize("name", ["dreamer_v1", "dreamer_v2", "planet"])
def test_small_images_get_dense_layers_at_their_own_size(name):
    choice = choose(name, SLIDE)
    small = recipes.build(name, "small", SLIDE)
    assert choice.config == replace(small, env=replace(small.env, image_size=16))
    assert choice.why == f"Size small, because {SLIDE} observes images of 16x16 pixels."
    assert choose(name, SLIDE, **{"env.image_size": "12"}).config.env.image_size == 12
    assert choose(name, CARTPOLE).config == recipes.build(name, "laptop", CARTPOLE)


def test_a_recipe_for_images_of_any_size_gets_small_ones_unenlarged():
    laptop = recipes.build("dreamer_v3", "laptop", SLIDE)
    assert choose("dreamer_v3", SLIDE).config == replace(laptop, env=replace(laptop.env, image_size=16))


def test_vectors_alone_are_named():
    choice = choose("dreamer_v1", SLIDE, **{"env.observe": "place"})
    assert choice.why.startswith(f"Size laptop, because {SLIDE} observes no images, and")


def test_minatar_at_size_small_is_that_of_laptop():
    for name in ("dreamer_v1", "dreamer_v2", "planet"):
        small, laptop = (recipes.build(name, size, "MinAtar/Breakout-v1") for size in ("small", "laptop"))
        assert replace(small, size="laptop") == laptop


def test_an_environment_that_is_missing_fails_where_it_is_measured_alone():
    assert choose("dreamer_v1", "Nope-v0").config.size == "laptop"
    with pytest.raises(UserError, match="Nope"):
        choose("dreamer_v1", "Nope-v0", timed=True)


def test_a_gpu_gets_the_published_size_if_it_ends_within_a_day(gpu):
    gpu(update=0.05)  # 499,600 updates and 2.5 million decisions: 8 hours and 20 minutes
    choice = choose("dreamer_v1", WALKER)
    assert choice.config == recipes.build("dreamer_v1", "paper", WALKER)
    assert choice.why == f"Size paper, because {WALKER} observes images of 64x64 pixels and there is a GPU."
    gpu(update=0.5)
    choice = choose("dreamer_v1", WALKER)
    assert choice.config.size == "laptop"
    assert "; paper would take 70 h" in choice.why


def test_with_a_budget_of_time_a_tenth_of_the_run_suffices(gpu):
    gpu(update=0.5)
    settings = {"training.minutes": str(8 * 60)}
    assert choose("dreamer_v1", WALKER, **settings).config.size == "paper"
    settings = {"training.minutes": str(6 * 60)}
    assert choose("dreamer_v1", WALKER, **settings).config.size == "laptop"


def test_a_replay_that_does_not_fit_refuses_a_size(gpu):
    gpu(update=0.05, replay_gib=40)
    choice = choose("dreamer_v1", WALKER, **{"replay.storage": "memory"})
    assert choice.config.size == "laptop"
    assert "paper needs 40 GiB of memory for its replay" in choice.why
    assert choose("dreamer_v1", WALKER).config.size == "paper"  # then it lies on the disk


def test_too_little_memory_of_the_gpu_refuses_a_size(gpu, monkeypatch):
    def measured(config):
        if config.size == "paper":
            raise torch.OutOfMemoryError
        return Speed(config, 0.002, 0.01, 0)

    gpu(update=0.0)
    monkeypatch.setattr(sizing, "measure", measured)
    choice = choose("dreamer_v3", WALKER)
    assert choice.config.size == "1m"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sizing, "GPU_SIZES", ("paper",))
        choice = choose("dreamer_v3", WALKER)
    assert choice.config.size == "laptop"
    assert "paper does not fit into the GPU's memory" in choice.why


def speed(minutes=None, **training) -> Speed:
    """A decision takes 10 ms, an update 100 ms; 1,000 decisions, half of them with an update for every tenth."""
    base = recipes.build("dreamer_v1", "laptop", CARTPOLE)
    budget = {"frames": 2_000, "prefill": 1_000, "pretrain": 0, "round": 10, "updates": 1, "minutes": minutes}
    config = replace(base, env=replace(base.env, repeat=2), training=replace(base.training, **(budget | training)))
    return Speed(config, decision=0.01, update=0.1, replay_bytes=0)


def test_the_time_of_a_run_is_that_of_its_decisions_and_updates():
    one = speed()
    assert one.updates == 50
    assert one.seconds() == pytest.approx(1_000 * 0.01 + 50 * 0.1)
    assert one.frames_in(15.0) == 2_000
    assert one.frames_in(5.0) == 1_000
    assert 1_400 <= one.frames_in(10.0) <= 1_500  # 20 frames: 10 decisions and an update, 0.2 s
    assert speed(pretrain=100).frames_in(9.0) == 0


def test_the_sentence_names_frames_updates_and_what_a_budget_allows():
    assert sizing.in_time(speed()) == (
        "2,000 frames with 50 updates take about 15 s here, by 0.1 s an update and 0.01 s a decision, measured now."
    )
    assert sizing.in_time(speed(minutes=1.0)).endswith("The time budget of 1m would allow --training.frames 6500.")
    late = sizing.in_time(speed(minutes=0.1))
    assert "The time budget of 6s allows about 1,0" in late or "The time budget of 6s allows about 1,1" in late
    assert late.endswith("updates, which is too little to learn much.")


@pytest.mark.parametrize("name", ["dreamer_v1", "dreamer_v3", "planet"])
def test_a_measurement_counts_time_and_draws_no_random_number(name):
    config = recipes.build(name, "tiny", SLIDE)
    assert isinstance(config, OnlineConfig)
    before = torch.get_rng_state()
    measured = measure(config)
    assert torch.equal(torch.get_rng_state(), before)
    assert 0 < measured.decision < 10
    assert 0 < measured.update < 10
    assert measured.replay_bytes > config.replay.capacity * 16 * 16 * 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--replay.capacity", "5"], "--replay.capacity 5 holds no sequence"),
        (["--run", "."], ". is not empty: continue it"),
        (["--training.length", "1"], "`--training.length` is 1"),
    ],
)
def test_a_mistake_is_named_before_anything_is_measured(words, sentence, capsys, monkeypatch):
    monkeypatch.setattr("reverie.runs.speed.OnlineRun", None)
    assert command_line.main(["train", "dreamer_v1", "--env.id", SLIDE, *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_model_of_recordings_is_not_measured():
    choice = choose("cfm", None, timed=True)
    assert isinstance(choice.config, OfflineConfig)
    assert (choice.config.size, choice.time) == ("laptop", "")


def test_training_says_what_it_chose_and_keeps_it_in_the_config(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("reverie.runs.loop.train", lambda config, *_, **__: _write(config, tmp_path / "run"))
    monkeypatch.setattr("reverie.cli.commands.compute._finish", lambda folder: 0)
    words = ["train", "dreamer_v1", "--env.id", SLIDE, "--training.batch", "2", "--training.length", "4"]
    assert command_line.main([*words, "--time-budget", "1h"]) == 0
    why, time, *_ = capsys.readouterr().out.splitlines()
    assert why.startswith(f"Size small, because {SLIDE}")
    assert "60,000 frames with 5,800 updates take about" in time
    assert "The time budget of 1h" in time
    from reverie.runs.config import read_config

    config = read_config(tmp_path / "run")
    assert (config.size, config.env.image_size, config.training.minutes) == ("small", 16, 60.0)
    assert config.threads >= 1
    assert command_line.main([*words, "--size", "tiny"]) == 0
    assert capsys.readouterr().out == ""


def _write(config, folder):
    from reverie.runs.folder import write_config

    write_config(config, folder)
    return folder
