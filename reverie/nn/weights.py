"""Read and write a module's weights as safetensors, whole or in parts."""

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from reverie.config.renamed import renamed_parameters
from reverie.errors import UserError
from reverie.files import atomic_write
from reverie.tree import checksum


def write_weights(path: Path, module: nn.Module) -> None:
    """Write a module's weights as safetensors, atomically."""
    weights = {name: x.detach().cpu().contiguous() for name, x in module.state_dict().items()}
    atomic_write(path, save(weights, metadata={"crc32": checksum(weights)}))


def read_weights(path: Path, module: nn.Module) -> None:
    """Load all weights of a module. UserError if the file is damaged."""
    try:
        module.load_state_dict(_read(path))
    except Exception as error:
        raise UserError(f"{path} is damaged ({error}): `reverie resume` the run to write it anew.") from error


def _read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by their present names. ValueError for a wrong checksum; old files have none."""
    with safe_open(path, framework="pt") as file:
        weights, expected = {name: file.get_tensor(name) for name in file.keys()}, (file.metadata() or {}).get("crc32")  # noqa: SIM118
    if expected is not None and checksum(weights) != expected:
        raise ValueError("wrong checksum")
    return renamed_parameters(weights)


def read_parts(path: Path, module: nn.Module, parts: tuple[str, ...]) -> None:
    """Load only the named submodules of a module. UserError if their shapes differ."""
    try:
        saved = _read(path)
    except Exception as error:
        raise UserError(f"{path} cannot be read ({error}): give the folder of a finished run.") from error
    expected = {name: x for name, x in module.state_dict().items() if name.partition(".")[0] in parts}
    for name, x in expected.items():
        if name not in saved or saved[name].shape != x.shape:
            raise UserError(f"{path} has no {name} of shape {tuple(x.shape)}: begin with a run of the same sizes.")
    module.load_state_dict({name: saved[name] for name in expected}, strict=False)
