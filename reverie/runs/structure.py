"""The form that a checkpoint must have, and a sentence on the first place where it differs.

A form is a type, or a tensor, whose shape and dtype are asked for. It may be a `Must`, an `Each`, or a list or dict of
forms. Of a tuple of forms one must fit.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Must(NamedTuple):
    """A condition, and the words for it."""

    holds: Callable[[Any], bool]
    words: str


class Each(NamedTuple):
    """The form of every item of a list of any length, or of a dict with any names."""

    form: Any
    kind: type = list


COUNT = Must(lambda x: type(x) is int and x >= 0, "a whole number, 0 or more")
COUNT_OR_NONE_YET = Must(lambda x: type(x) is int and x >= -1, "a whole number, -1 or more")
SCALAR = Must(lambda x: isinstance(x, Tensor) and x.shape == (), "a tensor of one number")
BYTES = Must(lambda x: isinstance(x, Tensor) and x.dtype == torch.uint8 and x.ndim == 1, "a row of bytes")


def misfit(value: Any, form: Any, path: str = "") -> str | None:
    """Return what is wrong at the first place where `value` does not have the form. None if it has it."""
    return next(_misfits(value, form, path), None)


def _misfits(value: Any, form: Any, path: str) -> Iterator[str]:
    if isinstance(form, tuple) and not isinstance(form, Must | Each):
        *_, last = found = [misfit(value, each, path) for each in form]
        if last is not None and None not in found:
            yield last
    elif isinstance(form, Each):
        if not isinstance(value, form.kind):
            yield _wrong(path, in_words(form), value)
        elif form.kind is dict:
            for key, item in value.items():
                yield from _misfits(item, form.form, _join(path, key))
        else:
            for index, item in enumerate(value):
                yield from _misfits(item, form.form, _join(path, index))
    elif isinstance(form, dict) and isinstance(value, dict):
        for key in {**form, **value}:
            if key not in value:
                yield f"`{_join(path, key)}` is missing"
            elif key not in form:
                yield f"`{_join(path, key)}` is unknown"
        for key, part in form.items():
            yield from _misfits(value[key], part, _join(path, key))
    elif isinstance(form, list) and isinstance(value, list) and len(value) == len(form):
        for index, (item, part) in enumerate(zip(value, form)):
            yield from _misfits(item, part, _join(path, index))
    elif not _fits(value, form):
        yield _wrong(path, in_words(form), value)


def _fits(value: Any, form: Any) -> bool:
    if isinstance(form, Tensor):
        return isinstance(value, Tensor) and value.shape == form.shape and value.dtype == form.dtype
    return form.holds(value) if isinstance(form, Must) else type(value) is form


def _wrong(path: str, words: str, value: Any) -> str:
    return f"`{path}` should be {words}, but it is {in_words(value)}" if path else f"it should be {words}"


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def in_words(form: Any) -> str:
    """Return a form, or a value, as a message names it."""
    if isinstance(form, Must):
        return form.words
    if isinstance(form, Tensor):
        return f"a tensor of {str(form.dtype).removeprefix('torch.')} {tuple(form.shape)}"
    if isinstance(form, list):
        return f"a list of {len(form)}"
    if isinstance(form, int | float | str) or form is None:
        return repr(form)[:60]
    kind = form.kind if isinstance(form, Each) else form if isinstance(form, type) else type(form)
    return f"a {kind.__name__}"
