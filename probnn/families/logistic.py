"""The logistic distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._location_scale import LocationScale
from probnn.families._numerics import spread
from probnn.families._params import Param
from probnn.families._standard import StandardLogistic
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class Logistic(LocationScale):
    """The logistic distribution: real responses with tails heavier than the normal's.

    Parameters are `loc`, the mean, and `scale`: the variance is (pi scale)^2 / 3, as in R's
    `dlogis` and `scipy.stats.logistic`. The default links are the identity and the logarithm.

    Notes
    -----
    With z = (y - loc) / scale, log p(y) = -z - 2 log(1 + exp(-z)) - log(scale): Johnson, Kotz and
    Balakrishnan, *Continuous Univariate Distributions*, volume 2, 2nd ed., 1995, chapter 23. CRPS:
    Jordan, Krueger and Lerch (2019), doi:10.18637/jss.v090.i12.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Logistic().frozen(loc=1.0, scale=2.0).cdf(1.0))
    0.5
    """

    name = "logistic"
    parameters = {
        "loc": Param("identity", domains.REAL),
        "scale": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.REAL
    standard = StandardLogistic()
    scale_parameter = "scale"

    def distribution(self, loc: Tensor, scale: Tensor) -> Any:
        """Return TFP's Logistic; torch has none."""
        if not hasattr(backend.distributions, "Logistic"):
            return super().distribution(loc=loc, scale=scale)
        return backend.distributions.Logistic(loc, scale)

    def frozen(self, loc: Tensor, scale: Tensor) -> Any:
        """Return `scipy.stats.logistic`."""
        from scipy import stats

        return FrozenScipy(self, Scipys(stats.logistic, loc, scale), loc=loc, scale=scale)

    def _start(self, y):
        loc = float(np.mean(y))
        guess = {"loc": loc, "scale": spread(y, loc) * math.sqrt(3.0) / math.pi}
        return guess if np.ptp(y) == 0.0 else self._maximised(y, guess)

    def _crps(self, y, loc, scale):
        z = (y - loc) / scale
        return scale * (z + 2.0 * np.logaddexp(0.0, -z) - 1.0)
