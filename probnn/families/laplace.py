"""The Laplace distribution."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._location_scale import LocationScale
from probnn.families._numerics import spread
from probnn.families._params import Param
from probnn.families._standard import StandardLaplace
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class Laplace(LocationScale):
    """The Laplace, or double exponential, distribution: regression of the median.

    Parameters are `loc`, the mean and the median, and `scale`, the mean absolute deviation: the
    variance is 2 scale^2, as in `scipy.stats.laplace`. The default links are the identity and the
    logarithm. The estimates of `loc` are those of least absolute deviations.

    Notes
    -----
    log p(y) = -abs(y - loc) / scale - log(2 scale): Johnson, Kotz and Balakrishnan, *Continuous
    Univariate Distributions*, volume 2, 2nd ed., 1995, chapter 24. CRPS: Jordan, Krueger and Lerch
    (2019), doi:10.18637/jss.v090.i12.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Laplace().frozen(loc=1.0, scale=2.0).var())
    8.0
    """

    name = "laplace"
    parameters = {
        "loc": Param("identity", domains.REAL),
        "scale": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.REAL
    standard = StandardLaplace()
    scale_parameter = "scale"
    heavier = ("student_t",)
    smooth = False
    loss = "absolute_error"

    def distribution(self, loc: Tensor, scale: Tensor) -> Any:
        """Return the backend's Laplace."""
        return backend.distributions.Laplace(loc, scale)

    def frozen(self, loc: Tensor, scale: Tensor) -> Any:
        """Return `scipy.stats.laplace`, with the logarithms of its tails."""
        return FrozenScipy(self, Scipys(_corrected(), loc, scale), loc=loc, scale=scale)

    def _start(self, y):
        loc = float(np.median(y))
        scale = float(np.mean(np.abs(y - loc)))
        constant = scale <= 1e-12 * np.max(np.abs(y))
        return {"loc": loc, "scale": spread(y, loc) if constant else scale}

    def _crps(self, y, loc, scale):
        z = np.abs(y - loc) / scale
        return scale * (z + np.exp(-z) - 0.75)


@functools.cache
def _corrected():
    """Return SciPy's distribution, whose logarithms are -inf where probabilities underflow."""
    from scipy import stats

    class Corrected(type(stats.laplace)):
        def _logpdf(self, x):
            return Laplace.standard.log_density(x)

        def _logcdf(self, x):
            return Laplace.standard.log_cdf(x)

        def _logsf(self, x):
            return Laplace.standard.log_sf(x)

    return Corrected(name="laplace")
