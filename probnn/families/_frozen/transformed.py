"""SciPy-like functions of variables that an increasing function makes standard, in NumPy."""

import numpy as np

from probnn._quadrature import adaptive, kronrod
from probnn.families._frozen.base import Frozen

_LEVELS = (1e-18, 1e-4, 0.5)  # whose quantiles from either end cut integrals into panels


class FrozenTransformed(Frozen):
    """The distributions of a family that is `Transformed`.

    Parameters
    ----------
    family : Transformed
        The family.
    params : dict
        Name -> array of natural parameters.
    """

    def __init__(self, family, params):
        self.family = family
        self.params = {name: np.asarray(v, dtype="float64") for name, v in params.items()}
        rows = (v[..., 0] if family.params[n].shape else v for n, v in self.params.items())
        self.shape = np.broadcast_shapes(*(v.shape for v in rows))

    def _standardised(self, y):
        with np.errstate(over="ignore"):
            natural = self.family._natural(self.params)
            return self.family._to_standard(np.asarray(y, dtype="float64"), **natural)[0]

    def cdf(self, y):
        """Return P(Y <= y)."""
        return np.exp(self.logcdf(y))

    def sf(self, y):
        """Return P(Y > y)."""
        return np.exp(self.logsf(y))

    def logcdf(self, y):
        """Return log P(Y <= y)."""
        return self.family.standard.log_cdf(self._standardised(y))

    def logsf(self, y):
        """Return log P(Y > y)."""
        return self.family.standard.log_sf(self._standardised(y))

    def ppf(self, p):
        """Return the smallest y with cdf(y) >= p."""
        return self._quantile(p, False)

    def isf(self, q):
        """Return the smallest y with sf(y) <= q."""
        return self._quantile(q, True)

    def _solve(self, rows, level, upper, other):
        standard = self.family.standard
        z = (standard.isf if upper else standard.ppf)(level)
        return self.family._from_standard(z, **self._of_rows(rows).params)

    def support(self):
        """Return the ends of the support."""
        return self.family.support.low, self.family.support.high

    def knots(self):
        """Return the knots of the function, each of all rows."""
        knots = self.family._knots(**self.params)
        return [knots[..., j] + np.zeros(self.shape) for j in range(knots.shape[-1])]

    def mean(self):
        """Return the mean."""
        return self._integral(lambda part, x, _: x * part.pdf(x))

    def var(self):
        """Return the variance."""
        center = np.ravel(self.mean())
        return self._integral(lambda part, x, at: (x - at) ** 2 * part.pdf(x), center)

    def entropy(self):
        """Return the (differential) entropy, in nats."""
        from scipy.special import entr

        return self._integral(lambda part, x, _: entr(part.pdf(x)))

    def crps(self, y):
        """Return the CRPS: the integral of (cdf(x) - 1{y <= x})^2."""

        def squared_gap(part, x, at):
            return np.where(x < at, part.cdf(x), part.sf(x)) ** 2

        at = np.broadcast_to(y, self.shape)
        beyond = np.maximum(self.ppf(_LEVELS[0]) - at, 0.0) + np.maximum(
            at - self.isf(_LEVELS[0]), 0.0
        )
        return self._integral(squared_gap, at.ravel()) + beyond

    def _integral(self, integrand, at=None):
        """Return the integrals of integrand(distributions, x, at), cut at numbers `at`."""
        flat = self._of_rows(np.arange(int(np.prod(self.shape))))
        edges = [side(p) for side in (flat.ppf, flat.isf) for p in _LEVELS]
        first, last = np.minimum(edges[0], edges[3]), np.maximum(edges[0], edges[3])
        edges += flat.knots() + ([] if at is None else [at])
        edges = np.clip(np.sort(np.stack(edges, axis=-1), axis=-1), first[:, None], last[:, None])

        def function(rows, start, width):
            x = start + kronrod()[0][:, None] * width
            return integrand(flat._of_rows(rows), x, None if at is None else at[rows])

        return adaptive(function, edges).reshape(self.shape)[()]
