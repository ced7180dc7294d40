"""What frozen distributions of random vectors share: the distributions of single numbers."""

import numpy as np

from probnn.families._frozen.base import Frozen


class FrozenVector(Frozen):
    """Distributions of vectors of d numbers in each row.

    Densities, entropy and draws are of the whole vector; tails, quantiles and moments of each of
    its numbers alone, with d columns. A subclass gives `_marginal()`, the frozen distribution of
    shape (..., d).
    """

    def _marginal(self):
        raise NotImplementedError

    def cdf(self, y):
        """Return P(Y_i <= y_i) of each number."""
        return self._marginal().cdf(y)

    def sf(self, y):
        """Return P(Y_i > y_i) of each number."""
        return self._marginal().sf(y)

    def logcdf(self, y):
        """Return log P(Y_i <= y_i) of each number."""
        return self._marginal().logcdf(y)

    def logsf(self, y):
        """Return log P(Y_i > y_i) of each number."""
        return self._marginal().logsf(y)

    def ppf(self, p):
        """Return the quantile of each number at p, shape (...) or (..., d)."""
        return self._marginal().ppf(self._of_rows(p))

    def isf(self, q):
        """Return the quantile of each number at 1 - q."""
        return self._marginal().isf(self._of_rows(q))

    def _of_rows(self, level):
        """Return levels that broadcast against (..., d): one of a row is of all its numbers."""
        level = np.asarray(level, dtype="float64")
        return level[..., None] if 0 < level.ndim <= len(self.shape) else level
