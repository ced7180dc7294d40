"""Families of a standard distribution that is moved and stretched, perhaps on the scale of logs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend
from probnn.families._expected import expected_information
from probnn.families._numerics import by_precision, least_log_scale, saturate
from probnn.families._standard import Standard
from probnn.families.base import Family

if TYPE_CHECKING:
    from typing import Any


class LocationScale(Family):
    """A family of y = loc + scale * Z, with Z of a standard distribution.

    A subclass gives `standard`; its parameters are `loc` and `scale`, unless it says in `_line`
    what stands for them.

    Notes
    -----
    A scale below exp(-28) in float32 and exp(-300) in float64 counts as that bound; of NumPy arrays
    one below exp(-690).
    """

    standard: Standard
    has_tails = True

    def _line(self, loc, scale):
        """Return the location, and the logarithm of the scale."""
        return loc.value, scale.log

    def _on_line(self, y):
        """Return y on the scale of Z, and the logarithm of the derivative."""
        return y, 0.0

    def _distance(self, low, high):
        """Return the distance of two responses on the scale of Z."""
        return high - low

    def _standardised(self, y, linked):
        """Return z, the log-derivative of z in y, and the logarithm of 1 / scale."""
        loc, log_scale = self._line(**linked)
        m = backend.math(loc)
        log_rate = -saturate(log_scale, low=least_log_scale(loc))
        y, log_slope = self._on_line(y)
        return (y - loc) * m.exp(log_rate), log_rate + log_slope, log_rate

    def _log_prob(self, y, **linked):
        z, log_slope, _ = self._standardised(y, linked)
        return self.standard.log_density(z) + log_slope

    def _log_cdf(self, y, **linked):
        return self.standard.log_cdf(self._standardised(y, linked)[0])

    def _log_sf(self, y, **linked):
        return self.standard.log_sf(self._standardised(y, linked)[0])

    def _log_between(self, low, high, **linked):
        z, _, log_rate = self._standardised(low, linked)
        m = backend.math(log_rate)
        width = self._distance(low, high) * m.exp(log_rate)
        width = m.maximum(width, by_precision(width, 1e-37, 1e-300))  # none rounds to 0
        return self.standard.log_between(z, width)

    def _information(self, raw):
        links = [self.links[name].name for name in self.params]
        if links != ["identity", "log"]:
            return None
        rate = np.exp(-raw[:, 1])
        stretch = np.stack([rate, np.ones_like(rate)], axis=-1)
        return stretch[:, :, None] * _of_standard(type(self)) * stretch[:, None, :]

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are."""
        return self._start(y)["scale"]


@functools.cache
def _of_standard(cls):
    """Return the information (2, 2) of the location and the log-scale at loc 0 and scale 1."""
    return expected_information(cls(), np.zeros((1, 2)))[0]


class LogLocationScale(LocationScale):
    """A family of log(y) = loc + scale * Z: of positive y."""

    def _on_line(self, y):
        log_y = backend.math(y).log(y)
        return log_y, -log_y

    def _distance(self, low, high):
        return backend.math(low).log1p((high - low) / low)
