"""Open families of configs: a subclass can be chosen as soon as it is defined, in any package.

    class DynamicsConfig(Choice):                     # a family stands directly below `Choice`
        def build(self, embed_size: int, action_size: int) -> Dynamics: ...

    @dataclass(frozen=True)
    class MambaConfig(DynamicsConfig):                # a part: `--model.dynamics Mamba`
        state: int = 64

A field is annotated with the family (`dynamics: DynamicsConfig`).
"""

from dataclasses import is_dataclass
from typing import Any, ClassVar

from reverie.config.checks import Checked
from reverie.config.plugins import explain_errors
from reverie.errors import UserError

PARTS: dict[type, list[type]] = {}
"""The imported parts of each family, in the order of definition."""


def short_name(cls: type) -> str:
    """Return the name that chooses this config at the terminal: its class name without the ending `Config`."""
    return cls.__name__.removesuffix("Config") or cls.__name__


class Choice(Checked):
    """Base of every family. A class that cannot be chosen itself says so: `class X(Family, abstract=True)`."""

    by_name: ClassVar[bool] = False
    """Whether a `dict` of such parts is typed as a list of their names, `--log wandb,tensorboard`, or `none`."""

    def __init_subclass__(cls, abstract: bool = False, **named: Any) -> None:
        super().__init_subclass__(**named)
        if Choice in cls.__bases__:
            PARTS[cls] = []
        elif not abstract:
            place = (cls.__module__, cls.__qualname__)
            for parts in (PARTS[base] for base in cls.__mro__ if base in PARTS):
                # A module that is loaded again replaces its parts.
                parts[:] = [part for part in parts if (part.__module__, part.__qualname__) != place] + [cls]
            if cls.__module__.partition(".")[0] != "reverie":
                what = f"{short_name(cls)} of {cls.__module__} cannot be built"
                for name, method in list(vars(cls).items()):
                    if name.startswith("build") and callable(method):
                        setattr(cls, name, explain_errors(what, "mend the part")(method))

    @classmethod
    def choices(cls) -> dict[str, type]:
        """Return the imported parts of this family by short name."""
        return {short_name(part): require_frozen(part) for part in PARTS[cls]}


def require_frozen(part: type) -> type:
    """Return the part. Raise `UserError` where it is not a frozen dataclass itself."""
    if "__dataclass_params__" not in vars(part) or not is_dataclass(part) or not part.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise UserError(
            f"{part.__module__}.{part.__qualname__} cannot be chosen, because it is no frozen dataclass: put "
            "`@dataclass(frozen=True)` above the class."
        )
    return part
