"""The Gymnasium adapter: decisions, observations, actions, and mistakes in one sentence."""

import numpy as np
import pytest

from reverie.config import plugins
from reverie.envs import EnvConfig, gymnasium, make
from reverie.envs.gymnasium_registry import load, parse_kwargs
from reverie.errors import UserError
from reverie.spaces import ActionSpace, Space

NOTHING = np.zeros(2, np.float32)


@pytest.fixture
def open_env():
    opened = []

    def open_one(env_id, **settings):
        opened.append(make(EnvConfig(f"counting_worlds:{env_id}", **settings)))
        return opened[-1]

    yield open_one
    for environment in opened:
        environment.close()


def test_a_decision_sums_its_frames_and_stops_at_the_end(open_env):
    environment = open_env("Counting-v0", observe=("state",), repeat=3)
    first = environment.reset(0)
    assert (first.reward, first.is_first, first.is_last, first.is_terminal) == (0.0, True, False, False)
    steps = [environment.step(NOTHING) for _ in range(3)]
    assert [step.reward for step in steps] == [1 + 2 + 3, 4 + 5 + 6, 7]
    assert [step.obs["state"][0] for step in steps] == [3, 6, 7]
    assert [step.is_last for step in steps] == [False, False, True]
    assert [step.is_terminal for step in steps] == [False, False, True]
    assert not any(step.is_first for step in steps)


def test_a_time_limit_in_frames_is_last_but_not_terminal(open_env):
    environment = open_env("Counting-v0", observe=("state",), repeat=2, time_limit=5)
    environment.reset(0)
    steps = [environment.step(NOTHING) for _ in range(3)]
    assert [step.reward for step in steps] == [3, 7, 5]
    assert [(step.is_last, step.is_terminal) for step in steps] == [(False, False), (False, False), (True, False)]


def test_terminal_and_time_limit_in_one_frame_is_terminal(open_env):
    environment = open_env("Counting-v0", observe=("state",), repeat=7, time_limit=7)
    environment.reset(0)
    step = environment.step(NOTHING)
    assert (step.is_last, step.is_terminal) == (True, True)


def test_a_time_limit_replaces_the_registered_one(open_env):
    environment = open_env("Endless-v0", observe=("state",), time_limit=150)
    environment.reset(0)
    assert sum(not environment.step(NOTHING).is_last for _ in range(150)) == 149


def test_one_frame_is_drawn_per_decision_and_resized(open_env):
    environment = open_env("Counting-v0", repeat=3, image_size=16)
    steps = [environment.reset(0), environment.step(NOTHING)]
    assert environment._env.unwrapped.drawn == 2
    assert [step.obs["pixels"].shape for step in steps] == [(16, 16, 3)] * 2
    assert [np.unique(step.obs["pixels"]).tolist() for step in steps] == [[0], [30]]
    assert environment.render().shape == (20, 30, 3)


def test_observations_are_copies_of_a_buffer_that_is_used_again(open_env):
    environment = open_env("Counting-v0", observe=("pixels", "state"))
    steps = [environment.reset(0), environment.step(NOTHING), environment.step(NOTHING)]
    assert [step.obs["state"][0] for step in steps] == [0, 1, 2]
    assert environment.spec.obs == {"pixels": Space((64, 64, 3), "uint8"), "state": Space((3,), "float32")}


@pytest.mark.parametrize(
    ("action", "taken"), [([-1, -1], [-2, 0]), ([1, 1], [2, 10]), ([0, 0.5], [0, 7.5]), ([-3, 7], [-2, 10])]
)
def test_box_actions_are_scaled_and_clipped(open_env, action, taken):
    environment = open_env("Counting-v0", observe=("state",))
    environment.reset(0)
    assert environment.step(np.array(action, np.float32)).obs["state"][1:].tolist() == taken


def test_integer_matrices_are_actions_too(open_env):
    environment = open_env("Whole-v0", observe=("state",))
    environment.reset(0)
    assert environment.spec.action == ActionSpace(2, discrete=False)
    assert environment.step(np.array([-0.5, 0.41], np.float32)).obs["state"][1:].tolist() == [2, 7]


def test_discrete_actions_are_one_hot_from_the_start_of_the_space(open_env):
    environment = open_env("Choices-v0", observe=("chosen",))
    assert environment.spec.action == ActionSpace(3, discrete=True)
    assert environment.reset(0).obs["chosen"].tolist() == [1, 0, 0]
    for choice in np.eye(3, dtype=np.float32):
        assert environment.step(choice).obs["chosen"].tolist() == choice.tolist()


def test_every_kind_of_observation_has_its_normal_form(open_env):
    environment = open_env("Choices-v0", observe=("all",), image_size=4)
    obs = environment.reset(0).obs
    assert {name: (space.shape, space.dtype) for name, space in environment.spec.obs.items()} == {
        "camera": ((4, 4, 1), "uint8"),
        "chosen": ((3,), "float32"),
        "inner/matrix": ((4,), "float32"),
        "planes": ((4, 4, 4), "uint8"),
    }
    assert obs["camera"][:, :, 0].tolist() == [[0, 0, 200, 200]] * 4
    assert obs["inner/matrix"].tolist() == [0, 1, 2, 3]
    assert obs["planes"][0, 0].tolist() == [1, 2, 3, 4], "channels come last"


def test_a_seed_reproduces_an_episode_after_other_episodes(open_env):
    environment = open_env("Counting-v0", observe=("state",))
    starts = {}
    for seed in (3, 4, 3, 5, 4, 3):
        environment.reset(seed)
        starts.setdefault(seed, set()).add(environment._env.unwrapped.start)
    assert [len(seen) for seen in starts.values()] == [1, 1, 1]
    assert len(set.union(*starts.values())) > 1


def test_a_step_without_an_episode_is_an_error(open_env):
    environment = open_env("Counting-v0", observe=("state",), repeat=7)
    with pytest.raises(UserError, match="call reset"):
        environment.step(NOTHING)
    environment.reset(0)
    assert environment.step(NOTHING).is_last
    with pytest.raises(UserError, match="call reset"):
        environment.step(NOTHING)


@pytest.mark.parametrize(
    ("action", "sentence"), [([0.0], r"shape \(2,\)"), ([np.nan, 0.0], "not finite"), ([0.0, np.inf], "not finite")]
)
def test_an_impossible_action_is_refused(open_env, action, sentence):
    environment = open_env("Counting-v0", observe=("state",))
    environment.reset(0)
    with pytest.raises(UserError, match=sentence):
        environment.step(np.array(action, np.float32))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"id": "Pendulm-v1"}, "Did you mean Pendulum-v1"),
        ({"id": "no_such_module:Env-v0"}, "cannot be imported"),
        ({"id": "counting_worlds:Countin-v0"}, "Did you mean Counting-v0"),
        ({"id": "counting_worlds:Endless-v0"}, "--env.time_limit"),
        ({"id": "counting_worlds:Blind-v0"}, "cannot be drawn"),
        ({"id": "counting_worlds:Unbounded-v0"}, "unbounded actions"),
        ({"id": "counting_worlds:Many-v0", "observe": ("all",)}, "Box and Discrete"),
        ({"id": "counting_worlds:Stacked-v0", "observe": ("state",)}, "without frame stacking"),
        ({"observe": ("stat",)}, "Did you mean state"),
        ({"observe": ()}, "Nothing is observed"),
        ({"rendering": "fast"}, "leave them out"),
        ({"camera": 1}, "leave them out"),
        ({"kwargs": ("gravity=5",)}, "does not take --env.kwargs gravity=5"),
        ({"kwargs": ("g",)}, "not of the form name=value"),
        ({"kwargs": ("render_mode=human",)}, "cannot set render_mode"),
        ({"repeat": 0}, "`repeat` of Env is 0"),
        ({"time_limit": -5}, "`time_limit` of Env is -5: it must be 1 or more"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_fix(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        make(EnvConfig(**settings))


def test_settings_reach_the_constructor():
    environment = make(EnvConfig("Pendulum-v1", observe=("state",), kwargs=("g = 3.5",)))
    assert environment._env.unwrapped.g == 3.5
    read = parse_kwargs(("a=3", "b=-1e-3", "c=True", "d=false", "e=step", "f=x=y"))
    assert read == {"a": 3, "b": -1e-3, "c": True, "d": False, "e": "step", "f": "x=y"}
    assert [type(value) for value in read.values()] == [int, float, bool, bool, str, str]


def test_reverie_worlds_are_listed_with_their_own_time_limits():
    plugins.load_installed()
    ids = [f"reverie/{name}-v0" for name in ("Curtain", "Fork", "Rope", "Cloth")]
    assert [load().registry[env_id].max_episode_steps for env_id in ids] == [1000, 1000, 20, 40]
    assert set(ids[:2]) <= set(gymnasium.ids())  # rope and cloth need MuJoCo


def test_pendulum_is_unmodified():
    import gymnasium

    environment = make(EnvConfig("Pendulum-v1", observe=("state",)))
    theirs = gymnasium.make("Pendulum-v1")
    assert environment.reset(5).obs["state"].tolist() == theirs.reset(seed=5)[0].tolist()
    for action in np.random.default_rng(0).uniform(-1, 1, (200, 1)).astype(np.float32):
        step = environment.step(action)
        observation, reward, _, truncated, _ = theirs.step(2 * action)
        assert step.obs["state"].tolist() == observation.tolist()
        assert (step.reward, step.is_last) == (reward, truncated)
    assert (step.is_last, step.is_terminal) == (True, False)
    environment.close()
    theirs.close()


def test_the_module_named_in_an_id_is_imported(tmp_path, monkeypatch):
    module = "import counting_worlds, gymnasium\ngymnasium.register('Faraway-v0', counting_worlds.Counting)"
    (tmp_path / "faraway_worlds.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    make(EnvConfig("faraway_worlds:Faraway-v0", time_limit=9)).close()


def test_sampled_actions_are_the_environments_own_in_the_normal_form(open_env):
    environment = open_env("Legal-v0", observe=("state",))
    with pytest.raises(UserError, match="call reset"):
        environment.sample_actions(1, 0)
    environment.reset(0)
    environment.step(NOTHING)
    environment.step(NOTHING)
    actions = environment.sample_actions(50, seed=1)
    np.testing.assert_allclose(actions[:, 0], 0.1)  # 2 / 10 of [-2, 2]
    assert sorted(set(actions[:, 1])) == [-1, 1]
    assert environment.step(actions[0]).obs["state"][1] == pytest.approx(0.2)


def test_sampled_choices_are_one_hot(open_env):
    environment = open_env("Odd-v0", observe=("chosen",))
    environment.reset(0)
    actions = environment.sample_actions(40, seed=0)
    assert sorted(set(map(tuple, actions))) == [(0, 0, 1), (1, 0, 0)]
    for action in actions:
        np.testing.assert_array_equal(environment.step(action).obs["chosen"], action)


def test_an_environment_need_not_sample_actions(open_env):
    """Its method `legal_actions` has nothing to do with Reverie."""
    assert open_env("Counting-v0", observe=("state",)).sample_actions is None
    assert open_env("Chess-v0", observe=("state",)).sample_actions is None
