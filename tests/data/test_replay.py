"""The ring against a plain list, and its chunks on disk."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mocks import spec
from safetensors.torch import save_file

from reverie.data import chunks as chunk_files
from reverie.data import storage as storages
from reverie.data.chunks import bytes_per_decision, prune
from reverie.data.replay import Replay, ReplayConfig
from reverie.errors import UserError
from reverie.tree import checksum

SPEC = spec(image=0, vector=1, action=1)


def make(capacity: int, seed: int = 0, spec=SPEC, **settings) -> Replay:
    return Replay(ReplayConfig(capacity, **settings), spec, torch.device("cpu"), torch.Generator().manual_seed(seed))


def stretch(start: int, length: int) -> dict[str, torch.Tensor]:
    """One episode whose columns are numbered on from `start`."""
    numbers = torch.arange(start, start + length, dtype=torch.float32)
    flags = torch.zeros(3, length, dtype=torch.bool)
    flags[0, 0] = flags[1, -1] = flags[2, -1] = True
    names = ("is_first", "is_last", "is_terminal")
    return {
        "obs/state": numbers[:, None],
        "action": -numbers[:, None],
        "reward": 2 * numbers,
        **dict(zip(names, flags)),
    }


def filled(capacity: int, lengths: list[int], seed: int = 0, **settings) -> Replay:
    replay = make(capacity, seed, **settings)
    for length in lengths:
        replay.add(stretch(replay.total, length))
    return replay


def test_the_queue_gives_every_new_sequence_once_before_older_ones():
    """Sequences of 3 columns: 0-2 and 3-5 are complete, 6 is not; then the ring loses columns before 5."""
    replay = filled(10, [4, 3])
    first = replay.sample(3, 3, queue=True).reward[:, 0]
    assert first[:2].tolist() == [0.0, 6.0]
    state = replay.generator.get_state()
    assert replay.sample(2, 3, queue=True).reward.shape == (2, 3)
    replay.generator.set_state(state)
    replay.queued, again = 6, replay.sample(2, 3)  # without the queue, and with an empty one, the same are drawn
    replay.generator.set_state(state)
    assert torch.equal(again.reward, replay.sample(2, 3, queue=True).reward)
    replay.add(stretch(7, 8))
    assert replay.sample(1, 3, queue=True).reward[0].tolist() == [12.0, 14.0, 16.0]
    replay.queued = 0
    assert replay.sample(1, 3, queue=True).reward[0].tolist() == [10.0, 12.0, 14.0]  # what was lost is left out
    assert replay.queued == 8


def held(replay: Replay) -> list[float]:
    """Rewards from the oldest to the newest column."""
    where = torch.arange(replay.total - len(replay), replay.total) % replay.capacity
    return replay.ring["reward"][where].tolist()


lengths = st.lists(st.integers(1, 12), min_size=1, max_size=8)


@given(capacity=st.integers(1, 15), lengths=lengths)
def test_the_ring_is_the_end_of_a_list(capacity, lengths):
    newest = [2.0 * number for number in range(sum(lengths))][-capacity:]
    replay = filled(capacity, lengths)
    assert held(replay) == newest
    assert len(replay) == len(newest)
    assert replay.total == sum(lengths)


@given(capacity=st.integers(4, 15), lengths=lengths, length=st.integers(1, 4))
def test_samples_are_consecutive_columns(capacity, lengths, length):
    replay = filled(capacity, lengths)
    if len(replay) < length:
        with pytest.raises(UserError, match=r"--training\.prefill"):
            replay.sample(2, length)
        return
    batch = replay.sample(20, length)
    first = batch.reward[:, :1] / 2
    assert first.min() >= replay.total - len(replay)
    assert first.max() + length <= replay.total
    numbers = first + torch.arange(length)
    assert torch.equal(batch.obs["state"][..., 0], numbers)
    assert torch.equal(batch.action[..., 0], -numbers)
    assert torch.equal(batch.reward, 2 * numbers)
    starts = {sum(lengths[:i]) for i in range(len(lengths))}
    assert torch.equal(batch.is_first, torch.tensor([[int(n) in starts for n in row] for row in numbers]))
    assert torch.equal(
        batch.is_last, torch.tensor([[int(n) + 1 in starts | {replay.total} for n in row] for row in numbers])
    )


def test_every_window_is_as_likely_as_any_other():
    replay = filled(capacity=10, lengths=[9, 8])  # wrapped: columns 7 to 16 are held
    first = replay.sample(14_000, 4).reward[:, 0] / 2
    counts = torch.bincount(first.long(), minlength=17)
    assert counts[:7].sum() == counts[14:].sum() == 0
    # 7 windows, 2000 each; five standard deviations are 207
    assert (counts[7:14] - 2000).abs().max() < 207


@pytest.mark.parametrize("ends", [False, True])
def test_episodes_are_equally_likely_and_so_are_the_windows_within_one(ends):
    """Episodes of 4, 8 and 2 columns; the oldest, of 5, was overwritten in part. A sequence has 3."""
    replay = filled(16, [5, 4, 8, 2], windows="episodes", ends=ends)
    first = replay.sample(40_000, 3).reward[:, 0] / 2
    counts = torch.bincount(first.long(), minlength=19) / 20_000  # of one of two episodes
    expected = torch.zeros(19)
    expected[5:7] = torch.tensor([1, 1 + 3]) / (2 + 3) if ends else 1 / 2
    expected[9:15] = torch.tensor([1, 1, 1, 1, 1, 1 + 3]) / (6 + 3) if ends else 1 / 6
    assert (counts - expected).abs().max() < 0.02
    assert (counts[expected == 0] == 0).all()


def test_windows_within_episodes_survive_a_round_trip_to_the_disk(tmp_path):
    replay = filled(12, [5, 4, 6], windows="episodes")
    replay.write(tmp_path, since=0)
    other = make(12, windows="episodes")
    other.read(tmp_path, replay.total)
    assert other.episodes.table.tolist() == replay.episodes.table.tolist() == [[5, 4], [9, 6]]
    assert torch.equal(other.sample(20, 4).reward, replay.sample(20, 4).reward)


def test_episodes_that_are_all_too_short_are_an_error():
    with pytest.raises(UserError, match=r"No episode has 4 decisions.*--replay\.windows anywhere"):
        filled(20, [3, 3, 3], windows="episodes").sample(1, 4)


def test_a_window_crosses_the_border_of_episodes():
    batch = filled(capacity=20, lengths=[3, 3]).sample(50, 6)
    assert batch.is_first.tolist() == [[True, False, False, True, False, False]] * 50
    assert batch.is_last.tolist() == [[False, False, True, False, False, True]] * 50


def test_the_generator_alone_decides_what_is_sampled():
    one, two, other = (filled(20, [15], seed) for seed in (0, 0, 1))
    assert torch.equal(one.sample(9, 3).reward, two.sample(9, 3).reward)
    assert not torch.equal(one.sample(9, 3).reward, other.sample(9, 3).reward)


def test_dtypes_stay():
    seen = spec(image=16, vector=2, action=3)
    replay = make(8, spec=seen)
    assert replay.ring["obs/pixels"].dtype == torch.uint8
    assert replay.ring["obs/pixels"].shape == (8, 16, 16, 3)
    assert replay.ring["obs/state"].dtype == replay.ring["action"].dtype == torch.float32


def test_each_frame_is_stored_once():
    """16x16x3 bytes of image, 2 + 3 + 1 floats, 3 flags; nothing is stored twice for overlapping windows."""
    seen = spec(image=16, vector=2, action=3)
    assert bytes_per_decision(seen) == 16 * 16 * 3 + 6 * 4 + 3
    replay = make(100, spec=seen)
    assert sum(ring.untyped_storage().nbytes() for ring in replay.ring.values()) == 100 * bytes_per_decision(seen)


def test_too_little_memory_is_reported_before_anything_is_allocated(monkeypatch):
    monkeypatch.setattr(storages, "available_memory", lambda device: 2**30)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: pytest.fail("allocated"))
    seen = spec(image=64, vector=0, action=6)
    with pytest.raises(UserError) as error:
        make(500_000, spec=seen, storage="memory")
    text = str(error.value)
    assert "500,000 decisions needs 5.74 GiB and 1.00 GiB are free" in text
    assert (
        f"take --replay.storage disk, --replay.capacity {int(0.9 * 2**30 / (64 * 64 * 3 + 7 * 4 + 3))} or less" in text
    )


# On disk


@pytest.mark.slow
@given(data=st.data(), capacity=st.integers(3, 12))
def test_what_was_written_is_read_back(data, capacity, tmp_path_factory):
    """Any adding and saving; then any of the last two saves can be gone back to, and what is newer is dropped."""
    folder = tmp_path_factory.mktemp("replay")
    replay, stored = make(capacity), 0
    saved = [(0, [])]
    for length, save in data.draw(st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=8)):
        replay.add(stretch(replay.total, length))
        if save:
            replay.write(folder, since=stored)
            stored = replay.total
            saved.append((stored, held(replay)))
            prune(folder, before=saved[-2][0] - capacity)
    total, rewards = data.draw(st.sampled_from(saved[-2:]))
    again = make(capacity)
    again.read(folder, total)
    prune(folder, since=total)
    assert (again.total, held(again)) == (total, rewards)
    again.add(stretch(total, 2))  # and the run goes on, over what was dropped
    again.write(folder, since=total)
    third = make(capacity)
    third.read(folder, total + 2)
    assert held(third) == held(again)


def written(folder, capacity: int = 50) -> Replay:
    """Three chunks: columns 0-4, 5-9, 10-14."""
    replay = make(capacity)
    for since in (0, 5, 10):
        replay.add(stretch(since, 5))
        replay.write(folder, since)
    return replay


def test_every_column_is_read_back_exactly(tmp_path):
    replay, again = written(tmp_path), make(50)
    again.read(tmp_path, 15)
    assert all(torch.equal(again.ring[name][:15], ring[:15]) for name, ring in replay.ring.items())


def test_columns_younger_than_the_checkpoint_are_dropped(tmp_path):
    written(tmp_path)
    again = make(50)
    again.read(tmp_path, 10)
    prune(tmp_path, since=10)
    assert held(again) == [2.0 * n for n in range(10)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000000000000-000000000005.safetensors",
        "000000000005-000000000010.safetensors",
    ]


def test_old_chunks_are_pruned_once_no_column_of_them_is_needed(tmp_path):
    written(tmp_path, capacity=7)
    prune(tmp_path, before=15 - 7)
    assert [path.name[:12] for path in sorted(tmp_path.iterdir())] == ["000000000005", "000000000010"]


def test_a_missing_chunk_is_one_sentence(tmp_path):
    written(tmp_path)
    (tmp_path / "000000000005-000000000010.safetensors").unlink()
    with pytest.raises(UserError, match="lacks decisions 5 to 15"):
        make(50).read(tmp_path, 15)


def test_a_chunk_of_other_numbers_is_one_sentence(tmp_path):
    written(tmp_path)
    path = tmp_path / "000000000005-000000000010.safetensors"
    columns = chunk_files.read_chunk(path, list(make(50).ring))
    chunk_files.write_chunk(tmp_path, 5, columns | {"reward": columns["reward"].double()})
    with pytest.raises(UserError, match=r"holds reward as torch\.float64 \(\), which should be torch\.float32 \(\)"):
        make(50).read(tmp_path, 15)


def test_columns_of_different_lengths_are_damage(tmp_path):
    written(tmp_path)
    path = tmp_path / "000000000005-000000000010.safetensors"
    whole = chunk_files.read_chunk(path, list(make(9).ring))
    cut = whole | {"action": whole["action"][:-1]}
    save_file(cut, path, {"crc32": checksum(cut)})
    with pytest.raises(UserError, match=r"cannot be read \(columns of different lengths\)"):
        make(50).read(tmp_path, 15)


@pytest.mark.parametrize("damage", [lambda content: content[:100], lambda content: b"", lambda content: b"x" * 999])
def test_a_damaged_chunk_is_one_sentence(tmp_path, damage):
    written(tmp_path)
    path = tmp_path / "000000000005-000000000010.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"000000000005-000000000010\.safetensors cannot be read"):
        make(50).read(tmp_path, 15)
