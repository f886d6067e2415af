"""How annotations are checked while tests run (installed in `conftest.py`): shapes and types, at every call."""

from typing import Any, get_origin

from beartype import BeartypeConf, beartype

# As type checkers have it, an int may be given where a float is asked for.
_check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Any) -> Any:
    """`function`, checked at every call. A Protocol stands for any object: what it promises is pyrefly's to check."""
    for name, hint in list(getattr(function, "__annotations__", {}).items()):
        if getattr(get_origin(hint) or hint, "_is_protocol", False):
            function.__annotations__[name] = Any
    return _check(function)
