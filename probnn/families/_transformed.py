"""Families of y that an increasing function makes standard: densities of any shape."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend
from probnn._quadrature import gauss_legendre
from probnn.families._frozen.transformed import FrozenTransformed
from probnn.families._numerics import by_precision
from probnn.families._standard import Standard
from probnn.families.base import Family

if TYPE_CHECKING:
    from typing import Any

_NODES, _WEIGHTS = gauss_legendre(16)


class Transformed(Family):
    """A family with P(Y <= y) = F(T(y)), F of a standard distribution and T increasing.

    A subclass gives `standard`, T and its slope in `_to_standard`, its inverse in `_from_standard`,
    and between which knots T has derivatives of any order; beyond the first and the last one it is
    a line.
    """

    standard: Standard
    has_tails = True

    @abstractmethod
    def _to_standard(self, y, **linked):
        """Return T(y), and the logarithm of its slope."""

    @abstractmethod
    def _from_standard(self, z, **params):
        """Return where T is z: NumPy arrays."""

    @abstractmethod
    def _knots(self, **params):
        """Return the knots in order, along the last axis, from arrays or tensors of parameters."""

    def frozen(self, **params: Any) -> Any:
        """Return SciPy-like functions: quantiles by the inverse, moments by quadrature."""
        return FrozenTransformed(self, params)

    def mean(self, **params: Any) -> Any:
        """Return the mean, from arrays or tensors of parameters."""
        first = next(iter(params.values()))
        if isinstance(first, (np.ndarray, np.generic, int, float)):
            return self.frozen(**params).mean()
        m, standard = backend.math(first), self.standard
        knots = self._knots(**params)
        left, width = knots[..., :-1], knots[..., 1:] - knots[..., :-1]
        inner = left[..., None] + width[..., None] * m.like(_NODES, first)
        cdf = m.exp(standard.log_cdf(self._moved(inner, params)[0]))
        between = m.total(width * m.total(m.like(_WEIGHTS, first) * cdf))
        z, log_slope = self._moved(knots, params)
        at, rate = standard.integrated_cdf(z), m.exp(-log_slope)
        above = at[..., -1] - z[..., -1] + standard.mean  # the integral of 1 - F
        return knots[..., -1] - between - rate[..., 0] * at[..., 0] + rate[..., -1] * above

    def _moved(self, y, params):
        """Return T and its log-slope at several y of each row, along one or more last axes."""
        moved = {}
        for name, values in params.items():
            shape = self.params[name].shape
            new = (None,) * (len(y.shape) - len(values.shape) + len(shape))
            moved[name] = values[(..., *new, *[slice(None)] * len(shape))]
        return self._to_standard(y, **self._natural(moved))

    def _log_prob(self, y, **linked):
        z, log_slope = self._to_standard(y, **linked)
        return self.standard.log_density(z) + log_slope

    def _log_cdf(self, y, **linked):
        return self.standard.log_cdf(self._to_standard(y, **linked)[0])

    def _log_sf(self, y, **linked):
        return self.standard.log_sf(self._to_standard(y, **linked)[0])

    def _log_between(self, low, high, **linked):
        start, end = (self._to_standard(y, **linked)[0] for y in (low, high))
        width = backend.math(start).maximum(end - start, by_precision(start, 1e-37, 1e-300))
        return self.standard.log_between(start, width)

    def _crps(self, y, **params):
        return self.frozen(**params).crps(y)
