"""SciPy-like functions of finite mixtures, in NumPy."""

import numpy as np

from probnn._quadrature import integral
from probnn.families._frozen.base import Frozen
from probnn.families._frozen.tables import from_tables

_CHUNK = 1_000_000  # densities held at once in an integral
_WORTH = 2_000  # densities from which on it pays to make SciPy's distributions anew without them

# Levels whose quantiles, from either end, cut the line into panels on which every component's cdf
# is smooth; what lies outside of them is nothing to float64.
_LEVELS = np.array([1e-18, 1e-15, 1e-12, 1e-10, *10.0 ** np.arange(-8, 0), 0.03, 0.2, 0.3, 0.5])


class FrozenMixture(Frozen):
    """Mixtures of K distributions of one family.

    Parameters
    ----------
    family : Family
        The family of the components.
    weights : array_like, shape (..., K)
        Their probabilities.
    params : dict
        Name -> array, shape (..., K).
    """

    def __init__(self, family, weights, params):
        weights = np.asarray(weights, dtype="float64")
        shape = np.broadcast_shapes(weights.shape, *map(np.shape, params.values()))
        self.family, self.discrete, self.shape = family, family.discrete, shape[:-1]
        self.weights = np.broadcast_to(weights / weights.sum(axis=-1, keepdims=True), shape)
        self.params = {name: np.broadcast_to(values, shape) for name, values in params.items()}
        self.components = family.frozen(**self.params)
        self.stepwise = getattr(self.components, "stepwise", False)

    def _average(self, values):
        """Return the mean over components, whatever those of weight 0 have."""
        return np.where(self.weights > 0, self.weights * values, 0.0).sum(axis=-1)

    def _log_average(self, logs):
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(self.weights > 0, np.log(self.weights) + logs, -np.inf)
            return np.logaddexp.reduce(terms, axis=-1)

    def _flat(self, rows):
        """Return the mixtures of some rows, numbered as in a raveled array."""
        if self.weights.ndim == 2 and np.array_equal(rows, np.arange(len(self.weights))):
            return self
        weights, *values = (
            v.reshape(-1, v.shape[-1])[rows] for v in (self.weights, *self.params.values())
        )
        return FrozenMixture(self.family, weights, dict(zip(self.params, values, strict=True)))

    def _of_rows(self, rows):
        return self._flat(rows)

    def parts(self):
        """Return the weight and the distribution of each component."""
        parts = []
        for k in range(self.weights.shape[-1]):
            params = {name: values[..., k] for name, values in self.params.items()}
            parts.append((self.weights[..., k], self.family.frozen(**params)))
        return parts

    # ---- densities and tails ----------------------------------------------------------------

    def pdf(self, y):
        """Return the density."""
        return self._average(self.components.pdf(np.asarray(y)[..., None]))

    def pmf(self, y):
        """Return P(Y = y)."""
        return self._average(self.components.pmf(np.asarray(y)[..., None]))

    def logpdf(self, y):
        """Return the logarithm of the density."""
        return self._log_average(self.components.logpdf(np.asarray(y)[..., None]))

    def logpmf(self, y):
        """Return log P(Y = y)."""
        return self._log_average(self.components.logpmf(np.asarray(y)[..., None]))

    def cdf(self, y):
        """Return P(Y <= y)."""
        return self._average(self.components.cdf(np.asarray(y)[..., None]))

    def sf(self, y):
        """Return P(Y > y)."""
        return self._average(self.components.sf(np.asarray(y)[..., None]))

    def logcdf(self, y):
        """Return log P(Y <= y)."""
        return self._log_average(self.components.logcdf(np.asarray(y)[..., None]))

    def logsf(self, y):
        """Return log P(Y > y)."""
        return self._log_average(self.components.logsf(np.asarray(y)[..., None]))

    # ---- moments ----------------------------------------------------------------------------

    def mean(self):
        """Return the mean."""
        return self._average(self.components.mean())

    def var(self):
        """Return the variance: that of the components, and that of their means."""
        gap = self.components.mean() - self.mean()[..., None]
        return self._average(self.components.var() + gap**2)

    def support(self):
        """Return the ends of the support."""
        low, high = (np.broadcast_to(end, self.weights.shape) for end in self.components.support())
        return low.min(axis=-1), high.max(axis=-1)

    # ---- quantiles --------------------------------------------------------------------------

    def ppf(self, p):
        """Return the smallest y with cdf(y) >= p."""
        return from_tables(self, p, False) if self.stepwise else self._quantile(p, False)

    def isf(self, q):
        """Return the smallest y with sf(y) <= q."""
        return from_tables(self, q, True) if self.stepwise else self._quantile(q, True)

    def _search(self, rows, level, upper):
        return self._flat(rows)._quantile(level, upper)

    def _masses(self, k):
        # The components first: each has all its rows in a line.
        params = {name: np.moveaxis(v, -1, 0).copy() for name, v in self.params.items()}
        weights = np.moveaxis(self.weights, -1, 0).copy()
        components, none = self.family.frozen(**params), weights == 0
        for each in components._masses(k + np.zeros(weights.shape)):
            each = np.where(none, 0.0, each) if none.any() else each
            yield np.einsum("k...,k...->...", weights, each)

    def _guess(self, p):
        low, high = self.components._guess(np.asarray(p)[..., None])
        low, high = (np.where(self.weights > 0, end, np.nan) for end in (low, high))
        return np.fmin.reduce(low, axis=-1), np.fmax.reduce(high, axis=-1)

    def _solve(self, rows, level, upper, other):
        part = self._flat(rows)
        return part._count(level, upper, other) if self.discrete else part._root(level, upper)

    def _ends(self, level, upper, share=1.0):
        """Return the least and the largest quantile of the components: the mixture's is between.

        Or those at the level over a share (n, K).
        """
        quantile = self.components.isf if upper else self.components.ppf
        with np.errstate(all="ignore"):
            found = quantile(np.minimum(level[:, None] / share, np.ones(self.weights.shape)))
        found = np.where((self.weights > 0) & np.isfinite(found), found, np.nan)
        return np.fmin.reduce(found, axis=-1), np.fmax.reduce(found, axis=-1)

    def _count(self, level, upper, other):
        """Return the smallest counts at which the cdf is at least, or the sf at most, a level.

        Or, by the other tail, its complement: on a plateau of the cdf only one may be rounded so.
        """

        def reached(k):
            p, q = (1.0 - level, level) if upper else (level, 1.0 - level)
            by_cdf = self.cdf(k) >= p if other or not upper else False
            by_sf = self.sf(k) <= q if other or upper else False
            return by_cdf | by_sf

        low, high = self._ends(level, upper)
        first = self.support()[0]
        low = np.where(np.isnan(low), first, low) - 1.0
        high = np.where(np.isnan(high), first, high)
        while (short := ~reached(high) & (high < 1e300)).any():  # SciPy's quantile may fail
            low, high = np.where(short, high, low), np.where(short, 2.0 * high + 1.0, high)
        while (high - low > np.maximum(1.0, 1e-15 * high)).any():
            middle = np.floor(0.5 * (low + high))
            there = reached(middle)
            low, high = np.where(there, low, middle), np.where(there, middle, high)
        return high

    def _root(self, level, upper):
        """Return where a tail has a probability: Newton's steps in its logarithm, or bisection."""
        low, high = self._ends(level, upper)
        # If one component alone makes the tail: a bound as well, and near in tails.
        x = self._ends(level, upper, self.weights)[1 if upper else 0]
        x = np.where(np.isnan(x), high, np.clip(x, low, high))
        bound = self.support()[0]
        margin = 1e-9 * np.maximum(np.maximum(abs(low), abs(high)), high - low)
        low, high = np.maximum(low - margin, bound), high + margin
        found, last, rows, part = x.copy(), high - low, np.arange(len(x)), self
        for _ in range(200):
            tail, density = (part.sf if upper else part.cdf)(x), part.pdf(x)
            with np.errstate(all="ignore"):
                gap = np.log(tail / level)
                above = (gap > 0) != upper
                low, high = np.where(above, low, x), np.where(above, x, high)
                step = (gap if upper else -gap) * tail / density
                newton = x + step
                good = (newton >= low) & (newton <= high) & (abs(step) < 0.5 * last)
                wide = (bound == 0) & (high > 4.0 * low)
                middle = 0.5 * (low + high)
                middle = np.where(wide, np.sqrt(np.maximum(low, 1e-300)) * np.sqrt(high), middle)
                new = np.where(good, newton, middle)
                done = (tail == level) | (abs(step) <= 2e-16 * abs(x))
                new = np.where(done, x, new)
                done |= high - low <= 4e-16 * abs(new)
                done |= (abs(gap) < 1e-12) & ((high - low) * density < 2e-16 * tail)
            found[rows] = new
            if done.all():
                break
            last, x = abs(new - x), new
            out = np.count_nonzero(done)
            if 2 * out > len(done) and out * self.weights.shape[-1] > _WORTH:
                left = ~done
                last, x, low, high, level, bound, rows = (
                    values[left] for values in (last, x, low, high, level, bound, rows)
                )
                part = self._flat(rows)
        return found

    def _range(self):
        if not self.stepwise:
            return super()._range()
        low, high = self.components._range()
        some = self.weights > 0
        return np.where(some, low, np.inf).min(axis=-1), np.where(some, high, 0.0).max(axis=-1)

    # ---- integrals --------------------------------------------------------------------------

    def _panels(self):
        """Return points (n, m), in order, between which every component's cdf is smooth."""
        ends = [side(p) for side in (self.components.ppf, self.components.isf) for p in _LEVELS]
        ends = np.stack(ends, axis=-1)
        ends = np.where((self.weights > 0)[..., None] & np.isfinite(ends), ends, np.nan)
        ends = ends.reshape(len(ends), -1)
        return np.sort(np.fmin(ends, np.fmax.reduce(ends, axis=-1)[:, None]), axis=-1)

    def _integral(self, integrand):
        """Return the sums of integrand(mixtures, rows, edges) over panels, a chunk at once."""
        n = int(np.prod(self.shape))
        step = max(1, _CHUNK // (2 * len(_LEVELS) * self.weights.shape[-1] ** 2))
        total = np.empty(n)
        for first in range(0, n, step):
            rows = np.arange(first, min(first + step, n))
            part = self._flat(rows)
            total[rows] = integrand(part, rows, part._panels()).sum(axis=-1)
        return total.reshape(self.shape)[()]

    def entropy(self):
        """Return the (differential) entropy, in nats."""
        from scipy.special import entr

        if self.discrete:
            return super().entropy()
        positive = self._is_positive()

        def over_panels(part, rows, edges):
            def at(x):
                return entr(part.pdf(x.T).T)

            if not positive:
                return integral(at, edges[:, :-1], np.diff(edges))
            # In log(y): densities may have any power of y near 0.
            edges = np.log(np.maximum(edges, 1e-300))
            return integral(lambda x: np.exp(x) * at(np.exp(x)), edges[:, :-1], np.diff(edges))

        return self._integral(over_panels)

    def crps(self, y):
        """Return the CRPS of continuous mixtures: the integral of (cdf(x) - 1{y <= x})^2."""
        y = np.broadcast_to(y, self.shape).ravel()
        power = 5 if self._is_positive() else 1  # the cdf may be as any power of y near 0

        def over_panels(part, rows, edges):
            inside = np.clip(y[rows], edges[:, 0], edges[:, -1])
            edges = np.sort(np.column_stack([edges, inside]), axis=-1)
            width = np.diff(edges)

            def at(s):
                x = edges[:, :-1] + width * s**power
                gap = part.cdf(x.T).T - (x >= inside[:, None])
                return power * s ** (power - 1) * width * gap**2

            found = integral(at, 0.0, 1.0)
            found[:, 0] += abs(y[rows] - inside)
            return found

        return self._integral(over_panels)

    def _is_positive(self):
        return np.all(self.support()[0] == 0)

    # ---- draws ------------------------------------------------------------------------------

    def _draw(self, rng, size):
        cumulative = np.cumsum(self.weights, axis=-1)
        below = cumulative[..., :-1] <= cumulative[..., -1:] * rng.random(size)[..., None]
        chosen = below.sum(axis=-1)[..., None]
        params = {
            name: np.take_along_axis(np.broadcast_to(v, (*size, v.shape[-1])), chosen, -1)[..., 0]
            for name, v in self.params.items()
        }
        return self.family.frozen(**params).rvs(size=size, random_state=rng)
