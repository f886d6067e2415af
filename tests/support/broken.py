"""What tests of broken parts share."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Built:
    """A config that builds by a function."""

    function: Any

    def build(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def build_with_embed(self, spec: Any, feature_size: int, embed_size: int) -> Any:
        return self.function(spec, feature_size)


def assert_reported(violations: list[str], sentence: str) -> None:
    assert any(sentence in violation for violation in violations), violations
