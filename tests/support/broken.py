"""What tests of broken parts share."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Built:
    """A config that builds by a function."""

    function: Any

    def build(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def says(complaints: list[str], sentence: str) -> None:
    assert any(sentence in complaint for complaint in complaints), complaints
