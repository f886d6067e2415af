import types

import pytest

from reverie.cli import command_line as main
from reverie.cli.commands import check
from reverie.dynamics.rssm import RSSMConfig

COMPLAINT = "divergence(s, s) is 3.0, not 0."


@pytest.fixture
def checked(monkeypatch):
    """Fake checks that record the configs they are given; a complaint follows an RSSM of `deter` 13."""
    configs = []

    def fake(config) -> list[str]:
        configs.append(config)
        return [COMPLAINT] if getattr(config, "deter", 0) == 13 else []

    module = types.SimpleNamespace(**{function: fake for _, _, function in check.KINDS.values()})
    real = check.import_module
    monkeypatch.setattr(check, "import_module", lambda name: module if name == "reverie.testing" else real(name))
    return configs


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("dynamics", "RSSM"),
        ("signal", "Divergence"),
        ("planner", "CEM"),
        ("latent", "Categorical"),
        ("forward", "MLPForward"),
        ("image", "PooledConv"),
        ("scalar", "TwoHot"),
        ("optimizer", "LaProp"),
        ("data", "Digits"),
        ("generative", "VAE"),
        ("learner", "ActorCritic"),
    ],
)
def test_a_part_that_keeps_its_contract(kind, name, checked, capsys):
    assert main.main(["check", kind, name]) == 0
    assert capsys.readouterr().out == f"{name} keeps the contract.\n"
    assert type(checked[0]).__name__ == f"{name}Config"


def test_complaints_are_printed_with_exit_code_1(checked, capsys):
    assert main.main(["check", "dynamics", "RSSM", "--deter", "13", "--latent", "Categorical"]) == 1
    assert capsys.readouterr().out == f"{COMPLAINT}\n"
    assert isinstance(checked[0], RSSMConfig)
    assert type(checked[0].latent).__name__ == "CategoricalConfig"


def test_an_environment_is_a_kind_too(capsys):
    assert main.main(["check", "env", "Pendulum-v1", "--time_limit", "6", "--image_size", "8"]) == 0
    assert capsys.readouterr().out == "Pendulum-v1 keeps the contract.\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("check dynamics RSM", "`dynamics` cannot be `RSM`"),
        ("check dynamics RSSM --detr 3", "There is no setting `--detr`. Did you mean --deter?"),
        (
            "check actor X",
            "There are: dynamics, latent, forward, image, scalar, optimizer, signal, planner, data, generative",
        ),
    ],
)
def test_a_mistake_is_one_sentence(words, sentence, checked, capsys):
    assert main.main(words.split()) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert len(printed.splitlines()) == 1
