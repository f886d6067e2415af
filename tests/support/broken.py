"""What tests of broken parts share."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Built:
    """A config that builds by a function."""

    function: Any

    def build(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def assert_reported(violations: list[str], sentence: str) -> None:
    assert any(sentence in violation for violation in violations), violations
