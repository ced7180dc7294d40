"""Distributions whose cdf has been recalibrated by a piecewise-linear map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from probnn._quadrature import gauss_legendre
from probnn.families._frozen import Frozen, parts_of
from probnn.predictive.predictive import Predictive

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import ArrayLike, Floats

_CHUNK = 1_000_000  # numbers held at once in an integral
# Log-odds of levels between which a quantile is as smooth as a polynomial.
_HALVES = np.array([2.0, 4.0, 6.0, 9.0, 13.0, 20.0, 32.0, 64.0, 128.0, 256.0])
_AMONG = np.array([-30.0, -12.0, -6.0, -3.0, -1.0, 1.0, 3.0, 6.0, 12.0, 30.0])
_EDGES = np.concatenate([-_HALVES[::-1], [0.0], _HALVES])


class RecalibratedPredictive(Predictive):
    """The predictive distributions of n rows with cdf R(F(y)), as `isotonic` makes them.

    All methods of a Predictive are those of the recalibrated distributions; `params` are what the
    model predicted, of F.

    Parameters
    ----------
    base : Predictive
        Of F: of numbers on a line, without atoms.
    levels, targets : numpy.ndarray, shape (k,)
        Increasing numbers from 0 to 1, of F and of R: the knots of the map R.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> from probnn.calibration import RecalibratedPredictive
    >>> base = pn.Predictive("normal", {"loc": [0.0], "scale": [1.0]})
    >>> levels, targets = np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.2, 1.0])
    >>> RecalibratedPredictive(base, levels, targets).cdf(0.0).tolist()
    [0.2]
    """

    def __init__(self, base: Predictive, levels: ArrayLike, targets: ArrayLike) -> None:
        super().__init__(base.family, {**base.params, **base.given})
        self.base, self.levels, self.targets = base, levels, targets
        self.labels = base.labels

    @property
    def frozen(self) -> Any:
        """SciPy-like functions of the recalibrated distributions of all rows."""
        if self._frozen is None:
            self._frozen = FrozenRecalibrated(self.base.frozen, self.levels, self.targets)
        return self._frozen

    def mean(self) -> Floats:
        """Return the mean of each row, shape (n,)."""
        return self._of_parts(FrozenRecalibrated.mean)

    def variance(self) -> Floats:
        """Return the variance of each row, shape (n,)."""
        return self._of_parts(FrozenRecalibrated.var)

    def entropy(self) -> Floats:
        """Return the differential entropy of each row in nats, shape (n,)."""
        return self._of_parts(FrozenRecalibrated.entropy)

    def _log_prob(self, y):
        return self.family.frozen_log_prob(self.frozen, y)

    def _crps(self, y):
        return self._of_parts(FrozenRecalibrated.crps, y)

    def _of_parts(self, integral, *values):
        """Return an integral of all rows, of so many at once as a chunk has edges of panels for."""
        edges = len(self.levels) + len(_EDGES) + len(_AMONG) * len(parts_of(self.base.frozen))
        size = max(1, _CHUNK // (edges * int(np.prod(self.shape[1:]))))
        if len(self) <= size:
            return integral(self.frozen, *values)
        parts = [slice(start, start + size) for start in range(0, len(self), size)]
        return np.concatenate(
            [integral(self[part].frozen, *(v[part] for v in values)) for part in parts]
        )

    def _rows(self, index):
        return RecalibratedPredictive(self.base._rows(index), self.levels, self.targets)

    def __repr__(self):
        return f"<Predictive recalibrated {self.family.name}: n={len(self)}>"


class FrozenRecalibrated(Frozen):
    """Distributions with cdf R(F(y)).

    Parameters
    ----------
    base : frozen distribution
        Of F, continuous.
    levels, targets : numpy.ndarray, shape (k,)
        Increasing numbers from 0 to 1: R is linear between them.

    Notes
    -----
    Each tail is computed from the base's own. Moments, entropy and CRPS are integrals over the
    levels of F, of each component if it is a mixture, by Gauss's rule between knots, in terms of
    the log-odds of levels.
    """

    def __init__(self, base, levels, targets):
        self.base, self.levels, self.targets = base, levels, targets
        self.shape = np.shape(base.mean())
        self.slopes = np.diff(targets) / np.diff(levels)

    def _survivals(self, ends):
        return 1.0 - ends[::-1]

    def cdf(self, y):
        """Return P(Y <= y)."""
        return np.interp(self.base.cdf(y), self.levels, self.targets)

    def sf(self, y):
        """Return P(Y > y)."""
        ends = self._survivals(self.levels), self._survivals(self.targets)
        return np.interp(self.base.sf(y), *ends)

    def ppf(self, p):
        """Return the quantile at p."""
        return self.base.ppf(np.interp(p, self.targets, self.levels))

    def isf(self, q):
        """Return the quantile at 1 - q."""
        ends = self._survivals(self.targets), self._survivals(self.levels)
        return self.base.isf(np.interp(q, *ends))

    def logpdf(self, y):
        """Return the logarithm of the density."""
        return np.log(self._slope(self.base.cdf(y))) + self.base.logpdf(y)

    def _slope(self, level):
        return self.slopes[np.searchsorted(self.levels[1:-1], level, side="right")]

    def support(self):
        """Return the ends of the support."""
        return self.base.support()

    # ---- integrals --------------------------------------------------------------------------

    def mean(self):
        """Return the mean; not finite where that of the base is not."""
        of_base = self.base.mean()
        found = of_base + self._integral(lambda y, _: y - of_base)
        return np.where(np.isfinite(of_base), found, of_base)

    def var(self):
        """Return the variance; not finite where that of the base is not."""
        of_base, mean = self.base.var(), self.mean()
        found = self._integral(lambda y, _: (y - mean) ** 2)
        return np.where(np.isfinite(of_base), found, of_base)

    def entropy(self):
        """Return the entropy, in nats."""
        of_map = np.sum(np.diff(self.targets) * np.log(self.slopes))
        low, high = self.base.support()
        ends = np.nextafter(low, high), np.nextafter(high, low)  # where the density is finite
        return -of_map - self._integral(lambda y, _: self.base.logpdf(np.clip(y, *ends)))

    def crps(self, y):
        """Return the CRPS: the integral over p of 2 (1{y < Q(p)} - p) (Q(p) - y)."""
        return self._integral(lambda q, p: 2.0 * ((q > y) - p) * (q - y), [y])

    def _integral(self, term, breaks=()):
        """Return the mean of term(y, P(Y <= y)), which has kinks at the breaks, in each row."""
        shape = self.shape
        inner = self.levels[1:-1].reshape(-1, *[1] * len(shape))
        points = [*self.base.ppf(np.broadcast_to(inner, (len(inner), *shape))), *breaks]
        fixed = np.broadcast_to(_EDGES.reshape(-1, *[1] * len(shape)), (len(_EDGES), *shape))
        total = np.zeros(shape)
        parts = parts_of(self.base)
        if len(parts) > 1:  # in whose panels the others may be narrow
            near = expit(_AMONG)
            points += [part.ppf(p) for _, part in parts for p in near]
        points += [knot for _, part in parts for knot in getattr(part, "knots", tuple)()]
        for weight, part in parts:
            with np.errstate(divide="ignore"):
                odds = [np.log(part.cdf(each)) - np.log(part.sf(each)) for each in points]
            edges = np.concatenate([fixed, np.clip(odds, _EDGES[0], _EDGES[-1])])
            edges = np.sort(edges, axis=0)
            # From the nearer tail, whose quantiles the other one would round away.
            for side, tail in ((np.minimum(edges, 0.0), -1.0), (np.maximum(edges, 0.0), 1.0)):
                total += weight * self._panels(part, side, tail, term)
        return total

    def _panels(self, part, edges, tail, term):
        """Return the integral over one tail of a part, between log-odds of its levels."""
        shape = edges.shape[1:]
        start, gap = edges[:-1], np.diff(edges, axis=0)
        used = gap.any(axis=tuple(range(1, edges.ndim)))
        start, gap = start[used], gap[used]
        nodes, weights = (v.reshape(1, -1, *[1] * len(shape)) for v in gauss_legendre(8))
        step = max(1, _CHUNK // (nodes.size * start[0].size))
        total = np.zeros(shape)
        for i in range(0, len(start), step):
            width = gap[i : i + step, None]
            odds = (start[i : i + step, None] + width * nodes).reshape(-1, *shape)
            mass = expit(odds) * expit(-odds) * (width * weights).reshape(-1, *shape)
            near = expit(tail * -odds)  # the probability beyond, at most a half
            with np.errstate(all="ignore"):  # what is infinite has a mass of 0 to rounding
                y = part.ppf(near) if tail < 0 else part.isf(near)
                level = self.base.cdf(y)
                value = term(y, np.interp(level, self.levels, self.targets)) * self._slope(level)
                total += np.where(mass > 1e-100, mass * value, 0.0).sum(axis=0)
        return total
