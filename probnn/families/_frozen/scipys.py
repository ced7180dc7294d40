"""SciPy's distributions of all rows, with the density of their family."""

import numpy as np

from probnn.families._frozen.base import Frozen
from probnn.families._frozen.counts import first_count

_HALF_ULP = 2.0**-54  # of a probability above 1/2: what its complement is not known to


class FrozenScipy(Frozen):
    """A frozen SciPy distribution whose density is that of a family.

    The density of a family has digits that SciPy's formulas cancel or overflow; everything else is
    SciPy's. Where that lacks digits too, a subclass has methods of its own.

    Parameters
    ----------
    family : Family
        The family.
    scipys : scipy.stats.distributions.rv_frozen
        Its distributions in SciPy.
    **params : array_like
        The natural parameters, of one shape or numbers.
    """

    def __init__(self, family, scipys, **params):
        self.family, self.scipys, self.discrete = family, scipys, family.discrete
        self.params = {name: np.asarray(v, dtype="float64") for name, v in params.items()}
        self.shape = np.broadcast_shapes(*(v.shape for v in self.params.values()))

    def cdf(self, y):
        """Return P(Y <= y)."""
        return self.scipys.cdf(y)

    def sf(self, y):
        """Return P(Y > y)."""
        return self.scipys.sf(y)

    def logcdf(self, y):
        """Return log P(Y <= y)."""
        return self.scipys.logcdf(y)

    def logsf(self, y):
        """Return log P(Y > y)."""
        return self.scipys.logsf(y)

    def ppf(self, p):
        """Return the smallest y with cdf(y) >= p."""
        return self.scipys.ppf(p)

    def isf(self, q):
        """Return the smallest y with sf(y) <= q."""
        return self.scipys.isf(q)

    def mean(self):
        """Return the mean."""
        return self.scipys.mean()

    def var(self):
        """Return the variance."""
        return self.scipys.var()

    def entropy(self):
        """Return the (differential) entropy, in nats."""
        return super().entropy() if self.discrete else self.scipys.entropy()

    def support(self):
        """Return the ends of the support."""
        return self.scipys.support()

    def _draw(self, rng, size):
        return self.scipys.rvs(size=size, random_state=rng)


class FrozenCounts(FrozenScipy):
    """Counts whose `cdf` and `sf` a subclass has: quantiles are searched for, from SciPy's."""

    def logcdf(self, k):
        """Return log P(Y <= k)."""
        return Frozen.logcdf(self, k)

    def logsf(self, k):
        """Return log P(Y > k)."""
        return Frozen.logsf(self, k)

    def ppf(self, p):
        """Return the smallest k with cdf(k) >= p."""
        p = np.asarray(p, dtype="float64")

        def reached(k):
            if (p <= 0.5).all():
                return self.cdf(k) >= p
            by_sf = self.sf(k) <= _nearly(1.0 - p)
            return by_sf if (p > 0.5).all() else np.where(p > 0.5, by_sf, self.cdf(k) >= p)

        return self._searched(self.scipys.ppf, p, p, 1.0 - p, reached)

    def isf(self, q):
        """Return the smallest k with sf(k) <= q."""
        q = np.asarray(q, dtype="float64")

        def reached(k):
            if (q <= 0.5).all():
                return self.sf(k) <= q
            return np.where(q > 0.5, self.cdf(k) >= 1.0 - q - _HALF_ULP, self.sf(k) <= q)

        return self._searched(self.scipys.isf, q, 1.0 - q, q, reached)

    def _searched(self, scipys, level, p, q, reached):
        from scipy.special import ndtri

        mean, variance = self.mean(), self.var()
        with np.errstate(all="ignore"):
            z = np.where(q < 0.5, -ndtri(q), ndtri(p))
            skewed = (2.0 * variance / mean - 1.0) * (z * z - 1.0) / 6.0
            near = np.floor(np.maximum(mean + z * np.sqrt(variance) + skewed, 0.0))
            near = np.where(mean > 0, near, 0.0)
            # SciPy's search takes long among many counts, and of levels near 0.
            guess, short = near, (mean + 40.0 * np.sqrt(variance) < 1e5) & (level > 1e-30)
            if np.any(short):
                guess = scipys(np.where(short, level, 0.5))
                guess = np.where(short & np.isfinite(guess), guess, near)
            guess = np.where((p >= 0) & (q >= 0), guess, np.nan)
            guess = np.where(p == 0, 0.0, np.where(q == 0, np.inf, guess))
            return first_count(reached, guess)


def _nearly(rest):
    """Return 1 - p and what rounding of p, the cdf of a count, may lack."""
    return rest + np.minimum(_HALF_ULP, 1e-4 * rest)
