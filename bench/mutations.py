"""Seeded mutations: of texts that are typed, of files, and of what JSON, HDF5, .npz, .safetensors and .pt files hold.

Each takes a `random.Random` and returns what it did in words. `bench/fuzz.py` applies them.
"""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

NUMBERS = (0, -1, 1, 2, 3, 0.5, 1.5, -0.5, 1e300, -1e300, 1e-300, 2**31, 2**63, 2**70)
VALUES = (None, True, False, "", "x", "none", "nan", "é\n", [], [1], [[]], {}, {"type": "x"}, {"a": 1}, *NUMBERS)
TEXTS = (
    *("", " ", "none", "None", "true", "x", "[]", "[1,2]", "1,2", ",", "{}", "nan", "inf", "-inf", "0x10", "1_0"),
    *("é", "１", "1 ", "+1", "a=b", "=", "1e300", "1e-300", "1e400", "0", "-1", "1", "2", "3", "0.5", "1.5", "-0.5"),
    *("9223372036854775808", "1e30", "0.0", "-0", "1e0", "1e-3"),
)
PATHS = (
    *("", " ", ".", "..", "a file", "a file/inside", "a:b", "/proc/inside", "/dev/null", "new", "new/deeper", "é"),
    *("~nobody/x", "x" * 300, "a folder", "a folder/x", "-x", "a link", "a loop", "a loop/x", "new.png", "new.mp4"),
    *("new.gif", "a file.mp4", "a folder.png", "new\nline", "/dev/full", "http://x/y.png", "a picture.png"),
)
"""Paths from a folder that `make_places` has furnished."""


def make_places(folder: Path) -> None:
    """Put the files, folders and links that `PATHS` names into `folder`."""
    for name in ("a file", "a file.mp4"):
        (folder / name).write_text("content")
    for name in ("a folder", "a folder.png"):
        (folder / name).mkdir()
    (folder / "a link").symlink_to("nowhere")
    (folder / "a loop").symlink_to("a loop")
    write_picture(folder / "a picture.png")


def write_picture(path: Path) -> None:
    """Write a PNG that can be a goal."""
    from PIL import Image

    Image.new("RGB", (9, 5), (9, 99, 199)).save(path)


# ---- files as bytes


def damage_file(rng: random.Random, path: Path) -> str:
    """Change a file as bytes, or replace it. A folder loses one of its files or is replaced."""
    kind = rng.choice(("flip", "flip", "truncate", "insert", "empty", "remove", "folder", "link", "loop", "noise"))
    if path.is_dir() or kind in ("remove", "folder", "link", "loop"):
        _remove(path)
        if kind == "folder":
            path.mkdir()
        elif kind in ("link", "loop"):
            path.symlink_to(path.name if kind == "loop" else "nowhere")
        elif kind != "remove":
            kind = "a file instead of a folder"
            path.write_text("content")
        return f"{path.name}: {kind}"
    content = bytearray(path.read_bytes())
    place = rng.randrange(len(content)) if content else 0
    if kind == "flip" and content:
        content[place] ^= 1 << rng.randrange(8)
    elif kind == "insert":
        content[place:place] = rng.randbytes(rng.choice((1, 7, 4096)))
    elif kind == "noise":
        content = bytearray(rng.randbytes(len(content)))
    else:
        content = content[: place if kind == "truncate" else 0]
    path.write_bytes(content)
    return f"{path.name}: {kind} at {place}"


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


# ---- JSON


def damage_tree(rng: random.Random, tree: Any) -> tuple[Any, str]:
    """Return a JSON value with one part changed: a value swapped, a key dropped, added or renamed, a list longer."""
    places = list(_places(tree, ()))
    place = rng.choice(places)
    kinds: list[Callable[[random.Random, Any], tuple[Any, str]]] = [_swap, _swap, _swap]
    part = _at(tree, place)
    if isinstance(part, dict):
        kinds += [_drop_key, _add_key, _rename_key] if part else [_add_key]
    if isinstance(part, list):
        kinds += [_lengthen]
    changed, words = rng.choice(kinds)(rng, part)
    return _put(tree, place, changed), f"{'.'.join(map(str, place)) or 'everything'}: {words}"


def damage_json(rng: random.Random, path: Path) -> str:
    """Change one part of a JSON file."""
    tree, words = damage_tree(rng, json.loads(path.read_text()))
    path.write_text(json.dumps(tree))
    return f"{path.name}: {words}"


def damage_lines(rng: random.Random, path: Path) -> str:
    """Change one line of a file that holds a JSON value in each line."""
    lines = path.read_text().splitlines()
    number = rng.randrange(len(lines))
    kind = rng.choice(("part", "part", "part", "cut", "drop", "twice", "blank", "no text", "no end"))
    words = kind
    if kind == "part":
        tree, words = damage_tree(rng, json.loads(lines[number]))
        lines[number] = json.dumps(tree)
    elif kind in ("cut", "blank"):
        lines[number] = lines[number][: rng.randrange(len(lines[number])) if kind == "cut" else 0]
    elif kind == "drop":
        del lines[number]
    elif kind == "twice":
        lines.insert(number, lines[number])
    content = "\n".join(lines).encode() + (b"" if kind == "no end" else b"\n")
    path.write_bytes(content + (b"\xff\xfe\x00\n" if kind == "no text" else b""))
    return f"{path.name} line {number + 1}: {words}"


def _places(tree: Any, place: tuple[Any, ...]) -> Any:
    yield place
    if isinstance(tree, dict | list):
        for key, part in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _places(part, (*place, key))


def _at(tree: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        tree = tree[key]
    return tree


def _put(tree: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[place[0]] = _put(tree[place[0]], place[1:], value)
    return copy


def _swap(rng: random.Random, part: Any) -> tuple[Any, str]:
    number = isinstance(part, int | float) and not isinstance(part, bool)
    value = rng.choice((*NUMBERS, -part, part + 1, str(part), float("nan"), float("inf")) if number else VALUES)
    return value, f"{json.dumps(part)[:40]} becomes {json.dumps(value)}"


def _drop_key(rng: random.Random, part: dict[str, Any]) -> tuple[Any, str]:
    key = rng.choice(list(part))
    return {name: value for name, value in part.items() if name != key}, f"key {key} dropped"


def _add_key(rng: random.Random, part: dict[str, Any]) -> tuple[Any, str]:
    key = rng.choice(("extra", "type", "plugin", "format", ""))
    value = rng.choice(VALUES)
    return {**part, key: value}, f"key {key!r} set to {json.dumps(value)}"


def _rename_key(rng: random.Random, part: dict[str, Any]) -> tuple[Any, str]:
    key = rng.choice(list(part))
    return {(f"{name}x" if name == key else name): value for name, value in part.items()}, f"key {key} renamed"


def _lengthen(rng: random.Random, part: list[Any]) -> tuple[Any, str]:
    value = rng.choice(VALUES)
    return [*part, value], f"{json.dumps(value)} appended"


# ---- arrays and tensors


def damage_array(rng: random.Random, array: np.ndarray) -> tuple[np.ndarray, str]:
    """Return an array of other numbers, another type or another shape."""
    kind = rng.choice(("type", "type", "shape", "shape", "value", "value", "order"))
    if kind == "type":
        kind = rng.choice(
            ("float16", "float64", "int8", "int64", "uint8", "bool", "complex64", "U8", "S3", "O", "M8[s]")
        )
        with np.errstate(all="ignore"):
            return array.astype("int64").astype(kind) if kind == "M8[s]" else array.astype(kind), f"type {kind}"
    if kind == "shape":
        rows = np.atleast_1d(array)
        changes: dict[str, Callable[[], np.ndarray]] = {
            "no rows": lambda: rows[:0],
            "one row": lambda: rows[:1],
            "a row less": lambda: rows[:-1],
            "no axis": lambda: array.reshape(-1)[:1].reshape(()),
            "flat": lambda: array.reshape(-1),
            "an axis more": lambda: array[..., None],
            "an axis more in front": lambda: array[None],
            "transposed": lambda: array.T,
            "half of the last axis": lambda: array[..., : array.shape[-1] // 2] if array.ndim else array,
        }
        kind = rng.choice(list(changes))
        return changes[kind](), kind
    array, place = array.copy(), rng.randrange(max(array.size, 1))
    if kind == "order":
        return array[::-1].copy() if array.ndim else array, "backwards"
    if not array.size or array.dtype.kind not in "biuf":
        return array, "as it is"
    value: Any = rng.choice((np.nan, np.inf, -np.inf, 1e300, -1, 0, 1, 255, 2**40, 2))
    with np.errstate(all="ignore"):
        array.reshape(-1)[place] = np.float64(value).astype(array.dtype)
        return array, f"{value} in place {place}"


def damage_npz(rng: random.Random, path: Path) -> str:
    """Change one array of an .npz file, leave it out, rename it, or add one."""
    arrays: dict[str, Any] = dict(np.load(path))
    name, kind = rng.choice(list(arrays)), rng.choice(("array", "array", "array", "array", "drop", "rename", "add"))
    words = f"{name}: {kind}"
    if kind == "array":
        arrays[name], words = damage_array(rng, arrays[name])
        words = f"{name}: {words}"
    elif kind == "add":
        name = rng.choice(("extra", "state", "rewards", "low", "high"))
        arrays[name] = rng.choice((np.zeros(3), np.array({}), np.array("x"), np.zeros((5, 1)), np.array(0.0)))
        words = f"{name} added: {arrays[name]!r}"
    else:
        value = arrays.pop(name)
        arrays |= {f"{name}x": value} if kind == "rename" else {}
    np.savez(path, **arrays)
    return f"{path.name}: {words}"


def damage_safetensors(rng: random.Random, path: Path) -> str:
    """Change a tensor of a file, with a right checksum: so the content is wrong and the file is whole."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    from reverie.tree import checksum

    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors, words = _damage_tensors(rng, tensors)
    crc = {} if rng.random() < 0.1 else {"crc32": rng.choice((checksum(tensors), "", "x"))}
    save_file(tensors, path, metadata=crc or None)
    return f"{path.name}: {words}, checksum {crc.get('crc32', 'missing')}"


def _damage_tensors(rng: random.Random, tensors: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], str]:
    name, kind = rng.choice(sorted(tensors)), rng.choice(("array", "array", "array", "drop", "rename", "add"))
    if kind == "array":
        array, words = damage_array(rng, tensors[name].numpy())
        if array.dtype.kind in "biufc":
            return {**tensors, name: torch.from_numpy(np.ascontiguousarray(array))}, f"{name}: {words}"
        kind = "drop"
    if kind == "add":
        return {**tensors, "extra": torch.zeros(2)}, "extra: added"
    kept = {other: tensor for other, tensor in tensors.items() if other != name}
    return kept | ({f"{name}x": tensors[name]} if kind == "rename" else {}), f"{name}: {kind}"


def damage_checkpoint(rng: random.Random, path: Path) -> str:
    """Change one part of the state in a .pt file."""
    state = torch.load(path, weights_only=True)
    places = [place for place in _places(state, ()) if place]
    place = rng.choice(places)
    part, parent = _at(state, place), _at(state, place[:-1])
    if isinstance(part, torch.Tensor):
        array, words = damage_array(rng, part.numpy())
        value: Any = torch.from_numpy(np.ascontiguousarray(array)) if array.dtype.kind in "biufc" else None
    elif isinstance(part, dict | list) and rng.random() < 0.5:
        value, words = (rng.choice(VALUES), "swapped")
    elif isinstance(parent, dict) and rng.random() < 0.4:
        value, words = None, "dropped"
    else:
        value = rng.choice(VALUES)
        words = f"{part!r}"[:40] + f" becomes {value!r}"
    state = _put(state, place, value)
    if words == "dropped":
        del _at(state, place[:-1])[place[-1]]
    torch.save(state, path)
    return f"{path.name} {'.'.join(map(str, place))}: {words}"


def damage_hdf5(rng: random.Random, path: Path) -> str:
    """Change a dataset, an attribute or a name in an HDF5 file."""
    import h5py

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        sets = [name for name in names if isinstance(file[name], h5py.Dataset)]
        kind = rng.choice(("array", "array", "array", "drop", "rename", "attribute"))
        name = rng.choice(sets if kind == "array" else names)
        words = kind
        if kind == "array":
            array, words = damage_array(rng, file[name][()])
            if array.dtype.kind not in "biufcS":
                array, words = array[:0].astype(float), "no rows"
            del file[name]
            file[name] = array
        elif kind == "drop":
            del file[name]
        elif kind == "rename":
            file.move(name, f"{name}x")
        else:
            attributes = file[rng.choice([name for name in names if len(file[name].attrs)] or ["/"])].attrs
            key = rng.choice(list(attributes) or ["total_steps"])
            value = rng.choice((0, -1, "x", 2**40, None))
            if value is None:
                attributes.pop(key, None)
            else:
                attributes[key] = value
            words = f"attribute {key} is {value}"
    return f"{path.name} {name}: {words}"
