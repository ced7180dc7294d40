"""Responses of which only bounds are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._wrapper import Wrapper
from probnn.families.discretized import check_tails
from probnn.families.registry import get, register

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from probnn._types import ArrayLike, Floats
    from probnn.families.base import Family
    from probnn.links import Link


@register
class Censored(Wrapper):
    """A continuous family whose responses may be known by bounds alone: times to an event.

    y has two columns, the lower and the upper bound. They are equal where y was seen; the upper is
    infinite where y is right-censored (no event yet); the lower is 0, or -inf for a family of real
    numbers, where y is left-censored; else y is interval-censored. `bounds` makes them of times and
    of whether an event was seen. The parameters are those of the base family, whose distribution is
    what the model predicts.

    Parameters
    ----------
    family : str, dict or Family
        A continuous family whose tails can be computed: "weibull", "log_normal", "log_logistic",
        "exponential", "normal" (the tobit model), "logistic", or a `Mixture` of one.
    link, links
        Of the base's parameters.

    Raises
    ------
    ValueError
        For a family whose tails are not known.

    Notes
    -----
    A row contributes log f(y) if it is exact, log S(lower) if right-censored, log F(upper) if
    left-censored, and log(F(upper) - F(lower)) else: Klein and Moeschberger, *Survival Analysis*,
    2nd ed., 2003, doi:10.1007/b97377, section 3.5. Censoring is taken to be independent of y given
    the features. With Weibull, log-normal and log-logistic bases these are accelerated failure time
    models: R's `survreg`, lifelines' `WeibullAFTFitter`, `LogNormalAFTFitter`,
    `LogLogisticAFTFitter`.

    Examples
    --------
    >>> import probnn as pn
    >>> y = pn.families.Censored.bounds(time=[2.0, 5.0], observed=[True, False])
    >>> y.tolist()
    [[2.0, 2.0], [5.0, inf]]
    >>> round(pn.families.Censored("exponential").start(y)["mean"], 6)  # 7 units for one event
    7.0
    """

    name = "censored"
    censored = True
    y_columns = 2
    y_meaning = "the lower and the upper bound"

    def __init__(
        self,
        family: str | dict[str, Any] | Family,
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        base = get(family)
        check_tails(base)
        super().__init__(base, link, links)
        self.support = domains.Bounds.of(self.family.support)

    @staticmethod
    def bounds(time: ArrayLike, observed: ArrayLike) -> Floats:
        """Return the two columns of y from times and whether they are those of an event.

        Parameters
        ----------
        time : array_like, shape (n,)
            Times of an event, or of the last look.
        observed : array_like, shape (n,)
            1 or True for an event, 0 or False for a time that is right-censored.

        Returns
        -------
        numpy.ndarray, shape (n, 2)

        Raises
        ------
        ValueError
            For arrays of different lengths, or an `observed` that is not 0 or 1.
        """
        time, observed = np.asarray(time, dtype="float64"), np.asarray(observed, dtype="float64")
        if time.ndim != 1 or time.shape != observed.shape:
            raise ValueError(
                "Expected `time` and `observed` with one value for each row. Received: shapes "
                f"{time.shape} and {observed.shape}."
            )
        if not np.isin(observed, (0.0, 1.0)).all():
            raise ValueError("Expected `observed` to be 0 or 1. Received other values.")
        return np.column_stack([time, np.where(observed == 1.0, time, np.inf)])

    @property
    def kind(self) -> str:
        """What a response is that was seen."""
        return self.family.kind

    def distribution(self, **params: Any) -> Any:
        """Return the backend's distribution of what is censored."""
        return self.family.distribution(**params)

    def _distribution(self, **linked):
        return self.family._distribution(**linked)

    def frozen(self, **params: Any) -> Any:
        """Return the frozen distribution of what is censored."""
        return self.family.frozen(**params)

    def _log_prob(self, y, **linked):
        base, m = self.family, backend.math(y)
        lower, upper = y[..., 0], y[..., 1]
        exact, right, left = lower == upper, upper == np.inf, lower <= base.support.low
        inside = m.maximum(m.minimum(lower, base.support.inside), base.support.inside)
        between = ~(exact | left | right)
        # Each form gets values that are its own, and elsewhere some that it can take.
        density = base._log_prob(m.where(exact, lower, inside), **linked)
        above = base._log_sf(m.where(right & ~left, lower, inside), **linked)
        below = base._log_cdf(m.where(left & ~right, upper, inside), **linked)
        low, high = m.where(between, lower, inside), m.where(between, upper, inside + 1.0)
        within = base._log_between(low, high, **linked)
        known = m.where(right, above, m.where(left, below, within))
        return m.where(exact, density, m.where(left & right, 0.0 * known, known))

    def check_seen(self, y: Any, **given: Any) -> None:
        """Raise ValueError if numbers, seen without censoring, are impossible."""
        self.family.check_seen(y, **given)

    def conditioned(self, y: Any) -> tuple[Any, dict[str, Any]]:
        """Return y as the numbers that are random, and what the rest gives."""
        exact = (y[..., 0] == y[..., 1]).all()
        return (y[..., 0] if exact else y), {}

    def log_density(self, y: Any, **params: Any) -> Floats:
        """Return the log-density of numbers, or the log-probability of bounds (..., 2)."""
        return self.frozen_log_prob(self.frozen(**params), np.asarray(y, dtype="float64"))

    def frozen_log_prob(self, frozen: Any, y: Any) -> Floats:
        """Return the log-density, or log-mass, of y under a frozen distribution."""
        if y.ndim == np.ndim(frozen.mean()):
            return self.family.frozen_log_prob(frozen, y)
        lower, upper = y[..., 0], y[..., 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            p, q = frozen.cdf(upper) - frozen.cdf(lower), frozen.sf(lower) - frozen.sf(upper)
            between = np.log(np.where(frozen.sf(lower) < 0.5, q, p))  # by the nearer tail
            known = np.where(upper == np.inf, frozen.logsf(lower), between)
            known = np.where(lower <= self.family.support.low, frozen.logcdf(upper), known)
            return np.where(lower == upper, frozen.logpdf(lower), known)

    def cdf_range(self, frozen: Any, y: Any) -> tuple[Floats, Floats]:
        """Return P(Y < y) and P(Y <= y) under a frozen distribution."""
        if y.ndim == np.ndim(frozen.mean()):
            return self.family.cdf_range(frozen, y)
        return frozen.cdf(y[..., 0]), frozen.cdf(y[..., 1])

    def _crps(self, y, **params):
        return self.family._crps(y, **params)

    def _stand_ins(self, y):
        """Return a number for every response: in the middle of its bounds, or the one it has."""
        lower, upper = y[:, 0], y[:, 1]
        left, right = lower <= self.family.support.low, upper == np.inf
        if right.all():
            raise ValueError(
                "Expected at least one y that is not right-censored. Received: an infinite upper "
                "bound in every row, which any distribution far enough to the right explains."
            )
        with np.errstate(invalid="ignore"):
            middle = np.where(right, lower, np.where(left, upper, 0.5 * lower + 0.5 * upper))
        return middle[~(left & right)]

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are."""
        return self.family.raw_spread(self._stand_ins(y))

    def _start(self, y):
        middle = self._stand_ins(y)
        if self.family.support.low == 0.0:
            middle = middle[middle > 0]
        guess = self.family._start(middle)
        return guess if np.ptp(middle) == 0.0 else self._maximised(y, guess)

    def _support_hint(self):
        return (
            "Give bounds with lower <= upper, equal where y was seen, an upper of inf where it is "
            "right-censored: probnn.families.Censored.bounds(time, observed)."
        )
