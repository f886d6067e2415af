"""The training loop: collect -> update -> log -> checkpoint, from a config to a folder.

A run can be killed at any moment. Its next life begins at the last checkpoint and computes, on a CPU, bit for bit what
the uninterrupted run would have.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from reverie.agent import ActNoise
from reverie.config import Config
from reverie.display import Progress
from reverie.envs.adapter import Obs
from reverie.errors import UserError
from reverie.evaluate import outcome
from reverie.evaluate.returns import Evaluation, evaluate
from reverie.logger import Kind
from reverie.run import Run
from reverie.types import Batch, Metrics
from reverie.update import draw_noise, make_update

OnProgress = Callable[[Progress], None]


class Interrupted(UserError):
    """Ctrl-C: the run was saved, and the text says how to go on."""


def train(config: Config, folder: Path, on_progress: OnProgress | None = None) -> Path:
    """Train in a new `folder` until the budget is spent. Returns the folder."""
    return _loop(Run.create(config, folder), on_progress)


def resume(folder: Path, on_progress: OnProgress | None = None) -> Path:
    """Go on from the newest checkpoint in `folder`."""
    return _loop(Run.restore(folder), on_progress)


def _loop(run: Run, on_progress: OnProgress | None) -> Path:
    config, clock = run.config.training, run.clock
    guard, report = Guard(run), Reporter(run, on_progress)
    update = make_update(run.agent.model, run.learner, run.optimisers, config.execution)
    try:
        with asked_to_stop() as stop:
            while True:
                while updates_due(run) > 0 and not stop:
                    noise = draw_noise(
                        run.agent.model, run.learner, config.batch, config.length, run.generators["device"]
                    )
                    batch = run.replay.sample(config.batch, config.length)
                    metrics = update(batch, noise)
                    run.window.add(metrics)
                    clock.updates += 1
                    guard.check(batch, metrics)
                    report.progress()
                guard.settle()  # before anybody acts by these weights
                if stop:
                    run.save()
                    raise Interrupted(f"Interrupted and saved: go on with `reverie resume {run.folder}`.")
                finished = clock.frames >= config.frames
                see_to_reports(run, report, finished)
                if finished:
                    run.agent.save(run.folder)  # killed after its last checkpoint, a run may lack it
                    return run.folder
                collect(run, report)
    finally:
        run.close()


def see_to_reports(run: Run, report: "Reporter", finished: bool) -> None:
    """Log, evaluate and save where a multiple of their interval lies between the last reports and now."""
    config, clock, repeat = run.config, run.clock, run.spec.repeat
    before, clock.reported = clock.reported, clock.decisions

    def due(every: int) -> bool:
        return every > 0 and clock.decisions // every > before // every

    if due(config.training.log_every) or finished:
        report.training()
    if due(config.evaluation.every // repeat):
        report.evaluation(evaluate(run.agent, config.env, config.evaluation.episodes, clock.frames))
    if before < clock.decisions and (due(config.training.checkpoint_every) or finished):
        run.save()


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """A list that is no longer empty once Ctrl-C was pressed, so that the loop stops between two steps, not in one.

    A second Ctrl-C stops at once. Outside the main thread, where signals cannot be caught, the list stays empty.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def updates_due(run: Run) -> int:
    """How many updates the schedule is behind: a function of the clocks, so nothing is lost on resuming."""
    config = run.config.training
    if run.learning_since < 0:
        return 0
    rounds = (run.clock.decisions - run.learning_since) // config.round
    return config.pretrain + rounds * config.updates - run.clock.updates


def collect(run: Run, report: "Reporter") -> None:
    """One decision in every environment: random during the prefill, then the exploring policy."""
    random = run.clock.frames < run.config.training.prefill
    generator, action_space = run.generators["device"], run.spec.action

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        count = is_first.shape[0]
        if random:
            uniform = torch.rand(count, action_space.size, generator=run.generators["host"]).numpy()
            if action_space.discrete:
                return np.eye(action_space.size, dtype=np.float32)[uniform.argmax(-1)]
            return 2 * uniform - 1
        noise: ActNoise = run.agent.noise(count, generator)
        run.carry, action = run.agent.act(run.carry, obs, is_first, noise)
        return action

    for episode in run.collector.step(act):
        run.replay.add({name: torch.from_numpy(x) for name, x in episode.columns().items()})
        report.episode(episode.undiscounted_return, len(episode.actions))
    run.clock.decisions += run.environments.count
    run.clock.frames += run.environments.count * run.spec.repeat
    if run.learning_since < 0 and run.clock.frames >= run.config.training.prefill and len(run.replay) > 0:
        run.learning_since = run.clock.decisions
        if run.config.model.encoder.standardise:
            length = run.config.training.length
            run.agent.model.standardise.calibrate(run.replay.sample(max(1, 1024 // length), length).obs)


class Guard:
    """Stops a run whose losses or gradients are no longer finite, one update later.

    Looking at once would make a GPU wait for the host; so the batch and metrics of an update are kept until the
    next one has been launched.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.pending: tuple[Batch, Metrics] | None = None

    def check(self, batch: Batch, metrics: Metrics) -> None:
        self.settle()
        self.pending = batch, metrics

    def settle(self) -> None:
        """Look at the update that is still pending; raises UserError and saves its batch if it is not finite."""
        if self.pending is None:
            return
        (batch, metrics), self.pending = self.pending, None
        watched = {name: x for name, x in metrics.items() if name.startswith(("loss/", "grad_norm/"))}
        if bool(torch.isfinite(torch.stack(list(watched.values()))).all()):
            return
        odd = sorted(name for name, x in watched.items() if not torch.isfinite(x))
        path = self.run.folder / "nonfinite.pt"
        torch.save({"batch": vars(batch), "metrics": metrics}, path)
        raise UserError(
            f"Update {self.run.clock.updates} gave {', '.join(odd)} that are not finite: the batch is in {path}, and "
            f"the last good checkpoint was kept; look at the batch, or start anew with a smaller learning rate."
        )


class Reporter:
    """Writes the log and tells the display; nothing that it does changes what the run computes."""

    def __init__(self, run: Run, on_progress: OnProgress | None) -> None:
        self.run, self.on_progress = run, on_progress
        self.started, self.started_at = time.monotonic(), run.clock.frames
        self.values: dict[str, float] = {}
        self.returns: list[float] = []
        self.shown = 0.0

    def _write(self, kind: Kind, values: dict[str, float], timing: dict[str, float] | None = None) -> None:
        clock = self.run.clock
        self.run.logger.write(kind, clock.frames, clock.decisions, clock.updates, values, timing)

    def episode(self, undiscounted_return: float, decisions: int) -> None:
        """One line a training episode."""
        self.returns.append(undiscounted_return)
        self._write("episode", {"return": undiscounted_return, "decisions_long": decisions})
        self.progress(force=True)

    def training(self) -> None:
        """One line of means since the last one, and how fast it went."""
        if self.run.window.count == 0:
            return
        self.values = self.run.window.means()
        seconds = time.monotonic() - self.started
        speed = (self.run.clock.frames - self.started_at) / max(seconds, 1e-9)
        self._write("train", self.values, {"seconds": seconds, "frames_per_second": speed})
        self.progress(force=True)

    def evaluation(self, result: Evaluation) -> None:
        """One line an evaluation."""
        self._write("evaluation", {"return": float(np.mean(result.returns)), "episodes": len(result.returns)})
        for name, film in outcome.films(self.run.agent, result.episodes[0]).items():
            self.run.logger.video(name, film, self.run.clock.frames, outcome.FPS)

    def progress(self, force: bool = False) -> None:
        """Tell the display, a few times a second at most."""
        now = time.monotonic()
        if self.on_progress is None or not (force or now - self.shown > 0.25):
            return
        self.shown, clock = now, self.run.clock
        self.on_progress(
            Progress(
                frames=clock.frames,
                total_frames=self.run.config.training.frames,
                decisions=clock.decisions,
                updates=clock.updates,
                seconds=now - self.started,
                started_at_frames=self.started_at,
                values=self.values,
                returns=self.returns[-10:],
                message="collecting random episodes" if self.run.learning_since < 0 else None,
            )
        )


class _CallableModule(ModuleType):
    """Once imported, this module is what `reverie.train` names, and hides the function of that name there."""

    def __call__(self, config: Config, folder: Path, on_progress: OnProgress | None = None) -> Path:
        return train(config, folder, on_progress)


sys.modules[__name__].__class__ = _CallableModule
