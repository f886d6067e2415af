"""How annotations are checked while tests run (installed in `conftest.py`): shapes and types.

A check takes longer than most functions. In each test the first calls of a function are all checked, and later ones
now and then: the ten-thousandth step of a loop shows nothing that the first hundred have not.
"""

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any, get_origin

import jaxtyping
import torch
from beartype import BeartypeConf, beartype

FIRST, EVERY = 100, 100
"""Calls of a function that are checked in one test: the first `FIRST`, then each `EVERY`-th."""
calls: Counter[Callable] = Counter()
"""Calls by function, since the test began."""
# As type checkers have it, an int may be given where a float is asked for.
_check = beartype(conf=BeartypeConf(is_pep484_tower=True))
_jaxtyped = jaxtyping.jaxtyped


def check(function: Any) -> Any:
    """`function`, checked at every call. A Protocol stands for any object: what it promises is pyrefly's to check."""
    for name, hint in list(getattr(function, "__annotations__", {}).items()):
        if getattr(get_origin(hint) or hint, "_is_protocol", False):
            function.__annotations__[name] = Any
    return _check(function)


def sometimes(bare: Callable, checked: Callable) -> Callable:
    """`checked` at the calls that are to be checked, `bare` at the others."""

    @wraps(bare)
    def function(*arguments: Any, **named: Any) -> Any:
        if torch.compiler.is_compiling():  # sizes are symbols, which are no int
            return bare(*arguments, **named)
        calls[bare] = count = calls[bare] + 1
        return (checked if count <= FIRST or count % EVERY == 0 else bare)(*arguments, **named)

    return function


def jaxtyped(*, typechecker: Callable) -> Callable:
    """Stand for `jaxtyping.jaxtyped`, which the import hook puts on every function and class."""

    def decorate(target: Any) -> Any:
        if not isinstance(target, type):
            return sometimes(target, _jaxtyped(target, typechecker=typechecker))
        # Of a class the constructor that it has not inherited is checked, if it is a dataclass.
        if bare := vars(target).get("__init__"):
            _jaxtyped(target, typechecker=typechecker)
            if target.__init__ is not bare:
                target.__init__ = sometimes(bare, target.__init__)
        return target

    return decorate
