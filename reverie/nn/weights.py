"""A module's weights alone, as safetensors: written atomically, read back whole or in parts."""

from pathlib import Path

from torch import nn

from reverie.config.renamed import renamed_parameters
from reverie.errors import UserError
from reverie.files import atomic_write


def write_weights(path: Path, module: nn.Module) -> None:
    """A module's weights alone, as safetensors, atomically."""
    from safetensors.torch import save

    atomic_write(path, save({name: x.detach().cpu().contiguous() for name, x in module.state_dict().items()}))


def read_weights(path: Path, module: nn.Module) -> None:
    """Load what `write_weights` wrote into a module of the same shape. UserError where the file is damaged."""
    from safetensors.torch import load_file

    try:
        module.load_state_dict(renamed_parameters(load_file(path)))
    except Exception as error:
        raise UserError(f"{path} is damaged ({error}): `reverie resume` the run to write it anew.") from error


def read_parts(path: Path, module: nn.Module, parts: tuple[str, ...]) -> None:
    """Load what `write_weights` wrote of the named parts of a module, no others. UserError where they differ."""
    from safetensors.torch import load_file

    own = {name: x for name, x in module.state_dict().items() if name.partition(".")[0] in parts}
    try:
        found = renamed_parameters(load_file(path))
    except Exception as error:
        raise UserError(f"{path} cannot be read ({error}): give the folder of a finished run.") from error
    for name, x in own.items():
        if name not in found or found[name].shape != x.shape:
            raise UserError(f"{path} has no {name} of shape {tuple(x.shape)}: begin with a run of the same sizes.")
    module.load_state_dict({name: found[name] for name in own}, strict=False)
