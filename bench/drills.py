"""Kill tiny runs of every kind at random moments, resume them to their end, and compare with an undisturbed run.

    python bench/drills.py --kills 200 --minutes 60

A run has several lives. A signal ends each but the last: SIGKILL to the process, or SIGTERM, SIGINT or SIGUSR1 to its
group, which includes the processes of its environments. It comes after a random time or at a random event. Events are
a file half written, before or after its rename, a decision, an update, and a step of an evaluation or recording.

At its end a run must have the log (without timings), the weights, the newest checkpoint and the replay of the
undisturbed run, bit for bit. No process and no temporary file may be left. Lives are forked from this process, which
has imported everything, so they begin at once. Writes `bench/results/drills.json`; exit code 1 if any run differs.
"""

import argparse
import importlib
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

import reverie
from reverie.data import storage
from reverie.data.agent_replay import AgentReplayConfig
from reverie.data.chunks import chunks, read_chunk
from reverie.data.collector import Collector
from reverie.data.interaction import InteractionConfig
from reverie.data.recording import collect
from reverie.envs.base import EnvConfig
from reverie.learners.evolution import EvolutionConfig
from reverie.planning.cem import CEMConfig
from reverie.runs import base, checkpoint, loop
from reverie.runs.config import EvaluationConfig, OnlineConfig, RunConfig
from reverie.runs.interrupt import Interrupted, Stopped, asked_to_stop
from reverie.runs.versions import writer

RESULT = Path(__file__).resolve().parent / "results" / "drills.json"
WORLD = EnvConfig("reverie/Curtain-v0", observe=("state",), image_size=16, repeat=1)
"""Nine decisions an episode, and small images: a run takes seconds."""
IMPORTED_LATE = ("torch._dynamo", "tensorboard.summary.writer.record_writer", "reverie_worlds", "PIL.GifImagePlugin")
"""What a run imports only when it needs it, and every life would import anew."""
MOST_LIVES = 12
PATIENCE = 300.0
"""Seconds of one life, at most."""
SIGNALS = {"SIGKILL": 0.5, "SIGTERM": 0.25, "SIGINT": 0.15, "SIGUSR1": 0.1}
MOMENTS = {
    "time": 0.35,
    "half a file": 0.1,
    "rename": 0.1,
    "renamed": 0.1,
    "decision": 0.1,
    "update": 0.1,
    "work": 0.15,
}
"""Shares of signals and moments. `work` is a step of an evaluation or recording."""


# The runs


def online(name: str, **changes: Any) -> OnlineConfig:
    base_config = reverie.recipe(name, "tiny", WORLD.id)
    budget = {"frames": 200, "prefill": 60, "round": 10, "updates": 1, "pretrain": 2, "batch": 4, "length": 6}
    training = replace(base_config.training, **budget, log_every=15, checkpoint_every=40)
    evaluation = EvaluationConfig(every=50, episodes=2)
    return replace(base_config, threads=1, training=training, evaluation=evaluation, **({"env": WORLD} | changes))


def offline(name: str, **changes: Any) -> RunConfig:
    config = reverie.recipe(name, "tiny")
    training = replace(config.training, updates=60, batch=4, log_every=7, checkpoint_every=15, evaluate_every=20)
    training = replace(training, length=1 if name == "vae" else 4)
    data = InteractionConfig(WORLD, train=120, test=40)
    return replace(config, threads=1, training=training, **({"data": data} | changes))


def planet() -> OnlineConfig:
    config = online("planet")
    return replace(config, behavior=replace(config.behavior, planner=CEMConfig(3, 8, 2, iterations=2)))


def evolution() -> OnlineConfig:
    config = online("dreamer_v1")
    return replace(config, behavior=EvolutionConfig(config.behavior.policy, population=4, starts=4, horizon=3))


def from_replay(agent: Path) -> RunConfig:
    data = AgentReplayConfig(str(agent), held_out=0.2)
    config: Any = offline("cvae", data=data)
    return replace(config, training=replace(config.training, length=2), model=replace(config.model, given="past"))


KINDS: dict[str, Callable[[Path], RunConfig | None]] = {
    "dreamer_v1": lambda _: online("dreamer_v1"),
    "dreamer_v1, disk": lambda _: replace(made := online("dreamer_v1"), replay=replace(made.replay, storage="disk")),
    "dreamer_v2, workers": lambda _: online("dreamer_v2", env=replace(WORLD, count=2, workers=True)),
    "planet": lambda _: planet(),
    "evolution": lambda _: evolution(),
    "cfm": lambda _: offline("cfm"),
    "vae": lambda _: offline("vae"),
    "cvae from a replay": from_replay,
    "collect": lambda _: None,
}
"""The config of each kind of run, from the folder of a finished agent; None for a recording."""


def work(config: RunConfig | None, folder: Path) -> None:
    """Begin a run or recording, or go on with it."""
    if config is None:
        with asked_to_stop() as stop:
            collect(WORLD, folder, 3000, held_out=0.2, on_decision=stop.check)
    elif (folder / "config.json").exists():
        reverie.resume(folder, evaluate=False)
    else:
        reverie.train(config, folder, evaluate=False)


# One life


class Kill(NamedTuple):
    """A signal, and when it comes: after `number` seconds, or at the event of this number."""

    signal: signal.Signals
    moment: str
    number: float


class Events:
    """Counts events in this process, and sends the signal at one of them."""

    def __init__(self, kill: Kill | None) -> None:
        self.kill, self.count = kill, Counter[str]()

    def happen(self, moment: str, before: Callable[[], object] = lambda: None) -> None:
        self.count[moment] += 1
        if self.kill is not None and (self.kill.moment, self.kill.number) == (moment, self.count[moment]):
            before()
            send(self.kill.signal, os.getpid())

    def watch(self) -> None:
        """Have every event noticed from now on."""
        replace_file, flush = os.replace, os.fsync
        step, record, working = Collector.step, loop.Session.record, base.Reporter.working

        def renaming(source: Any, target: Any) -> None:
            self.happen("rename")
            replace_file(source, target)
            self.happen("renamed")

        def flushing(file: int) -> None:
            if os.readlink(f"/proc/self/fd/{file}").endswith(".partial"):
                self.happen("half a file", lambda: os.ftruncate(file, os.fstat(file).st_size // 2))
            flush(file)

        def stepping(collector: Any, act: Any) -> Any:
            self.happen("decision" if collector.stream == 0 else "work")
            return step(collector, act)

        def recording(session: Any, *update: Any) -> None:
            self.happen("update")
            record(session, *update)

        def telling(reporter: Any, message: str) -> None:
            self.happen("work")
            working(reporter, message)

        os.replace, os.fsync = renaming, flushing
        Collector.step, loop.Session.record, base.Reporter.working = stepping, recording, telling


def send(number: signal.Signals, process: int) -> None:
    """Send SIGKILL to a process alone, and other signals to its group."""
    if number == signal.SIGKILL:
        os.kill(process, number)
    else:
        os.killpg(process, number)


class Life(NamedTuple):
    """How a life ended."""

    code: int
    """The exit code, negative for a signal."""
    seconds: float
    left: list[int]
    """Processes of its group that did not end."""


def live(config: RunConfig | None, folder: Path, kill: Kill | None, output: Path) -> Life:
    """Work in a process of its own until it is finished or `kill` has come. `output` gets what it prints."""
    began, process = time.monotonic(), os.fork()
    if process == 0:
        code = 1
        try:
            os.setsid()
            with open(output, "w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
            vars(sys.modules["__main__"]).pop("__file__", None)  # environments' processes need nothing of this file
            events = Events(kill)
            events.watch()
            work(config, folder)
            output.with_suffix(".json").write_text(json.dumps(events.count))
            code = 0
        except (Interrupted, Stopped, KeyboardInterrupt):
            code = 130
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sent = kill is None or kill.moment != "time"
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        seconds = time.monotonic() - began
        if ended:
            return Life(os.waitstatus_to_exitcode(status), seconds, left_in_group(process))
        if not sent and kill is not None and seconds >= kill.number:
            sent = True
            with suppress(ProcessLookupError):  # it has no group of its own yet
                send(kill.signal, process)
        if seconds > PATIENCE:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.002)


def left_in_group(group: int, patience: float = 30.0) -> list[int]:
    """Return the processes of a group that are left after some seconds."""
    began = time.monotonic()
    while True:
        left = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, _, of = path.read_text().rpartition(")")[2].split()[:3]
                left += [int(path.parent.name)] if int(of) == group and state != "Z" else []
        if not left or time.monotonic() - began > patience:
            return left
        time.sleep(0.02)


# What must be the same


def outcome(folder: Path) -> dict[str, Any]:
    """Return everything that a finished run or recording must have, bit for bit."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found: dict[str, Any] = {"stray": [path.name for path in files if path.suffix in (".partial", ".damaged")]}
    found["stray"] += [path.name for path in files if path.name == "owner.json"]
    if not (folder / "config.json").exists():
        return found | {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name != "origin"}
    log = (folder / "metrics.jsonl").read_text().splitlines()
    state = checkpoint.newest(folder / "checkpoints")
    parts = [path for path in (folder / "replay", *(folder / "replay").glob("*/")) if chunks(path)]
    return found | {
        "log": [line for line in log if json.loads(line)["kind"] != "timing"],
        "weights": {path.name: path.read_bytes() for path in folder.glob("*.safetensors")},
        "state": {name: part for name, part in state.items() if name not in ("file", "writer", "log_position", "time")},
        "replay": {path.name: columns(path) for path in parts},
    }


def columns(folder: Path) -> dict[str, torch.Tensor]:
    """Return the columns of a replay, however they lie in chunks."""
    names = [f"obs/{name}" for name in WORLD.observe] + ["action", "reward", "is_first", "is_last", "is_terminal"]
    stretches = [read_chunk(path, names) for _, _, path in chunks(folder)]
    return {name: torch.cat([stretch[name] for stretch in stretches]) for name in names}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Return the places where two outcomes differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [f"{path}/{name}" for name in one.keys() ^ other.keys()]
        return names + [
            each for name in one.keys() & other.keys() for each in differences(one[name], other[name], f"{path}/{name}")
        ]
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if one.dtype == other.dtype and torch.equal(one, other) else [path]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [each for index, pair in enumerate(zip(one, other)) for each in differences(*pair, f"{path}/{index}")]
    return [] if type(one) is type(other) and one == other else [path]


# The drills


class Drills:
    """Undisturbed runs of each kind, and the count of kills."""

    def __init__(self, names: list[str], seed: int, place: Path) -> None:
        self.seed, self.place, self.names = seed, place, names
        self.kills: dict[str, Counter[str]] = {name: Counter() for name in names}
        self.moments, self.lives = Counter[str](), Counter[str]()
        self.equal, self.failures = 0, list[dict[str, Any]]()
        agent = place / "agent"
        if "cvae from a replay" in names:
            assert live(online("dreamer_v1"), agent, None, place / "agent.txt").code == 0
        self.configs = {name: KINDS[name](agent) for name in names}
        self.whole: dict[str, tuple[dict[str, Any], float, dict[str, int]]] = {}
        for name in names:
            folder, output = place / f"whole {name}", place / f"whole {name}.txt"
            life = live(self.configs[name], folder, None, output)
            assert life.code == 0, output.read_text()
            self.whole[name] = outcome(folder), life.seconds, json.loads(output.with_suffix(".json").read_text())

    def run(self, number: int) -> None:
        """Kill one run again and again, let it end, and compare it."""
        name, rng = self.names[number % len(self.names)], np.random.default_rng([self.seed, number])
        folder, kills, complaints = self.place / f"run {number}", list[str](), list[str]()
        for life_number in range(MOST_LIVES):
            kill = self.draw(rng, name) if life_number < MOST_LIVES - 1 else None
            output = self.place / f"run {number}.txt"
            life = live(self.configs[name], folder, kill, output)
            complaints += [f"processes {life.left} were left"] if life.left else []
            if life.code == 0:
                break
            if kill is None or life.code not in (130, -kill.signal):
                complaints.append(f"life {life_number} ended with {life.code}: {output.read_text()[-2000:]}")
                break
            kills.append(f"{kill.signal.name} {kill.moment} {kill.number:.3g}")
            self.kills[name][kill.signal.name] += 1
            self.moments[kill.moment] += 1
            self.moments["before the first checkpoint"] += not any((folder / "checkpoints").glob("*.pt"))
        self.lives[str(len(kills))] += 1
        if not complaints:
            complaints = differences(outcome(folder), self.whole[name][0])[:10]
        if complaints:
            self.failures.append({"run": number, "kind": name, "kills": kills, "differences": complaints})
            print(f"run {number}, {name}: DIFFERS after {kills}: {complaints}", flush=True)
        else:
            self.equal += 1
            print(f"run {number}, {name}: equal after {len(kills)} kills: {', '.join(kills)}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)

    def draw(self, rng: np.random.Generator, name: str) -> Kill:
        """Draw a signal and its moment. Events of the first third come to several in a run."""
        _, seconds, events = self.whole[name]
        possible = {moment: share for moment, share in MOMENTS.items() if moment == "time" or events.get(moment)}
        shares = np.array(list(possible.values()))
        number = signal.Signals[str(rng.choice(list(SIGNALS), p=list(SIGNALS.values())))]
        moment = str(rng.choice(list(possible), p=shares / shares.sum()))
        if moment == "time":
            return Kill(number, moment, float(rng.uniform(0, 0.7 * seconds)))
        number = signal.SIGKILL if moment == "half a file" else number  # other signals let the file be written
        return Kill(number, moment, int(rng.integers(1, max(2, events[moment] // 3 + 1))))

    @property
    def total(self) -> int:
        """Kills so far."""
        return sum(sum(of.values()) for of in self.kills.values())

    def report(self, command: str, seconds: float) -> dict[str, Any]:
        machine = {"platform": platform.platform(), "cores": os.cpu_count(), "torch": torch.__version__}
        return {
            "command": command,
            "seed": self.seed,
            "machine": machine,
            "seconds": round(seconds),
            "kills": self.total,
            "runs": self.equal + len(self.failures),
            "equal": self.equal,
            "kills_of_a_run": dict(sorted(self.lives.items(), key=lambda item: int(item[0]))),
            "signals": {name: dict(of) for name, of in self.kills.items()},
            "moments": dict(self.moments.most_common()),
            "failures": self.failures,
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="kills, at least, unless the minutes are over")
    parser.add_argument("--minutes", type=float, default=60.0, help="no run begins later")
    parser.add_argument("--seed", type=int, default=0, help="of the signals and moments")
    parser.add_argument("--kinds", default=";".join(KINDS), help="kinds of runs, with semicolons between them")
    parser.add_argument("--first", type=int, default=0, help="the number of the first run, to repeat one")
    parser.add_argument("--out", type=Path, default=RESULT, help="the file of the counts")
    asked = parser.parse_args()
    began, command = time.monotonic(), "python bench/drills.py " + " ".join(sys.argv[1:])
    torch.set_num_threads(1)
    for module in IMPORTED_LATE:
        importlib.import_module(module)
    storage.MOST_UNWRITTEN = 1_000  # so that a replay on the disk is written between checkpoints too
    writer()  # asks git, once for all lives
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as place:
        os.environ["REVERIE_CACHE"] = str(Path(place) / "cache")
        drills = Drills(asked.kinds.split(";"), asked.seed, Path(place))
        print(f"seed {asked.seed}, {len(drills.names)} kinds of runs", flush=True)
        number = asked.first
        while drills.total < asked.kills and time.monotonic() - began < 60 * asked.minutes:
            drills.run(number)
            number += 1
            asked.out.write_text(json.dumps(drills.report(command, time.monotonic() - began), indent=1) + "\n")
    print(f"{drills.total} kills of {number - asked.first} runs, {drills.equal} of them equal", flush=True)
    return int(bool(drills.failures))


if __name__ == "__main__":
    sys.exit(main())
