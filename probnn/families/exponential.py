"""The exponential distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._location_scale import LogLocationScale
from probnn.families._numerics import by_precision, saturate
from probnn.families._params import Param
from probnn.families._standard import Mirrored, StandardGumbel
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class Exponential(LogLocationScale):
    """The exponential distribution of times to an event whose hazard is constant.

    The parameter is `mean`, the scale of `scipy.stats.expon`; R's `dexp` has rate = 1 / mean. The
    default link is the logarithm: a Weibull regression of shape 1, or a gamma GLM of dispersion 1.

    Notes
    -----
    log p(y) = -y / mean - log(mean): McCullagh and Nelder (1989), chapter 13,
    doi:10.1201/9780203753736. A ratio y / mean above exp(40) in float32 and exp(340) in float64
    counts as that bound. CRPS: Jordan, Krueger and Lerch (2019), doi:10.18637/jss.v090.i12.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Exponential().frozen(mean=3.0).var())
    9.0
    """

    name = "exponential"
    parameters = {"mean": Param("log", domains.NON_NEGATIVE)}
    support = domains.POSITIVE
    standard = Mirrored(StandardGumbel())
    of_mean = True
    canonical_link = "inverse"

    def distribution(self, mean: Tensor) -> Any:
        """Return the backend's Exponential."""
        return backend.distributions.Exponential(1.0 / mean)

    def frozen(self, mean: Tensor) -> Any:
        """Return `scipy.stats.expon`."""
        from scipy import stats

        return FrozenScipy(self, Scipys(stats.expon, scale=mean), mean=mean)

    def variance(self, mean: Tensor) -> Any:
        """Return mean^2."""
        return mean * mean

    def _line(self, mean):
        return mean.log, 0.0 * mean.log

    def _log_prob(self, y, mean):
        m = backend.math(mean.raw)
        ratio = saturate(m.log(y) - mean.log, high=by_precision(mean.raw, 40.0, 340.0))
        return -m.exp(ratio) - mean.log

    def _derivatives(self, y, raw):
        if self.links["mean"].name != "log":
            return None
        ratio = np.exp(np.log(y) - raw[:, 0])
        return ratio + raw[:, 0], 1.0 - ratio[:, None], ratio[:, None, None]

    def _start(self, y):
        return {"mean": float(np.mean(y))}

    def raw_spread(self, y: Any) -> Any:
        """Return how far apart the raw locations of y are."""
        return self._start(y)["mean"]

    def _crps(self, y, mean):
        return y + mean * (2.0 * np.expm1(-y / mean) + 0.5)
