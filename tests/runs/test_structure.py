"""A checkpoint that does not fit its run is one sentence, and changes nothing in the folder."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from interruptions import assert_same, content
from torch import Tensor

import reverie
from reverie.errors import UserError
from reverie.runs import checkpoint
from reverie.runs.config import read_config
from reverie.runs.online import OnlineRun, load_value
from reverie.runs.structure import misfit


def mutations(part: Any, path: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """Yield places in a state, and what may wrongly stand there: nothing (`...`), another type, shape or item."""
    if isinstance(part, dict):
        yield (*path, "extra"), 1
        named = list(part)
        weights = sum(isinstance(each, Tensor) for each in part.values()) > 3
        for key in named[:2] if weights else named:
            yield (*path, key), ...
            yield from mutations(part[key], (*path, key))
    elif isinstance(part, list):
        yield path, [*part, "extra"]
        yield path, {}
        for index in range(min(1, len(part))):
            yield from mutations(part[index], (*path, index))
    elif isinstance(part, Tensor):
        yield path, part.flatten()[:0]
        yield path, part.tolist()
    else:
        yield path, [part]
        yield path, -7 if type(part) is int and part >= 0 else {"x": 1}


def mutated(state: Any, path: tuple, value: Any) -> Any:
    """Return a copy of a state with another value at one place; the place is left out for `...`."""
    copy = dict(state) if isinstance(state, dict) else list(state)
    if len(path) > 1:
        copy[path[0]] = mutated(copy[path[0]], path[1:], value)
    elif value is ...:
        del copy[path[0]]
    elif path:
        copy[path[0]] = value
    return copy


@pytest.fixture(scope="module")
def state_and_form(_half) -> tuple[dict, dict]:
    run = OnlineRun(read_config(_half), _half)
    run.close()
    state = checkpoint.newest(_half / "checkpoints")
    return {key: part for key, part in state.items() if key not in ("format", "writer", "file", "config")}, run.form()


@pytest.mark.slow
def test_every_fault_of_structure_is_found(state_and_form):
    state, form = state_and_form
    assert misfit(state | {"config": None}, form) is None
    faults = list(mutations(state))
    assert len(faults) > 150
    free = {"running_mean.sums", "collapse_detector.raised"}  # their names are those of the metrics and warnings
    for path, value in faults:
        place = ".".join(map(str, path))
        sentence = misfit(mutated(state, path, value) | {"config": None}, form)
        if path[:-1] and ".".join(map(str, path[:-1])) in free and (value is ... or path[-1] == "extra"):
            continue
        if place == "generators.device" and isinstance(value, Tensor):
            continue  # its size depends on the device; the generator refuses it
        assert sentence is not None, (place, value)
        assert sentence.startswith(f"`{place.removesuffix('.extra')}"), (place, sentence)


BLANK = torch.zeros(5056, dtype=torch.uint8)
FAULTS = {
    "a part is missing": (("learning_since",), ..., r"`learning_since` is missing"),
    "a part is unknown": (("more",), 1, r"`more` is unknown"),
    "a count is text": (("clock", "updates"), "8", r"`clock.updates` should be a whole number, 0 or more, but it is"),
    "a count is negative": (("clock", "frames"), -1, r"should be a whole number, 0 or more, but it is -1"),
    "a tensor is another": (("carry", 0), torch.ones(2), r"`carry.0` should be a tensor of float32 \(1, \d+\), but"),
    "a state is no dict": (("collector",), 3, r"`collector` should be a dict, but it is 3"),
    "a list is too short": (("optimizers", "value"), [{}], r"should be a list of \d+, but it is a list of 1"),
    "a generator is blank": (("generators", "host"), BLANK, r"holds no state of a generator"),
    "a generator is cut": (("generators", "device"), BLANK[:9], r"holds no state of a generator"),
    "the format is text": (("format",), "2", r"its format is '2'"),
    "the format is newer": (("format",), 99, r"was written by a newer version \(Reverie"),
    "the config is no config": (("config",), {"type": "Nothing"}, r"does not fit this version of Reverie"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_checkpoint_that_does_not_fit_is_one_sentence_and_nothing_changes(half, fault):
    place, value, sentence = FAULTS[fault]
    newest = checkpoint.paths(half / "checkpoints")[-1]
    torch.save(mutated(torch.load(newest, weights_only=True), place, value), newest)
    before = content(half)
    with pytest.raises(UserError, match=sentence) as error:
        reverie.resume(half, evaluate=False)
    assert "\n" not in str(error.value)
    assert content(half) == before


@pytest.mark.slow
def test_without_the_file_that_does_not_fit_the_run_goes_on(half, uninterrupted):
    newest = checkpoint.paths(half / "checkpoints")[-1]
    torch.save([1, 2], newest)
    with pytest.raises(UserError, match=r"it holds no run: nothing was changed. Move it away to go on"):
        reverie.resume(half, evaluate=False)
    newest.rename(half / "aside.pt")
    reverie.resume(half, evaluate=False)
    assert_same(half, uninterrupted)


@pytest.mark.slow
def test_the_version_that_wrote_a_foreign_checkpoint_is_named(half):
    newest = checkpoint.paths(half / "checkpoints")[-1]
    state = torch.load(newest, weights_only=True)
    del state["carry"]
    torch.save(state | {"writer": "Reverie 0.7, commit 1234567890"}, newest)
    with pytest.raises(UserError, match=r"It was written by Reverie 0\.7, commit 1234567890: that version can"):
        reverie.resume(half, evaluate=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Checkpoint checkpoint-.* is damaged")
def test_when_all_checkpoints_are_damaged_nothing_starts_anew(half):
    for path in checkpoint.paths(half / "checkpoints"):
        path.write_bytes(b"")
    replay = sorted(path.name for path in (half / "replay").iterdir())
    for _ in range(2):
        with pytest.raises(UserError, match="holds no checkpoint that can be read"):
            reverie.resume(half, evaluate=False)
    assert len(list((half / "checkpoints").glob("*.damaged"))) == 2
    assert sorted(path.name for path in (half / "replay").iterdir()) == replay


@pytest.mark.slow
def test_a_value_function_that_does_not_fit_is_one_sentence(half):
    newest = checkpoint.paths(half / "checkpoints")[-1]
    state = torch.load(newest, weights_only=True)
    name = next(name for name in state["learner"] if name.startswith("value"))
    torch.save(mutated(state, ("learner", name), torch.ones(1)), newest)
    with pytest.raises(UserError, match=rf"`learner.{name}` should be a tensor"):
        load_value(half, reverie.load(half))
