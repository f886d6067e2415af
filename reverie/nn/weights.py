"""Read and write a module's weights as safetensors, whole or in parts."""

from pathlib import Path

from safetensors.torch import load_file, save
from torch import nn

from reverie.config.renamed import renamed_parameters
from reverie.errors import UserError
from reverie.files import atomic_write


def write_weights(path: Path, module: nn.Module) -> None:
    """Write a module's weights as safetensors, atomically."""
    atomic_write(path, save({name: x.detach().cpu().contiguous() for name, x in module.state_dict().items()}))


def read_weights(path: Path, module: nn.Module) -> None:
    """Load all weights of a module. UserError if the file is damaged."""
    try:
        module.load_state_dict(renamed_parameters(load_file(path)))
    except Exception as error:
        raise UserError(f"{path} is damaged ({error}): `reverie resume` the run to write it anew.") from error


def read_parts(path: Path, module: nn.Module, parts: tuple[str, ...]) -> None:
    """Load only the named submodules of a module. UserError if their shapes differ."""
    try:
        saved = renamed_parameters(load_file(path))
    except Exception as error:
        raise UserError(f"{path} cannot be read ({error}): give the folder of a finished run.") from error
    expected = {name: x for name, x in module.state_dict().items() if name.partition(".")[0] in parts}
    for name, x in expected.items():
        if name not in saved or saved[name].shape != x.shape:
            raise UserError(f"{path} has no {name} of shape {tuple(x.shape)}: begin with a run of the same sizes.")
    module.load_state_dict({name: saved[name] for name in expected}, strict=False)
