"""The negative binomial distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.unbounded import FrozenCounts
from probnn.families._numerics import (
    HALF_LOG_2PI,
    STIRLING_FROM,
    either,
    gamma_tail,
    log1p_minus,
    polygamma_excess,
    stirling_correction,
)
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor

_TABLE = 400  # the largest count whose sums are looked up
_STEP = 0.25  # of the trapezoidal rule for entropies: its error is about exp(-pi^2 / step)
_CHUNK = 4_096  # rows of one at once


@register
class NegativeBinomial(Family):
    """The negative binomial distribution of counts, in the form known as NB2.

    Parameters are `mean` and `dispersion` (alpha in statsmodels, 1 / theta in R's MASS): the
    variance is mean + dispersion * mean^2, and the Poisson distribution is the limit of dispersion
    0. The default links are logarithms.

    Notes
    -----
    With r = 1 / dispersion, log p(y) = log(Gamma(y + r) / (Gamma(r) y!)) + y log(mean) - y log(r +
    mean) + r log(r / (r + mean)). Cameron and Trivedi, *Regression Analysis of Count Data*, 2nd
    ed., 2013, doi:10.1017/CBO9781139013567, section 3.3. CRPS: Wei and Held (2014),
    doi:10.1007/s11749-014-0380-8.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.NegativeBinomial().frozen(mean=3.0, dispersion=0.5).var().round(6))
    7.5
    """

    name = "negative_binomial"
    parameters = {
        "mean": Param("log", domains.NON_NEGATIVE),
        "dispersion": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.COUNTS
    discrete = True
    of_mean = True
    limits: ClassVar[dict] = {"dispersion": (0.0, "poisson")}

    def distribution(self, mean: Tensor, dispersion: Tensor) -> Any:
        """Return the backend's NegativeBinomial."""
        # As log-odds, because 1 / (1 + dispersion * mean) may round to 1.
        log_odds = backend.math(mean).log(dispersion * mean)
        return backend.distributions.NegativeBinomial(1.0 / dispersion, logits=log_odds)

    def frozen(self, mean: Tensor, dispersion: Tensor) -> Any:
        """Return SciPy-like functions, with tails and quantiles of any dispersion."""
        return FrozenNegativeBinomial(self, mean=mean, dispersion=dispersion)

    def _log_prob(self, y, mean, dispersion):
        return _log_mass(y, mean.log, dispersion.log)

    def _log_zero(self, mean, dispersion):
        m = backend.math(mean.raw)
        return -m.exp(-dispersion.log) * m.softplus(mean.log + dispersion.log)

    def _derivatives(self, y, raw):
        if (self.links["mean"].name, self.links["dispersion"].name) != ("log", "log"):
            return None
        return _derivatives(y, *raw.T)

    def _crps(self, y, mean, dispersion):
        from scipy import stats
        from scipy.special import hyp2f1

        with np.errstate(all="ignore"):  # where the series overflows, Predictive sums over counts
            n, p = 1.0 / dispersion, 1.0 / (1.0 + dispersion * mean)
            at, raised = stats.nbinom.cdf(y, n, p), stats.nbinom.cdf(y - 1.0, n + 1.0, p)
            series = hyp2f1(n + 1.0, 0.5, 2.0, -4.0 * (1.0 - p) / p**2)
            score = y * (2.0 * at - 1.0) - mean / p * (p * (2.0 * raised - 1.0) + series)
            return np.where((dispersion < 1e-4) | (mean < 1e-3), np.nan, score)

    def _start(self, y):
        mean = max(float(np.mean(y)), 0.5 / len(y))
        # The estimate of the mean is the sample mean, whatever the dispersion.
        values, counts = np.unique(y, return_counts=True)

        # By moments, and then by Newton's method.
        log_alpha = np.log(max(float(np.var(y)) / mean - 1.0, 1e-4) / mean)
        for _ in range(50):
            last = np.clip(log_alpha, -9.0, 9.0)
            raw = np.full((2, len(values)), [[np.log(mean)], [last]])
            _, slope, curve = _derivatives(values, *raw)
            first, second = counts @ slope[:, 1], counts @ curve[:, 1, 1]
            step = -first / second if second > 0.0 else -np.sign(first)
            log_alpha = np.clip(last + np.clip(step, -2.0, 2.0), -9.0, 9.0)
            if abs(log_alpha - last) < 1e-9:
                break
        return {"mean": mean, "dispersion": float(np.exp(log_alpha))}


def _log_mass(y, log_mean, log_alpha):
    """Return the log-mass, in whichever of three forms has no large terms that cancel.

    Notes
    -----
    With r = 1 / alpha, n = y + r, p = r / (r + mean) and q = 1 - p, the log-mass is log(Gamma(n) /
    (Gamma(r) y!)) + r log(p) + y log(q). For y < 8 the Gamma ratio is a product of y terms. For y
    and r above 8 it goes by Stirling's series into the deviances of r against n p and of y against
    n q, as in R's `dnbinom`: Loader (2000). Between, only Gamma(n) / y! does.
    """

    def many(y, log_mean, log_alpha):
        large = log_alpha < -math.log(STIRLING_FROM)
        return either(large, _by_deviance, _by_ratio, y, log_mean, log_alpha)

    return either(y < STIRLING_FROM, _directly, many, y, log_mean, log_alpha)


def _directly(y, log_mean, log_alpha):
    """For y < 8: log(Gamma(y + r) / (Gamma(r) r^y)) is the sum of log(1 + j alpha), j < y."""
    m = backend.math(log_mean)
    alpha, r = m.exp(log_alpha), m.exp(-log_alpha)
    few = m.minimum(y, STIRLING_FROM)
    rising = 0.0 * few * alpha
    for j in range(1, int(STIRLING_FROM)):
        rising = rising + m.where(y > j, m.log1p(j * alpha), 0.0 * alpha)
    softplus = m.softplus(log_mean + log_alpha)
    return rising + few * log_mean - (few + r) * softplus - m.lgamma(few + 1.0)


def _derivatives(y, log_mean, log_alpha):
    """Return less the log-mass, its gradients and its Hessians, which keep their digits.

    The Gamma ratio is a product of y terms: of counts that share a dispersion, and are not large,
    the sums of their logarithms and slopes are looked up among those of all counts.
    """
    if shared := (log_alpha == log_alpha[0]).all():
        log_alpha = log_alpha[:1]
    log_alpha = np.minimum(np.maximum(log_alpha, -300.0), 300.0)
    r, t = np.exp(-log_alpha), log_mean + log_alpha
    tail = np.exp(-np.abs(t))
    larger = 1.0 / (1.0 + tail)
    p, q = np.where(t > 0.0, tail, 1.0) * larger, np.where(t > 0.0, 1.0, tail) * larger
    softplus = np.log1p(tail) + np.maximum(t, 0.0)
    if shared and y.max() <= _TABLE:
        table, counts = _up_to(int(y.max()), 1.0 / r[0]), y.astype(int)
        rising, rest, total, bend = (each.take(counts) for each in table)
        value = (y + r) * softplus - y * log_mean - rising
        slope = np.where(q > 0.5, rest - y * p, y * q - total)
    else:
        value = -_log_mass(y, log_mean, log_alpha)
        slope, bend = _rising_slopes(y, np.broadcast_to(r, y.shape), p, q)
    excess = softplus - q  # r times which is r (log(1 + alpha mean) - q)
    near = q < 0.25  # where its terms are near
    excess[near] = -log1p_minus(-q[near])
    by_mean = r * q - y * p
    gradient, hessian = np.empty((2, len(y))).T, np.empty((2, 2, len(y))).T
    gradient[:, 0], gradient[:, 1] = by_mean, slope - r * excess
    hessian[:, 0, 0] = p * q * (y + r)
    hessian[:, 0, 1] = hessian[:, 1, 0] = -q * by_mean
    hessian[:, 1, 1] = r * (excess - q * q) + y * q * p - bend
    return value, gradient, hessian


def _up_to(most, alpha):
    """Return, for y = 0, ..., most, the sums over j < y of four terms, with u = j alpha.

    These are log((1 + u) / (1 + j)), 1 / (1 + u), u / (1 + u) and u / (1 + u)^2.
    """
    j = np.arange(most)
    u = alpha * j
    rest = 1.0 / (1.0 + u)
    terms = [np.log1p(u) - np.log1p(j), rest, u * rest, u * rest * rest]
    table = np.zeros((4, most + 1))
    np.cumsum(terms, axis=1, out=table[:, 1:])
    return table


def _rising_slopes(y, r, p, q):
    """Return y q less the sum of j / (r + j), j < y, and that sum's derivative in -log(r)."""
    many = y >= STIRLING_FROM
    j = np.arange(1.0, STIRLING_FROM)[:, None]
    terms = np.where(y > j, j / (r + j), 0.0)
    slope, bend = y * q - terms.sum(axis=0), (terms * (1.0 - terms)).sum(axis=0)
    if many.any():
        y, r, p, q = y[many], r[many], p[many], q[many]
        n, v = y + r, y / r
        (first_n, first_r), (second_n, second_r) = polygamma_excess(np.stack([n, r]))
        # The sum is y - r log(1 + v) less this; either difference is of large numbers elsewhere.
        rest = r / n * first_n - first_r - 0.5 * y / n
        large, near = r * np.log1p(v), np.minimum(v, 0.25)
        small = r * np.where(v < 0.25, -log1p_minus(near), v - np.log1p(v))
        slope[many] = np.where(v > 1.0, large - y * p, y * q - small) - rest
        part = np.where(v > 1.0, large - r * y / n, y * y / n - small) - rest
        bend[many] = part + (r / n) ** 2 * second_n - second_r - 0.5 * y * (y + 2.0 * r) / n**2
    return slope, bend


def _by_deviance(y, log_mean, log_alpha):
    """For y >= 8 and r > 8: deviances y log(n q / y) + r log(n p / r).

    Their linear parts cancel in full: near 0 they are left out.
    """
    m = backend.math(log_mean)
    r, t = m.exp(-log_alpha), log_mean + log_alpha
    many = m.maximum(y, STIRLING_FROM)
    log_many = m.log(many)
    large = m.maximum(r, STIRLING_FROM)
    # Products with alpha are made of logarithms, since the gradient of alpha alone may overflow.
    log_ratio = log_many + m.minimum(log_alpha, -math.log(STIRLING_FROM))
    log_n_over_r = m.softplus(log_ratio)
    below = m.sigmoid(-t)  # r / (r + mean)
    w = m.expm1(log_mean - log_many) * below  # n q / y - 1
    near_w = m.minimum(m.maximum(w, -0.25), 0.25)
    v = -near_w * m.exp(log_ratio)  # n p / r - 1
    near_v = m.minimum(m.maximum(v, -0.25), 0.25)
    log_v = log_n_over_r - m.softplus(t)
    log_w = m.where(near_w == w, m.log1p(near_w), log_mean - log_many + log_v)
    deviance = m.where(
        (near_w == w) & (near_v == v),
        many * log1p_minus(near_w) + large * log1p_minus(near_v),
        many * log_w + large * log_v,
    )
    corrections = (
        stirling_correction(many + large) - stirling_correction(large) - stirling_correction(many)
    )
    return deviance + corrections - HALF_LOG_2PI - 0.5 * (log_many + log_n_over_r)


def _by_ratio(y, log_mean, log_alpha):
    """For y >= 8 and r <= 8: log(Gamma(y + r) / Gamma(y + 1)) by Stirling's series."""
    m = backend.math(log_mean)
    r, t = m.exp(-log_alpha), log_mean + log_alpha
    many, small = m.maximum(y, STIRLING_FROM), m.minimum(r, STIRLING_FROM)
    ratio = (
        (many + 0.5) * m.log1p((small - 1.0) / (many + 1.0))
        + (small - 1.0) * (m.log(many + small) - 1.0)
        + stirling_correction(many + small)
        - stirling_correction(many + 1.0)
    )
    return ratio - m.lgamma(small) - small * m.softplus(t) - many * m.softplus(-t)


def _entropy(mean, alpha):
    """Return entropies, by Malmsten's integral of the logarithms of Gamma functions, DLMF 5.9.

    With s = 1 - exp(-t) and G(t) = E exp(-t Y) = (1 + alpha mean s)^-r, E log(Gamma(Y + r) /
    (Gamma(r) r^Y Y!)) is the integral of (exp(-r t) - exp(-t)) (mean - (1 - G(t)) / s) / t, t > 0.
    It is had by the trapezoidal rule in log(t).
    """
    r, total, inverse = 1.0 / alpha, np.zeros(mean.shape), alpha + 1.0 / mean
    # Less mean log(a), which is an integral too, of mean (exp(-t) - exp(-a t)) / t: they are near.
    a = np.maximum(1.0 / inverse, 1.0)
    first = np.floor((-38.0 - np.log1p(np.max(mean * (1.0 + alpha)))) / _STEP)
    last = np.ceil((4.0 + np.log(max(1.0, np.max(alpha)))) / _STEP)
    for t in np.exp(_STEP * np.arange(first, last)):
        s = -np.expm1(-t)
        gap = mean + np.expm1(-r * np.log1p(alpha * mean * s)) / s
        total += gap * (np.expm1(-r * t) + s) - mean * (np.expm1(-a * t) + s)
    return mean * np.log(np.maximum(inverse, 1.0)) + r * np.log1p(alpha * mean) - _STEP * total


class FrozenNegativeBinomial(FrozenCounts):
    """Negative binomial distributions: tails by the smaller probability, of success or failure."""

    def cdf(self, k):
        """Return P(Y <= k)."""
        return self._tail(k, False)

    def sf(self, k):
        """Return P(Y > k)."""
        return self._tail(k, True)

    def _tail(self, k, upper):
        from scipy.special import betainc, betaincc

        def by_failure(at, mean, dispersion):
            odds = dispersion * mean
            return (betainc if upper else betaincc)(at, 1.0 / dispersion, odds / (1.0 + odds))

        def by_success(at, mean, dispersion):
            odds = dispersion * mean
            return (betaincc if upper else betainc)(1.0 / dispersion, at, 1.0 / (1.0 + odds))

        def poisson(at, mean, _):
            return gamma_tail(at, mean, not upper)

        def scattered(*args):
            return either(args[1] * args[2] < 1.0, by_failure, by_success, *args)

        mean, dispersion = self.params.values()
        k = np.asarray(k, dtype="float64")
        at = np.where(np.isfinite(k), np.maximum(np.floor(k), 0.0), 0.0) + 1.0
        with np.errstate(all="ignore"):
            limit = mean * dispersion < 1e-13  # where it is one but for rounding
            found = either(limit, poisson, scattered, at, mean, dispersion)
        found = np.where(k < 0, 1.0 * upper, np.where(np.isposinf(k), 1.0 - upper, found))
        return np.where(np.isnan(k), np.nan, found)[()]

    def mean(self):
        """Return the mean."""
        return self.params["mean"] + 0.0 * self.params["dispersion"]

    def var(self):
        """Return the variance."""
        mean, dispersion = self.params.values()
        return mean * (1.0 + dispersion * mean)

    def entropy(self):
        """Return the entropy, in nats: an integral where a sum over counts is longer."""
        mean, dispersion = (np.broadcast_to(v, self.shape).ravel() for v in self.params.values())
        # Elsewhere counts are few, or a rule takes them, or terms cancel.
        short = (mean < 20.0) | (mean * dispersion > 2.0)
        short &= (mean > 1e-290) & (mean < 1000.0) & (dispersion < 1e30)
        found, rows, left = np.empty(mean.shape), np.flatnonzero(short), np.flatnonzero(~short)
        for first in range(0, len(rows), _CHUNK):
            some = rows[first : first + _CHUNK]
            found[some] = _entropy(mean[some], np.maximum(dispersion[some], 1e-200))
        if len(left):
            found[left] = FrozenCounts.entropy(self._of_rows(left))
        return found.reshape(self.shape)[()]

    def _ratio(self, k):
        mean, dispersion = self.params.values()
        odds = mean / (1.0 + dispersion * mean)
        return (odds + odds * dispersion * k) / (k + 1.0)

    def _draw(self, rng, size):
        mean, dispersion = self.params.values()
        held = np.maximum(dispersion, 1e-8 / np.maximum(mean, 1e-300))
        return rng.negative_binomial(1.0 / held, 1.0 / (1.0 + held * mean), size)
