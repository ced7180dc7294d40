"""Conditional transformation models: a monotone Bernstein polynomial of y."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from probnn import backend, domains
from probnn.families._inversion import solve_tail
from probnn.families._numerics import by_precision, saturate, spread
from probnn.families._params import Param
from probnn.families._standard import StandardLogistic, StandardMinimum, StandardNormal
from probnn.families._transformed import Transformed
from probnn.families.registry import register

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

    from probnn._types import ArrayLike
    from probnn.links import Link

_BASES = {
    "logistic": StandardLogistic(),
    "normal": StandardNormal(),
    "minimum_extreme_value": StandardMinimum(),
}
_PANELS = 8  # between `low` and `high`, for means


@register
class Transformation(Transformed):
    """A density of any shape: a transformation of y, and a shift of it.

    P(Y <= y) = F(h(y) - loc). The transformation h is an increasing Bernstein polynomial between
    `low`, where it is 0, and `high`, and a straight line beyond either. Parameters are `loc`, the
    linear predictor, and `increments`, how much each Bernstein coefficient of h is above the one
    before: by default one vector for all rows, as h is in regression models for ordered classes
    and in Cox's; with `pn.Head(..., constant=[])` a network predicts the shape as well.

    A larger `loc` means a larger y. A coefficient of a linear `loc` is

    - with a logistic base, the logarithm of the odds ratio of Y > y, the same at every y: R's
      `MASS::polr`, `tram::Colr` with the opposite sign;
    - with a base of minimum extreme values, minus the logarithm of the hazard ratio, as hazards of
      all rows are then proportional: R's `survival::coxph`, `tram::Coxph` with the opposite sign;
    - with a normal base, in standard deviations of h(y): `tram::BoxCox`. Of degree 1 it is the
      normal linear model.

    Parameters
    ----------
    low, high : float
        Between which h is a polynomial: about the range of y, as `of` has it.
    degree : int
        Of the polynomial, at least 1: the number of increments.
    base : str
        The distribution F: "logistic", "normal", or "minimum_extreme_value", 1 - exp(-exp(z)).
    link, links
        As for any family.

    Raises
    ------
    ValueError
        For ends that are not numbers in order, a degree or a base that is none.

    Notes
    -----
    Hothorn, Most and Buhlmann (2018), "Most likely transformations", doi:10.1111/sjos.12291; with
    networks Sick, Hothorn and Durr (2021), doi:10.1109/ICPR48806.2021.9413177. The intercept of
    `loc` is minus the first coefficient of h in R's `mlt`, and increments are the differences of
    the others. An increment is held between exp(-28) and exp(28) in float32, exp(-300) and exp(300)
    in float64.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> y = np.random.default_rng(1).gamma(2.0, size=500)
    >>> family = pn.families.Transformation.of(y, degree=4)
    >>> family
    <family transformation: loc (identity), increments (log), 0.0143 to 9.73, degree 4, logistic>
    >>> d = pn.Predictive(family, family.start(y))
    >>> d.cdf(np.median(y)).round(1).item()
    0.5
    >>> model = pn.Sequential([pn.Head(family)])
    """

    name = "transformation"
    support = domains.REAL
    constant_by_default: ClassVar[tuple] = ("increments",)

    def __init__(
        self,
        low: float,
        high: float,
        degree: int = 6,
        base: str = "logistic",
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        if not -math.inf < low < high < math.inf:
            raise ValueError(
                f"Expected numbers `low` < `high`, about the range of y. Received: low={low}, "
                f"high={high}. Transformation.of(y) takes them from y."
            )
        if int(degree) != degree or degree < 1:
            raise ValueError(f"Expected `degree` to be a whole number >= 1. Received: {degree}.")
        if base not in _BASES:
            raise ValueError(
                f"Expected `base` to be one of {', '.join(_BASES)}. Received: {base!r}."
            )
        self.low, self.high, self.degree, self.base = float(low), float(high), int(degree), base
        self.standard = _BASES[base]
        super().__init__(link, links)

    @classmethod
    def of(cls, y: ArrayLike, **options: Any) -> Self:
        """Return the family whose polynomial reaches from the least y to the largest.

        Parameters
        ----------
        y : array_like
            Responses; infinite bounds of censored ones are left out.
        **options
            Other arguments of the family.

        Returns
        -------
        Transformation

        Raises
        ------
        ValueError
            If there are no two different numbers in y.

        Examples
        --------
        >>> import probnn as pn
        >>> pn.families.Transformation.of([3.0, 1.0, 8.5], degree=1).high
        8.5
        """
        y = np.asarray(y, dtype="float64")
        y = y[np.isfinite(y)]
        if y.size == 0 or np.ptp(y) == 0.0:
            raise ValueError(
                "Expected a y of at least two different numbers, between which a polynomial can "
                f"reach. Received: {np.unique(y).tolist()}. Give low= and high= instead."
            )
        return cls(y.min().item(), y.max().item(), **options)

    def _parameters(self):
        return {
            "loc": Param("identity", domains.REAL),
            "increments": Param("log", domains.POSITIVE, size=self.degree),
        }

    def _to_standard(self, y, loc, increments):
        reached, slopes, beyond = self._of_increments(y)
        size = _held(increments.log)
        m = backend.math(size)
        rate = m.total(slopes * size)
        z = m.total(reached * size) + rate * beyond - loc.value
        return z, m.log(rate) - math.log(self._width)

    def _of_increments(self, y):
        """Return how much of each increment h has reached, slopes, and how far y is outside.

        Slopes are in units of high - low, and so is how far: below 0 where y is below `low`.
        """
        m, n = backend.math(y), self.degree
        t, rest = (y - self.low) / self._width, (self.high - y) / self._width
        inside, rest = (m.minimum(m.maximum(each, 0.0), 1.0) for each in (t, rest))
        powers, others = [1.0 + 0.0 * inside], [1.0 + 0.0 * inside]
        for _ in range(n):
            powers.append(powers[-1] * inside)
            others.append(others[-1] * rest)
        reached = [math.comb(n, k) * powers[k] * others[n - k] for k in range(1, n + 1)]
        for k in range(n - 1, 0, -1):
            reached[k - 1] = reached[k - 1] + reached[k]
        slopes = [n * math.comb(n - 1, k) * powers[k] * others[n - 1 - k] for k in range(n)]
        return m.stack(reached), m.stack(slopes), t - inside

    def _derivatives(self, y, raw):
        if [link.name for link in self.links.values()] != ["identity", "log"]:
            return None
        reached, slopes, beyond = self._of_increments(y)
        size = _held(raw[:, 1:])
        line = (reached + beyond[:, None] * slopes) * size
        z, rate = line.sum(axis=-1) - raw[:, 0], (slopes * size).sum(axis=-1)
        value, first, second = _of_standard(self.standard)(z[:, None])
        line = np.column_stack([-np.ones_like(z), line])  # the derivatives of z
        share = np.column_stack([np.zeros_like(z), slopes * size / rate[:, None]])
        gradient = first * line - share
        outer = second * line[:, :, None] * line[:, None, :]
        hessian = outer + share[:, :, None] * share[:, None, :]
        inner = np.arange(1, self.size)
        hessian[:, inner, inner] += gradient[:, 1:]
        return value - np.log(rate / self._width), gradient, hessian

    @property
    def _width(self):
        return self.high - self.low

    def _from_standard(self, z, loc, increments):
        target, total = z + loc, increments.sum(axis=-1)
        n, width = self.degree, self._width
        t = np.where(
            target < 0.0,
            target / (n * increments[..., 0]),
            1.0 + (target - total) / (n * increments[..., -1]),
        )
        inside = np.flatnonzero((target >= 0.0) & (target <= total))
        if len(inside):
            start, size = target[inside] / total[inside], increments[inside]
            unit = Transformation(0.0, 1.0, n)

            def curve(t, rows):
                linked = unit._natural({"loc": np.zeros(len(rows)), "increments": size[rows]})
                h, log_slope = unit._to_standard(t, **linked)
                return h, np.exp(log_slope)

            step = np.full(len(inside), 0.25)
            t[inside] = solve_tail(curve, target[inside], start, step, (0.0, 1.0), near=0.0)
        return np.where(t > 0.5, self.high - (1.0 - t) * width, self.low + t * width)

    def _knots(self, loc, increments):
        ends = np.linspace(self.low, self.high, _PANELS + 1)
        return backend.math(loc).like(ends, loc) + 0.0 * loc[..., None]

    def _start(self, y):
        scale = spread(y, np.mean(y)) / 1.5
        rate = self._width / (self.degree * scale)
        guess = {
            "loc": (float(np.mean(y)) - self.low) / scale,
            "increments": np.full(self.degree, rate),
        }
        return guess if np.ptp(y) == 0.0 else self._maximised(y, guess)

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are."""
        return 1.0

    def _shown(self):
        links = [f"{name} ({link.name})" for name, link in self.links.items()]
        ends = f"{self.low:.3g} to {self.high:.3g}"
        return ", ".join([*links, ends, f"degree {self.degree}", self.base])


def _held(raw):
    """Return increments of their logarithms, held where they could overflow."""
    bound = by_precision(raw, 28.0, 300.0)
    return backend.math(raw).exp(saturate(raw, -bound, bound))


@functools.cache
def _of_standard(standard):
    """Return the function of z (n, 1) that has derivatives of minus a standard log-density."""
    return backend.derivatives(lambda z: -standard.log_density(z[..., 0]))
