"""Rational-quadratic splines: normalising flows of one number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._numerics import least_log_scale, saturate, spread
from probnn.families._params import Param
from probnn.families._standard import StandardLogistic, StandardNormal
from probnn.families._transformed import Transformed
from probnn.families.categorical import MultinomialLogit
from probnn.families.registry import register

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from probnn.links import Link

_BASES = {"normal": StandardNormal(), "logistic": StandardLogistic()}
_LEAST = 1e-3  # part of the bins that is shared out equally
_STEEPEST = 6.9  # logarithm of a slope


@register
class SplineFlow(Transformed):
    """A density of any shape: a monotone rational-quadratic spline makes y normal.

    P(Y <= y) = F(s((y - loc) / scale)): between -`reach` and `reach` the function s is a spline of
    bins with `widths` and `heights`, shares that sum to 1, and `slopes` at the knots inside; beyond
    it is the identity, so that the tails are those of a normal distribution with `loc` and `scale`.
    All are predicted for each row unless said otherwise: `pn.Head("spline_flow", constant=[...])`.

    Parameters
    ----------
    bins : int
        The number of bins of the spline, at least 2.
    reach : float
        Between which standardised values the spline is: -`reach` and `reach`.
    base : str
        The distribution F: "normal" or "logistic".
    link, links
        As for any family.

    Raises
    ------
    ValueError
        For a number of bins, a reach or a base that is none.

    Notes
    -----
    Durkan et al. (2019), "Neural spline flows", arXiv:1906.04032. Quantiles are exact, by the
    inverse in closed form. As there no bin vanishes: a thousandth of 2 `reach` is shared out
    equally; a slope is held between exp(-6.9) and exp(6.9). The likelihood may have several maxima
    and has no second derivatives at knots, so that it is for networks, not for `GLM`; training
    starts from the normal distribution.

    Examples
    --------
    >>> import probnn as pn
    >>> family = pn.families.SplineFlow(bins=2)
    >>> params = {"loc": 1.0, "scale": 2.0, "slopes": [1.0]}
    >>> d = pn.Predictive(family, {**params, "widths": [0.5, 0.5], "heights": [0.5, 0.5]})
    >>> d.quantile(0.975).round(2).tolist()  # that of a normal distribution
    [4.92]
    """

    name = "spline_flow"
    support = domains.REAL
    scale_parameter = "scale"
    smooth = False  # at a knot the slope of the density jumps

    def __init__(
        self,
        bins: int = 8,
        reach: float = 3.0,
        base: str = "normal",
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        if int(bins) != bins or bins < 2:
            raise ValueError(f"Expected `bins` to be a whole number >= 2. Received: {bins}.")
        if not 0.0 < reach < float("inf"):
            raise ValueError(f"Expected `reach` to be a number above 0. Received: {reach}.")
        if base not in _BASES:
            raise ValueError(
                f"Expected `base` to be one of {', '.join(_BASES)}. Received: {base!r}."
            )
        self.bins, self.reach, self.base = int(bins), float(reach), base
        self.standard = _BASES[base]
        super().__init__(link, links)

    @classmethod
    def sizes(cls, params: dict[str, Any]) -> dict[str, int]:
        """Return the number of bins, that of their widths."""
        shape = np.shape(params.get("widths", ()))
        return {"bins": shape[-1]} if shape and shape[-1] > 1 else {}

    def _parameters(self):
        inner, shares = self.bins - 1, domains.SIMPLEX
        return {
            "loc": Param("identity", domains.REAL),
            "scale": Param("log", domains.NON_NEGATIVE),
            "widths": Param(MultinomialLogit(), shares, inner, self.bins),
            "heights": Param(MultinomialLogit(), shares, inner, self.bins),
            "slopes": Param("log", domains.POSITIVE, inner),
        }

    def _to_standard(self, y, loc, scale, widths, heights, slopes):
        m = backend.math(loc.value)
        log_rate = -saturate(scale.log, low=least_log_scale(scale.log))
        x = (y - loc.value) * m.exp(log_rate)
        inside = m.minimum(m.maximum(x, -self.reach), self.reach)
        at, bottom, width, height, first, last = self._bin(inside, widths, heights, slopes)
        t = m.minimum(m.maximum((inside - at) / width, 0.0), 1.0)  # but for rounding it is
        t = m.where(inside < self.reach, t, 0.0 * t + 1.0)  # which a steep bin would enlarge beyond
        rest, mean = 1.0 - t, height / width
        under = mean + (first + last - 2.0 * mean) * t * rest
        z = bottom + height * (mean * t * t + first * t * rest) / under + (x - inside)
        slope = last * t * t + 2.0 * mean * t * rest + first * rest * rest
        return z, 2.0 * m.log(mean / under) + m.log(slope) + log_rate

    def _bin(self, value, widths, heights, slopes, inverse=False):
        """Return of the bin that a value, or z, is in: its corner, its size, and slopes."""
        across, up = (self._sizes(shares.value) for shares in (widths, heights))
        slope = backend.math(slopes.log).exp(saturate(slopes.log, -_STEEPEST, _STEEPEST))
        m = backend.math(slope)
        left, bottom = (m.after_zero(m.cumsum(each, axis=-1)) - self.reach for each in (across, up))
        ends = (bottom if inverse else left)[..., 1:-1]
        passed = value[..., None] - ends >= 0.0
        number = m.total(m.where(passed, 0.0 * ends + 1.0, 0.0 * ends))
        one = 0.0 * slope[..., :1] + 1.0
        tables = left, bottom, across, up, m.concatenate([one, slope]), m.concatenate([slope, one])
        return [m.pick(table, number) for table in tables]

    def _sizes(self, shares):
        """Return the sizes of bins."""
        return 2.0 * self.reach * (_LEAST / self.bins + (1.0 - _LEAST) * shares)

    def _from_standard(self, z, **params):
        linked = self._natural(params)
        loc, scale = params["loc"], params["scale"]
        inside = np.clip(z, -self.reach, self.reach)
        shape = (linked[name] for name in ("widths", "heights", "slopes"))
        at, bottom, width, height, first, last = self._bin(inside, *shape, inverse=True)
        mean, gap = height / width, inside - bottom
        bend = gap * (first + last - 2.0 * mean)
        a, b, c = height * (mean - first) + bend, height * first - bend, -mean * gap
        t = -2.0 * c / (b + np.sqrt(np.maximum(b * b - 4.0 * a * c, 0.0)))
        return loc + scale * (at + t * width + (z - inside))

    def _knots(self, loc, scale, widths, **_):
        m = backend.math(widths)
        x = m.after_zero(m.cumsum(self._sizes(widths), axis=-1)) - self.reach
        return loc[..., None] + scale[..., None] * x

    def _start(self, y):
        mean = float(np.mean(y))
        equal, ones = np.full(self.bins, 1.0 / self.bins), np.ones(self.bins - 1)
        start = {"loc": mean, "scale": spread(y, mean)}
        return {**start, "widths": equal, "heights": equal, "slopes": ones}
