"""Statistics over runs and tasks, against scipy, slow versions, numbers by hand, and rliable where it imports."""

import numpy as np
import pytest
from scipy import stats

from reverie.evaluation import statistics


def scores(tasks: int = 7, runs: int = 5, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.normal(generator.uniform(0.2, 1.1), 0.2, runs) for _ in range(tasks)]


@pytest.mark.parametrize(("tasks", "runs"), [(1, 1), (1, 3), (5, 1), (7, 5), (3, 4)])
def test_the_interquartile_mean_is_scipys_trimmed_mean(tasks, runs):
    found = scores(tasks, runs)
    assert statistics.iqm(found) == pytest.approx(stats.trim_mean(np.concatenate(found), 0.25))


def test_every_aggregate_works_on_each_sample_of_leading_axes():
    samples = [np.stack([task, task[::-1] * 2]) for task in scores(runs=4)]
    found = statistics.aggregates(samples)
    one_by_one = [statistics.aggregates([task[i] for task in samples]) for i in range(2)]
    np.testing.assert_allclose(found, one_by_one)
    np.testing.assert_allclose(found[1, 0], stats.trim_mean(np.concatenate([task[1] for task in samples]), 0.25))


def test_aggregates_by_hand():
    """Three tasks of means 0.5, 2 and 0.2; the middle half of 0, 0.2, 0.2, 1, 2, 2 drops one at each end."""
    iqm, median, mean, gap = statistics.aggregates([np.array([0.0, 1.0]), np.array([2.0, 2.0]), np.array([0.2, 0.2])])
    assert iqm == pytest.approx((0.2 + 0.2 + 1 + 2) / 4)
    assert (median, mean) == (pytest.approx(0.5), pytest.approx(0.9))
    assert gap == pytest.approx(1 - (0.5 + 1 + 0.2) / 3)


def test_tasks_count_alike_whatever_their_number_of_runs():
    assert statistics.mean([np.array([1.0, 1.0, 1.0]), np.array([0.0])]) == pytest.approx(0.5)


def test_the_profile_by_hand():
    found = statistics.profile([np.array([0.1, 0.5]), np.array([0.9])], np.array([0.0, 0.5, 0.8, 1.0]))
    assert found.tolist() == [1.0, 0.5, 0.5, 0.0]


def test_the_probability_of_improvement_is_mann_and_whitneys():
    first, second = scores(runs=6), [task[:4] for task in scores(seed=1)]
    second[0][0] = first[0][0]  # a tie counts half
    expected = [stats.mannwhitneyu(x, y).statistic / (len(x) * len(y)) for x, y in zip(first, second)]
    assert statistics.improvement(first, second) == pytest.approx(np.mean(expected))
    assert statistics.improvement(first, second) + statistics.improvement(second, first) == pytest.approx(1)


def test_the_interval_of_one_task_is_scipys_percentile_bootstrap():
    (runs,) = scores(tasks=1, runs=12)
    low, high = statistics.interval(statistics.mean, [runs], resamples=40_000)
    theirs = stats.bootstrap((runs,), np.mean, n_resamples=40_000, method="percentile", rng=np.random.default_rng(1))
    assert (low, high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.004)


def test_the_bootstrap_draws_within_tasks():
    """Tasks whose runs agree have no uncertainty, however far apart the tasks are."""
    low, high = statistics.interval(statistics.aggregates, [np.full(3, 0.1), np.full(3, 0.9)])
    np.testing.assert_allclose(low, high)


def test_an_interval_depends_on_nothing_but_its_seed():
    found = scores()
    first = statistics.interval(statistics.iqm, found, resamples=500)
    assert first == statistics.interval(statistics.iqm, found, resamples=500)
    other = statistics.interval(statistics.iqm, found, resamples=500, seed=1)
    assert other != first
    assert other == pytest.approx(first, abs=0.03)


def test_chunks_together_are_all_resamples(monkeypatch):
    monkeypatch.setattr(statistics, "_CHUNK", 35 * 7)
    counts = []
    statistics.interval(lambda one: counts.append(len(one[0])) or statistics.mean(one), scores(), resamples=20)
    assert counts == [7, 7, 6]


def test_a_band_is_the_interval_of_each_point():
    runs = np.stack([scores(1, 6)[0], np.arange(6.0)])
    low, high = statistics.band(np.mean, runs, resamples=20_000)
    for point in range(2):
        expected = statistics.interval(statistics.mean, [runs[point]], resamples=20_000, seed=3)
        assert (low[point], high[point]) == pytest.approx(expected, rel=0.03)


def test_window_means_are_those_of_the_slow_version():
    generator = np.random.default_rng(0)
    frames = np.sort(generator.integers(1, 1_000, 60)).astype(float)
    returns, points = generator.normal(size=60), np.linspace(0, 1_100, 57)
    found = statistics.window_means(frames, returns, points, 30.0)
    for point, value in zip(points, found):
        inside = [y for x, y in zip(frames, returns) if point - 30 < x <= point]
        before = [y for x, y in zip(frames, returns) if x <= point]
        expected = np.mean(inside) if inside else before[-1] if before else np.nan
        np.testing.assert_allclose(value, expected, err_msg=f"at {point}")


def test_rliable_finds_the_same():
    try:
        from rliable import library, metrics
    except Exception as error:  # it needs packages of earlier versions, and fails in several ways with later ones
        pytest.skip(f"rliable does not import here: {error}")
    found = scores(8, 5)
    matrix = np.stack(found, axis=1)
    theirs = [metrics.aggregate_iqm, metrics.aggregate_median, metrics.aggregate_mean, metrics.aggregate_optimality_gap]
    np.testing.assert_allclose(statistics.aggregates(found), [metric(matrix) for metric in theirs])
    _, intervals = library.get_interval_estimates(
        {"x": matrix}, lambda x: np.array([metrics.aggregate_iqm(x)]), reps=5_000
    )
    ours = statistics.interval(statistics.iqm, found, resamples=20_000)
    assert ours == pytest.approx(tuple(intervals["x"][:, 0]), abs=0.01)
    other = scores(8, 4, seed=2)
    improvement = metrics.probability_of_improvement(matrix, np.stack(other, axis=1))
    assert statistics.improvement(found, other) == pytest.approx(improvement)
    thresholds = np.linspace(0, 1.2, 13)
    profiles, _ = library.create_performance_profile({"x": matrix}, thresholds, reps=10)
    np.testing.assert_allclose(statistics.profile(found, thresholds), profiles["x"])
