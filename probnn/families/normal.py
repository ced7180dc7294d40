"""The normal distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._location_scale import LocationScale
from probnn.families._numerics import HALF_LOG_2PI, spread
from probnn.families._params import Param
from probnn.families._standard import StandardNormal
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Floats, Tensor


@register
class Normal(LocationScale):
    """The normal distribution: linear regression, and heteroscedastic regression.

    Parameters are `loc`, the mean, and `scale`, the standard deviation. The default links are the
    identity and the logarithm.

    Notes
    -----
    log p(y) = -((y - loc) / scale)^2 / 2 - log(scale) - log(2 pi) / 2. A scale below exp(-28) in
    float32 and exp(-300) in float64 counts as that bound, and a square above 1e37 and 1e300 as that
    one, so that the loss stays finite. CRPS: Gneiting and Raftery (2007),
    doi:10.1198/016214506000001437.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Normal().frozen(loc=1.0, scale=2.0).cdf(1.0))
    0.5
    """

    name = "normal"
    aliases = ("gaussian",)
    parameters = {
        "loc": Param("identity", domains.REAL),
        "scale": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.REAL
    standard = StandardNormal()
    scale_parameter = "scale"
    of_mean = True
    canonical_link = "identity"
    loss = "squared_error"

    def distribution(self, loc: Tensor, scale: Tensor) -> Any:
        """Return the backend's Normal."""
        return backend.distributions.Normal(loc, scale)

    def frozen(self, loc: Tensor, scale: Tensor) -> Any:
        """Return `scipy.stats.norm`."""
        from scipy import stats

        return FrozenScipy(self, Scipys(stats.norm, loc, scale), loc=loc, scale=scale)

    def variance(self, loc: Tensor, scale: Tensor) -> Any:
        """Return scale^2."""
        return np.broadcast_arrays(scale * scale, loc)[0]

    def _derivatives(self, y, raw):
        if (self.links["loc"].name, self.links["scale"].name) != ("identity", "log"):
            return None
        precision = np.exp(-raw[:, 1])
        z = (y - raw[:, 0]) * precision
        value = 0.5 * z**2 + raw[:, 1] + HALF_LOG_2PI
        cross = 2.0 * z * precision
        hessian = np.stack([precision**2, cross, cross, 2.0 * z**2], axis=-1)
        return value, np.stack([-z * precision, 1.0 - z**2], -1), hessian.reshape(-1, 2, 2)

    def with_dispersion(self, phi: float | Floats) -> dict[str, Any]:
        """Return the scale that a GLM's dispersion phi stands for."""
        return {"scale": np.sqrt(phi)}

    def _start(self, y):
        loc = float(np.mean(y))
        return {"loc": loc, "scale": spread(y, loc)}

    def _crps(self, y, loc, scale):
        from scipy.special import erf

        z = (y - loc) / scale
        inside = z * erf(np.sqrt(0.5) * z) + np.sqrt(2.0 / np.pi) * np.exp(-0.5 * z * z)
        return scale * (inside - 1.0 / np.sqrt(np.pi))

    def _mixture_crps(self, y, weights, loc, scale):
        # sum of w_i A(y - m_i, s_i) - sum of w_i w_j A(m_i - m_j, s_ij) / 2, A(X) = E|X|
        found = (weights * _mean_size(np.asarray(y)[..., None] - loc, scale)).sum(axis=-1)
        for i in range(loc.shape[-1]):  # pairs at one distance at once: no table of all of them
            j = slice(i, None)
            both = np.hypot(scale[..., i, None], scale[..., j])
            size = _mean_size(loc[..., i, None] - loc[..., j], both)
            pairs = (weights[..., j] * size).sum(axis=-1) - 0.5 * weights[..., i] * size[..., 0]
            found = found - weights[..., i] * pairs
        return found


def _mean_size(loc, scale):
    """Return E|X| of a normal X."""
    from scipy.special import ndtr

    z = loc / scale
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    return loc * (2.0 * ndtr(z) - 1.0) + 2.0 * scale * density
