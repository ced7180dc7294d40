"""Counts with more zeros than their family has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend
from probnn.families._numerics import logaddexp
from probnn.families._zero_adjusted import ZeroAdjusted
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class ZeroInflated(ZeroAdjusted):
    """Counts of a family, of which some are zero for another reason: zero-inflated regression.

    Parameters are those of the base family, then `inflation`, the probability of a zero that is
    not the base's, with the logit link: the "zero" part of R's `pscl::zeroinfl`, "inflate" in
    statsmodels. The location is that of the base.

    Parameters
    ----------
    family : str, dict or Family
        A family of counts: "poisson", "negative_binomial", "geometric", ...
    link, links
        Of the base's parameters; and of `inflation`, in `links`.

    Raises
    ------
    ValueError
        For a family that is not one of counts from 0 on.

    Notes
    -----
    P(0) = inflation + (1 - inflation) f(0) and P(k) = (1 - inflation) f(k): Lambert (1992),
    doi:10.2307/1269547. The mean is (1 - inflation) times that of the base.

    Examples
    --------
    >>> import probnn as pn
    >>> family = pn.families.ZeroInflated("poisson")
    >>> family
    <family zero_inflated poisson: rate (log), inflation (logit)>
    >>> float(family.mean(rate=4.0, inflation=0.25))
    3.0
    """

    name = "zero_inflated"
    zero = "inflation"

    @property
    def limits(self) -> dict[str, tuple[float, str]]:
        """Where this family is simpler: at no inflation."""
        return {"inflation": (0.0, self.family.label), **self.family.limits}

    def mean(self, inflation: Tensor, **params: Any) -> Any:
        """Return (1 - inflation) times the mean of the base."""
        return (1.0 - inflation) * self.family.mean(**params)

    def _log_prob(self, y, inflation, **linked):
        base = self.family
        outside, inside = inflation.log, inflation.log_complement
        at_zero = logaddexp(outside, inside + self._log_zero_of_base(y, linked))
        return backend.math(at_zero).where(y > 0, inside + base._log_prob(y, **linked), at_zero)

    def _atom(self, inflation, params):
        zero = self.family.frozen(**params).pmf(0)
        return inflation + (1.0 - inflation) * zero, 1.0 - np.asarray(inflation)
