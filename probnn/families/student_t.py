"""Student's t distribution."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._numerics import (
    HALF_LOG_2PI,
    by_precision,
    least_log_scale,
    log1p_minus,
    saturate,
    spread,
)
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor

_SERIES_FROM = 8.0
# log(Gamma(x + 1/2) / Gamma(x)) = log(x) / 2 + sum of (B_2n(1/2) - B_2n) / (2n (2n-1)) x^(1-2n), by
# DLMF 5.11.8. Its error for x >= 8 is below 2e-16.
_SERIES = (
    -1 / 8,
    1 / 192,
    -1 / 640,
    17 / 14336,
    -31 / 18432,
    691 / 180224,
    -5461 / 425984,
    929569 / 15728640,
)
_MOST = 1e6  # degrees of freedom that an estimate may have: the normal distribution, in effect


@register
class StudentT(Family):
    """Student's t distribution: regression that outliers do not spoil.

    Parameters are `loc`, `scale` and `df`, the degrees of freedom, as in `scipy.stats.t`. The mean
    is loc if df > 1, and undefined (NaN) if not; the variance scale^2 df / (df - 2) if df > 2. The
    default links are the identity and logarithms. `df` may be predicted, one number for all rows
    (`constant=["df"]`), or known (`fixed={"df": 4.0}`).

    Notes
    -----
    With z = (y - loc) / scale, log p(y) = log(Gamma((df + 1) / 2) / Gamma(df / 2)) - log(pi df) / 2
    - log(scale) - (df + 1) / 2 log(1 + z^2 / df): Lange, Little and Taylor (1989),
    doi:10.1080/01621459.1989.10478852. A scale below exp(-28) in float32 and exp(-300) in float64
    (exp(-690) of NumPy arrays) counts as that bound, df above exp(40) as that one, and df
    below exp(-80) and exp(-600) as that one. Estimates from y alone have df of at most 1e6. CRPS:
    Jordan, Krueger and Lerch (2019), doi:10.18637/jss.v090.i12; it is infinite for df of at most
    1/2.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.StudentT().frozen(loc=1.0, scale=2.0, df=4.0).var())
    8.0
    """

    name = "student_t"
    limits: ClassVar[dict] = {"df": (math.inf, "normal")}
    parameters = {
        "loc": Param("identity", domains.REAL),
        "scale": Param("log", domains.NON_NEGATIVE),
        "df": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.REAL
    scale_parameter = "scale"
    heavier = ()

    def distribution(self, loc: Tensor, scale: Tensor, df: Tensor) -> Any:
        """Return the backend's StudentT."""
        return backend.distributions.StudentT(df, loc, scale)

    def frozen(self, loc: Tensor, scale: Tensor, df: Tensor) -> Any:
        """Return `scipy.stats.t`, with a log-density and an entropy for any df."""
        return FrozenStudentT(
            self, Scipys(_corrected(), df, loc, scale), loc=loc, scale=scale, df=df
        )

    def mean(self, loc: Tensor, scale: Tensor, df: Tensor) -> Any:
        """Return loc where df > 1, else NaN."""
        return backend.math(df).where(df > 1.0, loc, 0.0 * loc + math.nan)

    def _log_prob(self, y, loc, scale, df):
        m = backend.math(loc.raw)
        log_rate = -saturate(scale.log, low=least_log_scale(loc.raw))
        return _log_density((y - loc.value) * m.exp(log_rate), df.log) + log_rate

    def _start(self, y):
        loc = float(np.median(y))
        mad = 1.4826 * float(np.median(np.abs(y - loc)))
        scale = mad if mad > 1e-12 * np.max(np.abs(y)) else spread(y, loc)
        guess = {"loc": loc, "scale": scale, "df": 5.0}
        if np.ptp(y) == 0.0:
            return guess
        found = self._maximised(y, guess)
        # With ties the likelihood is unbounded, at a scale of 0.
        if found["scale"] < 1e-3 * scale or found["df"] < 1e-2:
            return guess
        return {**found, "df": min(found["df"], _MOST)}

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are."""
        return self._start(y)["scale"]

    def _crps(self, y, loc, scale, df):
        from scipy.special import stdtr

        z = (y - loc) / scale
        with np.errstate(all="ignore"):
            df = np.minimum(df, 1e17)
            log_df, twice = np.log(df), 2.0 * df - 1.0
            # Of the density at z, times df + z^2.
            log_raised = _log_density(z, log_df) + np.logaddexp(log_df, 2.0 * np.log(np.abs(z)))
            # Both have the pole 1 / (df - 1), which the difference has not.
            log_gap = 1.5 * log_df + 2.0 * _log_constant(log_df)
            log_gap = log_gap - 0.5 * np.log(twice) - _log_constant(np.log(twice))
            pole = 2.0 * (np.exp(log_raised) - np.exp(log_gap)) / (df - 1.0)
            score = scale * (z * (stdtr(df, z) - stdtr(df, -z)) + pole)
        return np.where(df > 0.5, np.where(np.abs(df - 1.0) < 1e-5, np.nan, score), np.inf)


def _log_density(z, log_df):
    """Return the log-density at z of the distribution with loc 0 and scale 1."""
    m = backend.math(z)
    log_df = saturate(log_df, low=by_precision(z, -80.0, -600.0), high=40.0)
    df = m.exp(log_df)
    if isinstance(z, (np.ndarray, np.generic)):  # no gradient, whose digits the rest is for
        with np.errstate(over="ignore"):
            u = z * z / df
        if np.isfinite(u).all():
            return _log_constant(log_df) - 0.5 * (df + 1.0) * m.log1p(u)
    root = z * m.exp(-0.5 * log_df)
    near = abs(root) < 0.5
    # df log(1 + z^2 / df) = z^2 + df (log(1 + u) - u) for a small u = z^2 / df; else by logarithms.
    u = m.square(m.where(near, root, 0.0 * root))
    square = m.square(m.where(near, z, 0.0 * z))
    by_square = square + df * log1p_minus(u) + m.log1p(u)
    far = m.where(near, 0.0 * z + 1.0, abs(z))
    by_log = (df + 1.0) * m.softplus(2.0 * m.log(far) - log_df)
    return _log_constant(log_df) - 0.5 * m.where(near, by_square, by_log)


def _log_constant(log_df):
    """Return log(Gamma((df + 1) / 2) / Gamma(df / 2)) - log(pi df) / 2: the log-density at 0."""
    m = backend.math(log_df)
    half = 0.5 * m.exp(log_df)
    large, zero = half > _SERIES_FROM, 0.0 * half
    # log(Gamma(x + 1/2) / Gamma(x)) - log(x) / 2 of a large x, which small ones are shifted to.
    x = m.where(large, half, half + _SERIES_FROM)
    inverse = 1.0 / x
    square = inverse * inverse
    series = _SERIES[-1] * square
    for coefficient in _SERIES[-2:0:-1]:
        series = (series + coefficient) * square
    series = (series + _SERIES[0]) * inverse
    small = m.where(large, zero, half)
    product = 1.0 / (small + 0.5)
    for k in range(1, int(_SERIES_FROM)):
        product = product * ((small + k) / (small + (k + 0.5)))
    log_shifted = m.log(m.where(large, zero + 1.0, x)) - math.log(4.0 * math.pi)
    by_shift = 0.5 * (log_shifted + m.where(large, zero, log_df)) + m.log(product)
    return series + m.where(large, zero - HALF_LOG_2PI, by_shift)


@functools.cache
def _corrected():
    """Return SciPy's distribution, whose log-density overflows and whose entropy is a loop."""
    from scipy import special, stats

    class Corrected(type(stats.t)):
        def _logpdf(self, x, df):
            with np.errstate(all="ignore"):
                return _log_density(x, np.log(df))

        def _pdf(self, x, df):
            return np.exp(self._logpdf(x, df))

        def entropy(self, df, loc=0, scale=1):
            with np.errstate(all="ignore"):
                df, half = np.asarray(df, dtype="float64"), 0.5 * np.asarray(df, dtype="float64")
                v = 1.0 / np.maximum(half, 50.0)
                series = v * (0.5 + v * (0.125 + v**2 * (v**2 / 128 - 1 / 64 - 17 * v**4 / 2048)))
                gap = np.where(
                    half > 50.0, series, special.digamma(half + 0.5) - special.digamma(half)
                )
                return (half + 0.5) * gap - _log_constant(np.log(df)) + np.log(scale) + 0.0 * loc

    return Corrected(name="t", shapes="df")


class FrozenStudentT(FrozenScipy):
    """Student's t distributions, with the long tails of few degrees of freedom."""

    def cdf(self, y):
        """Return P(Y <= y)."""
        return self._tail(y, self.scipys.cdf, -1.0)

    def sf(self, y):
        """Return P(Y > y)."""
        return self._tail(y, self.scipys.sf, 1.0)

    def ppf(self, p):
        """Return the y with cdf(y) = p."""
        return self._end(p, self.scipys.ppf, -1.0)

    def isf(self, q):
        """Return the y with sf(y) = q."""
        return self._end(q, self.scipys.isf, 1.0)

    def _tail(self, y, scipys, side):
        """Return a tail: SciPy's for df >= 1, else by the incomplete beta function."""
        from scipy.special import betainc, betaincc

        loc, scale, df = self.params.values()
        found = scipys(y)
        if np.all(df >= 1.0):
            return found
        with np.errstate(all="ignore"):
            z = (np.asarray(y, dtype="float64") - loc) / scale
            size, half = abs(z), 0.5 * df
            square = z * z / df
            near = betaincc(0.5, half, square / (1.0 + square))
            far = betainc(half, 0.5, 1.0 / (1.0 + square))
            # Beyond them the tail is a power.
            power = 2.0 * np.exp(_log_power(df) - df * np.log(size))
            tail = np.where(size > 1e60, power, np.where(square < 1.0, near, far))
            tail = np.where(side * z > 0, 0.5 * tail, 1.0 - 0.5 * tail)
        return np.where(df < 1.0, tail, found)[()]

    def _end(self, level, scipys, side):
        """Return where a tail has a probability."""
        from scipy.special import betaincinv

        loc, scale, df = self.params.values()
        found = scipys(level)
        if np.all(df >= 1.0):
            return found
        with np.errstate(all="ignore"):
            level = np.asarray(level, dtype="float64")
            tail, half = np.minimum(level, 1.0 - level), 0.5 * df
            # P(|Z| <= z) = 1 - 2 tail, in the middle; else by the tail.
            middle = betaincinv(0.5, half, 1.0 - 2.0 * tail)
            outer = betaincinv(half, 0.5, 2.0 * tail)
            by_middle, by_tail = middle / (1.0 - middle), (1.0 - outer) / outer
            z = np.sqrt(df * np.where(middle < 0.5, by_middle, by_tail))
            power = np.exp((_log_power(df) - np.log(tail)) / df)
            z = np.where(power > 1e60, power, z)
            found_here = loc + scale * side * np.where(level < 0.5, z, -z)
        return np.where(df < 1.0, found_here, found)[()]


def _log_power(df):
    """Return log(c), where P(Z > z) is nearly c z^-df for a large z."""
    log_df = np.log(df)
    return _log_constant(log_df) + 0.5 * (df + 1.0) * log_df - log_df
