"""Sizes that nothing can have are refused, also in a file of an agent from elsewhere."""

import pytest

from reverie.errors import UserError
from reverie.spaces import ActionSpace, EnvSpec, Space


@pytest.mark.parametrize(
    "build",
    [
        lambda: Space((8, -1, 3), "uint8"),
        lambda: Space((2**63,), "float32"),
        lambda: ActionSpace(-1, discrete=False),
        lambda: ActionSpace(2**70, discrete=True),
        lambda: EnvSpec({}, ActionSpace(1, discrete=False), 0),
    ],
)
def test_an_impossible_size_is_one_sentence(build):
    with pytest.raises(UserError, match="cannot"):
        build()
