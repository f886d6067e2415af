"""Tables and figures of the study of planners, from its numbers."""

from itertools import groupby
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from reverie.evaluation import figures
from studies.kit import Numbers, table

WORLDS = {"trained": "the trained model", "true": "the true simulator"}
SHARE = 8
"""The question: who reaches the return of PlaNet's CEM with at most 1 / SHARE of its evaluations?"""
STEP = 50.0
"""A start separates two planners if its returns differ by more, which is about half of a swing."""
HEAD = ("planner", "evaluations", "with gradient", "return", "std", "return minus PlaNet's", "ms", "ms / PlaNet's")
PREDICTED = {"trained": ("predicted", "actual", "difference"), "true": ("return of a plan",)}


def families(rows: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each planner, in the order of evaluations."""
    ordered = sorted(rows.values(), key=lambda row: (row["family"], row["evaluations"]))
    return {family: list(budgets) for family, budgets in groupby(ordered, key=lambda row: row["family"])}


def standard_error(returns: list[float]) -> float:
    """Of the mean."""
    return stdev(returns) / sqrt(len(returns))


def threshold(reference: dict[str, Any]) -> float:
    """The return from which a planner has reached the reference: its mean minus one standard error."""
    return reference["mean"] - standard_error(reference["returns"])


def cheapest(rows: dict[str, Any], reference: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of each planner the smallest budget that reaches the reference with 1 / SHARE of its evaluations, if any."""
    reached = {}
    for family, budgets in families(rows).items():
        for row in budgets:
            affordable = SHARE * row["evaluations"] <= reference["evaluations"]
            if affordable and row["mean"] >= threshold(reference):
                reached.setdefault(family, row)
    return dict(sorted(reached.items(), key=lambda item: item[1]["evaluations"]))


def separating(rows: list[dict[str, Any]]) -> int:
    """Count the starts whose returns differ by more than STEP between some of these rows."""
    return sum(max(returns) - min(returns) > STEP for returns in zip(*(row["returns"] for row in rows)))


def tables(numbers: Numbers) -> dict[str, str]:
    """`cheapest`, all planners and budgets by world, and `starts`: how many of them separate planners at all."""
    rows, starts = [], []
    for name, world in WORLDS.items():
        everyone = numbers[name]["rows"]
        reference = everyone[numbers["reference"]]
        for family, row in cheapest(everyone, reference).items():
            cost = f"{row['milliseconds'] / reference['milliseconds']:.3f}"
            below = [other for other in families(everyone)[family] if other["evaluations"] < row["evaluations"]]
            base = f"{separating([row, below[-1]])} of {len(row['returns'])}" if below else "–"
            rows.append([world, family, f"{row['evaluations']:,}", f"{row['mean']:.1f}", cost, base])
        returns = f"{reference['mean']:.1f} ± {standard_error(reference['returns']):.1f}"
        searching = [row for row in everyone.values() if row["family"] != "random shooting"]
        starts.append([world, returns, f"{separating(searching)} of {len(reference['returns'])}"])
    head = [
        "planning in",
        "planner",
        "evaluations",
        "return",
        "time / PlaNet's",
        "starts that its next budget below loses",
    ]
    return {
        "cheapest": table(head, rows),
        "starts": table(["planning in", "return of PlaNet's CEM", "starts that separate planners"], starts),
        **{name: all_budgets(numbers, name) for name in WORLDS},
    }


def all_budgets(numbers: Numbers, name: str) -> str:
    """A row a planner and budget; in the true simulator the predicted return is the actual one."""
    rows, reference = numbers[name]["rows"], numbers[name]["rows"][numbers["reference"]]
    lines = []
    for row in (row for budgets in families(rows).values() for row in budgets):
        difference = [one - other for one, other in zip(row["returns"], reference["returns"])]
        lines.append(
            [
                row["family"],
                f"{row['evaluations']:,}",
                f"{row['gradient_evaluations']:,}" if row["gradient_evaluations"] else "",
                f"{row['mean']:.1f}",
                f"{row['std']:.1f}",
                f"{mean(difference):+.1f} ± {standard_error(difference):.1f}",
                f"{row['milliseconds']:.1f}",
                f"{row['milliseconds'] / reference['milliseconds']:.3f}",
                *predicted(row, name),
            ]
        )
    lines.append(["random sequences", *[""] * 7, *predicted(numbers[name]["random"], name)])
    return table([*HEAD, *PREDICTED[name]], lines)


def predicted(row: dict[str, Any], name: str) -> list[str]:
    """Predicted and actual return of plans, and their difference ± standard error."""
    actual = f"{row['actual']:.2f}"
    if name == "true":
        return [actual]
    return [f"{row['predicted']:.2f}", actual, f"{row['overestimation']:+.2f} ± {row['error']:.2f}"]


def draw(out: Path, numbers: Numbers) -> None:
    """Return by evaluations and by time in each model; predicted and actual returns of plans in the trained one."""
    search = "candidate sequences evaluated a decision"
    for name, world in WORLDS.items():
        rows = numbers[name]["rows"]
        title = f"Planning in {world}: mean return of {numbers['episodes']} episodes"
        level = {"PlaNet's return minus\nits standard error": threshold(rows[numbers["reference"]])}
        for axis, label in (("evaluations", search), ("milliseconds", "milliseconds a decision, one thread")):
            style = figures.Style(title, label, "return of an episode", log_x=True)
            figures.plot(out / f"return_{axis}_{name}.png", points(rows, axis, "mean"), style, references=level)
    rows, random = numbers["trained"]["rows"], numbers["trained"]["random"]
    style = figures.Style(
        title=f"Plans in the trained model: predicted and actual return ({numbers['horizon']} decisions)",
        xlabel="actual return, open loop in the true simulator",
        ylabel="return predicted by the model",
        joined=False,
        diagonal="predicted = actual",
    )
    series = points(rows, "actual", "predicted") | {"random sequences": [(random["actual"], random["predicted"])]}
    figures.plot(out / "predicted_return.png", series, style)
    title = "Plans in the trained model: overestimation by the size of the search"
    style = figures.Style(title, search, "predicted minus actual return", log_x=True)
    level, series = {"random sequences": random["overestimation"]}, points(rows, "evaluations", "overestimation")
    figures.plot(out / "overestimation.png", series, style, references=level)


def points(rows: dict[str, Any], x: str, y: str) -> dict[str, list[tuple[float, float]]]:
    """One measure against another, of the budgets of each planner."""
    return {family: [(row[x], row[y]) for row in budgets] for family, budgets in families(rows).items()}
