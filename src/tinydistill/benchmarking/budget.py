"""How long the parts of a piece of work may be, so that all of it ends in a given time: numbers in, numbers out."""

from collections.abc import Mapping
from dataclasses import dataclass

SHARE = 0.9  # of the time is planned; the rest is for loading, the last evaluations and the report


@dataclass(frozen=True)
class Part:
    """Training whose length can be chosen.

    Args:
        seconds: of a pass over the training rows, with the evaluation that follows it.
        least: passes without which nothing comes of it; 0 where it can be left out.
        default: passes that are enough.
        most: passes that still help where there is time left.
        whole: whether it is done at its default length or not at all.
    """

    seconds: float
    least: int
    default: int
    most: int
    whole: bool = False


class TooShortError(ValueError):
    """The least that works takes longer; `needed` is the budget in seconds in which it would end."""

    def __init__(self, needed: float):
        self.needed = needed
        super().__init__(f"at least {needed:.0f} seconds are needed")


def allot(budget: float, once: float, parts: Mapping[str, Part]) -> dict[str, int]:
    """The passes of every part, so that all of it takes no more than SHARE of the budget.

    First each has its least; what is left goes to the parts in their order, up to their defaults, and then in the
    same order up to their most.

    Args:
        budget: seconds for everything.
        once: seconds of what has no length to choose.
        parts: by name, what is worth the most first.

    Raises:
        TooShortError: the least of all parts takes longer.
    """
    passes = {name: part.least for name, part in parts.items()}
    left = SHARE * budget - expected(once, parts, passes)
    if left < 0:
        raise TooShortError(budget - left / SHARE)
    for goals in ({name: part.default for name, part in parts.items()}, {n: part.most for n, part in parts.items()}):
        for name, part in parts.items():
            wanted = goals[name] - passes[name]
            more = wanted if part.seconds * wanted <= left else int(left / part.seconds)
            if part.whole and more < wanted:
                continue
            passes[name] += more
            left -= more * part.seconds
    return passes


def expected(once: float, parts: Mapping[str, Part], passes: Mapping[str, int]) -> float:
    """The seconds that parts of these lengths take, with what is done once."""
    return once + sum(part.seconds * passes[name] for name, part in parts.items())
