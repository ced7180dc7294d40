"""Sets of numbers: where a response may lie, and what values a link maps onto.

A `Domain` answers one question, `contains(values)`, for host arrays and tensors alike. It serves as
the support of a family (which y are possible) and as the domain of a link (which means are).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from probnn import backend

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@dataclass(frozen=True)
class Domain:
    """A set of real numbers between two bounds, or the whole numbers among them.

    Parameters
    ----------
    description : str
        How messages name the set: "the positive numbers".
    low, high : float
        The bounds. Infinite bounds are never members.
    open : bool
        Whether the finite bounds are left out.
    whole : bool
        Whether only whole numbers are members.
    inside : float
        Any member: the stand-in for a value that must not be computed with.

    Examples
    --------
    >>> import numpy as np
    >>> from probnn.domains import COUNTS
    >>> COUNTS.contains(np.array([0.0, 3.0, 1.5, -1.0, np.inf])).tolist()
    [True, True, False, False, False]
    """

    description: str
    low: float = float("-inf")
    high: float = float("inf")
    open: bool = False
    whole: bool = False
    inside: float | tuple[Any, ...] = 0.0

    def contains(self, values: Tensor) -> Tensor:
        """Return, for each value, whether it is a member: the same shape, of booleans."""
        outside_low = self.open or self.low == float("-inf")
        outside_high = self.open or self.high == float("inf")
        above = values > self.low if outside_low else values >= self.low
        below = values < self.high if outside_high else values <= self.high
        if self.whole:
            below = below & (backend.math(values).floor(values) == values)
        return above & below

    def __str__(self):
        return self.description


@dataclass(frozen=True)
class Simplex(Domain):
    """The vectors of probabilities, along the last axis, that sum to 1 but for rounding."""

    within: float = 1e-6

    def contains(self, values: Tensor) -> Tensor:
        """Return, for each value, whether it is a probability and its vector sums to 1."""
        total = backend.math(values).total(values)[..., None]
        return super().contains(values) & (abs(total - 1.0) <= self.within)


REAL = Domain("the real numbers")
POSITIVE = Domain("the positive numbers", low=0.0, open=True, inside=1.0)
NON_NEGATIVE = Domain("the numbers from 0 on", low=0.0, inside=1.0)
UNIT = Domain("the numbers between 0 and 1", low=0.0, high=1.0, open=True, inside=0.5)
PROBABILITY = Domain("the numbers from 0 to 1", low=0.0, high=1.0, inside=0.5)
SIMPLEX = Simplex("the probabilities that sum to 1", low=0.0, high=1.0, inside=0.5)
NEAR_SIMPLEX = Simplex(  # as others compute them in float32
    "the probabilities that sum to 1", low=0.0, high=1.0, inside=0.5, within=1e-4
)
COUNTS = Domain("the counts 0, 1, 2, ...", low=0.0, whole=True)
BINARY = Domain("{0, 1}", low=0.0, high=1.0, whole=True)


@dataclass(frozen=True)
class Bounds(Domain):
    """Pairs, along the last axis, of a lower and an upper bound of a member of another domain."""

    whose: Domain = REAL

    @classmethod
    def of(cls, domain: Domain) -> Bounds:
        """Return the bounds of members of `domain`, an interval."""
        inside = (domain.inside, domain.inside)
        return cls(f"lower <= upper bounds of {domain}", inside=inside, whose=domain)

    def contains(self, values: Tensor) -> Tensor:
        """Return, for each value, whether its pair bounds some member."""
        lower, upper = values[..., :1], values[..., 1:]
        inner, equal = self.whose, lower == upper
        # A pair is of one member, or of an interval that reaches into the domain.
        open_pair = (lower < upper) & (lower >= inner.low) & (upper > inner.low)
        open_pair = open_pair & (lower < inner.high) & (upper <= inner.high)
        return (values == values) & (open_pair | (equal & inner.contains(lower)))


@dataclass(frozen=True)
class Trials(Domain):
    """Pairs, along the last axis, of whole numbers: of successes, and of trials."""

    def contains(self, values: Tensor) -> Tensor:
        """Return, for each value, whether it is one: at most so many successes, 1 trial or more."""
        trials = values[..., 1:]
        return super().contains(values) & (values <= trials) & (trials >= 1)


TRIALS = Trials(
    "the pairs of successes 0, 1, ..., trials and trials 1, 2, ...",
    low=0.0,
    whole=True,
    inside=(0.0, 1.0),
)


def whole_numbers(low: int, high: int) -> Domain:
    """Return the domain of the whole numbers from `low` to `high`."""
    listed = f"the whole numbers from {low} to {high}"
    return Domain(listed, low=float(low), high=float(high), whole=True, inside=float(low))


def codes(classes: int) -> Domain:
    """Return the domain of class codes 0, 1, ..., classes - 1.

    Parameters
    ----------
    classes : int
        The number of classes.
    """
    last = classes - 1
    listed = "{0, 1}" if last == 1 else f"the class codes 0, 1, ..., {last}"
    return Domain(listed, low=0.0, high=float(last), whole=True)
