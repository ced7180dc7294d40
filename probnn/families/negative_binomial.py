"""The negative binomial distribution."""

import math
from typing import ClassVar

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenCounts
from probnn.families._numerics import (
    HALF_LOG_2PI,
    STIRLING_FROM,
    either,
    gamma_tails,
    log1p_minus,
    stirling_correction,
)
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register


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

    def distribution(self, mean, dispersion):
        """Return the backend's NegativeBinomial."""
        # As log-odds, because 1 / (1 + dispersion * mean) may round to 1.
        log_odds = backend.math(mean).log(dispersion * mean)
        return backend.distributions.NegativeBinomial(1.0 / dispersion, logits=log_odds)

    def frozen(self, mean, dispersion):
        """Return `scipy.stats.nbinom`, with tails and quantiles of any dispersion."""
        from scipy import stats

        held = np.maximum(dispersion, 1e-8 / np.maximum(mean, 1e-300))
        scipys = stats.nbinom(1.0 / held, 1.0 / (1.0 + held * mean))
        return FrozenNegativeBinomial(self, scipys, mean=mean, dispersion=dispersion)

    def _log_prob(self, y, mean, dispersion):
        return _log_mass(y, mean.log, dispersion.log)

    def _log_zero(self, mean, dispersion):
        m = backend.math(mean.raw)
        return -m.exp(-dispersion.log) * m.softplus(mean.log + dispersion.log)

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
        from scipy.optimize import minimize_scalar

        mean = max(float(np.mean(y)), 0.5 / len(y))
        # The estimate of the mean is the sample mean, whatever the dispersion.
        values, counts = np.unique(y, return_counts=True)

        def loss(log_dispersion):
            return -np.sum(counts * self.frozen(mean, np.exp(log_dispersion)).logpmf(values))

        best = minimize_scalar(loss, bounds=(-9.0, 9.0), method="bounded", options={"xatol": 1e-9})
        return {"mean": mean, "dispersion": float(np.exp(best.x))}


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
        rising = rising + either(y > j, lambda a, j=j: m.log1p(j * a), _nothing, alpha)
    softplus = m.softplus(log_mean + log_alpha)
    return rising + few * log_mean - (few + r) * softplus - m.lgamma(few + 1.0)


def _nothing(x):
    return 0.0 * x


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
            return gamma_tails(at, mean)[0 if upper else 1]

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
