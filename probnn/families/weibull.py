"""The Weibull distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._location_scale import LogLocationScale
from probnn.families._params import Param
from probnn.families._standard import Mirrored, StandardGumbel
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class Weibull(LogLocationScale):
    """The Weibull distribution of times to an event: accelerated failure, proportional hazards.

    Parameters are `scale`, the time that a share 1 - exp(-1) does not outlive, and `shape`: the
    hazard grows in time with a shape above 1, as in R's `dweibull` and `scipy.stats.weibull_min`.
    The default links are logarithms, so that coefficients of `scale` are those of an accelerated
    failure time model: R's `survreg` with scale = 1 / shape, lifelines' `lambda_` and `rho_`.

    Notes
    -----
    log p(y) = log(shape / scale) + (shape - 1) log(y / scale) - (y / scale)^shape. The logarithm
    of y is location-scale with location log(scale) and scale 1 / shape: Kalbfleisch and Prentice,
    *The Statistical Analysis of Failure Time Data*, 2nd ed., 2002, doi:10.1002/9781118032985,
    section 2.2. A shape above exp(28) in float32 and exp(300) in float64 counts as that bound, and
    (y / scale)^shape above exp(40) and exp(340) as that one. The
    mean is scale Gamma(1 + 1 / shape), and that of the part below y follows from the incomplete
    gamma function: so does the CRPS.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Weibull().frozen(scale=2.0, shape=1.0).mean())
    2.0
    """

    name = "weibull"
    parameters = {
        "scale": Param("log", domains.NON_NEGATIVE),
        "shape": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.POSITIVE
    standard = Mirrored(StandardGumbel())

    def distribution(self, scale: Tensor, shape: tuple[int, ...]) -> Any:
        """Return the backend's Weibull."""
        return backend.distributions.Weibull(concentration=shape, scale=scale)

    def frozen(self, scale: Tensor, shape: tuple[int, ...]) -> Any:
        """Return `scipy.stats.weibull_min`."""
        from scipy import stats

        return FrozenWeibull(
            self, Scipys(stats.weibull_min, shape, scale=scale), scale=scale, shape=shape
        )

    def mean(self, scale: Tensor, shape: tuple[int, ...]) -> Any:
        """Return scale Gamma(1 + 1 / shape)."""
        m = backend.math(scale)
        return scale * m.exp(m.lgamma(1.0 + 1.0 / shape))

    def _line(self, scale, shape):
        return scale.log, -shape.log

    def _derivatives(self, y, raw):
        if (self.links["scale"].name, self.links["shape"].name) != ("log", "log"):
            return None
        shape, log_y = np.exp(raw[:, 1]), np.log(y)
        z = shape * (log_y - raw[:, 0])
        hazard = np.exp(np.minimum(z, 340.0))
        value = hazard - z - raw[:, 1] + log_y
        slope = np.stack([shape * (1.0 - hazard), z * (hazard - 1.0) - 1.0], axis=-1)
        cross = shape * (1.0 - hazard - z * hazard)
        last = z * (hazard - 1.0 + z * hazard)
        hessian = np.stack([shape**2 * hazard, cross, cross, last], axis=-1)
        return value, slope, hessian.reshape(-1, 2, 2)

    def _start(self, y):
        log_y = np.log(y)
        deviation = float(np.std(log_y))
        # The standard deviation of log(y) is pi / (sqrt(6) shape), its mean log(scale) - 0.5772 /
        # shape.
        shape = min(np.pi / np.sqrt(6.0) / max(deviation, 1e-300), 100.0)
        guess = {"scale": float(np.exp(np.mean(log_y) + np.euler_gamma / shape)), "shape": shape}
        return guess if deviation < 1e-12 else self._maximised(y, guess)

    def _crps(self, y, scale, shape):
        from scipy.special import gammainc

        hazard = (y / scale) ** shape
        raised = gammainc(1.0 + 1.0 / shape, hazard)
        return y * (1.0 - 2.0 * np.exp(-hazard)) - self.mean(scale, shape) * (
            2.0 * raised - 0.5 ** (1.0 / shape)
        )


class FrozenWeibull(FrozenScipy):
    """Weibull distributions, with all digits of the variance."""

    def var(self):
        """Return the variance: scale^2 (Gamma(1 + 2 / shape) - Gamma(1 + 1 / shape)^2)."""
        from scipy.special import gammaln, zeta

        scale, shape = self.params.values()
        with np.errstate(all="ignore"):
            c = 1.0 / shape
            small = np.minimum(c, 0.02)
            # The logarithm of the quotient of both terms: near c = 0 by the series of log Gamma.
            series = sum(zeta(k) * (-small) ** k * (2.0**k - 2.0) / k for k in range(2, 12))
            log_ratio = np.where(c > 0.02, gammaln(1.0 + 2.0 * c) - 2.0 * gammaln(1.0 + c), series)
            return np.square(scale * np.exp(gammaln(1.0 + c))) * np.expm1(log_ratio)
