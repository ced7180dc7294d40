"""Priors of one number: of a coefficient, or of a positive parameter such as a scale."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import gammaln

from probnn import domains

if TYPE_CHECKING:
    from probnn._types import Floats

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


@dataclass(frozen=True)
class Prior:
    """A distribution that says what is known of one number before the data.

    To write one, subclass it as a frozen dataclass of its parameters, set `domain` if it is not the
    real line, and write `log_prob(value)`, `slopes(value)` and `draw(rng, size)`, of arrays.

    Attributes
    ----------
    domain : Domain or None
        Where the number may lie; None if that is any domain.
    lasso : float or None
        The weight of the absolute value in -log p, where that is all of a density with a kink at 0.
    """

    domain: ClassVar[domains.Domain | None] = domains.REAL
    lasso: ClassVar[float | None] = None
    kinds: ClassVar[dict] = {}  # name -> class, of the priors that files may hold

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.kinds[cls.__name__] = cls

    def __post_init__(self):
        for field in fields(self):
            value = np.asarray(getattr(self, field.name), dtype="float64")
            positive = field.name != "loc"
            if not (np.isfinite(value).all() and (value > 0).all() >= positive):
                raise ValueError(
                    f"Expected {field.name} of {type(self).__name__} to be finite"
                    f"{' and above 0' * positive}. Received: {value}."
                )

    def log_prob(self, value: Floats) -> Floats:
        """Return the log-density of numbers."""
        raise NotImplementedError

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the first two derivatives of the log-density."""
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        raise NotImplementedError

    def __str__(self):
        told = ", ".join(f"{getattr(self, field.name):.4g}" for field in fields(self))
        return f"{type(self).__name__}({told})"


@dataclass(frozen=True)
class Normal(Prior):
    """A normal prior: loc, and a standard deviation.

    Examples
    --------
    >>> import probnn as pn
    >>> print(pn.bayes.priors.Normal(0.0, 2.5))
    Normal(0, 2.5)
    """

    loc: float = 0.0
    scale: float = 1.0

    def log_prob(self, value: Floats) -> Floats:
        """Return the log-density of numbers."""
        return -0.5 * ((value - self.loc) / self.scale) ** 2 - np.log(self.scale) - _HALF_LOG_2PI

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the first two derivatives of the log-density."""
        precision = 1.0 / np.square(self.scale)
        return (self.loc - value) * precision, -precision + 0.0 * value

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        return rng.normal(self.loc, self.scale, size)


@dataclass(frozen=True)
class StudentT(Prior):
    """Student's t: df degrees of freedom, loc and scale; with df = 1 Cauchy's distribution."""

    df: float = 4.0
    loc: float = 0.0
    scale: float = 1.0

    def log_prob(self, value: Floats) -> Floats:
        """Return the log-density of numbers."""
        half = 0.5 * (self.df + 1.0)
        constant = gammaln(half) - gammaln(0.5 * self.df) - 0.5 * np.log(self.df * np.pi)
        square = ((value - self.loc) / self.scale) ** 2
        return constant - np.log(self.scale) - half * np.log1p(square / self.df)

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the first two derivatives of the log-density."""
        away, width = value - self.loc, self.df * np.square(self.scale)
        below = width + away**2
        first = -(self.df + 1.0) * away / below
        return first, -(self.df + 1.0) * (width - away**2) / below**2

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        return self.loc + self.scale * rng.standard_t(self.df, size)


@dataclass(frozen=True)
class Laplace(Prior):
    """Laplace's prior about 0, whose mode with a likelihood is the lasso."""

    scale: float = 1.0

    @property
    def lasso(self) -> float:
        """The weight of the absolute value in -log p."""
        return 1.0 / self.scale

    def log_prob(self, value: Floats) -> Floats:
        """Return the log-density of numbers."""
        return -np.abs(value) / self.scale - np.log(2.0 * self.scale)

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the first two derivatives of the log-density."""
        return -np.sign(value) / self.scale, 0.0 * value

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        return rng.laplace(0.0, self.scale, size)


@dataclass(frozen=True)
class HalfNormal(Prior):
    """The absolute value of a normal number of mean 0 and standard deviation scale."""

    scale: float = 1.0
    domain: ClassVar[domains.Domain] = domains.POSITIVE

    def log_prob(self, value: Floats) -> Floats:
        """Return the log-density of positive numbers."""
        return np.log(2.0) - 0.5 * (value / self.scale) ** 2 - np.log(self.scale) - _HALF_LOG_2PI

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the first two derivatives of the log-density."""
        precision = 1.0 / np.square(self.scale)
        return -value * precision, -precision + 0.0 * value

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        return np.abs(rng.normal(0.0, self.scale, size))


@dataclass(frozen=True)
class HalfStudentT(Prior):
    """The absolute value of a Student's t about 0; with df = 1 the half-Cauchy distribution."""

    df: float = 3.0
    scale: float = 1.0
    domain: ClassVar[domains.Domain] = domains.POSITIVE

    @property
    def _whole(self):
        return StudentT(self.df, 0.0 * self.scale, self.scale)

    def log_prob(self, value: Floats) -> Floats:
        """Return the log-density of positive numbers."""
        return np.log(2.0) + self._whole.log_prob(value)

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the first two derivatives of the log-density."""
        return self._whole.slopes(value)

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        return np.abs(self._whole.draw(rng, size))


@dataclass(frozen=True)
class Exponential(Prior):
    """An exponential prior of a positive number: its rate, 1 / mean."""

    rate: float = 1.0
    domain: ClassVar[domains.Domain] = domains.POSITIVE

    def log_prob(self, value: Floats) -> Floats:
        """Return the log-density of positive numbers."""
        return np.log(self.rate) - self.rate * value

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the first two derivatives of the log-density."""
        return -self.rate + 0.0 * value, 0.0 * value

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        return rng.exponential(1.0 / self.rate, size)


@dataclass(frozen=True)
class Gamma(Prior):
    """A gamma prior of a positive number: shape and rate, of mean shape / rate."""

    shape: float = 2.0
    rate: float = 1.0
    domain: ClassVar[domains.Domain] = domains.POSITIVE

    def log_prob(self, value: Floats) -> Floats:
        """Return the log-density of positive numbers."""
        constant = self.shape * np.log(self.rate) - gammaln(self.shape)
        return constant + (self.shape - 1.0) * np.log(value) - self.rate * value

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the first two derivatives of the log-density."""
        first = (self.shape - 1.0) / value
        return first - self.rate, -first / value

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        return rng.gamma(self.shape, 1.0 / self.rate, size)


@dataclass(frozen=True)
class Flat(Prior):
    """No prior: a density of 1 everywhere. The posterior exists only where the data suffice."""

    domain: ClassVar[domains.Domain | None] = None

    def log_prob(self, value: Floats) -> Floats:
        """Return 0."""
        return 0.0 * value

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return 0 and 0."""
        return 0.0 * value, 0.0 * value

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Raise ValueError: there are no random numbers of no distribution."""
        raise ValueError("Expected a proper prior to draw from. Received: Flat().")
