"""Share a run: what others need to read it, and a card that says what it is.

README.md                     the card
config.json versions.json     the settings, and the software that ran them
agent.* or model.*            the weights, as safetensors
evaluation.json               the numbers
*.png replay.mp4              curve, open loop, film
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reverie.config import hub
from reverie.config.plugins import explain_errors
from reverie.errors import UserError
from reverie.files import make_folder
from reverie.runs import listing
from reverie.runs.listing import Listed

FILM = "replay.mp4"
"""The Hub plays a file of this name beside the card."""
_PICTURES = {
    "curve.png": "Returns while it learned",
    "open_loop.png": "Real frames above, and what the model imagines below",
    "prediction.png": "Real frames, and what the model predicts",
    "generation.png": "Images, and what the model makes of them",
    "manifold.png": "Images over the latent plane",
    "representation.png": "What the features hold",
    "bound.png": "The bound while it learned",
}
"""What is shown of a run, as far as it is there."""
_NOT_SETTINGS = ("format", "plugins", "type")


def push(
    run: str | Path, name: str, *, out: str | Path | None = None, private: bool = False, license: str | None = None
) -> str:
    """Put a run on the Hub under `user/name`, with a card. Returns its address.

    - `out`: a new folder to write the same files into. Nothing is sent then, and the folder is returned.
    - `private`: make a new repository private.
    - `license`: of the weights, such as `mit`, for the card.

    Checkpoints, replay and logs stay here. UserError where the run holds nothing trained, or cannot be sent.
    """
    folder = Path(run)
    hub.check_name(name)
    if not any((folder / f"{kind}.safetensors").is_file() for kind in ("agent", "model")):
        raise UserError(
            f"{folder} holds nothing trained to share: give the folder of a run that has saved a checkpoint."
        )
    if out is not None:
        place = Path(out)
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise UserError(f"{place} is not empty: choose another --out.")
        make_folder(place)
        _write(folder, name, place, license)
        return str(place)
    package = hub.package()
    with TemporaryDirectory() as place:
        _write(folder, name, Path(place), license)
        with explain_errors(f"{folder} cannot be sent to {name}", "check the network, and `hf auth login`"):
            api = package.HfApi()
            api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=place, commit_message="A run of Reverie")
    return f"{hub.PREFIX}{name}"


def _write(folder: Path, name: str, place: Path, license: str | None) -> None:
    """Write the files of a run and its card into a folder."""
    (run,) = listing.list_runs(folder)
    if run.state == "damaged":
        raise UserError(f"{folder} cannot be shared. {run.sentence}")
    for file in (*hub.FILES, *_PICTURES):
        if (folder / file).is_file():
            shutil.copy(folder / file, place / file)
    if (folder / "evaluation.mp4").is_file():
        shutil.copy(folder / "evaluation.mp4", place / FILM)
    (place / "README.md").write_text(card(run, place, name, license))


def card(run: Listed, place: Path, name: str, license: str | None = None) -> str:
    """Return the card of a run whose files are in `place`: front matter for the Hub, and a page."""
    config, values = _read(place / "config.json"), _read(place / "evaluation.json")
    acts = (place / "agent.safetensors").is_file()
    load = "load" if acts else "load_model"
    use = (
        f'agent = reverie.load("hf:{name}")\ncarry, action = agent.act(None, obs)'
        if acts
        else (f'model = reverie.load_model("hf:{name}")')
    )
    parts = [
        _front_matter(run, values, license),
        f"# {run.recipe} on {run.world}",
        f"A run of Reverie: the recipe `{run.recipe}` on `{run.world}`, seed {run.seed}.",
        _table(_results(run, config, values), "Result"),
        f"![The first episode of the evaluation]({FILM})" if (place / FILM).is_file() else "",
        *(f"![{text}]({file})\n\n*{text}.*" for file, text in _PICTURES.items() if (place / file).is_file()),
        f"## Use it\n\n```python\nimport reverie\n\n{use}\n```",
        f"`pip install 'reverie[hub]'` first. `reverie.{load}` reads JSON and safetensors, and no code from here."
        + (f" `reverie play hf:{name}` opens it in a browser." if acts else ""),
        _table({key: str(value) for key, value in _read(place / "versions.json").items()}, "Software"),
        "## Settings\n\n```text\n" + "\n".join(f"{path} = {value}" for path, value in _settings(config)) + "\n```",
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _front_matter(run: Listed, values: Mapping[str, Any], license: str | None) -> str:
    """Return what the Hub reads. JSON is YAML too, and quotes every text."""
    about: dict[str, Any] = {"license": license} if license else {}
    about |= {"library_name": "reverie", "tags": ["reverie", "world-model", run.recipe, run.world]}
    if run.unit == "frames":
        about["pipeline_tag"] = "reinforcement-learning"
    if "mean" in values and values["mean"] is not None:
        task = {"type": "reinforcement-learning", "name": "reinforcement-learning"}
        score = f"{values['mean']:.2f} +/- {values.get('standard_deviation') or 0.0:.2f}"
        metrics = [{"type": "mean_reward", "name": "mean_reward", "value": score, "verified": False}]
        result = {"task": task, "dataset": {"name": run.world, "type": run.world}, "metrics": metrics}
        about["model-index"] = [{"name": run.recipe, "results": [result]}]
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in about.items()), "---"])


def _results(run: Listed, config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
    numbers = {name: value for name, value in values.items() if type(value) in (int, float) and name != "seed"}
    episodes = {"episodes": str(len(values["returns"]))} if isinstance(values.get("returns"), list) else {}
    done = {"size": str(config.get("size", "")), "trained": f"{run.done:,} of {run.total:,} {run.unit}"}
    hours = {"hours": f"{run.hours:.2f}"} if run.hours is not None else {}
    return {name: f"{value:.4g}" for name, value in numbers.items()} | episodes | done | hours


def _table(rows: Mapping[str, str], title: str) -> str:
    """Return a section with a table of two columns; nothing without rows."""
    lines = [f"| {name.replace('_', ' ')} | {text.replace('|', chr(92) + '|')} |" for name, text in rows.items()]
    return "\n".join([f"## {title}\n", "| | |", "|---|---|", *lines]) if lines else ""


def _settings(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each setting of an encoded config by its dotted path. A chosen part is its class."""
    if isinstance(tree, dict):
        if path and "type" in tree:
            yield path, str(tree["type"]).removesuffix("Config")
        for key, value in tree.items():
            if key not in _NOT_SETTINGS:
                yield from _settings(value, f"{path}.{key}" if path else key)
    else:
        yield path, json.dumps(tree)


def _read(path: Path) -> dict[str, Any]:
    """Return a JSON object; an empty one where it is missing or damaged, because a card can do without."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
