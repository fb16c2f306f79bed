"""What a user may ask of a recipe that turns pictures into others, beside the picture."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from jax import Array

from gan_jax.errors import UsageError


class Choice(NamedTuple):
    """One of several names; a leaf int32 `[B]`, its number. Without a default it must be given."""

    names: tuple[str, ...]
    default: int | None = 0

    def parse(self, name: str, text: str) -> int:
        """Raises UsageError, which names the nearest."""
        if text in self.names:
            return self.names.index(text)
        close = difflib.get_close_matches(text, self.names, n=1, cutoff=0.5)
        nearest = f"; the nearest is {close[0]}" if close else ""
        raise UsageError(f"condition {name}={text!r}: there are {', '.join(self.names)}{nearest}")


class Number(NamedTuple):
    """A number from `low` to `high`; a leaf float32 `[B]`."""

    low: float
    high: float
    default: float

    def parse(self, name: str, text: str) -> float:
        """Raises UsageError."""
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not self.low <= value <= self.high:
            raise UsageError(
                f"condition {name}={text!r}: must be a number from {self.low:g} to {self.high:g}"
            )
        return value


Condition = Choice | Number


@dataclasses.dataclass(frozen=True, kw_only=True)
class Translation:
    """How a recipe translates pictures.

    Attributes:
        run: `(nets, batch) -> images [B, H, W, C]` in [-1, 1]. The batch holds `image`, a leaf for
            each condition, and where there are references `reference` `[B, R, H, W, C]`.
        conditions: by name.
        references: whether pictures beside the translated one are read.
        like_faces: whether those show faces, which then are found and cut out like the translated
            one's; False where any picture has a style.
    """

    run: Callable[[Any, Mapping[str, Array]], Array]
    conditions: Mapping[str, Condition] = dataclasses.field(default_factory=dict)
    references: Literal["none", "optional", "required"] = "none"
    like_faces: bool = True

    def parse(self, given: Mapping[str, str]) -> dict[str, int | float]:
        """Every condition's value, defaults included.

        Raises:
            UsageError: an unknown name, a value that it does not have, or none where there must be.
        """
        for name in given:
            if name not in self.conditions:
                close = difflib.get_close_matches(name, self.conditions, n=1, cutoff=0.5)
                nearest = f"; the nearest is {close[0]!r}" if close else ""
                known = f"there are {', '.join(self.conditions)}"
                known = known if self.conditions else "this recipe takes none"
                raise UsageError(f"no condition {name!r}{nearest}; {known}")
        values = {}
        for name, condition in self.conditions.items():
            value = condition.parse(name, given[name]) if name in given else condition.default
            if value is None:
                names = ", ".join(condition.names) if isinstance(condition, Choice) else ""
                raise UsageError(f"--condition.{name}= is needed: one of {names}")
            values[name] = value
        return values
