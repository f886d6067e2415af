"""Where the replay lies changes no bit: memory, disk and device against each other, and the files' faults."""

import errno
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mocks import Value, spec
from safetensors import safe_open
from safetensors.torch import save_file
from test_replay import stretch

from reverie import tree
from reverie.data import chunks as chunk_files
from reverie.data import storage as storages
from reverie.data.chunks import Chunk, chunks, layout, path_of, prune, read_chunk, write_chunk
from reverie.data.latent_replay import LatentReplay
from reverie.data.replay import Episodes, Replay, ReplayConfig
from reverie.data.storage import Disk, Ring
from reverie.errors import UserError

SPEC = spec(image=16, vector=1, action=1)
CPU = torch.device("cpu")
PLACES = ("memory", "disk", "device")


def make(place: str, capacity: int, **settings) -> Replay:
    return Replay(ReplayConfig(capacity, place, **settings), SPEC, CPU, torch.Generator().manual_seed(0))


def episode(start: int, length: int) -> dict[str, torch.Tensor]:
    """Numbered columns with images that differ in every pixel and from column to column."""
    images = torch.arange(start, start + length)[:, None] * 7919 + torch.arange(16 * 16 * 3) * 31
    return stretch(start, length) | {"obs/pixels": images.to(torch.uint8).reshape(-1, 16, 16, 3)}


def assert_same(one, *others) -> None:
    for other in others:
        assert len(tree.leaves(one)) == len(tree.leaves(other))
        for x, y in zip(tree.leaves(one), tree.leaves(other)):
            assert x.dtype == y.dtype
            assert torch.equal(x, y)


steps = st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["", "write", "resume"])), min_size=1, max_size=8)


@pytest.mark.slow
@settings(max_examples=20)
@given(
    capacity=st.integers(3, 20),
    steps=steps,
    windows=st.sampled_from(["anywhere", "episodes"]),
    ends=st.booleans(),
    queue=st.booleans(),
)
def test_the_same_draws_and_the_same_bits_wherever_it_lies(tmp_path_factory, capacity, steps, windows, ends, queue):
    """Any adding, writing and resuming: all windows of three columns are equal, and so are the chunks."""
    folders = {place: tmp_path_factory.mktemp(place) for place in PLACES}
    drawn = {"windows": windows, "ends": ends}
    replays = {place: make(place, capacity, **drawn) for place in PLACES}
    written = before = 0
    for length, after in steps:
        for replay in replays.values():
            replay.add(episode(replay.total, length))
        memory = replays["memory"]
        if after:
            for place, replay in replays.items():
                replay.write(folders[place], written)
                prune(folders[place], before=before - capacity)
            before, written = written, memory.total
        if after == "resume":
            for place, old in list(replays.items()):
                replays[place] = make(place, capacity, **drawn)
                replays[place].read(folders[place], old.total)
                replays[place].generator.set_state(old.generator.get_state())
                replays[place].queued = old.queued
        if len(memory) >= 3 and (windows == "anywhere" or len(memory.episodes.at_least(3))):
            assert_same(*(replay.sample(4, 3, queue) for replay in replays.values()))
            assert_same(*(replay.sequential(3, 9) for replay in replays.values()))
            assert_same(*(replay.evenly_spaced(2, 9) for replay in replays.values()))
        assert len({replay.queued for replay in replays.values()}) == 1
    names = [sorted(path.name for path in folder.iterdir()) for folder in folders.values()]
    assert names[0] == names[1] == names[2]
    for name in names[0]:
        assert len({(folder / name).read_bytes() for folder in folders.values()}) == 1


@pytest.mark.parametrize("place", PLACES)
def test_beliefs_stay_beside_their_columns_wherever_these_lie(tmp_path, place):
    made = []
    for where in ("memory", place):
        config, generator = ReplayConfig(9, where), torch.Generator().manual_seed(0)
        replay = LatentReplay(config, SPEC, CPU, generator, Value(torch.tensor([[-1.0]])), 1)
        for length in (5, 4, 6):
            for t in range(length - 1):
                replay.record(Value(torch.full((1, 1), float(replay.total + t))), np.array([t == 0]))
            replay.add_episode(episode(replay.total, length), 0)
            replay.write(tmp_path / where, replay.total - length)
        made.append(replay.sample(20, 3))
    assert_same(*made)
    assert made[0].context is not None


class Plain:
    """Episodes as a list."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []

    def at_least(self, columns: int) -> list[list[int]]:
        return [row for row in self.rows if row[1] >= columns]


@given(
    st.lists(
        st.one_of(st.tuples(st.just("add"), st.integers(1, 9)), st.tuples(st.just("forget"), st.integers(0, 99))),
        max_size=200,
    ),
    st.integers(1, 9),
)
def test_episodes_are_a_list_that_is_forgotten_from_its_beginning(doings, least):
    table, plain, total = Episodes(), Plain(), 0
    for i, (what, number) in enumerate(doings):
        if what == "add":
            table.append(total, number)
            plain.rows.append([total, number])
            total += number
        else:
            table.forget(total - number)
            plain.rows = [row for row in plain.rows if row[0] >= total - number]
        if i > 5:
            assert table.at_least(least).tolist() == plain.at_least(least)
        assert table.table.tolist() == plain.rows


def test_episodes_take_no_more_room_than_twice_what_is_kept():
    table = Episodes()
    for number in range(10_000):
        table.append(number, 1)
        table.forget(number - 100)
    assert table.table[0].tolist() == [9899, 1]
    assert len(table.rows) < 500


@given(st.integers(1, 12), st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(0, 5))
def test_all_columns_lie_where_a_ring_has_them(capacity, lengths, written):
    if sum(lengths) < capacity:
        return
    replays = [make(place, capacity) for place in PLACES]
    with TemporaryDirectory() as folder:
        for number, length in enumerate(lengths):
            for replay in replays:
                replay.add(episode(replay.total, length))
                if number < written:
                    replay.write(Path(folder) / replay.config.storage, replay.total - length)
        for name in layout(SPEC):
            assert_same(*(replay.storage.whole(name) for replay in replays))


# A device


@pytest.mark.slow
def test_a_ring_on_a_device_draws_and_stays_there():
    """`meta` stands for a GPU: reading a value from it fails, and so does mixing it with the host."""
    device = torch.device("meta")
    config = ReplayConfig(8, "device", windows="episodes", online=True)
    replay = Replay(config, SPEC, device, torch.Generator().manual_seed(0))
    for length in (5, 7):
        replay.add(episode(replay.total, length))
    batch = replay.sample(6, 3, queue=True)
    assert {x.device for x in tree.leaves(batch)} == {device}
    assert batch.obs["pixels"].shape == (6, 3, 16, 16, 3)
    assert batch.obs["pixels"].dtype == torch.uint8  # a quarter of the bytes of float32, which the model makes of it
    with pytest.raises(NotImplementedError, match="meta"):
        batch.reward.cpu()


def test_a_ring_of_another_device_is_written_piece_by_piece(monkeypatch, tmp_path):
    """Pieces of two columns, as if they were copied from a GPU, make the same file."""
    replay = make("device", 20)
    replay.add(episode(0, 7))
    replay.write(tmp_path / "whole", 0)
    monkeypatch.setattr(chunk_files, "PIECE", 2 * chunk_files.bytes_per_decision(SPEC))
    replay.write(tmp_path / "pieces", 0)
    path = next((tmp_path / "whole").iterdir())
    assert path.read_bytes() == (tmp_path / "pieces" / path.name).read_bytes()


# Memory


def test_a_replay_on_the_disk_keeps_nothing_that_was_written(tmp_path):
    replay = make("disk", 50)
    replay.add(episode(0, 6))
    assert [type(each).__name__ for each in replay.storage.segments] == ["Unwritten"]
    replay.write(tmp_path, 0)
    replay.add(episode(6, 3))
    assert [type(each).__name__ for each in replay.storage.segments] == ["Chunk", "Unwritten"]


def test_columns_are_written_from_where_they_lie(monkeypatch, tmp_path):
    """What reaches the file is the memory of the ring, around its end too, and no copy of it."""
    replay = make("memory", 8)
    replay.add(episode(0, 5))
    replay.add(episode(5, 6))
    given = []
    real = chunk_files._flat
    monkeypatch.setattr(chunk_files, "_flat", lambda x: given.append(x) or real(x))
    replay.write(tmp_path, 4)
    own = replay.ring["obs/pixels"].numpy()
    images = [x for x in given if x.ndim == 4]
    assert sum(map(len, images)) == 2 * 7  # once for the checksum, once for the file
    assert all(np.shares_memory(x.numpy(), own) for x in images)


def test_columns_are_written_before_they_take_much_memory(monkeypatch):
    replay = make("disk", 1_000)
    monkeypatch.setattr(storages, "MOST_UNWRITTEN", 10 * chunk_files.bytes_per_decision(SPEC))
    replay.add(episode(0, 9))
    assert not replay.storage.is_full
    replay.add(episode(9, 1))
    assert replay.storage.is_full
    assert not make("memory", 9).storage.is_full


def test_auto_takes_the_disk_where_the_memory_is_too_small(monkeypatch):
    size = 100 * chunk_files.bytes_per_decision(SPEC)
    for free, kind in ((size / 0.8, Ring), (size, Disk)):
        monkeypatch.setattr(storages, "available_memory", lambda device, free=free: free)
        assert type(make("auto", 100).storage) is kind
    assert type(make("disk", 10**12).storage) is Disk
    with pytest.raises(UserError, match=r"--data\.train \d+ or less") as error:
        Replay(ReplayConfig(100, "memory"), SPEC, CPU, torch.Generator(), "--data.train")
    assert "storage" not in str(error.value)  # recordings lie in memory


# Faults


def on_disk(folder) -> Replay:
    """Three chunks: columns 0-4, 5-9, 10-14."""
    replay = make("disk", 50)
    for since in (0, 5, 10):
        replay.add(episode(since, 5))
        replay.write(folder, since)
    return replay


def middle(folder):
    return path_of(folder, 5, 10)


def place_of(path, name: str) -> int:
    """Return where the third row of a tensor lies in a file."""
    return Chunk(path.parent, 5, 10, layout(SPEC)).offsets[name] + 2 * read_chunk(path, [name])[name][0].nbytes


@pytest.mark.parametrize("name", [*layout(SPEC), "crc32"])
@pytest.mark.parametrize("resumed", [False, True])
def test_a_flipped_bit_is_found_where_it_is_used(tmp_path, name, resumed):
    replay, path = on_disk(tmp_path), middle(tmp_path)
    content = bytearray(path.read_bytes())
    content[place_of(path, name)] ^= 1
    path.write_bytes(content)
    if resumed:
        replay = make("disk", 50)
        replay.read(tmp_path, 15)
    replay.storage.windows(torch.tensor([[5], [11]]), 2, ["reward"])
    with pytest.raises(
        UserError, match=r"0005-000000000010\.safetensors cannot be read \(wrong checksum of decision 7"
    ):
        replay.storage.windows(torch.tensor([[5], [6]]), 3, ["reward"])


@pytest.mark.parametrize("damage", [lambda x: x[:100], lambda x: b"", lambda x: b"x" * 999, lambda x: x[:-1]])
def test_a_damaged_chunk_is_one_sentence_on_resuming_and_on_drawing(tmp_path, damage):
    replay, path = on_disk(tmp_path), middle(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    for use in (lambda: make("disk", 50).read(tmp_path, 15), lambda: replay.sequential(5, 3)):
        with pytest.raises(UserError, match=r"000000000005-000000000010\.safetensors cannot be read"):
            use()


def test_a_missing_chunk_is_one_sentence_on_resuming_and_on_drawing(tmp_path):
    replay = on_disk(tmp_path)
    middle(tmp_path).unlink()
    with pytest.raises(UserError, match=r"0010\.safetensors cannot be read \(it is missing\): restore it from a copy"):
        replay.sequential(5, 3)
    with pytest.raises(UserError, match="lacks decisions 5 to 15"):
        make("disk", 50).read(tmp_path, 15)


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_a_chunk_of_other_numbers_is_one_sentence(tmp_path, place):
    on_disk(tmp_path)
    columns = read_chunk(middle(tmp_path), list(layout(SPEC)))
    write_chunk(tmp_path, 5, columns | {"reward": columns["reward"].double()})
    with pytest.raises(UserError, match=r"holds reward as torch\.float64 \(\), which should be torch\.float32 \(\)"):
        make(place, 50).read(tmp_path, 15)
    write_chunk(tmp_path, 5, {name: x for name, x in columns.items() if name != "reward"})
    with pytest.raises(UserError, match=r"cannot be read \(.*reward.*\): restore it from a copy"):
        make(place, 50).read(tmp_path, 15)


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(tmp_path, monkeypatch):
    replay, files = on_disk(tmp_path), chunks(tmp_path)
    replay.add(episode(15, 5))

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"The disk is full, 000000000015-000000000020\.safetensors was not written"):
        replay.write(tmp_path, 15)
    monkeypatch.undo()
    assert chunks(tmp_path) == files
    assert replay.sequential(5, 4).reward[:, 0].tolist() == [0.0, 10.0, 20.0, 30.0]
    replay.write(tmp_path, 15)
    assert len(chunks(tmp_path)) == 4


# Files


def test_a_chunk_is_a_file_of_safetensors(tmp_path):
    columns = episode(3, 4)
    write_chunk(tmp_path, 3, {name: x[:1] for name, x in columns.items()}, {name: x[1:] for name, x in columns.items()})
    with safe_open(path_of(tmp_path, 3, 7), framework="pt") as file:
        assert {*file.keys()} == {*columns, "crc32"}
        assert file.metadata() == {"crc32": tree.checksum(columns)}
        for name, x in columns.items():
            assert torch.equal(file.get_tensor(name), x)
        assert file.get_tensor("crc32").dtype == torch.int32
    assert_same(read_chunk(path_of(tmp_path, 3, 7), list(columns)), columns)


def test_chunks_of_earlier_versions_are_read_whole_once(tmp_path):
    """They have one checksum for all. The files stay as they are, and damage is still found where it is used."""
    expected, path = on_disk(tmp_path).sequential(5, 3), middle(tmp_path)
    for _, _, each in chunks(tmp_path):
        columns = read_chunk(each, list(layout(SPEC)))
        save_file(columns, each, {"crc32": tree.checksum(columns)})
    content, again = path.read_bytes(), make("disk", 50)
    again.read(tmp_path, 15)
    assert_same(again.sequential(5, 3), expected)
    assert path.read_bytes() == content
    damaged = bytearray(content)
    damaged[again.storage.segments[1].offsets["obs/pixels"] + 2 * 16 * 16 * 3] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="wrong checksum of decision 7"):
        again.storage.windows(torch.tensor([[6]]), 3, ["reward"])
    with pytest.raises(UserError, match=r"cannot be read \(wrong checksum\)"):
        make("disk", 50).read(tmp_path, 15)
