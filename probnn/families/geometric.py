"""The geometric distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.base import Frozen, nearest_count
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class Geometric(Family):
    """The geometric distribution of counts: failures before the first success.

    The parameter is `mean`: the variance is mean + mean^2, as of a negative binomial distribution
    with dispersion 1, and R's `dgeom` has prob = 1 / (1 + mean). SciPy's `geom` counts the success
    as well. The default link is the logarithm.

    Notes
    -----
    log p(y) = y log(mean) - (y + 1) log(1 + mean): Johnson, Kemp and Kotz, *Univariate Discrete
    Distributions*, 3rd ed., 2005, doi:10.1002/0471715816, section 5.2. With q = mean / (1 + mean),
    CRPS is y - 2 mean (1 - q^y) + mean^2 / (1 + 2 mean), a sum of geometric series.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Geometric().frozen(mean=3.0).pmf(0).round(9))
    0.25
    """

    name = "geometric"
    parameters = {"mean": Param("log", domains.NON_NEGATIVE)}
    support = domains.COUNTS
    discrete = True
    of_mean = True

    def distribution(self, mean: Tensor) -> Any:
        """Return the backend's Geometric."""
        # As log-odds, because 1 / (1 + mean) may round to 1.
        return backend.distributions.Geometric(logits=-backend.math(mean).log(mean))

    def frozen(self, mean: Tensor) -> Any:
        """Return SciPy-like functions; those of `scipy.stats.geom` lose means near 0."""
        return FrozenGeometric(self, mean)

    def _log_prob(self, y, mean):
        m = backend.math(mean.raw)
        return -y * m.softplus(-mean.log) - m.softplus(mean.log)

    def _start(self, y):
        # Half a count in all keeps the logarithm finite when every y is 0.
        return {"mean": max(float(np.mean(y)), 0.5 / len(y))}

    def _crps(self, y, mean):
        rate = np.log1p(1.0 / mean)
        return y + 2.0 * mean * np.expm1(-rate * y) + mean / (2.0 + 1.0 / mean)


class FrozenGeometric(Frozen):
    """Geometric distributions, from the mean.

    Parameters
    ----------
    family : Geometric
        The family.
    mean : array_like
        The mean, above 0.
    """

    discrete = stepwise = True

    def __init__(self, family, mean):
        self._mean = np.asarray(mean, dtype="float64")
        self.family, self.params = family, {"mean": self._mean}
        self.shape = self._mean.shape
        with np.errstate(divide="ignore"):
            self._rate = np.log1p(1.0 / self._mean)  # -log of the probability of a failure

    def cdf(self, k):
        """Return P(Y <= k)."""
        return -np.expm1(-self._more(k))

    def sf(self, k):
        """Return P(Y > k)."""
        return np.exp(-self._more(k))

    def _more(self, k):
        return np.maximum(np.floor(k) + 1.0, 0.0) * self._rate

    def ppf(self, p):
        """Return the smallest k with cdf(k) >= p."""
        p = np.asarray(p, dtype="float64")
        with np.errstate(all="ignore"):
            return self._smallest(-np.log1p(-p), lambda k: self.cdf(k) >= p)

    def isf(self, q):
        """Return the smallest k with sf(k) <= q."""
        q = np.asarray(q, dtype="float64")
        with np.errstate(all="ignore"):
            return self._smallest(-np.log(q), lambda k: self.sf(k) <= q)

    def _smallest(self, exponent, reached):
        return nearest_count(np.ceil(exponent / self._rate) - 1.0, reached)

    def mean(self):
        """Return the mean."""
        return self._mean[()]

    def var(self):
        """Return the variance."""
        return self._mean * (1.0 + self._mean)

    def entropy(self):
        """Return the entropy, in nats."""
        return self._mean * self._rate + np.log1p(self._mean)

    def support(self):
        """Return the ends of the support."""
        return 0.0, np.inf

    def _mode(self):
        return np.zeros(self.shape)

    def _ratio(self, k):
        return np.exp(-self._rate)

    def _guess(self, p):
        k = self.ppf(p)
        return k, k

    def _draw(self, rng, size):
        return np.floor(rng.standard_exponential(size) / self._rate)
