"""SciPy-like functions of counts from 0 on, in NumPy."""

import numpy as np

from probnn.families._frozen.base import Frozen
from probnn.families._frozen.counts import first_count
from probnn.families._frozen.tables import from_tables

_HALF_ULP = 2.0**-54  # of a probability above 1/2: what its complement is not known to
_FAR = 8.5  # standard deviations, beyond which a normal distribution has 1e-17
_STEPS = 8  # of Newton's method, at most


class FrozenCounts(Frozen):
    """Counts from 0 on, of which a subclass has `cdf`, `sf`, `_ratio`, `mean`, `var` and `_draw`.

    Parameters
    ----------
    family : Family
        The family, for its density.
    **params : array_like
        The natural parameters, of one shape or numbers.
    """

    discrete = stepwise = True

    def __init__(self, family, **params):
        self.family = family
        self.params = {name: np.asarray(v, dtype="float64") for name, v in params.items()}
        self.shape = np.broadcast_shapes(*(v.shape for v in self.params.values()))

    def support(self):
        """Return the smallest and the largest count."""
        return 0.0, np.inf

    def ppf(self, p):
        """Return the smallest k with cdf(k) >= p."""
        return from_tables(self, p, False)

    def isf(self, q):
        """Return the smallest k with sf(k) <= q."""
        return from_tables(self, q, True)

    def _range(self):
        """Return the first and the last count of each row that a sum needs.

        The lower tail is lighter than a normal one; the upper is a little longer than that of
        Wilson and Hilferty, unless the distribution is very skewed.
        """
        mean, variance = self.mean() + np.zeros(self.shape), self.var() + np.zeros(self.shape)
        with np.errstate(all="ignore"):
            skewed = ~(variance <= 9.0 * mean**2)
            low = np.floor(np.maximum(mean - _FAR * np.sqrt(variance), 0.0))
            high = np.ceil(mean + 1.1 * (self._guess(1.0 - 1e-16)[1] - mean) + 4.0)
        if skewed.any():
            part = self._of_rows(np.flatnonzero(skewed))
            low[skewed], high[skewed] = Frozen._range(part)
        return low, high

    def _search(self, rows, level, upper):
        part = self._of_rows(rows)

        def reached(k):
            near = level <= 0.5
            by_near = _short_of(part, k, level, upper) if near.any() else False
            if near.all():
                return by_near
            rest = 1.0 - level
            if upper:
                by_far = part.cdf(k) >= rest - _HALF_ULP
            else:  # and what rounding of the level, the cdf of a count, may lack
                by_far = part.sf(k) <= rest + np.minimum(_HALF_ULP, 1e-4 * rest)
            return np.where(near, by_near, by_far)

        p, q = (1.0 - level, level) if upper else (level, 1.0 - level)
        with np.errstate(all="ignore"):
            guess = np.where((p >= 0) & (q >= 0), part._near(p, q), np.nan)
            guess = np.where(p == 0, 0.0, np.where(q == 0, np.inf, guess))
            return first_count(reached, guess)

    def _near(self, p, q):
        """Return counts near the quantiles: Newton's method in units of normal quantiles."""
        from scipy.special import ndtri

        z = np.where(q < 0.5, -ndtri(q), ndtri(p))
        mean, variance = self.mean() + 0.0 * z, self.var() + 0.0 * z
        skewed = (2.0 * variance / mean - 1.0) * (z * z - 1.0) / 6.0  # Cornish and Fisher's
        k = np.floor(np.maximum(mean + z * np.sqrt(variance) + skewed, 0.0))
        k = np.where((mean > 0) & ~np.isnan(k), k, 0.0)
        rows = np.flatnonzero(np.isfinite(z) & (mean > 0) & (variance > 0.04 * mean**2))
        for _ in range(_STEPS):
            if not len(rows):
                break
            part, at, left = self._of_rows(rows), k[rows], p[rows] <= 0.5
            tail = np.where(left, part.cdf(at), part.sf(at))
            reached = np.where(left, 1.0, -1.0) * ndtri(tail)
            slope = part.pmf(at) * np.sqrt(2.0 * np.pi) * np.exp(0.5 * reached**2)
            new = np.maximum(np.round(at + (z[rows] - reached) / slope), 0.0)
            new = np.where(np.isfinite(new), np.clip(new, 0.2 * at, 5.0 * at + 10.0), at)
            k[rows], rows = np.floor(new), rows[abs(new - at) > 1.0]
        return k


def _short_of(frozen, k, level, upper):
    """Return whether counts are at least the quantiles at levels of one tail."""
    return frozen.sf(k) <= level if upper else frozen.cdf(k) >= level
