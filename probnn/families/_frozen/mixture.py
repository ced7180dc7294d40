"""SciPy-like functions of finite mixtures, in NumPy."""

from functools import cached_property

import numpy as np

from probnn._quadrature import adaptive, kronrod, merged, running
from probnn.families._frozen.base import Frozen
from probnn.families._frozen.tables import from_tables

_CHUNK = 1 << 18  # panels held at once in an integral
_WORTH = 2_000  # densities from which on it pays to make SciPy's distributions anew without them

# Levels whose quantiles, from either end, cut the line into the first panels of integrals; what
# lies outside of them is nothing to float64.
_LEVELS = (1e-18, 1e-4, 0.5)


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
        self.weights = _by_component(weights / weights.sum(axis=-1, keepdims=True), shape)
        self.params = {name: _by_component(values, shape) for name, values in params.items()}

    @cached_property
    def components(self):
        """The distributions of all components."""
        return self.family.frozen(**self.params)

    @property
    def stepwise(self):
        """Whether the probability of a count is soon known from that of the one before."""
        return getattr(self.components, "stepwise", False)

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

    def _logs(self, y):
        y = np.asarray(y)
        new = (1,) * (y.ndim - len(self.shape))
        params = {name: np.moveaxis(v, -1, 0) for name, v in self.params.items()}
        params = {name: v.reshape(len(v), *new, *self.shape) for name, v in params.items()}
        return np.moveaxis(self.family.log_density(y, **params), 0, -1)

    def pdf(self, y):
        """Return the density."""
        return self._average(np.exp(self._logs(y)))

    def pmf(self, y):
        """Return P(Y = y)."""
        return self._average(np.exp(self._logs(y)))

    def logpdf(self, y):
        """Return the logarithm of the density."""
        return self._log_average(self._logs(y))

    def logpmf(self, y):
        """Return log P(Y = y)."""
        return self._log_average(self._logs(y))

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
        relative = not upper and bool(np.all(bound == 0.0))  # log F is smoother in log(y) there
        found, last, rows, part = x.copy(), high - low, np.arange(len(x)), self
        moved, before = np.full(len(x), np.inf), np.full(len(x), np.inf)
        for _ in range(200):
            tail, density = (part.sf if upper else part.cdf)(x), part.pdf(x)
            with np.errstate(all="ignore"):
                gap = np.log(tail / level)
                above = (gap > 0) != upper
                low, high = np.where(above, low, x), np.where(above, x, high)
                unit = x if relative else 1.0
                slope = unit * density / tail
                step = (gap if upper else -gap) / slope
                newton = x * np.exp(step) if relative else x + step
                inside = (newton >= low) & (newton <= high)
                good = inside & (abs(newton - x) < 0.5 * last)
                wide = (bound == 0) & (relative | (high > 4.0 * low))
                middle = 0.5 * (low + high)
                middle = np.where(wide, np.sqrt(np.maximum(low, 1e-300)) * np.sqrt(high), middle)
                new = np.where(good, newton, middle)
                # Newton's error: half of the square, times how fast the slope changes.
                error = 0.5 * step**2 * abs(slope - before) / (slope * moved)
                size = abs(x / unit) + 1.0 / slope
                right = inside & (abs(step) < 1e-9 * size) & (error < 1e-16 * size)
                there = (tail == level) | (abs(step * unit) <= 2e-16 * abs(x))
                new = np.where(there, x, np.where(right, newton, new))
                done = there | right | (new == x)
                done |= high - low <= 4e-16 * abs(new)
                done |= (abs(gap) < 1e-12) & ((high - low) * density < 2e-16 * tail)
            found[rows] = new
            if done.all():
                break
            moved, before = abs(np.log(new / x)) if relative else abs(new - x), slope
            last, x = abs(new - x), new
            out = np.count_nonzero(done)
            if 4 * out > len(done) and out * self.weights.shape[-1] > _WORTH:
                left = ~done
                last, moved, before, x, low, high, level, bound, rows = (
                    values[left]
                    for values in (last, moved, before, x, low, high, level, bound, rows)
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

    def _edges(self):
        """Return points (n, K, 5), in order: quantiles of each component, NaN of weight 0."""
        lower, upper = self.components.ppf, self.components.isf
        ends = np.stack([*map(lower, _LEVELS), *map(upper, _LEVELS[-2::-1])], axis=-1)
        return np.where((self.weights > 0)[..., None] & np.isfinite(ends), ends, np.nan)

    def _middle(self):
        """Return a median of a component, and the largest distance of one to a quartile."""
        middle, upper = (self.components.isf(p) for p in (0.5, 0.25))
        some = self.weights > 0
        unit = np.where(some, upper - middle, 0.0).max(axis=-1)
        return np.where(some, middle, -np.inf).max(axis=-1), np.where(unit > 0, unit, 1.0)

    def _integral(self, integrand, y=None):
        """Return the integrals of integrand(mixtures, line, y, panels), cut at y, in some rows.

        Of positive numbers in log(x), near 0 of which densities may have any power; else in
        asinh(x) of a moved and stretched x: tails may be those of a power. A `line` makes x and its
        slope of the variable of the panels, (starts, widths).
        """
        n, positive = int(np.prod(self.shape)), self._is_positive()

        def along(x, middle, unit):
            if positive:
                return np.log(np.maximum(x, 1e-300))
            return np.arcsinh((x.T - middle) / unit).T

        kink = None if self.family.smooth else len(_LEVELS) - 1  # in the middle
        panels = 2 * len(_LEVELS) * self.weights.shape[-1]
        step = max(1, _CHUNK // panels)
        total = np.empty(n)
        for first in range(0, n, step):
            part = self._flat(np.arange(first, min(first + step, n)))
            edges, beyond, at = part._edges(), 0.0, None
            middle, unit = (None, None) if positive else part._middle()
            cuts = merged(along(edges, middle, unit), kink)
            if y is not None:
                low, high = (each.reduce(edges, axis=(1, 2)) for each in (np.fmin, np.fmax))
                at = np.clip(y[first : first + step], low, high)
                beyond = abs(y[first : first + step] - at)
                cuts = np.sort(np.column_stack([cuts, along(at, middle, unit)]), axis=-1)

            def function(rows, *panels, part=part, at=at, middle=middle, unit=unit):
                def line(u):
                    if positive:
                        x = np.exp(u)
                        return x, x
                    sinh, cosh = _hyperbolic(u)
                    return middle[rows] + unit[rows] * sinh, unit[rows] * cosh

                at = None if at is None else at[rows]
                return integrand(part._flat(rows), line, at, *panels)

            total[first : first + step] = adaptive(function, cuts) + beyond
        return total.reshape(self.shape)[()]

    def entropy(self):
        """Return the (differential) entropy, in nats."""
        return super().entropy() if self.discrete else self._integral(_information)

    def crps(self, y):
        """Return the CRPS of continuous mixtures: the integral of (cdf(x) - 1{y <= x})^2."""
        return self._integral(_squared_gap, np.broadcast_to(y, self.shape).ravel())

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


def _information(part, line, _, start, width):
    """Return -p log(p) of the density p at the nodes of panels."""
    from scipy.special import entr

    x, slope = line(start + kronrod()[0][:, None] * width)
    return slope * entr(part.pdf(x))


def _squared_gap(part, line, y, start, width):
    """Return (cdf(x) - 1{y <= x})^2 at the nodes of panels: a tail, and the density's integral."""
    nodes, weights, _ = kronrod()
    x, slope = line(start + nodes[:, None] * width)
    mass = np.ascontiguousarray(width * slope * part.pdf(x))  # else the products are slow
    gap, left = running() @ mass, x[len(nodes) // 2] < y
    right = ~left
    tail = np.empty(len(left))
    tail[left] = part._flat(left).cdf(line(start)[0][left])
    tail[right] = part._flat(right).sf(line(start + width)[0][right])
    gap = tail + np.where(left, gap, weights @ mass - gap)
    return slope * gap**2


def _hyperbolic(u):
    """Return sinh(u) and cosh(u): NumPy's are slow."""
    up = np.expm1(abs(u))
    down = up / (1.0 + up)  # 1 - exp(-u)
    return np.copysign(0.5 * (up + down), u), 1.0 + 0.5 * (up - down)


def _by_component(values, shape):
    """Return (..., K) values with all rows of a component in a line: NumPy is then fast."""
    values = np.moveaxis(np.broadcast_to(values, shape), -1, 0)
    return np.moveaxis(np.ascontiguousarray(values), 0, -1)
