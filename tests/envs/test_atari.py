"""Atari and MinAtar beyond the contract: the published protocol, and mistakes in one sentence."""

import json
from dataclasses import replace

import numpy as np
import pytest

from reverie.cli import command_line as main
from reverie.envs import EnvConfig, gymnasium, gymnasium_registry, make
from reverie.errors import UserError
from reverie.evaluation.human_scores import SCORES, normalized
from reverie.runs.results import mean_return


def choice(env, number: int) -> np.ndarray:
    return np.eye(env.spec.action.size, dtype=np.float32)[number]


def test_the_published_protocol():
    pytest.importorskip("ale_py")
    env = make(EnvConfig("ALE/Pong-v5", repeat=4))
    game = env.unwrapped
    assert (env.spec.action.size, env.spec.repeat) == (18, 4)
    assert env.spec.obs["pixels"].shape == (64, 64, 1)
    assert game.ale.getFloat("repeat_action_probability") == 0.25
    assert game.ale.getInt("max_num_frames_per_episode") == 108_000
    begun = {env.reset(seed).obs["pixels"].tobytes() for seed in range(5)}
    assert len(begun) > 1  # episodes begin at different moments, because of no-ops
    before = game.ale.getEpisodeFrameNumber()
    env.step(choice(env, 2))
    assert game.ale.getEpisodeFrameNumber() - before == 4
    env.close()


def test_a_lost_life_ends_an_episode_only_with_life_loss():
    pytest.importorskip("ale_py")
    lengths = {}
    for life_loss in ("true", "false"):
        env = make(EnvConfig("ALE/Breakout-v5", repeat=4, kwargs=(f"life_loss={life_loss}", "noops=0")))
        step, steps, lives = env.reset(0), 0, env.unwrapped.ale.lives()
        while not step.is_last:
            step, steps = env.step(choice(env, 1)), steps + 1
        assert step.is_terminal
        assert env.unwrapped.ale.lives() == (lives - 1 if life_loss == "true" else 0)
        lengths[life_loss] = steps
        env.close()
    assert lengths["true"] < lengths["false"]


def test_scores_are_normalized_between_random_and_human():
    assert len(SCORES) == 55
    assert all(random < human < record for random, human, record in SCORES.values())
    boxing = EnvConfig("ALE/Boxing-v5", repeat=4, kwargs=("sticky=0",))
    assert (normalized(boxing, 0.1), normalized(boxing, 12.1)) == (0.0, 1.0)
    assert normalized(boxing, 100.0) == pytest.approx(8.325)
    assert normalized(EnvConfig("CartPole-v1"), 100.0) is None
    assert normalized(replace(boxing, time_limit=160), 0.1) is None
    assert normalized(replace(boxing, kwargs=("life_loss=true",)), 0.1) is None
    assert mean_return([0.1, 12.1], boxing).endswith(", human-normalized 50.0%")


def test_every_reference_score_is_of_an_existing_game():
    pytest.importorskip("ale_py")
    from reverie.envs import atari

    assert {f"ALE/{game}-v5" for game in SCORES} <= set(atari.ids())


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (EnvConfig("ALE/Boxng-v5"), "Did you mean ALE/Boxing-v5"),
        (EnvConfig("ALE/Pong-v5", kwargs=("stick=1",)), "no setting 'stick': there is sticky, noops"),
        (
            EnvConfig("ALE/Pong-v5", kwargs=("full_actions=3",)),
            "`full_actions` should be true or false",
        ),
        (EnvConfig("ALE/Pong-v5", observe=("state",)), "has no observation 'state'"),
        (EnvConfig("ALE/Pong-v5", camera=1), "leave them out"),
        (
            EnvConfig("ALE/Pong-v5", kwargs=("sticky=2",)),
            "`sticky` is 2.0: it must be between",
        ),
        (EnvConfig("ALE/Pong-v5", kwargs=("sticky=nan",)), "it must be between 0 and 1"),
        (EnvConfig("ALE/Pong-v5", kwargs=("noops=-1",)), "`noops` is -1: it must be 0 or more"),
        (EnvConfig("ALE/Pong-v5", kwargs=("noops=2.5",)), "`noops` should be an int"),
    ],
)
def test_a_mistake_about_atari_is_one_sentence(config, sentence):
    pytest.importorskip("ale_py")
    with pytest.raises(UserError, match=sentence):
        make(config)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (EnvConfig("MinAtar/Pong-v1"), "There is MinAtar/Asterix-v0"),
        (EnvConfig("MinAtar/Breakout-v1", kwargs=("a=1",)), "leave them out"),
        (EnvConfig("MinAtar/Breakout-v1", observe=("state",)), "has no observation 'state'"),
    ],
)
def test_a_mistake_about_minatar_is_one_sentence(config, sentence):
    pytest.importorskip("minatar")
    with pytest.raises(UserError, match=sentence):
        make(config)


def test_minatar_says_what_its_letters_mean():
    pytest.importorskip("minatar")
    env = make(EnvConfig("MinAtar/Breakout-v1", image_size=10))
    assert env.unwrapped.get_action_meanings() == ["noop", "left", "right"]
    env.close()


def test_minatar_shows_the_games_own_cells():
    pytest.importorskip("minatar")
    env = make(EnvConfig("MinAtar/Breakout-v1", image_size=20))
    image = env.reset(3).obs["pixels"]
    assert image.shape == (20, 20, 4)
    cells = image[::2, ::2]
    assert np.array_equal(image, cells.repeat(2, 0).repeat(2, 1))  # twice the size, no cell blurred
    assert np.array_equal(cells == 255, env.unwrapped.game.state())
    assert set(np.unique(cells)) == {0, 255}
    assert env.render().shape == (320, 320, 3)


def test_an_episode_does_not_begin_with_a_sticky_action_of_the_last_one():
    """MinAtar repeats the last action with a probability of 0.1, but not across episodes."""
    pytest.importorskip("minatar")
    env = make(EnvConfig("MinAtar/Breakout-v1", image_size=10))
    films = []
    for before in (0, 1, 2):
        env.reset(9)
        for _ in range(3):
            env.step(choice(env, before))
        env.reset(4)
        films.append([env.step(choice(env, 0)).obs["pixels"].tobytes() for _ in range(4)])
    assert films[0] == films[1] == films[2]


@pytest.mark.slow
def test_a_run_on_atari(tmp_path, capsys):
    pytest.importorskip("ale_py")
    line = (
        "train dreamer_v2 --size tiny --env.id ALE/Boxing-v5 --env.image_size 16 --env.repeat 4 --env.time_limit 160 "
        "--training.prefill 320 --training.frames 400 --training.round 10 --training.updates 1 --training.length 10 "
        "--evaluation.final_episodes 1 --device cpu"
    )
    assert main.main([*line.split(), "--run", str(tmp_path / "boxing")]) == 0
    assert "human-normalized" not in capsys.readouterr().out  # 160 frames are not a game
    assert "human_normalized" not in json.loads((tmp_path / "boxing" / "evaluation.json").read_text())


@pytest.mark.slow
def test_a_run_on_minatar_draws_its_four_channels(tmp_path):
    pytest.importorskip("minatar")
    line = (
        "train dreamer_v2 --size tiny --env.id MinAtar/Breakout-v1 --env.image_size 16 --env.time_limit 60 "
        "--training.prefill 80 --training.frames 120 --training.round 20 --training.updates 1 --training.length 10 "
        "--evaluation.every 100 --evaluation.episodes 1 --evaluation.final_episodes 1 --device cpu"
    )
    run = tmp_path / "breakout"
    assert main.main([*line.split(), "--run", str(run)]) == 0
    assert {"curve.png", "evaluation.mp4"} <= {path.name for path in run.iterdir()}


def test_the_list_of_environments_opens_no_atari_game(monkeypatch):
    """Several hundred older names are registered with the games. Opening each took minutes."""
    ale_py = pytest.importorskip("ale_py")
    monkeypatch.setattr(ale_py, "ALEInterface", None)  # opening one fails
    gymnasium_registry.load().register_envs(ale_py)
    listed = gymnasium.ids()
    assert "CartPole-v1" in listed
    assert not any("Breakout" in name for name in listed)


def test_the_limit_of_freeway_is_not_terminal():
    """The game reports its limit of 2,500 frames as an end, but the screen does not show it."""
    pytest.importorskip("minatar")
    for limit in (None, 4_000):
        env = make(EnvConfig("MinAtar/Freeway-v1", image_size=10, repeat=50, time_limit=limit))
        env.reset(0)
        steps = [env.step(choice(env, 0))]
        while not steps[-1].is_last:
            steps.append(env.step(choice(env, 0)))
        assert (len(steps), steps[-1].is_terminal) == (50, False)
