import json
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reverie.config.files import decode, encode
from reverie.config.overrides import as_text, leaves, override
from reverie.errors import UserError


@dataclass(frozen=True)
class GaussianConfig:
    size: int = 30
    min_std: float = 0.1


@dataclass(frozen=True)
class CategoricalConfig:
    groups: int = 32
    classes: int = 32


@dataclass(frozen=True)
class Table:
    path: str


@dataclass(frozen=True)
class Rssm:
    latent: GaussianConfig | CategoricalConfig = field(default_factory=GaussianConfig)
    deter: int = 200


@dataclass(frozen=True)
class Reward:
    layers: tuple[int, ...] = (400, 400)


@dataclass(frozen=True)
class Divergence:
    free_nats: float | None = 3.0


@dataclass(frozen=True)
class Model:
    dynamics: Rssm | Table = field(default_factory=Rssm)
    signals: dict[str, Reward | Divergence] = field(default_factory=lambda: {"reward": Reward(), "kl": Divergence()})
    weights: dict[str, float] = field(default_factory=lambda: {"reward": 1.0, "kl": 0.1})


@dataclass(frozen=True)
class Run:
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compile: bool = False
    observe: tuple[str, ...] = ("pixels",)
    window: tuple[int, float] = (1, 0.5)
    target: Table | None = None
    model: Model = field(default_factory=Model)


def build(kind, **parts):
    return st.builds(kind, **parts)


floats = st.floats(allow_nan=False)
latents = build(GaussianConfig, min_std=floats) | build(CategoricalConfig)
signals = build(Reward, layers=st.lists(st.integers()).map(tuple)) | build(Divergence, free_nats=st.none() | floats)
names = st.text("abcdef_", min_size=1)
models = build(
    Model,
    dynamics=build(Rssm, latent=latents) | build(Table, path=st.text()),
    signals=st.dictionaries(names, signals),
    weights=st.dictionaries(names, floats),
)
runs = build(
    Run,
    compile=st.booleans(),
    observe=st.lists(st.text()).map(tuple),
    window=st.tuples(st.integers(), floats),
    target=st.none() | build(Table, path=st.text()),
    model=models,
)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(runs)
def test_json_round_trip(run):
    assert decode(Run, json.loads(json.dumps(encode(run)))) == run


@settings(max_examples=30, deadline=None)
@given(latents, st.booleans(), st.none() | floats, st.lists(st.integers()).map(tuple))
def test_leaves_as_text_are_the_config(latent, compiled, free_nats, layers):
    model = Model(
        dynamics=Rssm(latent=latent),
        signals={"reward": Reward(layers), "kl": Divergence(free_nats)},
    )
    run = Run(compile=compiled, model=model)
    texts = {path: as_text(value) for path, value in leaves(run).items()}
    assert override(Run(), texts) == run
    assert override(Run(), dict(reversed(texts.items()))) == run


def test_encode_names_every_config_so_that_a_later_choice_can_read_it():
    tree = encode(Run())
    assert tree["type"] == "Run"
    assert tree["model"]["type"] == "Model"
    assert tree["model"]["dynamics"]["latent"] == {"type": "GaussianConfig", "size": 30, "min_std": 0.1}
    assert tree["model"]["signals"]["kl"] == {"type": "Divergence", "free_nats": 3.0}


def test_leaves_are_dotted_paths_in_order():
    assert leaves(Model()) == {
        "dynamics": "Rssm",
        "dynamics.latent": "Gaussian",
        "dynamics.latent.size": 30,
        "dynamics.latent.min_std": 0.1,
        "dynamics.deter": 200,
        "signals.reward": "Reward",
        "signals.reward.layers": (400, 400),
        "signals.kl": "Divergence",
        "signals.kl.free_nats": 3.0,
        "weights.reward": 1.0,
        "weights.kl": 0.1,
    }


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("seed", "-3", -3),
        ("seed", "1e6", 1_000_000),
        ("device", "cpu", "cpu"),
        ("compile", "true", True),
        ("observe", "state,pixels", ("state", "pixels")),
        ("observe", "", ()),
        ("window", "4,0.25", (4, 0.25)),
        ("model.signals.kl.free_nats", "none", None),
        ("model.signals.kl.free_nats", "1", 1.0),
        ("model.weights.kl", "1e-3", 1e-3),
        ("model.dynamics.latent", "Categorical", "Categorical"),
        ("model.dynamics.latent", "CategoricalConfig", "Categorical"),
        ("model.signals.kl", "Reward", "Reward"),
    ],
)
def test_override_parses_by_the_declared_type(path, text, value):
    result = leaves(override(Run(), {path: text}))[path]
    assert result == value
    assert type(result) is type(value)


def test_override_of_the_present_choice_keeps_its_settings():
    run = Run(model=Model(dynamics=Rssm(latent=GaussianConfig(size=7))))
    assert override(run, {"model.dynamics.latent": "Gaussian"}) == run


def test_override_chooses_before_it_sets():
    run = override(Run(), {"model.dynamics.latent.groups": "4", "model.dynamics.latent": "Categorical"})
    assert run.model.dynamics.latent == CategoricalConfig(groups=4)


@pytest.mark.parametrize(
    ("path", "text", "sentence"),
    [
        ("sede", "1", "There is no setting `sede`. Did you mean seed?"),
        ("model.dynamics.detr", "1", "setting `model.dynamics.detr`. Did you mean model.dynamics.deter?"),
        ("dynamics.deter", "1", "There is no setting `dynamics.deter`. Did you mean model.dynamics.deter?"),
        ("seed.x", "1", "There is no setting `seed.x`. Did you mean seed?"),
        ("seed", "1.5", "`seed` should be an int, but `1.5` was given."),
        ("seed", "1.5e0", "`seed` should be an int, but `1.5e0` was given."),
        ("compile", "yes", "`compile` should be true or false, but `yes` was given."),
        ("device", "gpu", "`device` should be one of auto, cpu, cuda, but `gpu` was given."),
        ("window", "4", "`window` should be a list of int, float, but `4` was given."),
        ("model.signals.reward.layers", "a", "should be a list of int, but `a` was given."),
        ("model.signals.kl.free_nats", "x", "should be a float or none, but `x` was given."),
        ("model.dynamics.latent", "Gausian", "it is one of Gaussian, Categorical. Did you mean Gaussian?"),
        ("model.dynamics", "Table", "has no default for path"),
        ("model.weights", "1", "it holds model.weights.reward, model.weights.kl."),
        ("model", "1", "`model` is a group of settings"),
    ],
)
def test_override_says_what_is_wrong(path, text, sentence):
    with pytest.raises(UserError) as error:
        override(Run(), {path: text})
    assert sentence in str(error.value)


def _edited(edit):
    tree = encode(Run())
    edit(tree)
    return tree


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda tree: tree.update(sede=1), "The config has an unknown key `sede`. Did you mean seed?"),
        (lambda tree: tree.pop("seed"), "The config lacks the key `seed`, which Run needs."),
        (lambda tree: tree.update(seed="0"), 'The config\'s `seed` should be an int, but it is "0".'),
        (lambda tree: tree.update(seed=True), "`seed` should be an int, but it is true."),
        (lambda tree: tree.update(compile=1), "`compile` should be true or false, but it is 1."),
        (lambda tree: tree.update(window=[1]), "`window` should be a list of int, float, but it is [1]."),
        (lambda tree: tree.update(model=3), "`model` should be Model, but it is 3."),
        (
            lambda tree: tree["model"]["dynamics"]["latent"].pop("type"),
            "lacks the key `model.dynamics.latent.type`, which says GaussianConfig or CategoricalConfig.",
        ),
        (
            lambda tree: tree["model"]["signals"]["kl"].update(free=1),
            "unknown key `model.signals.kl.free`. Did you mean free_nats?",
        ),
    ],
)
def test_decode_is_strict(edit, sentence):
    with pytest.raises(UserError) as error:
        decode(Run, _edited(edit))
    assert sentence in str(error.value)


def test_decode_reads_an_integer_where_a_float_is_declared():
    tree = _edited(lambda tree: tree["model"]["weights"].update(kl=2))
    weight = decode(Run, tree).model.weights["kl"]
    assert weight == 2.0
    assert type(weight) is float
