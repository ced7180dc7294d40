"""Standard distributions on the real line, by their logarithms: what location-scale families share.

Each function takes NumPy arrays or tensors, and is finite, with a finite gradient, wherever its
argument is finite.
"""

import math
from abc import ABC, abstractmethod

import numpy as np

from probnn import backend
from probnn._quadrature import gauss_legendre
from probnn.families._numerics import HALF_LOG_2PI, by_precision, saturate
from probnn.links import log1mexp

_NODES, _WEIGHTS = gauss_legendre(8)
_NARROW = 0.5  # relative probability of an interval, below which its density is integrated
_LOG_2 = math.log(2.0)
_ALL = 3.6  # where exp(-exp(z)) is nothing


class Standard(ABC):
    """A continuous distribution on the real line without parameters.

    Of some there are also `ppf` and `isf`, and `integrated_cdf(z)`, the integral of P(Z <= t) over
    t up to z.
    """

    mean = 0.0

    @abstractmethod
    def log_density(self, z):
        """Return the logarithm of the density at z."""

    @abstractmethod
    def log_cdf(self, z):
        """Return log P(Z <= z)."""

    @abstractmethod
    def log_sf(self, z):
        """Return log P(Z > z)."""

    @abstractmethod
    def log_between(self, low, width):
        """Return log P(low < Z <= low + width), without cancelling, for a width above 0."""


class StandardNormal(Standard):
    """The normal distribution."""

    def log_density(self, z):
        """Return -z^2 / 2 - log(2 pi) / 2; a square above 1e37 (float64: 1e300) counts as that."""
        m = backend.math(z)
        return -0.5 * m.minimum(m.square(z), by_precision(z, 1e37, 1e300)) - HALF_LOG_2PI

    def log_cdf(self, z):
        """Return log Phi(z); above 0, where it is near 0, by the other tail."""
        m = backend.math(z)
        lower = m.log_ndtr(m.where(z > 0, -z, z))
        return m.where(z > 0, m.log1p(-m.exp(lower)), lower)

    def log_sf(self, z):
        """Return log Phi(-z)."""
        return self.log_cdf(-z)

    def log_between(self, low, width):
        """Return the difference of a tail at both ends; where it is small, Gauss's rule."""
        m, high = backend.math(low), low + width
        right = low > 0
        near = m.where(right, -low, high)
        outer = self.log_cdf(near)
        gap = outer - self.log_cdf(m.where(right, -high, low))
        # Far out the difference is lost in both: there it is that of Mills's ratios.
        bound = by_precision(low, 100.0, 1000.0)
        far = m.maximum(-near, bound)
        safe = m.minimum(width, by_precision(low, 1e18, 1e150))
        ratio = m.log1p(safe / far) + 1.0 / m.square(far + safe) - 1.0 / m.square(far)
        gap = m.where(-near > bound, safe * (far + 0.5 * safe) + ratio, gap)
        narrow = gap < _NARROW
        wide = outer + log1mexp(m.where(narrow, 0.0 * gap + 1.0, gap))
        width = m.where(narrow, width, 0.0 * width + 1e-3)
        middle = m.where(narrow, low, 0.0 * low) + 0.5 * width
        mean = _mean_over(lambda t: m.exp(-t * (middle[..., None] + 0.5 * t)), width)
        return m.where(narrow, self.log_density(middle) + m.log(width * mean), wide)

    def ppf(self, p):
        """Return the quantile at level p."""
        return backend.math(p).ndtri(p)

    def isf(self, q):
        """Return the quantile at level 1 - q."""
        return -self.ppf(q)

    def integrated_cdf(self, z):
        """Return z Phi(z) + phi(z)."""
        m = backend.math(z)
        return z * m.ndtr(z) + m.exp(self.log_density(z))


class StandardLogistic(Standard):
    """The logistic distribution."""

    def log_density(self, z):
        """Return -z - 2 log(1 + exp(-z))."""
        return -z - 2.0 * backend.math(z).softplus(-z)

    def log_cdf(self, z):
        """Return -log(1 + exp(-z))."""
        return -backend.math(z).softplus(-z)

    def log_sf(self, z):
        """Return -log(1 + exp(z))."""
        return -backend.math(z).softplus(z)

    def log_between(self, low, width):
        """Return the logarithm of cdf(low + width) sf(low) (1 - exp(-width))."""
        return self.log_cdf(low + width) + self.log_sf(low) + log1mexp(width)

    def ppf(self, p):
        """Return log(p / (1 - p))."""
        m = backend.math(p)
        return m.log(p) - m.log1p(-p)

    def isf(self, q):
        """Return the quantile at level 1 - q."""
        return -self.ppf(q)

    def integrated_cdf(self, z):
        """Return log(1 + exp(z))."""
        return backend.math(z).softplus(z)


class StandardLaplace(Standard):
    """The double exponential distribution."""

    def log_density(self, z):
        """Return -|z| - log(2)."""
        return -abs(z) - _LOG_2

    def log_cdf(self, z):
        """Return log P(Z <= z)."""
        return self.log_sf(-z)

    def log_sf(self, z):
        """Return -z - log(2) above 0, and log(1 - exp(z) / 2) below."""
        m = backend.math(z)
        below = m.log1p(-0.5 * m.exp(m.where(z > 0, 0.0 * z, z)))
        return m.where(z > 0, -z - _LOG_2, below)

    def log_between(self, low, width):
        """Return it by the tail that both ends are in, or the sum of two halves."""
        m = backend.math(low)
        high = low + width
        across = (low < 0) & (high > 0)
        outside = m.where(low >= 0, -low, high) + log1mexp(width)
        left = m.where(across, low, 0.0 * low - 1.0)
        right = m.where(across, -high, 0.0 * high - 1.0)
        missing = 0.5 * (m.exp(left) + m.exp(right))
        halves = m.log(-m.expm1(left) - m.expm1(right)) - _LOG_2
        near_1 = m.log1p(-m.minimum(missing, 0.5))
        inside = m.where(missing < 0.5, near_1, halves)
        return m.where(across, inside, outside - _LOG_2)


class StandardGumbel(Standard):
    """The Gumbel distribution, of maxima: cdf(z) = exp(-exp(-z))."""

    def log_density(self, z):
        """Return -z - exp(-z)."""
        return -z - self._hazard(z)

    def log_cdf(self, z):
        """Return -exp(-z)."""
        return -self._hazard(z)

    def log_sf(self, z):
        """Return log(1 - exp(-exp(-z)))."""
        return _log1mexp_of_exp(-z)

    def log_between(self, low, width):
        """Return the logarithm of cdf(high) (1 - exp(-(exp(-low) - exp(-high))))."""
        return self.log_cdf(low + width) + _log1mexp_of_exp(log1mexp(width) - low)

    def _hazard(self, z):
        """Return exp(-z), held below its overflow."""
        return backend.math(z).exp(-saturate(z, low=by_precision(z, -40.0, -340.0)))


class Mirrored(Standard):
    """The distribution of -Z.

    Parameters
    ----------
    of : Standard
        The distribution of Z.
    """

    def __init__(self, of):
        self.of = of

    def log_density(self, z):
        """Return the log-density of Z at -z."""
        return self.of.log_density(-z)

    def log_cdf(self, z):
        """Return log P(Z > -z)."""
        return self.of.log_sf(-z)

    def log_sf(self, z):
        """Return log P(Z <= -z)."""
        return self.of.log_cdf(-z)

    def log_between(self, low, width):
        """Return it between the mirrored ends."""
        return self.of.log_between(-low - width, width)


class StandardMinimum(Mirrored):
    """The extreme value distribution of minima: cdf(z) = 1 - exp(-exp(z))."""

    mean = -np.euler_gamma

    def __init__(self):
        super().__init__(StandardGumbel())

    def ppf(self, p):
        """Return log(-log(1 - p))."""
        m = backend.math(p)
        return m.log(-m.log1p(-p))

    def isf(self, q):
        """Return log(-log(q))."""
        m = backend.math(q)
        return m.log(-m.log(q))

    def integrated_cdf(self, z):
        """Return z + 0.5772 + E1(exp(z)): the integral of (1 - exp(-t exp(z))) / t from 0 to 1."""
        m = backend.math(z)
        nodes, weights = (m.like(each, z) for each in gauss_legendre(32))
        hazard = m.exp(m.minimum(z, _ALL))[..., None]
        near = m.total(-weights / nodes * m.expm1(-nodes * hazard))
        return m.where(z > _ALL, z + np.euler_gamma, near)


def _mean_over(function, width):
    """Return the mean of function(t), t along a last axis, over t from -width / 2 to width / 2."""
    m = backend.math(width)
    nodes, weights = m.like(_NODES - 0.5, width), m.like(_WEIGHTS, width)
    return m.total(weights * function(width[..., None] * nodes))


def _log1mexp_of_exp(t):
    """Return log(1 - exp(-exp(t))): t - exp(t) / 2 where exp(t) is small."""
    m = backend.math(t)
    small, floor = t < -20.0, 0.0 * t - 20.0
    near = m.exp(m.minimum(m.where(small, floor, t), by_precision(t, 80.0, 600.0)))
    return m.where(small, t - 0.5 * m.exp(m.where(small, t, floor)), log1mexp(near))
