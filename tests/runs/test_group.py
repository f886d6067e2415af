"""Two processes of `torchrun` train one run, on this machine, by Gloo."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import small_run
from interruptions import ROOT, SUPPORT, wait_for_checkpoint

import reverie
from reverie.errors import UserError
from reverie.runs import checkpoint, group
from reverie.runs.logger import read_metrics

TRAIN = """
import os, sys, small_run, reverie
from pathlib import Path
folder = Path(sys.argv[2])
(folder.parent / f"rank-{os.environ['RANK']}").write_text(str(os.getpid()))
try:
    if sys.argv[1] == "train":
        reverie.train(small_run.config(), folder, evaluate=False)
    else:
        reverie.resume(folder, evaluate=False)
except reverie.UserError as error:
    sys.exit(f"reverie: {error}")
"""


def torchrun(command: str, folder: Path, processes: int = 2) -> subprocess.Popen:
    program = folder.parent / "program.py"
    program.write_text(TRAIN)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(SUPPORT), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), str(program)]
    return subprocess.Popen(
        [sys.executable, *words, command, str(folder)], env=environment, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_two_processes_train_the_run_of_one(folder, uninterrupted):
    process = torchrun("train", folder)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    one, two = (checkpoint.newest(each / "checkpoints") for each in (uninterrupted, folder))
    assert two["clock"] == one["clock"]
    assert two.keys() == one.keys()  # it says nothing of ranks
    first, *_ = read_metrics(uninterrupted, "train")
    shared, *_ = read_metrics(folder, "train")
    losses = [name for name in first if name.startswith(("loss/", "grad_norm/model"))]
    assert losses
    assert [shared[name] for name in losses] == pytest.approx([first[name] for name in losses], rel=1e-3)


@pytest.mark.slow
def test_a_killed_rank_ends_all_with_one_sentence_and_the_run_goes_on_with_one_process(folder):
    process = torchrun("train", folder)
    wait_for_checkpoint(process, folder, 60)
    os.kill(int((folder.parent / "rank-1").read_text()), signal.SIGKILL)
    started, said = time.monotonic(), process.communicate()[1]
    assert process.returncode != 0
    assert time.monotonic() - started < 120
    ours = [line for line in said.splitlines() if line.startswith("reverie: ")]
    assert ours in (
        [f"reverie: {group.LOST}"],
        [f"reverie: Interrupted and saved: go on with `reverie resume {folder}`."],
    )
    reverie.resume(folder, evaluate=False)
    assert checkpoint.newest(folder / "checkpoints")["clock"]["frames"] >= small_run.DECISIONS * small_run.REPEAT


@pytest.mark.parametrize(
    ("training", "ranks", "sentence"),
    [
        ({"batch": 5}, 2, r"--training.batch 5 cannot be split between 2 ranks: take a multiple of 2"),
        ({"batch": 4, "execution": "graph"}, 2, r"--training.execution graph is for one process"),
    ],
)
def test_what_cannot_be_shared_is_one_sentence(training, ranks, sentence):
    config = small_run.config()
    config = replace(config, training=replace(config.training, **training))
    with pytest.raises(UserError, match=sentence):
        group.check_shared(config, ranks)


def test_without_torchrun_a_process_leads_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert (group.count(), group.follows()) == (1, False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert group.follows()
    monkeypatch.setenv("RANK", "0")
    assert not group.follows()
