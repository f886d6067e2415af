"""The fuzzer: what it takes for a fault, that its inputs repeat themselves, and a short sample of them."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

REFUSED = "a warning\nreverie: There is no x: take y.\n"


@pytest.mark.parametrize(
    ("code", "err", "label"),
    [
        (None, "", "hang"),
        (0, "", "ran"),
        (2, REFUSED, "refused"),
        (2, f"{REFUSED}more", "traceback"),
        (2, f"{REFUSED}reverie: Another sentence.\n", "traceback"),
        (2, "usage: something else", "traceback"),
        (2, "Traceback (most recent call last):\nreverie: No.", "traceback"),
        (70, "KeyError: 'x'", "traceback"),
        (-11, "", "traceback"),
        (1, "", "traceback"),
    ],
)
def test_outcomes_are_told_apart(bench, tmp_path, code, err, label):
    from forked import Outcome
    from fuzz import Input, judge

    given = Input("kind", "what", ["train"])
    assert judge(given, Outcome(code, "", err, 1.0), tmp_path, {})[0] == label


def test_a_refusal_that_destroys_files_and_a_wrong_result_are_faults(bench, tmp_path):
    from forked import Outcome
    from fuzz import Input, judge

    before = {tmp_path / "replay" / "chunk": 0}
    assert judge(Input("", "", ["resume"]), Outcome(2, "", REFUSED, 1), tmp_path, before)[0] == "lost"
    given = Input("", "", ["train"], lambda folder, outcome: "it is wrong")
    assert judge(given, Outcome(0, "", "", 1), tmp_path, {}) == ("nonsense", "it is wrong")
    assert judge(Input("", "", ["check-env"]), Outcome(1, "It is broken.", "", 1), tmp_path, {})[0] == "found"


def files(folder: Path) -> dict[str, Path]:
    """One intact file for each mutation."""
    torch.manual_seed(0)
    from reverie.nn.weights import write_weights
    from reverie.runs import checkpoint

    (folder / "tree.json").write_text(json.dumps({"type": "X", "list": [1, 2.5], "inner": {"a": None, "b": "text"}}))
    (folder / "metrics.jsonl").write_text('{"kind": "train", "frames": 1}\n' * 3)
    np.savez(folder / "log.npz", images=np.zeros((4, 2, 2, 3), np.uint8), actions=np.ones((4, 1)))
    write_weights(folder / "model.safetensors", torch.nn.Linear(2, 3))
    checkpoint.write(folder, 1, {"clock": {"frames": 1}, "model": torch.nn.Linear(2, 3).state_dict()})
    return {
        "damage_json": folder / "tree.json",
        "damage_lines": folder / "metrics.jsonl",
        "damage_npz": folder / "log.npz",
        "damage_safetensors": folder / "model.safetensors",
        "damage_checkpoint": next(folder.glob("checkpoint-*.pt")),
        "damage_file": folder / "tree.json",
    }


@pytest.mark.parametrize("name", ["json", "lines", "npz", "safetensors", "checkpoint", "file"])
def test_mutations_repeat_themselves_and_change_the_file(bench, tmp_path, name):
    import mutations

    damage, changed = getattr(mutations, f"damage_{name}"), 0
    for seed in range(20):
        contents = []
        for copy in "ab":
            folder = tmp_path / f"{seed}{copy}"
            folder.mkdir()
            path = files(folder)[f"damage_{name}"]
            intact = path.read_bytes()
            words = damage(random.Random(seed), path)
            contents.append((words, path.read_bytes() if path.is_file() else None))
        assert contents[0][0] == contents[1][0]
        changed += contents[0][1] != intact
    assert changed > 15


@pytest.mark.slow
def test_a_sample_of_inputs_is_accepted_or_refused_by_one_sentence(bench, monkeypatch):
    from fuzz import fuzz, names

    monkeypatch.setattr(names, "refresh", lambda: None)  # which takes seconds
    found = fuzz(0, count=8, only="options_of_train|recordings", bases=("agent",))
    assert found["wrong"] == []
    assert sum(sum(counts.values()) for counts in found["counts"].values()) == 8
