"""Fuzz the command line and every file that it reads: what comes is a result, or one sentence and exit code 2.

    python bench/fuzz.py --seed 0 --count 1000       # writes bench/results/fuzz.json
    python bench/fuzz.py --seed 0 --first 17 --count 1 --show      # one input again, with all that it printed

Input N of a seed is a function of the two numbers alone. It is made from an intact one: tiny runs, datasets and command
lines. Each runs in a forked process with limits of time and memory. The outcomes:

    ran         exit code 0, and the result is right as far as `judge` can tell
    refused     exit code 2, and one sentence that begins with `reverie: `
    found       exit code 1 of `check` and `check-env`, whose purpose it is
    traceback   anything else, a killed process included
    hang        no end within the limit of time
    nonsense    exit code 0, and not right: a metric is not finite, nothing was learned without a warning, a setting is
                saved as something else than was typed or is out of range, a file was not read as it is, or a damaged
                binary file gave another result than the intact one without a warning
    lost        files of the run were destroyed by a command that was refused, or a device by any command
"""

import argparse
import hashlib
import json
import math
import os
import platform
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium  # noqa: E402
import mutations  # noqa: E402
import numpy as np  # noqa: E402
from forked import FAST, Outcome, import_as, run  # noqa: E402

from reverie.cli import names  # noqa: E402
from reverie.config.files import encode, read_file  # noqa: E402
from reverie.config.overrides import as_text, leaf_types, leaves  # noqa: E402
from reverie.errors import UserError  # noqa: E402

RESULT = ROOT / "bench" / "results" / "fuzz.json"
RIGHT = ("ran", "refused", "found")


class Dot(gymnasium.Env):
    """A dot on a line, eight steps an episode: an image, two numbers, and one action."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 10}
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    observation_space = gymnasium.spaces.Dict(
        image=gymnasium.spaces.Box(0, 255, (12, 12, 3), np.uint8), state=gymnasium.spaces.Box(-9, 9, (2,), np.float32)
    )

    def __init__(self, render_mode: str | None = None, gain: float = 0.2) -> None:
        self.render_mode, self.gain = render_mode, gain

    def observe(self) -> dict[str, np.ndarray]:
        image = np.zeros((12, 12, 3), np.uint8)
        image[5:8, int(np.clip(6 + 3 * self.x, 0, 11))] = (255, 120, 40)
        return {"image": image, "state": np.array([self.x, self.time / 8], np.float32)}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.x, self.time = float(self.np_random.uniform(-1, 1)), 0
        return self.observe(), {}

    def step(self, action: Any) -> Any:
        self.x, self.time = self.x + self.gain * float(np.ravel(action)[0]), self.time + 1
        return self.observe(), -abs(self.x), abs(self.x) > 1.5, False, {}

    def render(self) -> np.ndarray:
        return self.observe()["image"].repeat(3, 0).repeat(3, 1)


gymnasium.register("Dot-v0", Dot, max_episode_steps=8)

TINY = "--size tiny --threads 1 --device cpu --training.batch 2 --training.length 4 --env.image_size 8"
ONLINE = f"{TINY} --training.frames 48 --training.prefill 16 --training.round 8 --training.updates 1"
OFFLINE = f"{TINY} --training.updates 2 --training.checkpoint_every 1"
RECORDED = "--data.train 24 --data.test 16"
DOT = "--env.id Dot-v0 --env.observe all"
CASES = {
    "dreamer_v1": f"{ONLINE} {DOT} --env.repeat 1 --replay.capacity 99 --behavior.horizon 3",
    "dreamer_v2": f"{ONLINE} --env.id reverie/Fork-v0 --env.observe all --env.repeat 1 --replay.capacity 99",
    "planet": f"{ONLINE} {DOT} --env.repeat 1 --replay.capacity 99 --behavior.planner.candidates 9",
    "vae": f"{OFFLINE} --training.length 1 --env.id Dot-v0 --env.observe image {RECORDED}",
    "cvae": f"{OFFLINE} --env.id Dot-v0 --env.observe image {RECORDED}",
    "cfm": f"{OFFLINE} --env.id Dot-v0 --env.observe image {RECORDED} --data.privileged state --goals ,",
    "state_space": f"{OFFLINE} {DOT} {RECORDED}",
    "sigreg": f"{OFFLINE} --env.id Dot-v0 --env.observe image {RECORDED} --data.privileged state --goals ,",
    "joint": f"{OFFLINE} --env.id Dot-v0 --env.observe image {RECORDED} --data.privileged state --goals ,",
}
"""Recipes, and the options that make their runs tiny."""
STORED = OFFLINE.replace("--env.image_size 8", "")
BASES = {
    "agent": f"train dreamer_v1 {CASES['dreamer_v1']} --training.checkpoint_every 16 --run agent",
    "discrete": f"train dreamer_v2 {CASES['dreamer_v2']} --run discrete",
    "planner": f"train planet {CASES['planet']} --run planner",
    "frames": f"train vae {CASES['vae']} --run frames",
    "dataset": "collect Dot-v0 --env.observe all --transitions 60 --workers 1 --out dataset "
    "--format minari --to fuzz/dot-v0 --env.image_size 8",
    "model": f"train state_space {STORED} --data Dataset --data.folder dataset --behavior Planning "
    "--behavior.planner.candidates 9 --run model",
    "robot": f"train cfm {STORED} --data Arrays --data.file log.npz --data.image_size 8 --run robot",
}
"""Everything intact: made in this order, in one folder. A run is named by its folder."""
AGENT, MODEL, RESUMED = ("agent.*",), ("config.json", "model.*"), ("config.json", "checkpoints/*.pt", "metrics.jsonl")
READERS: dict[str, dict[str, tuple[str, ...]]] = {
    "agent": {
        "evaluate agent --episodes 1 --json --device cpu": AGENT,
        "evaluate agent --episodes 1 --video film.mp4 --device cpu": AGENT,
        "evaluate agent --episodes 1 --objective RewardAndValue --planner.candidates 9 --json --device cpu": (
            *AGENT,
            *("config.json", "checkpoints/*.pt"),
        ),
        "imagine agent --horizon 2 --out . --device cpu": AGENT,
        "resume agent --training.frames 64": (*RESUMED, "replay/*"),
        "resume agent": (*RESUMED, "replay/*"),
        f"train state_space {STORED} --data AgentReplay --data.run agent --run new": ("agent.json", "replay/*"),
    },
    "discrete": {
        "evaluate discrete --episodes 1 --json": AGENT,
        "resume discrete --training.frames 56": (*RESUMED, "replay/*"),
    },
    "planner": {
        "evaluate planner --episodes 1 --moment 1 --json": AGENT,
        "resume planner --training.frames 56": (*RESUMED, "replay/*"),
    },
    "frames": {
        "sample frames --count 4": MODEL,
        "resume frames --training.updates 3": (*RESUMED, "replay/*/*"),
        "resume frames": (*RESUMED, "replay/*/*"),
    },
    "model": {
        "evaluate model --episodes 1 --json": AGENT,
        "resume model --training.updates 3": RESUMED,
        "resume model": RESUMED,
    },
    "robot": {
        "resume robot --training.updates 3": RESUMED,
        "resume robot": RESUMED,
        "evaluate robot --env.id Dot-v0 --goal picture.png --episodes 1 --json": AGENT,
        f"train cfm {CASES['cfm']} --model.encoder.vector.units 300 --start robot --run new": ("model.safetensors",),
    },
}
"""Commands for each run, and the files of it that they read."""
DATA = {
    "log.npz": f"train cfm {STORED} --data Arrays --data.file log.npz --data.image_size 8 --run new",
    "dataset": f"train state_space {STORED} --data Dataset --data.folder dataset --run new",
    "minari": f"train cfm {STORED} --data Minari --data.id fuzz/dot-v0 --data.image_size 8 --run new",
}
"""Data sets, and a command that reads each."""
BUDGETS = re.compile(
    r"(frames|pretrain|episodes|\bupdates|transitions|count|context|iterations|horizon|steps|layers)$", re.I
)
"""Settings of which a large value is legal and asks for a long time. The fuzzer asks for small ones."""
SIGNED = re.compile(r"(camera|gate_bias|seed)$")
"""Settings that may be below zero."""
SHARES = re.compile(r"(gamma|lambda_|held_out|target_rate|keep_fraction|balance)$")
"""Settings that must lie in [0, 1]."""
IDS = (
    *("Pendulum-v0", "Pendulum", "pendulum-v1", "Pendulum-v1 ", "my env", "", "/", ":", "a/b/c-v0", "ns/Pendulum-v1"),
    *("nomodule:X-v0", "json:Pendulum-v1", "json:X-v0", "dm_control/", "dm_control/x-y-v0", "dm_control/walker-walk"),
    *("ALE/", "ALE/Pong-v9", "MinAtar/", "MinAtar/Nope-v1", "Taxi-v3", "FrozenLake-v1", "Blackjack-v1", "CartPole-v1"),
    *("python/Dot-v0", "reverie/Rope-v9", "../x-v0", "é-v0", "x" * 300, "GymV21Environment-v0", "GymV26Environment-v0"),
    *("phys2d/CartPole-v0", "CliffWalking-v1", "MountainCar-v0", "Dot-v0", "Dot-v1", "os.path:Dot-v0", ".:Dot-v0"),
    *("mine:Dot-v0", "broken:Dot-v0", "quits:Dot-v0", "mine:Pendulum", "mine.py:Dot-v0", "mine:", ":Dot-v0"),
)


@dataclass(frozen=True)
class Input:
    """One fuzzed input: a command, and what was changed about it or the files that it reads."""

    kind: str
    what: str
    words: list[str]
    check: Callable[[Path, Outcome], str | None] = lambda folder, outcome: None
    """Return what is wrong with an accepted input, or None."""


def judge(given: Input, outcome: Outcome, folder: Path, before: Mapping[Path, int]) -> tuple[str, str]:
    """Return the kind of outcome and the reason."""
    last = (outcome.err.strip().splitlines() or ["nothing was printed"])[-1]
    for device in map(Path, ("/dev/null", "/dev/full")):
        if device.exists() and not device.is_char_device():
            return "lost", f"{device} is no longer a device: every program on this machine needs it back"
    if outcome.code is None:
        return "hang", f"no end within {outcome.seconds:.0f} s"
    if outcome.code == 2 and "Traceback" not in outcome.err:
        lines = [line for line in outcome.err.splitlines() if line.startswith("reverie: ")]
        if len(lines) != 1 or lines[0] != last or last[-1] not in ".?)":
            return "traceback", f"not one sentence: {outcome.err.strip()[-300:]!r}"
        gone = [path for path in before if not (path.exists() or _may_go(path))]
        return ("lost", f"{gone[0].relative_to(folder)} is gone") if gone else ("refused", last)
    if outcome.code == 1 and given.words[0] in ("check", "check-env") and "Traceback" not in outcome.err:
        return "found", outcome.out.strip().splitlines()[0]
    if outcome.code != 0:
        return "traceback", f"code {outcome.code}: {last}"
    wrong = given.check(folder, outcome)
    return ("nonsense", wrong) if wrong else ("ran", "")


def _may_go(path: Path) -> bool:
    """Return whether a file may be gone: set aside as damaged, an older one of two checkpoints, or made of others."""
    if path.parent.name == "checkpoints":
        return path.with_suffix(".damaged").exists() or len(list(path.parent.glob("*.pt"))) >= 2
    return path.suffix in (".png", ".mp4") or path.name in ("owner.json", "evaluation.json", "goals.json")


# ---- what is right


def check_run(folder: Path, outcome: Outcome) -> str | None:
    """Return what is wrong with the run in `folder`, which has ended."""
    from reverie.runs.config import read_config
    from reverie.runs.logger import read_metrics

    config, warned = read_config(folder), "warning" in (outcome.out + outcome.err).lower()
    for path, value in leaves(config).items():
        if isinstance(value, float) and not (math.isfinite(value) or (path.endswith("clip") and value > 0)):
            return f"{path} is saved as {value}"
        if isinstance(value, int | float) and value < 0 and not SIGNED.search(path):
            return f"{path} is saved as {value}"
        if SHARES.search(path) and isinstance(value, int | float) and not 0 <= value <= 1:
            return f"{path} is saved as {value}"
    try:
        lines = read_metrics(folder)
    except UserError as error:
        return None if warned else f"there is no warning that {error}"
    if not any(line["kind"] == "train" for line in lines) and not warned:
        return "nothing was learned, and there is no warning"
    for line in lines:
        wrong = [name for name, value in line.items() if isinstance(value, float) and not math.isfinite(value)]
        if wrong and line["kind"] in ("train", "episode") and not warned:
            return f"{wrong[0]} is {line[wrong[0]]}"
    return None


def check_saved(path: str, text: str, shown: Path) -> Callable[[Path, Outcome], str | None]:
    """Return a check that the run in the folder `shown` was saved with the setting as typed, and is right."""

    def check(folder: Path, outcome: Outcome) -> str | None:
        from reverie.runs.config import read_config

        settings = leaves(read_config(folder / shown))
        if path not in settings and not any(name.startswith(f"{path}.") for name in settings):
            return f"{path} is not in the saved config"
        saved = settings.get(path)
        same = [as_text(saved), f"{saved}Config", str(saved)]
        with_spaces = [part.strip() for part in text.split(",")] if isinstance(saved, tuple) else []
        if (
            text not in same
            and text.lower() not in same
            and not _equal(text, saved)
            and with_spaces != list(saved or "")
        ):
            return f"{path} was typed as {text!r} and is saved as {saved!r}"
        return check_run(folder / shown, outcome)

    return check


def _equal(text: str, value: Any) -> bool:
    try:
        return isinstance(value, int | float) and float(text) == value
    except ValueError:
        return False


def check_read(path: Path) -> str | None:
    """Return whether a JSON file was read as something else than it says."""
    from reverie.agents.agent import AgentConfig
    from reverie.data.recording import Manifest
    from reverie.runs.config import RunConfig
    from reverie.spaces import EnvSpec

    types: dict[str, Any] = {"config": RunConfig, "agent": AgentConfig, "model": EnvSpec, "dataset": Manifest}
    written = json.loads(path.read_text())
    try:
        understood = json.loads(json.dumps(encode(read_file(types[path.stem], path))))
    except UserError as error:
        return f"it ran, and yet {error}"
    written = {key: value for key, value in written.items() if key not in ("format", "plugins")}
    return None if written == understood else f"{path.name} was not read as it is written"


def result_of(folder: Path, outcome: Outcome, besides: Path | None = None) -> dict[str, str]:
    """Return everything that a command has computed, by file; `besides` is the file that was changed."""
    results = {"out": re.sub(r'"files".*', "", outcome.out) if "--json" in outcome.out else ""}
    for pattern in ("agent.safetensors", "model.safetensors", "*.png", "evaluation.json", "metrics.jsonl"):
        for path in folder.rglob(pattern):
            if not path.is_file() or path == besides:
                continue
            content = path.read_bytes()
            if path.name == "metrics.jsonl":
                lines = [line for line in content.splitlines() if b'"timing"' not in line and line.endswith(b"}")]
                content = b"\n".join(lines)
            results[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return results


# ---- inputs


class Fuzzer:
    """Makes inputs from intact ones, which it makes first, in `folder`."""

    def __init__(self, folder: Path, bases: Iterable[str] = BASES) -> None:
        self.intact, self.results = folder / "intact", {}
        self.intact.mkdir()
        os.environ["REVERIE_CACHE"] = str(folder / "cache")
        names.refresh()
        np.savez(self.intact / "log.npz", **_log())
        mutations.write_picture(self.intact / "picture.png")
        for module, text in (("mine", "import gymnasium"), ("broken", "1 / 0"), ("quits", "raise SystemExit(3)")):
            (self.intact / f"{module}.py").write_text(text)
        for name in bases:
            self._require(BASES[name].split(), self.intact, name)
            import_as(self.intact)
        self.paths = {case: self._settings(case) for case in CASES}

    def _require(self, words: list[str], folder: Path, name: str) -> Outcome:
        outcome = run(words, folder, 300)
        if outcome.code != 0:
            raise SystemExit(f"The intact input {name} does not run:\n{outcome.out}\n{outcome.err}")
        return outcome

    def _settings(self, case: str) -> dict[str, Any]:
        """Return the settings of a case and their declared types."""
        from reverie.recipes import build

        return leaf_types(build(case, "tiny", "Dot-v0"))

    def intact_result(self, words: list[str], folder: Path, besides: Path | None) -> dict[str, str]:
        """Return what a command computes from intact files; computed once."""
        key = " ".join(words)
        if key not in self.results:
            with self.copy() as copied:
                self.results[key] = result_of(copied, self._require(words, copied, key))
        name = str(besides.relative_to(folder)) if besides else None
        return {file: digest for file, digest in self.results[key].items() if file != name}

    @contextmanager
    def copy(self) -> Iterator[Path]:
        """A folder with copies of everything intact."""
        with tempfile.TemporaryDirectory(prefix="fuzz-", dir=FAST) as folder:
            shutil.copytree(self.intact, folder, symlinks=True, dirs_exist_ok=True)
            yield Path(folder)

    def make(self, rng: random.Random, folder: Path, only: str = "") -> Input:
        """Return a random input whose files lie in `folder`, a copy of the intact ones."""
        kinds = {kind: weight for kind, weight in KINDS.items() if re.search(only, kind.__name__)}
        made = rng.choices(list(kinds), list(kinds.values()))[0](self, rng, folder)
        return replace(made, kind=made.kind or made.words[0])


def _log() -> dict[str, np.ndarray]:
    """Return a robot's log as plain arrays."""
    rng, rows = np.random.default_rng(0), 48
    return {
        "images": rng.integers(0, 256, (rows, 12, 12, 3), dtype=np.uint8),
        "actions": rng.uniform(-1, 1, (rows, 1)).astype(np.float32),
        "episode": np.repeat(np.arange(rows // 8), 8),
    }


def options_of_train(fuzzer: Fuzzer, rng: random.Random, folder: Path) -> Input:
    """One setting of a recipe has an odd value."""
    from reverie.config.choices import short_name
    from reverie.config.declared import configs_of, is_choice

    recipe = rng.choice(list(CASES))
    path = rng.choice(list(fuzzer.paths[recipe]))
    declared = fuzzer.paths[recipe][path]
    texts = [text for text in mutations.TEXTS if not (BUDGETS.search(path) and len(text) > 3)]
    if is_choice(declared) and configs_of(declared) and rng.random() < 0.8:
        texts = [short_name(config) for config in configs_of(declared)]
    elif path.endswith("env.id"):
        texts = list(IDS)
    text = rng.choice(texts)
    words = ["train", recipe, *CASES[recipe].split(), "--run", "new", f"--{path}={text}"]
    return Input("options of train", f"{recipe} --{path}={text}", words, check_saved(path, text, Path("new")))


def options_of_others(fuzzer: Fuzzer, rng: random.Random, folder: Path) -> Input:
    """One option of another command has an odd value."""
    commands = {
        "evaluate agent --device cpu --episodes 1": (
            *("--episodes", "--moment", "--seed", "--device", "--objective", "--objective.gamma", "--planner"),
            *("--planner.candidates", "--planner.horizon", "--planner.elites", "--num_samples", "--warm_start"),
            *("--env.id", "--env.repeat", "--env.time_limit", "--env.image_size", "--env.observe", "--env.kwargs"),
            *("--goal", "--planner.iterations", "--planner.min_std", "--env.count", "--planner.temperature"),
        ),
        "evaluate planner --device cpu --episodes 1": (
            "--planner",
            "--planner.elites",
            "--planner.candidates",
            "--seed",
        ),
        "evaluate robot --env.id Dot-v0 --goal picture.png --episodes 1": (
            "--env.observe",
            "--objective",
            "--env.kwargs",
        ),
        "imagine agent --device cpu --horizon 2": ("--context", "--horizon", "--seed", "--device"),
        "sample frames --count 2": ("--count", "--seed"),
        "resume agent": ("--training.frames", "--evaluation.every", "--training.log_every", "--training.batch"),
        "resume frames": ("--training.updates", "--training.evaluate_every", "--goals", "--training.checkpoint_every"),
        "collect Dot-v0 --out new --transitions 20 --workers 1 --env.observe all": (
            *(
                "--transitions",
                "--seed",
                "--workers",
                "--held-out",
                "--privileged",
                "--format",
                "--to",
                "--env.time_limit",
            ),
            *("--env.kwargs", "--env.repeat", "--env.observe", "--env.count"),
        ),
        "show dreamer_v1": ("--size", "--seed", "--env.id", "--model.dynamics", "--behavior", "--model.signals.reward"),
        "check-env Dot-v0 --env.observe all": ("--env.repeat", "--env.time_limit", "--env.kwargs", "--env.image_size"),
        "check planner CEM": ("--candidates", "--elites", "--horizon", "--iterations", "--min_std"),
        "check dynamics RSSM": ("--deter", "--latent.size", "--hidden", "--latent"),
    }
    line = rng.choice(list(commands))
    option = rng.choice(commands[line])
    texts = [text for text in mutations.TEXTS if not (BUDGETS.search(option) and len(text) > 3)]
    text = rng.choice(list(IDS) if option == "--env.id" else texts)
    if option == "--workers":
        text = rng.choice(("0", "-1", "x", "1.5", ""))
    return Input("options of others", f"{line} {option}={text}", [*line.split(), f"{option}={text}"])


def paths_that_are_typed(fuzzer: Fuzzer, rng: random.Random, folder: Path) -> Input:
    """A path is odd: a file, a missing or unwritable folder, a link, a name with odd letters."""
    mutations.make_places(folder)
    commands = (
        f"train dreamer_v1 {CASES['dreamer_v1']} --run",
        f"train vae {CASES['vae']} --run",
        f"train state_space {STORED} --run new --data Dataset --data.folder",
        f"train cfm {STORED} --run new --data Arrays --data.file",
        f"train cfm {STORED} --run new --data Minari --data.id",
        f"train state_space {STORED} --run new --data AgentReplay --data.run",
        f"train cfm {CASES['cfm']} --run new --start",
        "evaluate agent --episodes 1 --video",
        "evaluate agent --episodes 1 --planner.candidates 9 --moment 1 --out",
        "evaluate robot --env.id Dot-v0 --episodes 1 --goal",
        "imagine agent --horizon 2 --out",
        "sample frames --count 2 --out",
        "collect Dot-v0 --transitions 20 --workers 1 --env.observe all --out",
        "collect Dot-v0 --transitions 20 --workers 1 --env.observe all --out new --format minari --to",
        "evaluate",
        "resume",
        "sample",
        "imagine",
        "show dreamer_v1 --use",
        "check-env",
    )
    *words, option = rng.choice(commands).split()
    path = rng.choice(mutations.PATHS)
    typed = [f"{option}={path}"] if option.startswith("--") else [option, path]
    return Input("paths", f"{' '.join(words[:2])} {' '.join(typed)}", [*words, *typed])


def words_that_are_typed(fuzzer: Fuzzer, rng: random.Random, folder: Path) -> Input:
    """A word of a command line is dropped, doubled, changed or moved."""
    lines = [*(line for lines in READERS.values() for line in lines), *BASES.values(), *DATA.values()]
    words = rng.choice(lines).split()
    place = rng.randrange(len(words))
    kind = rng.choice(("drop", "double", "change", "swap", "letter"))
    word = words[place]
    if kind == "drop":
        del words[place]
    elif kind == "double":
        words.insert(place, word)
    elif kind == "swap":
        other = rng.randrange(len(words))
        words[place], words[other] = words[other], word
    else:
        letter = rng.randrange(len(word))
        words[place] = rng.choice(mutations.TEXTS) if kind == "change" else word[:letter] + word[letter + 1 :]
    if not words or any(len(word) > 3 and word.isdecimal() for word in words):
        words = ["train"]
    return Input("words", f"{kind} {word!r}", words)


def _reader(rng: random.Random, folder: Path, ending: str = "") -> tuple[str, list[str], Path]:
    """Choose a run, a command, and a file with this ending that the command reads; seldom any other of the run."""
    while True:
        name = rng.choice(list(READERS))
        line, patterns = rng.choice(list(READERS[name].items()))
        found = [path for pattern in patterns for path in sorted((folder / name).glob(pattern))]
        if not ending and rng.random() < 0.2:
            found = [path for path in sorted((folder / name).rglob("*")) if "tensorboard" not in path.parts]
        if files := [path for path in found if path.name.endswith(ending)]:
            return name, line.split(), rng.choice(files)


def _after(words: list[str], name: str) -> Callable[[Path, Outcome], str | None]:
    """Return the check of a run that a command has trained."""
    where = words[words.index("--run") + 1] if "--run" in words else name
    trains = words[0] in ("train", "resume")
    return lambda folder, outcome: check_run(folder / where, outcome) if trains else None


def json_of_runs(fuzzer: Fuzzer, rng: random.Random, folder: Path) -> Input:
    """A part of a JSON file that a command reads is changed."""
    name, words, path = _reader(rng, folder, ".json")
    if rng.random() < 0.15:
        name, words, path = "dataset", DATA["dataset"].split(), folder / "dataset" / "dataset.json"
    what = mutations.damage_json(rng, path)
    changed = path.read_bytes()

    def check(folder: Path, outcome: Outcome) -> str | None:
        whole = name == "dataset" or "AgentReplay" not in words  # a replay's reader needs only the spec
        unread = not whole or path.read_bytes() != changed
        return (None if unread else check_read(path)) or _after(words, name)(folder, outcome)

    return Input(path.name, f"{name}/{what}: {' '.join(words)[:60]}", words, check)


def bytes_of_runs(fuzzer: Fuzzer, rng: random.Random, folder: Path) -> Input:
    """A file of a run is damaged as bytes, or replaced."""
    name, words, path = _reader(rng, folder)
    what = mutations.damage_file(rng, path)
    binary = path.suffix in (".safetensors", ".pt") and path.is_file()

    def check(folder: Path, outcome: Outcome) -> str | None:
        if binary and "warn" not in (outcome.out + outcome.err).lower():
            expected = fuzzer.intact_result(words, folder, path)
            if result_of(folder, outcome, path) != expected:
                return "another result than that of the intact file"
        return _after(words, name)(folder, outcome)

    return Input("bytes of runs", f"{name}/{what}: {' '.join(words)[:60]}", words, check)


def tensors_of_runs(fuzzer: Fuzzer, rng: random.Random, folder: Path) -> Input:
    """A tensor of a weights file or a replay chunk is wrong, and its checksum right."""
    name, words, path = _reader(rng, folder, ".safetensors")
    what = mutations.damage_safetensors(rng, path)
    return Input("tensors of runs", f"{name}/{what}: {' '.join(words)[:60]}", words, _after(words, name))


def checkpoints(fuzzer: Fuzzer, rng: random.Random, folder: Path) -> Input:
    """A part of a checkpoint's state is wrong, and its checksum right."""
    name, words, path = _reader(rng, folder, ".pt")
    path = sorted(path.parent.iterdir())[-1]
    what = mutations.damage_checkpoint(rng, path)
    return Input("checkpoints", f"{name}/{what}: {' '.join(words)[:60]}", words, _after(words, name))


def lines_of_metrics(fuzzer: Fuzzer, rng: random.Random, folder: Path) -> Input:
    """A line of metrics.jsonl is changed."""
    name, words, path = _reader(rng, folder, "metrics.jsonl")
    what = mutations.damage_lines(rng, path)
    return Input("metrics.jsonl", f"{name}/{what}: {' '.join(words)[:60]}", words)


def recordings(fuzzer: Fuzzer, rng: random.Random, folder: Path) -> Input:
    """A recorded data set is changed: arrays, tensors, or bytes."""
    name = rng.choice([name for name in DATA if (folder / name).exists()])
    words, root = DATA[name].split(), folder / name
    files = [root] if root.is_file() else [path for path in sorted(root.rglob("*")) if path.is_file()]
    path = rng.choice([file for file in files if file.name not in ("origin", "owner.json")])
    damages = {
        ".npz": mutations.damage_npz,
        ".safetensors": mutations.damage_safetensors,
        ".hdf5": mutations.damage_hdf5,
        ".json": mutations.damage_json,
    }
    whole = rng.random() < 0.7
    what = damages[path.suffix](rng, path) if whole else mutations.damage_file(rng, path)
    checked = not whole and path.suffix in (".npz", ".safetensors") and path.is_file()

    def check(folder: Path, outcome: Outcome) -> str | None:
        if checked and result_of(folder, outcome, path) != fuzzer.intact_result(words, folder, path):
            return "another result than that of the intact file"
        return check_run(folder / "new", outcome)

    return Input(f"data: {path.suffix}", f"{name}: {what}", words, check)


KINDS: dict[Callable[[Fuzzer, random.Random, Path], Input], float] = {
    options_of_train: 5,
    options_of_others: 2,
    paths_that_are_typed: 2,
    words_that_are_typed: 1,
    json_of_runs: 3,
    bytes_of_runs: 3,
    tensors_of_runs: 1,
    checkpoints: 1,
    lines_of_metrics: 1,
    recordings: 3,
}
"""Kinds of input, and how often each comes."""


def fuzz(
    seed: int,
    first: int = 0,
    count: int = 1000,
    minutes: float = 60,
    only: str = "",
    show: bool = False,
    bases: Iterable[str] = BASES,
) -> dict[str, Any]:
    """Try `count` inputs of a seed. Return counts by kind and outcome, and what was wrong."""
    counts: dict[str, Counter[str]] = {}
    wrong: list[dict[str, Any]] = []
    ends = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="fuzz-base-", dir=FAST) as base:
        fuzzer = Fuzzer(Path(base), bases)
        for number in range(first, first + count):
            if time.monotonic() > ends:
                break
            with fuzzer.copy() as folder:
                given = fuzzer.make(random.Random(f"{seed} {number}"), folder, only)
                before = {path: 0 for path in folder.rglob("*") if path.is_file()}
                outcome = run(given.words, folder)
                label, reason = judge(given, outcome, folder, before)
            counts.setdefault(given.kind, Counter())[label] += 1
            if show or label not in RIGHT:
                print(f"seed {seed} input {number} [{given.kind}] {given.what!r}\n    {label}: {reason}", flush=True)
            if show and count == 1:
                print(" ".join(given.words), outcome.out, outcome.err, sep="\n")
            if label not in RIGHT:
                wrong.append({"input": number, "kind": given.kind, "what": given.what, label: reason})
    return {"seed": seed, "counts": {kind: dict(found) for kind, found in sorted(counts.items())}, "wrong": wrong}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, nargs="+", default=[0], help="one or more seeds (default: 0)")
    parser.add_argument("--first", type=int, default=0, help="number of the first input (default: 0)")
    parser.add_argument("--count", type=int, default=1000, help="inputs of each seed (default: 1000)")
    parser.add_argument("--minutes", type=float, default=60, help="longest time of each seed (default: 60)")
    parser.add_argument("--only", default="", help="only kinds of input whose function has a name with this pattern")
    parser.add_argument("--show", action="store_true", help="print every input with its outcome")
    parser.add_argument("--write", action="store_true", help="write bench/results/fuzz.json")
    arguments = parser.parse_args()
    began = time.monotonic()
    sizes = (arguments.first, arguments.count, arguments.minutes, arguments.only, arguments.show)
    seeds = [fuzz(seed, *sizes) for seed in arguments.seed]
    total: dict[str, Counter[str]] = {}
    for found in seeds:
        for kind, counts in found["counts"].items():
            total.setdefault(kind, Counter()).update(counts)
    machine = {"platform": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
    result = {
        "command": "python bench/fuzz.py " + " ".join(sys.argv[1:]),
        "machine": machine,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "inputs": sum(counts.total() for counts in total.values()),
        "outcomes": dict(sum(total.values(), Counter())),
        "by_kind": {kind: dict(counts) for kind, counts in sorted(total.items())},
        "seeds": seeds,
    }
    print(json.dumps({name: result[name] for name in ("inputs", "minutes", "outcomes", "by_kind")}, indent=1))
    if arguments.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    return int(any(found["wrong"] for found in seeds))


if __name__ == "__main__":
    sys.exit(main())
