"""What frozen distributions of random vectors share: the distributions of single numbers."""

import numpy as np


class FrozenVector:
    """The tails and quantiles of each of d numbers alone, shape (..., d).

    A subclass gives `_marginal()`, the frozen distribution of shape (..., d).
    """

    def _marginal(self):
        raise NotImplementedError

    def cdf(self, y):
        """Return P(Y_i <= y_i) of each number."""
        return self._marginal().cdf(y)

    def sf(self, y):
        """Return P(Y_i > y_i) of each number."""
        return self._marginal().sf(y)

    def ppf(self, p):
        """Return the quantile of each number at p, shape (...) or (..., d)."""
        marginal = self._marginal()
        return marginal.ppf(_of_rows(p, marginal))

    def isf(self, q):
        """Return the quantile of each number at 1 - q."""
        marginal = self._marginal()
        return marginal.isf(_of_rows(q, marginal))


def _of_rows(level, marginal):
    """Return levels that broadcast against (..., d): one of a row is of all its numbers."""
    level = np.asarray(level, dtype="float64")
    return level[..., None] if 0 < level.ndim < np.ndim(marginal.mean()) else level
