"""The Poisson distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.unbounded import FrozenCounts
from probnn.families._numerics import (
    STIRLING_FROM,
    either,
    exp_excess,
    gamma_tail,
    log_factorial_excess,
)
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register
from probnn.links import get as get_link

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class Poisson(Family):
    """The Poisson distribution: counts whose variance is their mean.

    The parameter is `rate`, the mean. The default link is the logarithm.

    Notes
    -----
    log p(y) = y log(rate) - rate - log(y!). It is computed with d = log(rate / y) as (y log(y) -
    y - log(y!)) - y (exp(d) - 1 - d), which has no large terms that cancel: Loader (2000), "Fast
    and accurate computation of binomial probabilities". CRPS: Wei and Held (2014),
    doi:10.1007/s11749-014-0380-8.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Poisson().frozen(rate=3.0).mean())
    3.0
    """

    name = "poisson"
    parameters = {"rate": Param("log", domains.NON_NEGATIVE)}
    support = domains.COUNTS
    discrete = True
    of_mean = True
    canonical_link = "log"
    overdispersed = "negative_binomial"

    def distribution(self, rate: Tensor) -> Any:
        """Return the backend's Poisson."""
        return backend.distributions.Poisson(rate)

    def frozen(self, rate: Tensor) -> Any:
        """Return SciPy-like functions, with quantiles of any rate."""
        return FrozenPoisson(self, rate=rate)

    def _log_prob(self, y, rate):
        m = backend.math(rate.raw)

        def many(y, log_rate, _):
            d = log_rate - m.log(m.maximum(y, 1.0))
            return log_factorial_excess(y) - y * exp_excess(d)

        def few(y, log_rate, rate):
            y = m.minimum(y, STIRLING_FROM)
            some = m.where(y > 0, y * log_rate - m.lgamma(y + 1.0), 0.0 * y)
            return some - rate

        return either(y > STIRLING_FROM, many, few, y, rate.log, rate.value)

    def _log_zero(self, rate):
        return -rate.value

    def _derivatives(self, y, raw):
        if self.links["rate"] != get_link("log"):
            return None
        eta = raw[:, 0]
        rate = np.exp(eta)
        return rate - y * eta, (rate - y)[:, None], rate[:, None, None]

    def _start(self, y):
        # Half a count in all keeps the logarithm finite when every y is 0.
        return {"rate": max(float(np.mean(y)), 0.5 / len(y))}

    def _crps(self, y, rate):
        from scipy.special import ive

        frozen = self.frozen(rate)
        # ive is I(x) exp(-x): the exponential of the published form is in it.
        bessel = ive(0, 2.0 * rate) + ive(1, 2.0 * rate)
        return (y - rate) * (2.0 * frozen.cdf(y) - 1.0) + 2.0 * rate * frozen.pmf(y) - rate * bessel


class FrozenPoisson(FrozenCounts):
    """Poisson distributions."""

    def cdf(self, k):
        """Return P(Y <= k)."""
        found = gamma_tail(np.maximum(np.floor(k), 0.0) + 1.0, self.params["rate"], True)
        return np.where(np.asarray(k) < 0, 0.0, np.where(np.isposinf(k), 1.0, found))[()]

    def sf(self, k):
        """Return P(Y > k)."""
        found = gamma_tail(np.maximum(np.floor(k), 0.0) + 1.0, self.params["rate"], False)
        return np.where(np.asarray(k) < 0, 1.0, np.where(np.isposinf(k), 0.0, found))[()]

    def mean(self):
        """Return the mean."""
        return self.params["rate"][()]

    var = mean

    def _ratio(self, k):
        return self.params["rate"] / (k + 1.0)

    def _draw(self, rng, size):
        return rng.poisson(self.params["rate"], size)
