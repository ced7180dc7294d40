"""The truncated normal distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.truncated_normal import FrozenTruncatedNormal
from probnn.families._numerics import least_log_scale, saturate, spread
from probnn.families._params import Param
from probnn.families._truncation import Truncation
from probnn.families.base import Family
from probnn.families.registry import register

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from probnn._types import Tensor
    from probnn.links import Link


@register
class TruncatedNormal(Family):
    """The normal distribution of responses that lie between bounds: prices from 0 on, scores.

    Parameters are `loc` and `scale`, the mean and the standard deviation before truncation, as in
    `scipy.stats.truncnorm` and R's `truncnorm`. The default links are the identity and the
    logarithm. A response beyond a bound is impossible: where it is recorded as the bound, the model
    is a censored normal one.

    Parameters
    ----------
    low, high : float or None
        The bounds, members of the support. None is for no bound; one of them at least is a number.
    link, links
        As for any family.

    Notes
    -----
    log p(y) = log phi(z) - log(scale) - log(Phi(b) - Phi(a)) with z, a and b the standardised y,
    low and high, made of differences where loc lies outside of the bounds: Johnson, Kotz and
    Balakrishnan, *Continuous Univariate Distributions*, volume 1, 2nd ed., 1994, section 13.10.1. A
    scale below exp(-28) in float32 and exp(-300) in float64 (exp(-690) of NumPy arrays) counts
    as that bound. CRPS: Jordan,
    Krueger and Lerch (2019), doi:10.18637/jss.v090.i12.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.TruncatedNormal(low=0.0).mean(loc=0.0, scale=1.0).round(4))
    0.7979
    """

    name = "truncated_normal"
    parameters = {
        "loc": Param("identity", domains.REAL),
        "scale": Param("log", domains.NON_NEGATIVE),
    }

    def __init__(
        self,
        low: float = 0.0,
        high: float | None = None,
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        first = -math.inf if low is None else float(low)
        last = math.inf if high is None else float(high)
        if not first < last:
            raise ValueError(
                f"Expected bounds low < high, None for no bound. Received: low={low}, high={high}."
            )
        if first == -math.inf and last == math.inf:
            raise ValueError(
                f"Expected at least one bound. Received: low={low}, high={high}. Without bounds it "
                "is the family 'normal'."
            )
        # None, and not infinity, which JSON has no number for.
        self.low = None if first == -math.inf else first
        self.high = None if last == math.inf else last
        self.support = _between(self.low, self.high)
        super().__init__(link, links)

    def distribution(self, loc: Tensor, scale: Tensor) -> Any:
        """Return TFP's TruncatedNormal; torch has none."""
        if (
            self.low is None
            or self.high is None
            or not hasattr(backend.distributions, "TruncatedNormal")
        ):
            return super().distribution(loc=loc, scale=scale)
        return backend.distributions.TruncatedNormal(loc, scale, self.low, self.high)

    def frozen(self, loc: Tensor, scale: Tensor) -> Any:
        """Return SciPy-like functions: `scipy.stats.truncnorm` has no digits far from loc."""
        return FrozenTruncatedNormal(self, loc, scale)

    def mean(self, loc: Tensor, scale: Tensor) -> Any:
        """Return the mean, between the bounds."""
        m = backend.math(loc)
        line = self.line(loc, m.log(scale))
        first = scale * line.first()
        return m.where(
            line.relative,
            line.bound(self) + line.back(first),
            loc + line.back(first),
        )

    def line(self, loc: Tensor, log_scale: Tensor) -> Any:
        """Return the standardised normal between the standardised bounds, a `Truncation`."""
        m = backend.math(loc)
        log_rate = -saturate(log_scale, low=least_log_scale(loc))
        rate = m.exp(log_rate)
        if self.high is None:
            return Truncation((self.low - loc) * rate, False)
        if self.low is None:
            return Truncation((loc - self.high) * rate, True)
        low, high = (self.low - loc) * rate, (self.high - loc) * rate
        flip = low + high < 0.0
        width = self.high - self.low
        return Truncation(m.where(flip, -high, low), flip, width * rate, math.log(width) + log_rate)

    def _log_prob(self, y, loc, scale):
        m = backend.math(loc.raw)
        log_rate = -saturate(scale.log, low=least_log_scale(loc.raw))
        rate = m.exp(log_rate)
        z = (y - loc.value) * rate
        line = self.line(loc.value, scale.log)
        return line.log_density(line.from_near(y, self) * rate, z) + log_rate

    def _start(self, y):
        loc = float(np.mean(y))
        guess = {"loc": loc, "scale": spread(y, loc)}
        if np.ptp(y) == 0.0:
            return guess
        return self._maximised(y, guess)

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are."""
        return spread(y, np.mean(y))

    def _crps(self, y, loc, scale):
        return self.frozen(loc, scale).crps(y)


def _between(low, high):
    """Return the domain of the numbers from low to high."""
    if high is None:
        return domains.Domain(f"the numbers from {low:g} on", low=low, inside=low + 1.0)
    if low is None:
        return domains.Domain(f"the numbers up to {high:g}", high=high, inside=high - 1.0)
    listed, inside = f"the numbers from {low:g} to {high:g}", low + 0.5 * (high - low)
    return domains.Domain(listed, low=low, high=high, inside=inside)
