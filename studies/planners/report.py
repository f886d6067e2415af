"""Figures, tables and conclusion of `planners`: everything said is computed from the numbers."""

from math import hypot, sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from reverie.evaluation import figures

WORLDS = {"trained": "the trained model", "true": "the true simulator"}
SHARE, APART = 8, 50
"""The question: PlaNet's return for at most 1 / SHARE of its evaluations. Returns that far apart are not the same."""


def draw(out: Path, numbers: dict[str, Any]) -> None:
    """Return against evaluations and against time in each model; what plans promised beside what came."""
    for name, world in WORLDS.items():
        rows = numbers[name]["rows"]
        reference = rows[numbers["reference"]]
        for axis, label in (
            ("evaluations", "evaluations of a candidate sequence, a decision"),
            ("milliseconds", "milliseconds a decision, one thread"),
        ):
            figures.plot(
                out / f"return_{axis}_{name}.png",
                {family: [(row[axis], row["mean"]) for row in of] for family, of in families(rows).items()},
                figures.Style(
                    title=f"Planning in {world}: mean return of {numbers['episodes']} episodes",
                    xlabel=label,
                    ylabel="return of an episode",
                    log_x=True,
                ),
                references={"PlaNet's return less\nits standard error": threshold(reference)},
            )
    rows, chance = numbers["trained"]["rows"], numbers["trained"]["random"]
    figures.plot(
        out / "promises.png",
        {
            **{family: [(row["came"], row["predicted"]) for row in of] for family, of in families(rows).items()},
            "random sequences": [(chance["came"], chance["predicted"])],
        },
        figures.Style(
            title=f"What plans promised in the trained model, and what came ({numbers['horizon']} decisions)",
            xlabel="return that came, open loop in the true simulator",
            ylabel="return that the model predicted",
            joined=False,
            diagonal="as much as predicted",
        ),
    )
    figures.plot(
        out / "excess.png",
        {family: [(row["evaluations"], row["excess"]) for row in of] for family, of in families(rows).items()},
        figures.Style(
            title="More search, more promised than comes? Plans in the trained model",
            xlabel="evaluations of a candidate sequence, a decision",
            ylabel="predicted return less the one that came",
            log_x=True,
        ),
        references={"random sequences": chance["excess"]},
    )


def families(rows: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each planner, in the order of evaluations."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows.values(), key=lambda row: row["evaluations"]):
        found.setdefault(row["family"], []).append(row)
    return {family: found[family] for family in sorted(found)}


def standard_error(returns: list[float]) -> float:
    """Of the mean."""
    return stdev(returns) / sqrt(len(returns))


def threshold(reference: dict[str, Any]) -> float:
    """The return from which a planner has reached the reference."""
    return reference["mean"] - standard_error(reference["returns"])


def reaches(rows: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """The planners with at most an eighth of the reference's evaluations that reach it, the fewest first."""
    reference = rows[name]
    found = {
        key: row
        for key, row in rows.items()
        if SHARE * row["evaluations"] <= reference["evaluations"] and row["mean"] >= threshold(reference)
    }
    return dict(sorted(found.items(), key=lambda item: item[1]["evaluations"]))


def table(numbers: dict[str, Any], name: str) -> str:
    """One row a planner and budget; in the true simulator what is predicted comes."""
    rows, chance = numbers[name]["rows"], numbers[name]["random"]
    reference = rows[numbers["reference"]]
    promises = ["predicted", "came", "difference"] if name == "trained" else ["of a plan"]
    head = [
        "planner",
        "evaluations",
        "for a gradient",
        "return",
        "std",
        "less PlaNet's",
        "ms",
        "of PlaNet's",
        *promises,
    ]
    lines = [head, ["---"] * len(head)]
    for family, of in families(rows).items():
        for row in of:
            apart = [one - other for one, other in zip(row["returns"], reference["returns"])]
            lines.append(
                [
                    family,
                    f"{row['evaluations']:,}",
                    f"{row['climbing']:,}" if row["climbing"] else "",
                    f"{row['mean']:.1f}",
                    f"{row['std']:.1f}",
                    f"{mean(apart):+.1f} ± {standard_error(apart):.1f}",
                    f"{row['milliseconds']:.1f}",
                    f"{row['milliseconds'] / reference['milliseconds']:.3f}",
                    *kept(row, name),
                ]
            )
    lines.append(["random sequences", *[""] * 7, *kept(chance, name)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def kept(row: dict[str, Any], name: str) -> list[str]:
    """The table's last cells."""
    came = f"{row['came']:.2f}"
    return [came] if name == "true" else [f"{row['predicted']:.2f}", came, f"{row['excess']:+.2f} ± {row['error']:.2f}"]


def text(numbers: dict[str, Any]) -> str:
    """The report: every figure in it is in `numbers`."""
    return f"""# Planners

`reverie study planners --size {numbers["size"]}`. Pendulum-v1 from pixels, horizon {numbers["horizon"]} decisions
of two frames, {numbers["episodes"]} episodes with the same beginnings for every planner, no exploration, one trained
model (one seed). Evaluations: candidate sequences scored a decision; one for a gradient costs about three, as the
milliseconds show. Warm starts everywhere but in "CEM (PlaNet)". `±`: standard errors; "less PlaNet's": episode by
episode. Milliseconds: medians for one observation, of one thread of a shared machine, all planners in turns: trust
the ratios. Predicted, came, difference: return over the horizon of {numbers["moments"]} plans from the same moments,
executed open loop in the true simulator, in Pendulum's own reward.

{conclusion(numbers)}

## In the trained model

![return by evaluations](return_evaluations_trained.png)

![return by milliseconds](return_milliseconds_trained.png)

{table(numbers, "trained")}

## Promised and kept

![promises](promises.png)

![excess](excess.png)

## In the true simulator

![return by evaluations](return_evaluations_true.png)

![return by milliseconds](return_milliseconds_true.png)

{table(numbers, "true")}
"""


def conclusion(numbers: dict[str, Any]) -> str:
    """What the numbers say, whichever way they fall."""
    parts = [reached(numbers, name) for name in WORLDS]
    return "\n\n".join([*parts, exploited(numbers), decided(numbers)])


def reached(numbers: dict[str, Any], name: str) -> str:
    """Who has PlaNet's return for an eighth of its evaluations."""
    rows, reference = numbers[name]["rows"], numbers[name]["rows"][numbers["reference"]]
    few = [row for row in rows.values() if SHARE * row["evaluations"] <= reference["evaluations"]]
    good = reaches(rows, numbers["reference"])
    said = (
        f"In {WORLDS[name]} PlaNet's CEM returns {reference['mean']:.1f} ± {standard_error(reference['returns']):.1f} "
        f"for {reference['evaluations']:,} evaluations. "
    )
    if not good:
        top = max(few, key=lambda row: row["mean"])
        return (
            said + f"**No planner reaches that with an eighth of them**: the best is {top['family']} with "
            f"{top['evaluations']:,} evaluations, {top['mean']:.1f}."
        )
    first = next(iter(good.values()))
    quick = min(good.values(), key=lambda row: row["milliseconds"])
    missing = sorted({row["family"] for row in few} - {row["family"] for row in good.values()})
    least = {row["family"]: row["evaluations"] for row in reversed(good.values())}
    return (
        said + f"**{first['family']} reaches that, within the standard error, with {first['evaluations']:,}** "
        f"({first['mean']:.1f}){dearer(first)}; the quickest that does is {quick['family']} with "
        f"{quick['evaluations']:,}, in {quick['milliseconds'] / reference['milliseconds']:.3f} of the time. "
        "The fewest of each planner: "
        + ", ".join(f"{family} {least[family]:,}" for family in sorted(least, key=lambda family: least[family]))
        + (f"; never with an eighth: {', '.join(missing)}." if missing else ".")
    )


def dearer(row: dict[str, Any]) -> str:
    """A caution where gradients make evaluations dear: forward and backward cost about three forward ones."""
    return f", which cost as much as {row['evaluations'] + 2 * row['climbing']:,}" if row["climbing"] else ""


def decided(numbers: dict[str, Any]) -> str:
    """How many of the beginnings make the difference between planners: a caution."""
    said = []
    for name, world in WORLDS.items():
        by_start = list(zip(*(row["returns"] for row in numbers[name]["rows"].values())))
        apart = sum(max(returns) - min(returns) > APART for returns in by_start)
        said.append(f"{apart} of {len(by_start)} beginnings in {world}")
    return (
        f"The best and the worst setting are more than {APART} apart on {said[0]} and on {said[1]}: the others do "
        "not tell planners apart."
    )


def exploits(row: dict[str, Any], chance: dict[str, Any]) -> bool:
    """More is promised than comes, and more so than for random sequences, each by over two standard errors."""
    beyond = row["excess"] - chance["excess"]
    return row["excess"] > 2 * row["error"] and beyond > 2 * hypot(row["error"], chance["error"])


def share(row: dict[str, Any]) -> float:
    """The excess as a part of what came: errors of the model grow with the costs that it has to predict."""
    return row["excess"] / abs(row["came"])


def exploited(numbers: dict[str, Any]) -> str:
    """Whether plans promise more than comes."""
    rows, chance = numbers["trained"]["rows"], numbers["trained"]["random"]
    guilty = [row for row in rows.values() if exploits(row, chance)]
    most = max(rows.values(), key=lambda row: row["excess"])
    reference = rows[numbers["reference"]]
    pairs = [(of[0], of[-1]) for of in families(rows).values() if len(of) > 1]
    more = sum(last["excess"] > first["excess"] for first, last in pairs)
    verdict = {
        0: "**No planner is seen to exploit the model's errors**",
        len(rows): "**Every planner exploits the model's errors**",
    }.get(len(guilty), f"**{len(guilty)} of {len(rows)} settings exploit the model's errors**")
    return (
        f"{verdict} (a plan promises more than comes, and more so than a random sequence does, by over two standard "
        f"errors). A plan of PlaNet's CEM promises {reference['predicted']:.2f}, and {reference['came']:.2f} comes: "
        f"{reference['excess']:+.2f} ± {reference['error']:.2f}, {share(reference):.0%} of what comes; of random "
        f"sequences {chance['excess']:+.2f} ± {chance['error']:.2f}, {share(chance):.0%}. "
        f"The largest excess, {most['excess']:+.2f} ± {most['error']:.2f}, is that of "
        f"{most['family']} with {most['evaluations']:,} evaluations. From the smallest to the largest budget it "
        f"grows for {more} of {len(pairs)} planners and falls for {len(pairs) - more}."
    )
