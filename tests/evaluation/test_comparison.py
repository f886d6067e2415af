"""The numbers of a comparison, from curves made by hand."""

import json
import re

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.evaluation.comparison import figures, tables
from reverie.evaluation.comparison.numbers import compare
from reverie.evaluation.comparison.parts import Curve

DMC = [
    f"dm_control/{name}-v0" for name in ("walker-walk", "walker-run", "hopper-hop", "cheetah-run", "acrobot-swingup")
]
NOTHING = (np.zeros(0), np.zeros(0))


def curve(
    method="ours",
    task=DMC[0],
    seed=0,
    level=500.0,
    *,
    budget=1_000_000,
    part=1.0,
    state=None,
    returns=None,
    evaluations=NOTHING,
    evaluates=False,
    **more,
) -> Curve:
    """Return a run whose returns rise in a straight line to `level` at its budget, a hundred of them."""
    frames = np.arange(1, 101) * budget / 100
    frames = frames[frames <= part * budget]
    training = (frames, level * frames / budget) if returns is None else returns
    return Curve(
        name=f"{method}-{task}-{seed}", method=method, env={"id": task, "observe": ["pixels"]}, seed=seed,
        budget=budget, reached=int(part * budget), state=state or ("done" if part == 1 else "running"),
        returns={"training": training, "evaluation": evaluations}, evaluates=evaluates,
        hours=(frames, frames / 100_000), **more,
    )  # fmt: skip


def grid(methods=("ours", "theirs"), tasks=tuple(DMC), seeds=3, **options) -> list[Curve]:
    return [
        curve(method, task, seed, 400 + 100 * number + 10 * seed + 5 * place, **options)
        for number, method in enumerate(methods)
        for place, task in enumerate(tasks)
        for seed in range(seeds)
    ]


def test_a_score_is_the_mean_of_the_last_window():
    """A hundred returns in twenty windows: the last window holds the returns 96 to 100 of a line to 500."""
    found = compare([curve()])
    assert found.panels[0].window == 50_000
    assert found.score("ours", DMC[0]).runs.tolist() == [np.mean([480, 485, 490, 495, 500])]
    line = found.panels[0].lines["ours"]
    assert len(line.frames) == 20
    assert line.center.value[-1] == 490
    assert line.center.low is None


def test_the_center_of_seeds_and_its_band():
    runs = [curve(seed=seed, level=level) for seed, level in enumerate((100.0, 200.0, 900.0))]
    for center, expected in (("mean", 400), ("median", 200)):
        line = compare(runs, center=center).panels[0].lines["ours"]
        assert line.center.value[-1] == pytest.approx(expected * 0.98)
        assert (line.center.low <= line.center.value).all()
        assert (line.center.value <= line.center.high).all()
        assert (line.center.low[-1], line.center.high[-1]) == pytest.approx((98, 882))


def test_aggregates_by_hand():
    found = compare(grid(("ours",), DMC[:2]))
    scores = np.array([[400, 410, 420], [405, 415, 425]]) * 0.98 / 1000
    middle = np.sort(scores.ravel())[1:-1].mean()
    expected = [middle, np.median(scores.mean(1)), scores.mean(), 1 - scores.mean()]
    np.testing.assert_allclose(found.aggregates["ours"].value, expected)
    assert found.together == tuple(DMC[:2])
    assert found.efficiency["ours"].value[-1] == pytest.approx(middle)
    assert found.progress[-1] == 1_000_000
    np.testing.assert_allclose(found.hours["ours"][0], found.progress / 100_000)


def test_profiles_and_the_probability_of_improvement():
    found = compare(grid())
    assert found.improvements[("ours", "theirs")].value == 0
    assert found.profiles["ours"].value[0] == 1
    assert found.profiles["theirs"].value[-1] == 0
    assert found.thresholds[[0, -1]].tolist() == [0, 1]
    assert not any("narrow" in remark for remark in found.remarks)


def test_one_seed_has_no_interval_and_says_so():
    found = compare([curve(task=task) for task in DMC])
    assert found.aggregates["ours"].low is None
    assert found.efficiency["ours"].low is None
    assert "One seed tells no interval: none is drawn for ours." in found.remarks
    two = compare(grid(seeds=2))
    assert two.aggregates["ours"].low is not None
    assert any("too narrow" in remark for remark in two.remarks)


def test_cells_that_are_not_done_are_cut_at_the_slowest():
    runs = [curve(seed=0), curve(seed=1, part=0.4), curve(task=DMC[1], seed=0)]
    found = compare(runs)
    assert [panel.cut for panel in found.panels] == [400_000, 400_000]
    line = found.panels[0].lines["ours"]
    assert line.frames[-1] == 400_000
    assert [seed.frames[-1] for seed in line.seeds] == [1_000_000, 400_000]
    assert not line.complete
    assert found.cells == "2 of 3 cells are done"
    assert (
        "Scores are compared at 40% of the budget, because ours-dm_control/walker-walk-v0-1 is only so far."
        in (found.remarks[0])
    )
    assert "†" in tables.markdown(found)


def test_tasks_of_other_budgets_are_cut_at_the_same_part_of_each():
    found = compare([curve(), curve(task=DMC[1], budget=200_000, part=0.5)])
    assert [panel.cut for panel in found.panels] == [500_000, 100_000]
    assert found.unit == "part of the frames that are compared"
    assert found.progress[-1] == 1


def test_methods_of_other_budgets_are_compared_where_both_are():
    found = compare([curve(), curve("short", budget=250_000)])
    assert found.panels[0].cut == 250_000
    assert found.score("ours", DMC[0]).runs == pytest.approx([500 * 0.25], rel=0.03)


def test_scores_at_chosen_frames_leave_out_the_runs_that_are_not_there():
    runs = [curve(seed=0), curve(seed=1, part=0.4), curve(task=DMC[1], part=0.3)]
    found = compare(runs, at=900_000)
    assert found.score("ours", DMC[0]).seeds == (0,)
    assert found.score("ours", DMC[1]) is None
    assert found.together == (DMC[0],)
    assert any("have no score yet at the frames that are compared" in remark for remark in found.remarks)
    with pytest.raises(UserError, match="No run has a score at 2,000,000 frames: take fewer"):
        compare(runs, at=2_000_000)


def test_failed_and_silent_runs_do_not_count_and_are_named():
    failed = curve(seed=1, part=0.2, state="failed", sentence="The disk is full.")
    silent = curve(seed=2, part=0.0, state="new", returns=NOTHING)
    found = compare([curve(seed=0), failed, silent])
    assert found.panels[0].cut == 1_000_000
    assert found.score("ours", DMC[0]).seeds == (0,)
    assert found.remarks[:2] == (
        "ours-dm_control/walker-walk-v0-1 has failed and does not count: The disk is full.",
        "ours-dm_control/walker-walk-v0-2 has no return yet.",
    )
    assert len(found.panels[0].lines["ours"].seeds[1].frames)
    assert found.cells == "1 of 3 cells are done"


def test_nothing_to_compare_is_said():
    with pytest.raises(UserError, match="There is nothing to compare yet: no run has a return of training episodes"):
        compare([curve(returns=NOTHING, part=0.0)])


def test_evaluations_are_taken_where_all_runs_make_them():
    evaluations = (np.array([2.5e5, 5e5, 7.5e5, 1e6]), np.array([1.0, 2.0, 3.0, 4.0]))
    one = curve(evaluations=evaluations, evaluates=True)
    found = compare([one])
    assert (found.kind, found.panels[0].window) == ("evaluation", 250_000)
    assert found.panels[0].lines["ours"].center.value.tolist() == [1, 2, 3, 4]
    assert compare([one, curve(seed=1)]).kind == "training"
    assert compare([one], kind="training").score("ours", DMC[0]).runs[0] == 490


def test_published_scores_stand_beside():
    found = compare(grid(), ["dreamer_v2", "planet"])
    assert [point.frames for point in found.panels[0].published["dreamer_v2"]] == [
        100_000,
        500_000,
        1_000_000,
        2_000_000,
    ]
    assert "planet" not in found.panels[1].published
    assert "PlaNet has no published score for dm_control/walker-run-v0, dm_control/hopper-hop-v0, " in str(
        found.remarks
    )
    assert found.published_aggregates.keys() == {"dreamer_v2"}
    text = tables.markdown(found)
    row = next(line for line in text.splitlines() if line.startswith("| walker-walk | 1,000,000"))
    assert row.count("|") == 7
    assert "| (951.0 at 1M) |" in next(line for line in text.splitlines() if line.startswith("| walker-walk | 100,000"))


def test_published_aggregates_by_hand():
    found = compare(grid(tasks=DMC[:3]), ["dreamer_v1"])
    means = np.array([961.7, 718.0, 265.6]) / 1000
    assert found.panels[1].published["dreamer_v1"][2].mean == 718.0
    expected = [panel.published["dreamer_v1"][2].mean / 1000 for panel in found.panels]
    assert expected[1:] == pytest.approx(means[1:])
    assert found.published_aggregates["dreamer_v1"] == pytest.approx((np.median(expected), np.mean(expected)))


@pytest.mark.parametrize(
    ("task", "names", "sentence"),
    [
        (DMC[0], ["dreamer"], r"Nothing is published under `dreamer`. Did you mean dreamer_v1, "),
        ("CartPole-v1", ["dreamer_v1"], "Dreamer V1 has no published score for CartPole-v1, as played here: leave"),
        (DMC[2], ["planet"], "PlaNet has no published score for dm_control/hopper-hop-v0"),
    ],
)
def test_a_name_without_any_published_score_is_refused(task, names, sentence):
    with pytest.raises(UserError, match=re.escape(sentence) if sentence[0] == "P" else sentence):
        compare([curve(task=task)], names)


def test_own_tasks_need_stated_scores():
    found = compare([curve(task="Own-v0"), curve(task=DMC[0])])
    assert found.together == (DMC[0],)
    assert "`--solved ID=RANDOM,SOLVED` states them." in str(found.remarks)
    stated = compare([curve(task="Own-v0")], stated={"Own-v0": (90.0, 890.0)})
    assert stated.aggregates["ours"].value[0] == pytest.approx(0.5)
    alone = compare([curve(task="Own-v0")])
    assert not alone.aggregates
    assert figures.aggregates(alone) is None
    with pytest.raises(UserError, match=r"No run is on the task Owm-v0 .* Did you mean Own-v0\?"):
        compare([curve(task="Own-v0")], stated={"Owm-v0": (0.0, 1.0)})


def test_aggregates_are_over_the_tasks_that_every_method_has():
    found = compare([*grid(("ours",)), curve("theirs", DMC[0]), curve("theirs", DMC[1])])
    assert found.together == tuple(DMC[:2])
    assert any(remark.startswith("Aggregates lack dm_control/hopper-hop-v0, ") for remark in found.remarks)


def test_rows_for_other_programs_have_every_return():
    found = compare([curve(), curve(seed=1, part=0.0, returns=NOTHING)])
    (row,) = json.loads(json.dumps(tables.rows(found)))
    assert list(row) == ["task", "method", "seed", "xs", "ys"]
    assert (row["task"], row["method"], row["seed"]) == (DMC[0], "ours", 0)
    assert (len(row["xs"]), row["xs"][-1], row["ys"][-1]) == (100, 1_000_000, 500)


def test_tasks_keep_their_family_where_two_have_one_name():
    tasks = ["MinAtar/Breakout-v1", "ALE/Breakout-v5", "my_lab:Own-v0", "Plain"]
    assert [tables.short(task, tasks) for task in tasks] == [*tasks[:2], "Own", "Plain"]


def test_numbers_have_the_digits_that_a_reader_can_use():
    assert [tables.number(x) for x in (0.123, -9.876, 12.34, 812.34, 9_999.9, 12_345.6, float("nan"))] == [
        "0.12", "−9.88", "12.3", "812.3", "9,999.9", "12,346", "–",
    ]  # fmt: skip
    assert tables.number(3.1, like=800) == "3.1"
    assert [tables.frames(x) for x in (240, 7_500, 1_000_000, 2e8)] == ["240", "7.5k", "1M", "200M"]
    assert [figures.columns_of(n) for n in (1, 2, 4, 5, 6, 18, 20, 57)] == [1, 2, 2, 5, 3, 5, 5, 6]


@pytest.mark.parametrize("name", list(figures.FIGURES))
def test_every_figure_tells_how_many_cells_are_done(name):
    runs = [*grid(tasks=DMC[:2]), curve("ours", DMC[0], 9, part=0.5), curve("ours", DMC[1], 9, state="failed")]
    figure = figures.FIGURES[name](compare(runs, ["dreamer_v1"]))
    words = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "12 of 14 cells are done." in words
    assert ("×: failed." in words) == (name == "curves")
