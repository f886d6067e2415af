"""Open families of configs: a subclass is a choice from the moment when it is defined, in whatever package.

    class DynamicsConfig(Choice):                     # a family: it stands directly below `Choice`
        def build(self, embed_size: int, action_size: int) -> Dynamics: ...

    @dataclass(frozen=True)
    class MambaConfig(DynamicsConfig):                # a choice: `--model.dynamics Mamba`
        state: int = 64

Fields are annotated with the family (`dynamics: DynamicsConfig`), so type checkers accept a foreign part too.
"""

import functools
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, ClassVar, TypeVar

from reverie.config.checks import Checked
from reverie.errors import UserError

T = TypeVar("T")


def short_name(cls: type) -> str:
    """What a user types to choose this config: its class name without the ending `Config`."""
    return cls.__name__.removesuffix("Config") or cls.__name__


class Choice(Checked):
    """The base of every family. A config that is only a base of others says so: `class X(Family, abstract=True)`."""

    _parts: ClassVar[dict[type, list[type]]] = {}
    """Every choice of each family, in the order of definition."""

    def __init_subclass__(cls, abstract: bool = False, **named: Any) -> None:
        super().__init_subclass__(**named)
        if Choice in cls.__bases__:
            Choice._parts[cls] = []
        elif not abstract:
            for family in families(cls):
                parts = Choice._parts[family]
                # A module that is loaded again defines its parts anew.
                parts[:] = [part for part in parts if _place(part) != _place(cls)]
                parts.append(cls)
            if cls.__module__.partition(".")[0] != "reverie":
                for name, method in list(vars(cls).items()):
                    if name.startswith("build") and callable(method):
                        setattr(cls, name, _reporting(cls, method))

    @classmethod
    def choices(cls) -> dict[str, type]:
        """The parts of this family that have been imported, by short name."""
        return {short_name(part): checked(part) for part in Choice._parts[cls]}


def families(cls: type) -> list[type]:
    """The families that a config class belongs to, itself included if it is one."""
    return [base for base in cls.__mro__ if base in Choice._parts]


def is_family(declared: Any) -> bool:
    """Whether a declared type is a family, so that a value may be any of its parts."""
    return isinstance(declared, type) and declared in Choice._parts


def parts_of(family: type) -> list[type]:
    """Every part of a family, also where two have one name."""
    return list(Choice._parts[family])


def checked(part: type) -> type:
    """The part itself. UserError where it is no frozen dataclass of its own."""
    if "__dataclass_params__" not in vars(part) or not is_dataclass(part) or not part.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise UserError(
            f"{part.__module__}.{part.__qualname__} cannot be chosen, because it is no frozen dataclass: put "
            "`@dataclass(frozen=True)` above the class."
        )
    return part


def _reporting(cls: type, build: Callable[..., T]) -> Callable[..., T]:
    """A foreign part's `build`, whose errors name the part and its module."""

    @functools.wraps(build)
    def reporting(*arguments: Any, **named: Any) -> T:
        try:
            return build(*arguments, **named)
        except UserError:
            raise
        except Exception as error:
            part = f"{short_name(cls)} of {cls.__module__}"
            raise UserError(f"{part} cannot be built: {type(error).__name__}: {error}.") from error

    return reporting


def _place(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__
