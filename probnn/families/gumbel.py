"""The Gumbel distribution."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._location_scale import LocationScale
from probnn.families._numerics import spread
from probnn.families._params import Param
from probnn.families._standard import StandardGumbel
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class Gumbel(LocationScale):
    """The Gumbel distribution of maxima: floods, gusts, peak loads.

    Parameters are `loc`, the mode, and `scale`: the mean is loc + 0.5772 scale and the variance
    (pi scale)^2 / 6, as in `scipy.stats.gumbel_r` and R's `evd::dgumbel`. The default links are the
    identity and the logarithm. For minima, model -y.

    Notes
    -----
    With z = (y - loc) / scale, log p(y) = -z - exp(-z) - log(scale): Coles, *An Introduction to
    Statistical Modeling of Extreme Values*, 2001, doi:10.1007/978-1-4471-3675-0, section 3.1. A
    power exp(-z) above exp(40) in float32 and exp(340) in float64 counts as that bound. CRPS:
    Friederichs and Thorarinsdottir (2012), doi:10.1002/env.2176.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Gumbel().frozen(loc=1.0, scale=2.0).mean().round(4))
    2.1544
    """

    name = "gumbel"
    parameters = {
        "loc": Param("identity", domains.REAL),
        "scale": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.REAL
    standard = StandardGumbel()
    scale_parameter = "scale"

    def distribution(self, loc: Tensor, scale: Tensor) -> Any:
        """Return the backend's Gumbel."""
        return backend.distributions.Gumbel(loc, scale)

    def frozen(self, loc: Tensor, scale: Tensor) -> Any:
        """Return `scipy.stats.gumbel_r`, silent in its lower tail."""
        return FrozenScipy(self, Scipys(_quiet(), loc, scale), loc=loc, scale=scale)

    def mean(self, loc: Tensor, scale: Tensor) -> Any:
        """Return loc + 0.5772 scale."""
        return loc + np.euler_gamma * scale

    def _start(self, y):
        mean = float(np.mean(y))
        scale = spread(y, mean) * math.sqrt(6.0) / math.pi
        guess = {"loc": mean - np.euler_gamma * scale, "scale": scale}
        return guess if np.ptp(y) == 0.0 else self._maximised(y, guess)

    def _crps(self, y, loc, scale):
        from scipy.special import exp1

        z = (y - loc) / scale
        # E1(exp(-z)) is z - 0.5772 where exp(-z) is small.
        tail = np.where(z > 40.0, z - np.euler_gamma, exp1(np.exp(-np.clip(z, -700.0, 40.0))))
        return scale * (2.0 * tail - z + np.euler_gamma - math.log(2.0))


@functools.cache
def _quiet():
    """Return SciPy's distribution, without its warnings that exp(-z) is infinite."""
    from scipy import stats

    class Quiet(type(stats.gumbel_r)):
        def _logpdf(self, x):
            with np.errstate(over="ignore"):
                return super()._logpdf(x)

        def _logcdf(self, x):
            with np.errstate(over="ignore"):
                return super()._logcdf(x)

        def _logsf(self, x):
            return Gumbel.standard.log_sf(x)

        def _cdf(self, x):
            with np.errstate(over="ignore"):
                return super()._cdf(x)

        def _sf(self, x):
            with np.errstate(over="ignore"):
                return super()._sf(x)

    return Quiet(name="gumbel_r")
