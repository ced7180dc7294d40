"""Counts whose zeros have a probability of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend
from probnn.families._numerics import by_precision
from probnn.families._zero_adjusted import ZeroAdjusted
from probnn.families.registry import register
from probnn.links import log1mexp

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class Hurdle(ZeroAdjusted):
    """Zero or not, and if not, counts of a family without its zero: hurdle regression.

    Parameters are those of the base family, then `zero_probs`, P(Y = 0), with the logit link: one
    less the probability that R's `pscl::hurdle` models, whose coefficients have the other sign. The
    location is that of the base, before its zero is taken away.

    Parameters
    ----------
    family : str, dict or Family
        A family of counts: "poisson", "negative_binomial", "geometric", ...
    link, links
        Of the base's parameters; and of `zero_probs`, in `links`.

    Raises
    ------
    ValueError
        For a family that is not one of counts from 0 on.

    Notes
    -----
    P(k) = (1 - zero_probs) f(k) / (1 - f(0)) for k > 0: Mullahy (1986),
    doi:10.1016/0304-4076(86)90002-3. The mean is (1 - zero_probs) / (1 - f(0)) times that of the
    base. A -log f(0) below 1e-36 in float32 and 1e-300 in float64 counts as that bound.

    Examples
    --------
    >>> import probnn as pn
    >>> family = pn.families.Hurdle("negative_binomial")
    >>> family
    <family hurdle negative_binomial: mean (log), dispersion (log), zero_probs (logit)>
    """

    name = "hurdle"
    zero = "zero_probs"

    def mean(self, zero_probs: Tensor, **params: Any) -> Any:
        """Return (1 - zero_probs) / (1 - f(0)) times the mean of the base."""
        linked = self.family.linked_to(params)
        at_zero = self._log_zero_of_base(zero_probs, linked)
        positive = -backend.math(at_zero).expm1(at_zero)
        return (1.0 - zero_probs) * self.family.mean(**params) / positive

    def _log_prob(self, y, zero_probs, **linked):
        base, m = self.family, backend.math(y)
        at_zero = -self._log_zero_of_base(y, linked)
        log_positive = log1mexp(m.maximum(at_zero, by_precision(at_zero, 1e-36, 1e-300)))
        above = zero_probs.log_complement + base._log_prob(y, **linked) - log_positive
        return m.where(y > 0, above, zero_probs.log)

    def _atom(self, zero_probs, params):
        positive = -np.expm1(self.family.frozen(**params).logpmf(0))
        return zero_probs, (1.0 - np.asarray(zero_probs)) / positive
