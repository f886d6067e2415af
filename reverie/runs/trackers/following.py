"""All trackers of a run. They follow `metrics.jsonl`, in every process that goes on with the run.

`trackers.json` remembers the run's id, and up to which step each tracker has been sent what it cannot take back. Such
a tracker gets no step twice. What it lacks, because it joined late or failed, is sent from the log first.
"""

import json
import secrets
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from reverie.config.plugins import explain_errors
from reverie.errors import UserError
from reverie.files import atomic_write
from reverie.runs.trackers.base import LogConfig, Shown, Tracker

Scalars = tuple[int, Mapping[str, float]]
"""A step, and its numbers by name."""


class Trackers:
    """Show a run by several trackers. One that fails is left out, with a warning, and the run goes on."""

    def __init__(self, configs: Mapping[str, LogConfig], run: Shown, ended: int, lines: Iterable[Scalars]) -> None:
        """`ended`: the last step that an earlier process has logged, -1 for none. `lines`: those that still count.

        UserError where a tracker cannot begin.
        """
        self._path, self._open = run.folder / "trackers.json", {}
        for config in configs.values():
            config.check()
        once = [name for name, config in configs.items() if not config.takes_back]
        known = self._read() if once or self._path.exists() else {}
        sent = known.get("sent", {}) | {name: max(ended, known["sent"][name]) for name in known.get("open", ())}
        self._sent: dict[str, int] = {name: sent.get(name, -1) for name in {*sent, *once}}
        self._until = {name: self._sent[name] for name in once}
        run = replace(run, id=known.get("id") or run.id or secrets.token_hex(4))
        for name, config in configs.items():
            fix = f"see to it, take another --log, or change its settings below --log.{name}"
            with ExitStack() as failed:
                failed.callback(self.close)
                with explain_errors(f"The tracker {name} cannot begin", fix):
                    self._open[name] = config.build(run)
                failed.pop_all()
        self._id = run.id
        if known or once:
            self._remember()
        for step, values in lines if once else ():
            self.each(step, lambda tracker: tracker.scalars(step, values), once)  # noqa: B023

    def each(self, step: int, show: Callable[[Tracker], None], names: Iterable[str] | None = None) -> None:
        """Let the trackers show something of this step, unless they were sent it before."""
        for name in tuple(self._open) if names is None else names:
            if name not in self._open or step <= self._until.get(name, -1):
                continue
            try:
                show(self._open[name])
            except UserError:
                raise
            except Exception as error:
                self._leave_out(name, error)
            else:
                if name in self._until:
                    self._sent[name] = step

    def close(self) -> None:
        """Send what is left."""
        for name, tracker in tuple(self._open.items()):
            try:
                tracker.close()
            except UserError:
                raise
            except Exception as error:
                self._leave_out(name, error)

    def _leave_out(self, name: str, error: Exception) -> None:
        """Go on without a tracker. What it was sent before the error is remembered, so that a resume sends the rest."""
        del self._open[name]
        if name in self._until:
            self._remember()
        reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        warnings.warn(
            f"The tracker {name} has failed ({reason}): the run goes on without it, metrics.jsonl stays complete, and "
            "a resumed run sends the rest.",
            stacklevel=2,
        )

    def _read(self) -> dict[str, Any]:
        """Return what an earlier process remembered; nothing where that is damaged, which costs at most a curve."""
        try:
            known = json.loads(self._path.read_text())
            sent = {str(name): int(step) for name, step in known["sent"].items()}
            return {"id": str(known["id"]), "sent": sent, "open": [name for name in known["open"] if name in sent]}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return {}

    def _remember(self) -> None:
        names = [name for name in self._open if name in self._until]
        content = {"id": self._id, "sent": self._sent, "open": names}
        atomic_write(self._path, json.dumps(content, indent=1).encode())
