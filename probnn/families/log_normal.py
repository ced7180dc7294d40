"""The log-normal distribution."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._location_scale import LogLocationScale
from probnn.families._numerics import kernel_score, spread
from probnn.families._params import Param
from probnn.families._standard import StandardNormal
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class LogNormal(LogLocationScale):
    """The log-normal distribution of positive responses whose logarithm is normal.

    Parameters are `loc` and `scale`, the mean and the standard deviation of log(y), as in R's
    `dlnorm`; SciPy's `lognorm` has s = scale and scale = exp(loc). The mean is exp(loc +
    scale^2 / 2). The default links are the identity and the logarithm.

    Notes
    -----
    With z = (log(y) - loc) / scale, log p(y) = -z^2 / 2 - log(y scale) - log(2 pi) / 2: Johnson,
    Kotz and Balakrishnan, *Continuous Univariate Distributions*, volume 1, 2nd ed., 1994, chapter
    14. A square z^2 above 1e37 in float32 and 1e300 in float64 counts as that bound. CRPS: Baran
    and Lerch (2015), doi:10.1002/qj.2521.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.LogNormal().frozen(loc=0.0, scale=2.0).median())
    1.0
    """

    name = "log_normal"
    parameters = {
        "loc": Param("identity", domains.REAL),
        "scale": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.POSITIVE
    standard = StandardNormal()
    scale_parameter = "scale"
    heavier = ("log_logistic",)

    def distribution(self, loc: Tensor, scale: Tensor) -> Any:
        """Return the backend's LogNormal."""
        return backend.distributions.LogNormal(loc, scale)

    def frozen(self, loc: Tensor, scale: Tensor) -> Any:
        """Return `scipy.stats.lognorm`, with all digits of its variance."""
        return FrozenScipy(
            self, Scipys(_corrected(), scale, scale=np.exp(loc)), loc=loc, scale=scale
        )

    def mean(self, loc: Tensor, scale: Tensor) -> Any:
        """Return exp(loc + scale^2 / 2)."""
        m = backend.math(scale)
        return m.exp(loc + 0.5 * m.square(scale))

    def _start(self, y):
        log_y = np.log(y)
        loc = float(np.mean(log_y))
        return {"loc": loc, "scale": spread(log_y, loc)}

    def _crps(self, y, loc, scale):
        from scipy.special import log_ndtr, ndtr

        z = (np.log(y) - loc) / scale
        log_mean = loc + 0.5 * scale**2
        # E(Y; Y < y), and half the expected smaller one of two draws.
        below = np.exp(log_mean + log_ndtr(z - scale))
        smaller = np.exp(log_mean + log_ndtr(-scale / math.sqrt(2.0)))
        return y * (2.0 * ndtr(z) - 1.0) + 2.0 * (smaller - below)

    def _mixture_crps(self, y, weights, loc, scale):
        from scipy.special import erf

        def between(i, j):  # E|X - X'| = E(X; X > X') - E(X'; X > X') + the same of X' > X
            both = math.sqrt(2.0) * np.hypot(scale[..., i], scale[..., j])
            gap, found = loc[..., i] - loc[..., j], 0.0
            for side, k in ((gap, i), (-gap, j)):
                found = found + mean[..., k] * erf((side + scale[..., k] ** 2) / both)
            return found

        with np.errstate(all="ignore"):
            y = np.asarray(y, dtype="float64")[..., None]
            mean, z = np.exp(loc + 0.5 * scale**2), (np.log(y) - loc) / scale
            apart = y * erf(math.sqrt(0.5) * z) - mean * erf(math.sqrt(0.5) * (z - scale))
            return kernel_score(weights, apart, between, y + mean)


@functools.cache
def _corrected():
    """Return SciPy's distribution, whose variance cancels for a small scale."""
    from scipy import stats

    class Corrected(type(stats.lognorm)):
        def _stats(self, s):
            mean, _, skewness, kurtosis = super()._stats(s)
            square = s * s
            return mean, np.exp(square) * np.expm1(square), skewness, kurtosis

    return Corrected(a=0.0, name="lognorm", shapes="s")
