import json

import pytest

from reverie.cli import main
from studies.dynamics.report import conclusion
from studies.dynamics.run import FORK, LANDING, MODELS, STEPS_AHEAD, WORLDS, agent, fit


def judged(fork: float, known: float, returns: list[float]) -> dict:
    surprise, memory = [0.0] * LANDING, [1.0] * (LANDING + 1)
    surprise[FORK - 1], memory[LANDING - 1] = fork, known
    return {"surprise": surprise, "memory": memory, "returns": returns}


def test_the_conclusion_follows_the_numbers():
    behind = {
        "RSSM": judged(1.0, 0.9, [0.9]),
        "SSM": judged(1.0, 0.1, [0.5]),
        "RNN": judged(9.0, 0.9, [0.6]),
        "Deterministic": judged(9.0, 0.0, [0.3]),
    }
    numbers = {"curtain": behind, "pendulum": {name: {"returns": [-100.0]} for name in MODELS}}
    said = conclusion(numbers)
    assert "the RNN cannot hold two futures" in said
    assert "the SSM has forgotten" in said
    assert "the RSSM comes first" in said
    assert "RSSM 0.90, RNN 0.60, SSM 0.50, Deterministic 0.30" in said
    numbers["curtain"] = {name: judged(1.0, 0.8, [0.2]) for name in MODELS} | {"SSM": judged(1.0, 0.7, [0.7])}
    said = conclusion(numbers)
    assert "holds its own" in said
    assert "has remembered" in said
    assert "the SSM comes first, not the RSSM" in said


@pytest.mark.parametrize("world", WORLDS)
def test_only_the_dynamics_differ(world):
    for build in (fit, agent):
        one, *others = (build(world, name, "laptop") for name in MODELS)
        for other in others:
            assert other.model.dynamics != one.model.dynamics
            assert other.model.signals == one.model.signals
            assert other.training == one.training


def test_the_study_runs(tmp_path, capsys):
    assert main.main(f"study dynamics --size tiny --out {tmp_path / 'study'}".split()) == 0
    assert "# Four latent models" in capsys.readouterr().out
    numbers = json.loads((tmp_path / "study" / "study.json").read_text())
    report = (tmp_path / "study" / "study.md").read_text()
    for world in WORLDS:
        assert f"({world}_image_error.png)" in report
        assert (tmp_path / "study" / f"{world}.png").stat().st_size > 1000
        for name in MODELS:
            found = numbers[world][name]
            assert ("bound" in found) == (name in ("RSSM", "SSM"))
            assert len(found["ahead_image_error"]) == len(found["ahead_reward_error"]) == STEPS_AHEAD[world]
    assert len(numbers["curtain"]["RSSM"]["surprise"]) == LANDING
