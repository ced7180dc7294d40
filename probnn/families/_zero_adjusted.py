"""Counts of a base family above zero, and a zero whose probability is its own."""

import numpy as np

from probnn import domains
from probnn.families._frozen.base import Frozen, nearest_count
from probnn.families._params import Param
from probnn.families._wrapper import Wrapper
from probnn.families.registry import get


class ZeroAdjusted(Wrapper):
    """A base family of counts, with one more parameter for the zeros.

    A subclass gives `zero`, the name of that parameter, the last one, and `_atom`.
    """

    discrete = True

    def __init__(self, family, link=None, links=None):
        base = get(family)
        is_counts = base.discrete and base.classes is None and base.y_columns is None
        if not is_counts or base.support.low != 0.0 or base.support.high <= 1.0:
            raise ValueError(
                f"Expected a family of counts from 0 on, as 'poisson'. Received: {base!r}."
            )
        super().__init__(base, link, links)
        self.support, self.discrete = self.family.support, True

    def _parameters(self):
        return {**super()._parameters(), self.zero: Param("logit", domains.PROBABILITY)}

    def _log_zero_of_base(self, y, linked):
        """Return the log-mass of the base at zero, in the shape of y."""
        known = self.family._log_zero(**linked)
        return self.family._log_prob(0.0 * y, **linked) if known is None else known

    def _atom(self, zero, params):
        """Return P(Y = 0), and P(Y = k) / P(B = k) for counts k > 0, B of the base."""
        raise NotImplementedError

    def frozen(self, **params):
        """Return SciPy-like functions of the counts."""
        zero = np.asarray(params.pop(self.zero))
        return FrozenZeroAdjusted(self, {**params, self.zero: zero}, *self._atom(zero, params))

    def _start(self, y):
        n, positive = len(y), y[y > 0]
        share = np.clip(np.mean(y == 0), 0.5 / (n + 1.0), 1.0 - 0.5 / (n + 1.0))
        base = self.family._start(positive if positive.size else y)
        guess = {**base, self.zero: share}
        if positive.size == 0 or positive.size == n:
            return guess
        found = self._maximised(y, guess)
        low = 0.5 / (n + 1.0)  # a probability of 0 or 1 has no raw value to train from
        return {**found, self.zero: float(np.clip(found[self.zero], low, 1.0 - low))}


class FrozenZeroAdjusted(Frozen):
    """Distributions of counts with an adjusted zero.

    Parameters
    ----------
    family : ZeroAdjusted
        The family.
    params : dict
        Its parameters.
    zero : array_like
        P(Y = 0).
    factor : array_like
        P(Y = k) / P(B = k) for k > 0.
    """

    discrete = True

    def __init__(self, family, params, zero, factor):
        self.family, self.params = family, params
        self.base = family.family.frozen(**{name: params[name] for name in family.family.params})
        self.zero, self.factor = np.broadcast_arrays(zero, factor)
        self.shape = self.zero.shape

    def cdf(self, k):
        """Return P(Y <= k)."""
        k = np.asarray(k)
        above = self.zero + self.factor * (self.base.cdf(k) - self.base.cdf(0))
        near = 1.0 - self.factor * self.base.sf(k)
        return np.where(k < 0, 0.0, np.where(above < 0.5, above, near))

    def sf(self, k):
        """Return P(Y > k)."""
        return np.where(np.asarray(k) < 0, 1.0, self.factor * self.base.sf(k))

    def ppf(self, p):
        """Return the smallest count with cdf >= p."""
        p = np.asarray(p, dtype="float64")
        from_base = (p - self.zero) / self.factor + self.base.cdf(0)
        guess = np.where(
            p < 0.5,
            self.base.ppf(np.clip(from_base, 0.0, 1.0)),
            self.base.isf(np.clip((1.0 - p) / self.factor, 0.0, 1.0)),
        )
        k = nearest_count(np.where(p <= self.zero, 0.0, guess), lambda k: self.cdf(k) >= p)
        return np.where(p == 0.0, 0.0, k)

    def isf(self, q):
        """Return the smallest count with sf <= q."""
        q = np.asarray(q, dtype="float64")
        k = self.base.isf(np.clip(q / self.factor, 0.0, 1.0))
        return nearest_count(k, lambda k: self.sf(k) <= q)

    def mean(self):
        """Return the mean."""
        return self.factor * self.base.mean()

    def var(self):
        """Return the variance."""
        mean, factor = self.base.mean(), self.factor
        return factor * self.base.var() + factor * (1.0 - factor) * mean**2

    def support(self):
        """Return the smallest and the largest count."""
        return 0, self.base.support()[1]

    def _draw(self, rng, size):
        return self.isf(1.0 - rng.random(size))
