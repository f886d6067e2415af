"""Count the Python frames of Reverie from the command line's `main` to the optimizer's step."""

import inspect
from pathlib import Path

import pytest

import reverie
from reverie.cli import command_line as main
from reverie.nn.optimizer import Optimizer

ROOT = str(Path(reverie.__file__).parent)
LINE = (
    "train dreamer_v1 --size tiny --env.time_limit 40 --training.prefill 80 --training.frames 120 --training.round 20 "
    "--training.updates 1 --training.length 10 --evaluation.final_episodes 1"
)


@pytest.mark.slow
def test_frames_from_the_command_line_to_the_gradients(tmp_path, monkeypatch):
    """5 to the model's step: main, command, train, update, step. 6 to the actor's, with the learner's update."""
    stacks: list[list[str]] = []
    real = Optimizer.step

    def step(self, *arguments, **options):
        frames = [f"{frame.filename}:{frame.function}" for frame in inspect.stack() if frame.filename.startswith(ROOT)]
        stacks.append(frames[::-1])
        if len(stacks) == 3:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)

    monkeypatch.setattr(Optimizer, "step", step)
    assert main.main([*LINE.split(), "--run", str(tmp_path / "run"), "--device", "cpu"]) == 130
    model, actor, _ = stacks
    assert model[0].endswith("command_line.py:main")
    assert len(model) + 1 <= 5, model  # and the step itself, which the test stands for
    assert len(actor) + 1 <= 6, actor
