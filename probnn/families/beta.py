"""The beta distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._numerics import bernoulli_divergence, log_gamma_excess, polygamma_excess
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class Beta(Family):
    """The beta distribution of shares between 0 and 1: beta regression.

    Parameters are `mean` and `precision`: the variance is mean (1 - mean) / (1 + precision), as in
    R's `betareg` and statsmodels' `BetaModel`. SciPy's a and b are mean * precision and (1 - mean)
    * precision. The default links are the logit and the logarithm.

    Notes
    -----
    With E(a) = log Gamma(a) - a log(a) + a, n the precision and KL the divergence of two Bernoulli
    distributions, log p(y) = E(n) - E(a) - E(b) - n KL(mean || y) - log(y) - log(1 - y), which has
    no large terms that cancel. Ferrari and Cribari-Neto (2004), doi:10.1080/0266476042000214501.
    CRPS: Taillardat, Mestre, Zamo and Naveau (2016), doi:10.1175/MWR-D-15-0260.1.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Beta().frozen(mean=0.5, precision=2.0).cdf(0.25))
    0.25
    """

    name = "beta"
    parameters = {
        "mean": Param("logit", domains.PROBABILITY),
        "precision": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.UNIT

    def distribution(self, mean: Tensor, precision: Tensor) -> Any:
        """Return the backend's Beta."""
        return backend.distributions.Beta(mean * precision, (1.0 - mean) * precision)

    def frozen(self, mean: Tensor, precision: Tensor) -> Any:
        """Return `scipy.stats.beta`, with an entropy that does not loop over rows."""
        from scipy import stats

        a, b = mean * np.asarray(precision), (1.0 - np.asarray(mean)) * precision
        return FrozenBeta(self, Scipys(stats.beta, a, b), mean=mean, precision=precision)

    def _log_prob(self, y, mean, precision):
        m = backend.math(mean.raw)
        log_y, log_rest = m.log(y), m.log1p(-y)
        divergence = bernoulli_divergence(
            m.exp(mean.log),
            log_y - mean.log,
            m.exp(mean.log_complement),
            log_rest - mean.log_complement,
        )
        return (
            log_gamma_excess(precision.log)
            - log_gamma_excess(precision.log + mean.log)
            - log_gamma_excess(precision.log + mean.log_complement)
            - m.exp(precision.log) * divergence
            - log_y
            - log_rest
        )

    def _derivatives(self, y, raw):
        if (self.links["mean"].name, self.links["precision"].name) != ("logit", "log"):
            return None
        linked = self.linked(raw)
        mean, n = linked["mean"], np.exp(raw[:, 1])
        p, q = np.exp(mean.log), np.exp(mean.log_complement)
        d, e = np.log(y) - mean.log, np.log1p(-y) - mean.log_complement
        (first_a, second_a), (first_b, second_b), (first_n, second_n) = (
            (0.5 + part for part in polygamma_excess(x)) for x in (n * p, n * q, n)
        )
        by_mean = n * p * q * (d - e) + q * first_a - p * first_b
        by_precision = first_a + first_b - first_n - n * bernoulli_divergence(p, d, q, e)
        cross = q * second_a - p * second_b - by_mean
        hessian = [
            n * p * q + q**2 * second_a + p**2 * second_b - (q - p) * by_mean,
            cross,
            cross,
            second_a + second_b - second_n - by_precision,
        ]
        gradient = -np.stack([by_mean, by_precision], axis=-1)
        return -self._log_prob(y, **linked), gradient, np.stack(hessian, -1).reshape(-1, 2, 2)

    def _start(self, y):
        mean = min(max(float(np.mean(y)), 1e-300), 1.0 - 2.0**-53)
        variance, most = float(np.var(y)), mean * (1.0 - mean)
        if variance < 1e-12 * most**2:  # one value: any large precision will do to begin with
            return {"mean": mean, "precision": 1e6}
        guess = {"mean": mean, "precision": max(most / variance - 1.0, 1e-3)}
        return self._maximised(y, guess)

    def _crps(self, y, mean, precision):
        from scipy.special import betainc

        log_n, log_a, log_b = np.log([precision, mean * precision, (1.0 - mean) * precision])
        excess = [log_gamma_excess(x) for x in (log_n, log_a, log_b)]
        doubled = [log_gamma_excess(x + np.log(2.0)) for x in (log_n, log_a, log_b)]
        less, more = (v[1] + v[2] - v[0] for v in (excess, doubled))
        log_ratio = more - 2.0 * less
        density = np.exp(self.log_prob(y, self.to_raw({"mean": mean, "precision": precision})))
        cdf = betainc(mean * precision, (1.0 - mean) * precision, y)
        spread = y * (1.0 - y) * density - np.exp(log_ratio)
        score = (y - mean) * (2.0 * cdf - 1.0) + 2.0 / precision * spread
        # Where nearly all is at one end, the terms are nearly equal: Predictive integrates.
        return np.where(np.minimum(mean, 1.0 - mean) * precision < 1e-3, np.nan, score)


class FrozenBeta(FrozenScipy):
    """Beta distributions, whose entropy does not loop over rows."""

    def entropy(self):
        """Return the entropy, without cancelling where a and b are large."""
        total, (mean, n) = 0.0, self.params.values()
        for sign, lost, x in ((1.0, 1.0, mean * n), (1.0, 1.0, (1.0 - mean) * n), (-1.0, 2.0, n)):
            log_x, first = np.log(x), 0.5 + polygamma_excess(x)[0]
            total = total + sign * (log_gamma_excess(log_x) + first + lost * (log_x - first / x))
        return total
