"""Published scores by protocol, and which returns count as 0 and 1."""

import json
from pathlib import Path

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.evaluation import published
from reverie.evaluation.human_scores import SCORES
from reverie.evaluation.published import Point
from reverie.runs.sweeps.suites import SUITES

TABLES = json.loads(Path(published.__file__).with_suffix(".json").read_text())
PIXELS = {"id": "dm_control/walker-walk-v0", "observe": ["pixels"]}


def test_a_score_stands_at_its_budget_with_its_deviation_and_seeds():
    found = published.points("dreamer_v1", "dmc", "dm_control/walker-walk-v0")
    assert [point.frames for point in found] == [100_000, 500_000, 1_000_000, 2_000_000, 5_000_000]
    assert published.points("planet", "dmc", "dm_control/walker-walk-v0") == [Point(1_000_000, 951.0, None, None)]
    assert published.points("planet", "dmc", "dm_control/hopper-hop-v0") == []
    assert published.points("planet", None, "dm_control/walker-walk-v0") == []


def test_one_method_has_other_scores_under_another_protocol():
    pixels, vectors = (
        published.points("dreamer_v3", kind, "dm_control/acrobot-swingup-v0")[-1] for kind in ("dmc", "dmc_proprio")
    )
    assert (pixels, vectors) == (Point(1_000_000, 229.5, 50.1, 10), Point(500_000, 156.8, 17.7, 5))
    assert published.points("dreamer_v3", "atari100k", "ALE/Pong-v5")[-1].frames == 400_000
    assert published.points("dreamer_v3", "atari", "ALE/Pong-v5")[0].frames == 10_000_000


@pytest.mark.parametrize(
    ("env", "kind", "scale"),
    [
        (PIXELS, "dmc", (0, 1000)),
        (PIXELS | {"observe": ["state"]}, "dmc_proprio", (0, 1000)),
        (PIXELS | {"observe": ["all"]}, "dmc_proprio", (0, 1000)),
        (PIXELS | {"time_limit": 100}, None, None),
        ({"id": "ALE/Boxing-v5", "kwargs": []}, "atari", (0.1, 12.1)),
        ({"id": "ALE/Boxing-v5", "kwargs": ["sticky=0", "noops=0"]}, "atari100k", (0.1, 12.1)),
        ({"id": "ALE/Boxing-v5", "kwargs": ["sticky=0", "life_loss=true"]}, None, None),
        ({"id": "ALE/Surround-v5"}, "atari", None),
        ({"id": "CartPole-v1", "time_limit": None}, None, (22, 475)),
        ({"id": "CartPole-v1", "time_limit": 50}, None, None),
        ({"id": "MinAtar/Breakout-v1"}, None, None),
        ({"id": "my_lab:Own-v0"}, None, None),
    ],
)
def test_benchmark_and_scale_follow_the_protocol(env, kind, scale):
    assert published.benchmark(env) == kind
    assert published.scale(env) == scale


def test_every_table_names_its_source_and_has_whole_points():
    for method in published.names():
        kinds = [kind for kind in TABLES[method] if kind != "title"]
        assert kinds, method
        for kind in kinds:
            table = TABLES[method][kind]
            assert table["score"] in ("training", "evaluation")
            assert published.source(method, kind).startswith(table["source"])
            for points in table["tasks"].values():
                for frames, (mean, deviation, seeds) in points.items():
                    assert int(frames) > 0
                    assert isinstance(mean, float)
                    assert deviation is None or (deviation >= 0 and seeds > 1)


@pytest.mark.parametrize(
    "suite", [name for name, one in SUITES.items() if any(p.references for p in one.protocols.values())]
)
def test_what_a_suite_refers_to_is_published(suite):
    for protocol in SUITES[suite].protocols.values():
        settings = {path.removeprefix("env."): text for path, text in protocol.settings.items()}
        for task in SUITES[suite].tasks[:1]:
            env = {"id": task, "observe": settings.get("observe", "pixels").split(",")}
            env["kwargs"] = [text for text in settings.get("kwargs", "").split(",") if text and "life_loss" not in text]
            kind = published.benchmark(env)
            for name in protocol.references:
                found = [task for task in SUITES[suite].tasks if published.points(name, kind, task)]
                # DreamerV2 published three games as numbers, the others as curves; TD-MPC2 has all tasks of the suite.
                assert len(found) == (3 if (name, kind) == ("dreamer_v2", "atari") else len(SUITES[suite].tasks))


def test_means_over_tasks_are_those_of_the_papers_summary():
    """DreamerV3's own summary of 20 tasks at a million frames: mean 785.6 and median 857.6."""
    points = [published.points("dreamer_v3", "dmc", task)[-1] for task in SUITES["dmc20"].tasks]
    assert {point.frames for point in points} == {1_000_000}
    values = [point.mean for point in points]
    assert (np.mean(values), np.median(values)) == pytest.approx((785.6, 857.6), abs=0.1)


@pytest.mark.parametrize(
    ("method", "mean", "median"),
    [("dreamer_v3", 1.183, 0.437), ("iris", 1.046, 0.289), ("twm", 0.956, 0.505), ("simulus", 1.645, 0.982)],
)
def test_human_normalized_means_of_100k_decisions_are_as_published(method, mean, median):
    values = []
    for task in SUITES["atari26_100k"].tasks:
        point, one = published.points(method, "atari100k", task)[-1], SCORES[published.task(task)]
        values.append((point.mean - one.random) / (one.human - one.random))
    assert (np.mean(values), np.median(values)) == pytest.approx((mean, median), abs=1e-3)


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"Nothing is published under `dreamer-v2`. Did you mean dreamer_v2\?"):
        published.check_name("dreamer-v2")
