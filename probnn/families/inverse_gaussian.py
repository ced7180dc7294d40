"""The inverse Gaussian distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn._quadrature import integral
from probnn.families._frozen.base import Frozen
from probnn.families._inversion import solve_tail
from probnn.families._numerics import HALF_LOG_2PI, by_precision, either, saturate
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Floats, Tensor

_ROOT_HALF, _ROOT_PI = np.sqrt(0.5), np.sqrt(np.pi)


@register
class InverseGaussian(Family):
    """The inverse Gaussian distribution of positive responses with a long right tail.

    Parameters are `mean` and `shape`: the variance is mean^3 / shape, so that 1 / shape is the
    dispersion of an inverse Gaussian GLM (statsmodels' `scale`). The default links are logarithms;
    the canonical link is "inverse_squared". SciPy's `invgauss` has mu = mean / shape and scale =
    shape.

    Notes
    -----
    log p(y) = log(shape / (2 pi y^3)) / 2 - shape (y - mean)^2 / (2 mean^2 y): Tweedie (1957),
    doi:10.1214/aoms/1177706964. The absolute value of log(y / mean) above 20 in float32 and 170 in
    float64, and shape / y above exp(40) and exp(340), count as those bounds. CRPS: the integral of
    the squared modulus of the characteristic function is one of the Bessel function K_0, DLMF
    10.43(iii).

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.InverseGaussian().frozen(mean=3.0, shape=9.0).var())
    3.0
    """

    name = "inverse_gaussian"
    parameters = {
        "mean": Param("log", domains.NON_NEGATIVE),
        "shape": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.POSITIVE
    of_mean = True
    canonical_link = "inverse_squared"

    def distribution(self, mean: Tensor, shape: tuple[int, ...]) -> Any:
        """Return TFP's InverseGaussian; torch has none."""
        if not hasattr(backend.distributions, "InverseGaussian"):
            return super().distribution(mean=mean, shape=shape)
        return backend.distributions.InverseGaussian(mean, shape)

    def frozen(self, mean: Tensor, shape: tuple[int, ...]) -> Any:
        """Return SciPy-like functions; those of `scipy.stats.invgauss` lose the upper tail."""
        return FrozenInverseGaussian(self, mean, shape)

    def _log_prob(self, y, mean, shape):
        m = backend.math(mean.raw)
        bound = by_precision(mean.raw, 20.0, 170.0)
        log_y = m.log(y)
        log_rate = shape.log - log_y
        ratio = m.expm1(saturate(log_y - mean.log, low=-bound, high=bound))
        held = m.exp(saturate(log_rate, high=2.0 * bound))
        return 0.5 * (log_rate - held * m.square(ratio)) - log_y - HALF_LOG_2PI

    def with_dispersion(self, phi: float | Floats) -> dict[str, Any]:
        """Return the shape that a GLM's dispersion phi stands for."""
        return {"shape": 1.0 / phi}

    def _start(self, y):
        mean = float(np.mean(y))
        # The mean of 1 / y less 1 / mean, without cancelling.
        spread = float(np.mean((y / mean - 1.0) ** 2 / y))
        # One value: any large shape will do to begin with.
        return {"mean": mean, "shape": 1.0 / max(spread, 1e-6 / mean)}

    def _crps(self, y, mean, shape):
        from scipy.special import erfcx

        rate = np.sqrt(shape / y)
        a, b = rate * (y / mean - 1.0), rate * (y / mean + 1.0)
        tail = np.exp(-0.5 * a**2)
        frozen = self.frozen(mean, shape)
        inside = frozen.cdf(y) - frozen.sf(y) - tail * erfcx(_ROOT_HALF * b)  # 2 Phi(a) - 1
        mad = (y - mean) * inside + (y + mean) * tail * erfcx(_ROOT_HALF * b)
        score = mad - 2.0 / np.pi * mean * _scaled_bickley(2.0 * shape / mean)
        # Where the mean is far above most of the mass, both terms are nearly the mean.
        return np.where(shape < 1e-4 * mean, np.nan, score)


def _scaled_bickley(x):
    """Return exp(x) times the integral of K_0 from x to infinity."""
    from scipy.special import iti0k0

    # exp(x) Ki_1(x) is the integral of exp(-x (cosh(t) - 1)) / cosh(t), t > 0: the trapezoidal rule
    # has 16 digits with 16 nodes where x > 2, its nearest poles being at +- i pi / 2.
    large = np.maximum(x, 2.0)
    step = np.minimum(0.25, 0.7 / np.sqrt(large))
    total = 0.5 * np.ones_like(large)
    for j in range(1, 17):
        t = j * step
        total += np.exp(-2.0 * large * np.sinh(0.5 * t) ** 2) / np.cosh(t)
    small = np.minimum(x, 2.0)
    return np.where(x > 2.0, step * total, np.exp(small) * (0.5 * np.pi - iti0k0(small)[1]))


class FrozenInverseGaussian(Frozen):
    """Inverse Gaussian distributions, with every digit of both tails.

    Parameters
    ----------
    family : InverseGaussian
        The family.
    mean, shape : array_like
        The parameters, of one shape or numbers.
    """

    def __init__(self, family, mean, shape):
        self._mean, self._shape = np.broadcast_arrays(*(np.float64(v) for v in (mean, shape)))
        self.shape = self._mean.shape
        self.family, self.params = family, {"mean": self._mean, "shape": self._shape}

    def cdf(self, y):
        """Return P(Y <= y)."""
        return self._tail(y, False)

    def sf(self, y):
        """Return P(Y > y)."""
        return self._tail(y, True)

    def _tail(self, y, upper):
        y = np.asarray(y, dtype="float64")
        inside = np.where((y > 0) & (y < np.inf), y, self._mean)
        found = np.exp(_log_tail(inside, self._mean, self._shape, upper))
        found = np.where(y > 0, np.where(y < np.inf, found, 1.0 - upper), 1.0 * upper)
        return np.where(np.isnan(y), np.nan, found)[()]

    def ppf(self, p):
        """Return the y with cdf(y) = p."""
        return self._quantile(p, upper=False)

    def isf(self, q):
        """Return the y with sf(y) = q."""
        return self._quantile(q, upper=True)

    def _solve(self, rows, level, upper, other):
        return _solve(
            self.family, level, self._mean.ravel()[rows], self._shape.ravel()[rows], int(upper)
        )

    def mean(self):
        """Return the mean."""
        return self._mean[()]

    def var(self):
        """Return the variance."""
        return self._mean * (self._mean / self._shape) * self._mean

    def entropy(self):
        """Return the differential entropy, in nats: SciPy's."""
        from scipy import stats

        return stats.invgauss(self._mean / self._shape, scale=self._shape).entropy()

    def support(self):
        """Return the ends of the support."""
        return 0.0, np.inf

    def _draw(self, rng, size):
        return rng.wald(self._mean, self._shape, size)


def _log_tail(y, mean, shape, upper):
    """Return log P(Y <= y), or log P(Y > y)."""
    from scipy.special import erfcx

    rate = np.sqrt(shape / y)
    a, b = rate * (y / mean - 1.0), rate * (y / mean + 1.0)

    # Both have the factor exp(-a^2 / 2), which is exp(2 shape / mean - b^2 / 2).
    def below(a, b, _):
        both = erfcx(-_ROOT_HALF * a) + erfcx(_ROOT_HALF * b)
        return np.log(both) - 0.5 * a**2 - np.log(2.0)

    def above(a, _, rate):
        difference = _erfcx_difference(_ROOT_HALF * a, _ROOT_HALF * rate)
        return np.log(difference) - 0.5 * a**2 - np.log(2.0)

    def not_below(*args):
        return np.log1p(-np.exp(np.minimum(below(*args), -0.1)))

    def not_above(*args):
        return np.log1p(-np.exp(np.minimum(above(*args), -0.1)))

    with np.errstate(all="ignore"):
        if upper:
            return either(a > -1.0, above, not_below, a, b, rate)
        return either(a < 0.0, below, not_above, a, b, rate)


def _erfcx_difference(low, half):
    """Return erfcx(low) - erfcx(low + 2 half); if they are near each other, by Gauss's rule."""
    from scipy.special import erfcx

    def far(z):
        inverse = 0.5 / np.square(z)
        series = 0.0 * inverse  # of the derivative, where it is the difference of large terms
        for k in range(14, 0, -1):
            series = -(2 * k + 1) * inverse * (1.0 + series)
        return 2.0 * inverse * (1.0 + series) / _ROOT_PI

    def near(z):
        return 2.0 / _ROOT_PI - 2.0 * z * erfcx(z)

    def by_rule(low, half):
        return integral(lambda z: either(z > 8.0, far, near, z), low, 2.0 * half, 8)

    def directly(low, half):
        return erfcx(low) - erfcx(low + 2.0 * half)

    close = half < 0.15 * np.maximum(low + 2.0 * half, 1.0)
    return either(close, by_rule, directly, low, half)


def _solve(family, level, mean, shape, side):
    """Return where the lower (0) or the upper (1) tail has a probability of at most 1/2."""
    from scipy.special import ndtri

    def tail(x, rows):
        y = np.exp(x)
        log_tail = _log_tail(y, mean[rows], shape[rows], side == 1)
        log_pdf = family.log_density(y, mean=mean[rows], shape=shape[rows])
        return log_tail, (1.0 - 2.0 * side) * np.exp(log_pdf + x - log_tail)

    ratio = shape / mean
    z = ndtri(level) * (1.0 - 2.0 * side) / np.sqrt(np.maximum(ratio, 1.0))
    # With a small ratio, as if the mean were infinite: Levy's distribution, up to its exponent.
    root = np.maximum(abs(ndtri(0.5 * (1.0 - level if side else level))), 1e-100)
    start = np.where(
        ratio > 1.0,
        np.log(mean) + z - 0.5 / ratio,
        np.log(np.minimum(shape / root**2, mean * (1.0 - 2.0 * np.log(level) / ratio))),
    )
    return np.exp(solve_tail(tail, np.log(level), start, 1.0 / np.sqrt(np.maximum(ratio, 1.0))))
