"""SciPy-like functions of distributions of successes among trials, in NumPy."""

import numpy as np

from probnn.families._frozen.base import Frozen
from probnn.families._frozen.tables import from_tables

_CHUNK = 1_000_000  # probabilities held at once in a table


class FrozenTrials(Frozen):
    """Distributions on the counts 0, 1, ..., trials of each row.

    A subclass gives `_log_mass` and `_log_ratio`, and whatever it knows in closed form; the rest is
    by sums over tables of probabilities, some rows at once. A row's table is held as a whole.

    Parameters
    ----------
    trials : array_like
        The number of trials.
    **params : array_like
        Name -> values, of one shape or numbers.
    """

    discrete = stepwise = True

    def __init__(self, trials, **params):
        values = [np.asarray(v, dtype="float64") for v in (trials, *params.values())]
        self.trials, *values = np.broadcast_arrays(*values)
        self.params, self.shape = dict(zip(params, values, strict=True)), self.trials.shape

    def _log_mass(self, k):
        """Return the log-mass of counts, which broadcast against the rows."""
        raise NotImplementedError

    def _log_ratio(self, k, trials, **params):
        """Return log(pmf(k + 1) / pmf(k)) for k < trials."""
        raise NotImplementedError

    def _ratio(self, k):
        left = k < self.trials
        with np.errstate(all="ignore"):
            ratio = np.exp(self._log_ratio(np.where(left, k, 0.0), self.trials, **self.params))
        return np.where(left, ratio, 0.0)

    def _of_rows(self, rows):
        params = {name: v.ravel()[rows] for name, v in self.params.items()}
        return type(self)(self.trials.ravel()[rows], **params)

    def _window(self):
        """Return the least and the largest count that a table needs."""
        return np.zeros(self.shape), self.trials

    def _tables(self):
        """Yield numbers of rows, raveled, their counts (rows, m), and the probabilities of those.

        Counts above a row's last have probability 0.
        """
        low, high = (end.ravel() for end in self._window())
        trials = self.trials.ravel()
        params = {name: v.ravel() for name, v in self.params.items()}
        width = (high - low + 1).astype(np.int64)
        order = np.argsort(-width, kind="stable")
        first = 0
        while first < len(order):
            most = width[order[first]]
            rows = order[first : first + max(1, _CHUNK // most)]
            first += len(rows)
            k = low[rows, None] + np.arange(most)
            n = trials[rows, None]
            each = {name: v[rows, None] for name, v in params.items()}
            with np.errstate(all="ignore"):
                ratio = self._log_ratio(np.minimum(k, n - 1.0)[:, :-1], n, **each)
            logs = np.zeros(k.shape)
            np.cumsum(np.clip(ratio, -750.0, 750.0), axis=1, out=logs[:, 1:])
            logs[k > high[rows, None]] = -np.inf
            mass = np.exp(logs - logs.max(axis=1, keepdims=True))
            yield rows, k, mass / mass.sum(axis=1, keepdims=True)

    def _by_rows(self, values, function):
        """Return function(values of some rows, counts, probabilities) for values of all rows."""
        values = np.asarray(values, dtype="float64")
        shape = np.broadcast_shapes(values.shape, self.shape)
        values = np.broadcast_to(values, shape).reshape(-1, self.trials.size)
        found = np.empty(values.shape)
        for rows, k, mass in self._tables():
            for one, into in zip(values, found, strict=True):
                into[rows] = function(one[rows], k, mass)
        return found.reshape(shape)[()]

    # ---- probabilities and quantiles --------------------------------------------------------

    def logpmf(self, k):
        """Return log P(Y = k)."""
        k = np.asarray(k, dtype="float64")
        valid = (k >= 0) & (k <= self.trials) & (np.floor(k) == k)
        found = self._log_mass(np.where(valid, k, 0.0))
        return np.where(valid, found, np.where(np.isnan(k), np.nan, -np.inf))[()]

    def cdf(self, k):
        """Return P(Y <= k)."""
        return self._by_rows(k, lambda at, k, mass: np.where(k <= at[:, None], mass, 0).sum(axis=1))

    def sf(self, k):
        """Return P(Y > k)."""
        return self._by_rows(k, lambda at, k, mass: np.where(k > at[:, None], mass, 0).sum(axis=1))

    def ppf(self, p):
        """Return the smallest k with cdf(k) >= p."""
        return from_tables(self, p, False)

    def isf(self, q):
        """Return the smallest k with sf(k) <= q."""
        return from_tables(self, q, True)

    def _search(self, rows, level, upper):
        def smallest(level, k, mass):
            if upper:
                at_least = np.cumsum(mass[:, ::-1], axis=1)[:, ::-1]
                return k[:, 0] + (at_least[:, 1:] > level[:, None]).sum(axis=1)
            short = (np.cumsum(mass, axis=1) < level[:, None]) & (mass > 0)
            return k[:, 0] + short.sum(axis=1)

        part = self._of_rows(rows)
        return part._checked(level, part._by_rows(level, smallest))

    def _checked(self, level, k):
        return np.where((level >= 0) & (level <= 1), np.minimum(k, self.trials), np.nan)[()]

    # ---- the rest ---------------------------------------------------------------------------

    def mean(self):
        """Return the mean."""
        return self.trials * self.params["probs"]

    def entropy(self):
        """Return the entropy, in nats."""
        from scipy.special import entr

        def total(_, k, mass):
            # The logarithm of a probability near 1 has its digits from the others.
            top = mass.argmax(axis=1)[:, None]
            largest = np.take_along_axis(mass, top, axis=1)[:, 0]
            np.put_along_axis(mass, top, 0.0, axis=1)
            others = mass.sum(axis=1)
            log_largest = np.where(others < 0.5, np.log1p(-others), np.log(largest))
            return entr(mass).sum(axis=1) - largest * log_largest

        return self._by_rows(0.0, total)

    def support(self):
        """Return the ends of the support."""
        return 0.0, self.trials[()]

    def crps(self, y):
        """Return the CRPS: the sum over k of (cdf(k) - 1{y <= k})^2."""

        def total(at, k, mass):
            below = np.where(k < at[:, None], np.cumsum(mass, axis=1), 0.0)
            above = np.cumsum(mass[:, :0:-1], axis=1)[:, ::-1]
            above = np.where(k[:, :-1] >= at[:, None], above, 0.0)
            return (below**2).sum(axis=1) + (above**2).sum(axis=1)

        return self._by_rows(y, total)
