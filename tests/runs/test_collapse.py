"""The collapse detector warns once of each kind, and never for healthy features."""

import json
from dataclasses import replace

import pytest
import torch

import reverie
from reverie.data.interaction import InteractionConfig
from reverie.dynamics.deterministic import DeterministicConfig
from reverie.envs.base import EnvConfig
from reverie.math.spectra import rankme, scale_metrics
from reverie.runs.collapse import CollapseDetector
from reverie.runs.logger import read_metrics
from reverie.runs.offline import OfflineRun


def measure(cloud: torch.Tensor) -> dict[str, float]:
    values = scale_metrics(cloud) | {"rankme": rankme(cloud, centered=True)}
    return {name: float(value) for name, value in values.items()}


def cloud(*scales: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(500, len(scales), generator=generator) * torch.tensor(scales)


def make_detector(start: float = 1.0) -> CollapseDetector:
    detector = CollapseDetector()
    detector.observe_metrics({"features/std": torch.tensor(start)})
    detector.observe_metrics({"features/std": torch.tensor(7.0)})  # only the first update counts
    return detector


def test_healthy_features_give_no_warning():
    detector = make_detector()
    for update in range(100, 5000, 100):
        scale = 1 + update / 1000  # it may grow sixfold, if that takes 5000 updates
        assert detector.read(update, measure(cloud(*[scale] * 8)), 8) == {}
    assert detector.message is None


def test_warns_of_a_lost_scale():
    warnings = make_detector().read(100, measure(torch.full((50, 8), 3.0)), 8)
    assert "scale_lost" in warnings
    assert "0.0e+00 of what it was at the start" in warnings["scale_lost"]
    assert make_detector().read(100, measure(cloud(*[0.009] * 8))).keys() == {"scale_lost"}
    assert make_detector().read(100, measure(cloud(*[0.02] * 8))) == {}


def test_warns_of_lost_rank_or_a_lost_dimension():
    """If all dimensions but one shrink to a thousandth, the median shrinks too, and only the rank shows it."""
    warnings = make_detector().read(100, measure(cloud(1, *[1e-3] * 7)), 8)
    assert warnings.keys() == {"rank_lost"}
    assert "RankMe 1.1 of 8" in warnings["rank_lost"] or "RankMe 1.0 of 8" in warnings["rank_lost"]
    few = make_detector().read(100, measure(cloud(*[1] * 7, 1e-3)), 8)
    assert few.keys() == {"dimension_lost"}


def test_warns_of_eleven_times_the_scale_within_a_thousand_updates():
    detector = make_detector()
    assert detector.read(100, measure(cloud(*[1.0] * 4))) == {}
    assert detector.read(500, measure(cloud(*[9.0] * 4))) == {}
    warnings = detector.read(900, measure(cloud(*[11.0] * 4)))
    assert warnings.keys() == {"scale_grown"}
    assert "between updates 100 and 900" in warnings["scale_grown"]
    slow = make_detector()
    for update in range(0, 3001, 500):
        assert slow.read(update, measure(cloud(*[1.0 + 5 * update / 1000] * 4))) == {}


def test_growth_from_the_initialization_gives_no_warning():
    detector = make_detector(0.1)
    assert detector.read(0, measure(cloud(*[0.1] * 4))) == {}
    assert detector.read(50, measure(cloud(*[0.3] * 4))) == {}
    assert detector.read(100, measure(cloud(*[1.2] * 4))) == {}
    assert detector.read(1000, measure(cloud(*[3.0] * 4))) == {}
    assert detector.read(1100, measure(cloud(*[1e-5] * 4))).keys() == {"scale_lost"}
    assert detector.read(1200, measure(cloud(*[5e-4] * 4))) == {}


def test_each_warning_comes_once_also_after_a_resume():
    detector = make_detector()
    gone = measure(torch.zeros(50, 4))
    assert detector.read(100, gone).keys() == {"scale_lost"}
    assert detector.read(200, gone) == {}
    resumed = CollapseDetector()
    resumed.load_state(json.loads(json.dumps(detector.state())))
    assert resumed.read(300, gone) == {}
    assert resumed.message == detector.message
    assert resumed.start == 1.0
    unread = make_detector()
    resumed.load_state(unread.state())  # saved before anything was read: the start is not lost
    assert resumed.read(100, gone).keys() == {"scale_lost"}


def collapsing_config(**training):
    """Return the config of a model that collapses: its only loss is the divergence of prior and posterior."""
    config = reverie.recipe("state_space", "tiny")
    model = replace(
        config.model,
        signals={"divergence": replace(config.model.signals["divergence"], free=0.0)},
        weights={"divergence": 1.0},
        dynamics=DeterministicConfig(size=4),
        optimizer=replace(config.model.optimizer, lr=2e-2),
    )
    data = InteractionConfig(EnvConfig("reverie/Fork-v0", observe=("state",), image_size=16), train=60, test=20)
    return replace(config, threads=1, data=data, model=model, training=replace(config.training, **training))


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.slow
def test_a_killed_run_gives_the_same_warnings(tmp_path, monkeypatch):
    config = collapsing_config(updates=60, log_every=10, checkpoint_every=20, evaluate_every=30)
    uninterrupted = read_metrics(reverie.train(config, tmp_path / "uninterrupted", evaluate=False))
    alarms = [line["name"] for line in uninterrupted if line["kind"] == "alarm"]
    assert "scale_lost" in alarms
    assert len(alarms) == len(set(alarms))
    assert uninterrupted[0]["kind"] == "evaluation"
    assert uninterrupted[0]["updates"] == 0
    real = OfflineRun.next_batch

    def draw(run):
        if run.clock.updates == 25:
            raise Killed
        return real(run)

    monkeypatch.setattr(OfflineRun, "next_batch", draw)
    with pytest.raises(Killed):
        reverie.train(config, tmp_path / "killed", evaluate=False)
    monkeypatch.setattr(OfflineRun, "next_batch", real)
    reverie.resume(tmp_path / "killed", evaluate=False)

    def without_timing(lines):
        return json.dumps([line for line in lines if line["kind"] != "timing"])

    assert without_timing(read_metrics(tmp_path / "killed")) == without_timing(uninterrupted)
