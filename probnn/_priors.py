"""Priors of one number: of a coefficient, or of a positive parameter such as a scale."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.special import expit, gammaln

from probnn import backend, domains

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
            given, positive = getattr(self, field.name), field.name != "loc"
            value = np.asarray(given)
            numbers = value.dtype.kind in "iuf" and np.isfinite(value).all()
            if not (numbers and (value > 0).all() >= positive):
                raise ValueError(
                    f"Expected {field.name} of {type(self).__name__} to be finite"
                    f"{' and above 0' * positive}. Received: {given!r}."
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

    def expected_log_prob(self, mean: Any, sd: Any) -> Any:
        """Return the mean log-density of normal numbers, as of a variational posterior.

        Parameters
        ----------
        mean, sd : arrays or tensors, of one shape
        """
        raise ValueError(
            "Expected a prior whose mean log-density under a normal posterior is known: Normal or "
            f"Laplace. Received: {self}."
        )

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

    def expected_log_prob(self, mean: Any, sd: Any) -> Any:
        """Return the mean log-density of normal numbers."""
        square = (mean - self.loc) * (mean - self.loc) + sd * sd
        constant = math.log(self.scale) + float(_HALF_LOG_2PI)
        return -0.5 / (self.scale * self.scale) * square - constant

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
        return _student_log_prob(value - self.loc, self.df, self.scale)

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the first two derivatives of the log-density."""
        return _student_slopes(value - self.loc, self.df, self.scale)

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        return self.loc + self.scale * rng.standard_t(self.df, size)


def _student_log_prob(away, df, scale):
    half = 0.5 * (df + 1.0)
    constant = gammaln(half) - gammaln(0.5 * df) - 0.5 * np.log(df * np.pi)
    return constant - np.log(scale) - half * np.log1p((away / scale) ** 2 / df)


def _student_slopes(away, df, scale):
    width, square = df * np.square(scale), away**2
    below = width + square
    return -(df + 1.0) * away / below, -(df + 1.0) * (width - square) / below**2


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

    def expected_log_prob(self, mean: Any, sd: Any) -> Any:
        """Return the mean log-density of normal numbers, whose absolute value is folded normal."""
        functions, z = backend.math(mean), mean / sd
        folded = sd * (math.sqrt(2.0 / math.pi) * functions.exp(-0.5 * z * z))
        folded = folded + mean * (1.0 - 2.0 * functions.ndtr(-z))
        return folded / -self.scale - math.log(2.0 * self.scale)

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

    def log_prob(self, value: Floats) -> Floats:
        """Return the log-density of positive numbers."""
        return np.log(2.0) + _student_log_prob(value, self.df, self.scale)

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Return the first two derivatives of the log-density."""
        return _student_slopes(value, self.df, self.scale)

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        return np.abs(self.scale * rng.standard_t(self.df, size))


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


class ScaleMixture(Prior):
    """A normal prior about 0 whose scale is random too, with numbers that coefficients may share.

    Coefficients of equal such priors are a group, with the same latent numbers. It has no mode of
    its own to speak of, and is for `sample` alone.

    Attributes
    ----------
    widest : float
        A scale that few coefficients exceed.
    """

    widest: float

    def latent(self, count: int) -> int:
        """Return how many latent numbers a group of coefficients has."""
        raise NotImplementedError

    def log_scales(self, latent: Floats, count: int) -> tuple[Floats, Floats]:
        """Return the log-scales (count,) of a group, and their derivatives (count, latent)."""
        raise NotImplementedError

    def latent_log_prob(self, latent: Floats) -> tuple[float, Floats]:
        """Return the log-density of the latent numbers, and its gradient."""
        raise NotImplementedError

    def draw_group(self, rng: np.random.Generator, size: int, count: int) -> Floats:
        """Return random values (size, count) of a group."""
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return random numbers of the prior, an array of a size."""
        return self.draw_group(rng, size, 1)[:, 0]

    def log_prob(self, value: Floats) -> Floats:
        """Raise ValueError: the density is an integral, and may be infinite at 0."""
        raise ValueError(
            f"Expected a prior with a density, to look for a mode. Received: "
            f"{type(self).__name__}, a mixture: probnn.bayes.sample draws from its posterior."
        )

    def slopes(self, value: Floats) -> tuple[Floats, Floats]:
        """Raise ValueError, as `log_prob`."""
        return self.log_prob(value)


@dataclass(frozen=True)
class Horseshoe(ScaleMixture):
    """The regularised horseshoe: few coefficients are large, and which is unknown.

    Coefficients of equal priors share a global scale t, which pulls all to 0; each has its own, l,
    whose heavy tails let a few escape; and these are as under a normal prior of scale c.

    Parameters
    ----------
    global_scale : float
        That of t, half-Cauchy. If about k of p coefficients are thought to be large, k / (p - k) /
        sqrt(n), times the scale of y where that is of the identity link.
    slab_scale, slab_df : float
        Coefficients that escape are as under a Student's t prior of these.

    Notes
    -----
    b ~ Normal(0, t l c / sqrt(c^2 + t^2 l^2)), t ~ HalfCauchy(global_scale), l ~ HalfCauchy(1),
    c^2 ~ InverseGamma(slab_df / 2, slab_df slab_scale^2 / 2). Piironen and Vehtari (2017),
    doi:10.1214/17-EJS1337SI; the defaults are those of rstanarm. Standardise the columns, as one
    scale is for all, and raise `target_accept` to 0.95 or more.

    Examples
    --------
    >>> import probnn as pn
    >>> print(pn.bayes.priors.Horseshoe(global_scale=0.1))
    Horseshoe(0.1, 2.5, 4)
    """

    global_scale: float = 0.01
    slab_scale: float = 2.5
    slab_df: float = 4.0

    @property
    def widest(self) -> float:
        """A scale that few coefficients exceed: that of the slab."""
        return self.slab_scale

    def latent(self, count: int) -> int:
        """Return how many latent numbers a group has: log l of each, log t, and log c^2."""
        return count + 2

    def log_scales(self, latent: Floats, count: int) -> tuple[Floats, Floats]:
        """Return the log-scales (count,) of a group, and their derivatives (count, latent)."""
        free = np.log(self.global_scale) + latent[count] + latent[:count]  # without the slab
        excess = 2.0 * (free - np.log(self.slab_scale)) - latent[-1]
        share = expit(excess)
        jacobian = np.zeros((count, count + 2))
        jacobian[np.diag_indices(count)] = jacobian[:, count] = 1.0 - share
        jacobian[:, -1] = 0.5 * share
        return free - 0.5 * np.logaddexp(0.0, excess), jacobian

    def latent_log_prob(self, latent: Floats) -> tuple[float, Floats]:
        """Return the log-density of the latent numbers, and its gradient."""
        half, logs, slab = 0.5 * self.slab_df, latent[:-1], latent[-1]
        value = (np.log(2.0 / np.pi) + logs - np.logaddexp(0.0, 2.0 * logs)).sum()
        value += half * (np.log(half) - slab - np.exp(-slab)) - gammaln(half)
        return float(value), np.append(-np.tanh(logs), half * (np.exp(-slab) - 1.0))

    def draw_group(self, rng: np.random.Generator, size: int, count: int) -> Floats:
        """Return random values (size, count) of a group."""
        free = np.abs(rng.standard_cauchy((size, count)))
        free *= self.global_scale * np.abs(rng.standard_cauchy((size, 1)))
        half = 0.5 * self.slab_df
        slab = self.slab_scale * np.sqrt(half / rng.gamma(half, size=(size, 1)))
        return rng.standard_normal((size, count)) / np.hypot(1.0 / free, 1.0 / slab)
