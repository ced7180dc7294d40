"""The Tweedie distribution of nonnegative responses, some of them 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.tweedie import FrozenTweedie
from probnn.families._numerics import (
    by_precision,
    exp_excess,
    log1p_minus,
    log_gamma_excess,
    saturate,
)
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from probnn._types import Floats, Tensor
    from probnn.links import Link

_FEW = 1_000  # whose terms stay in cache


@register
class Tweedie(Family):
    """The Tweedie distribution: 0 with some probability, else positive, as claims or rainfall are.

    It is a sum of a Poisson number of gamma variables. Parameters are `mean` and `dispersion`: the
    variance is dispersion * mean^power, as in statsmodels and R's `tweedie`. The default links are
    logarithms.

    Parameters
    ----------
    power : float
        The power of the variance, between 1 (Poisson) and 2 (gamma), without these.
    link, links
        As for any family.

    Notes
    -----
    P(Y = 0) = exp(-rate), with rate = mean^(2 - power) / (dispersion (2 - power)), and a density
    above 0, the sum over counts j >= 1 of a Poisson probability times a gamma density: Dunn and
    Smyth (2005), doi:10.1007/s11222-005-4070-y. With m = y^(2 - power) / (dispersion (2 - power)),
    its logarithm is minus half of the deviance over the dispersion, plus a function of m alone,
    minus log(y). That function is a sum of bell-shaped, analytic terms: with counts where the bell
    is narrow, else with equal steps of real numbers, by the trapezoidal rule. Beyond m = 1e4 in
    float32 the rounding of log(y / mean) costs digits, as of a gamma distribution with shape m. A
    dispersion below exp(-30) in float32 and exp(-300) in float64, an absolute value of log(y /
    mean) above 40 and 340, and a rate above exp(80) and exp(680), count as those bounds.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Tweedie(power=1.5).frozen(mean=1.0, dispersion=2.0).cdf(0.0).round(6))
    0.367879
    """

    name = "tweedie"
    parameters = {
        "mean": Param("log", domains.NON_NEGATIVE),
        "dispersion": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.NON_NEGATIVE
    of_mean = True
    atom = True

    def __init__(
        self,
        power: float = 1.5,
        link: str | Link | None = None,
        links: Mapping[str, str | Link] | None = None,
    ) -> None:
        if not 1.0 < power < 2.0:
            raise ValueError(
                f"Expected `power` between 1 and 2, without these. Received: {power}. The Poisson "
                "family is that of power 1, the gamma family that of 2, and the inverse Gaussian "
                "family that of 3."
            )
        self.power = float(power)
        super().__init__(link, links)

    def frozen(self, mean: Tensor, dispersion: Tensor) -> Any:
        """Return SciPy-like functions; `pdf` and `logpdf` at 0 are of its probability."""
        return FrozenTweedie(self, mean, dispersion)

    def _log_prob(self, y, mean, dispersion):
        m, rest = backend.math(mean.raw), 2.0 - self.power
        low, far, most = (
            by_precision(mean.raw, *ends)
            for ends in ((-30.0, -300.0), (40.0, 340.0), (80.0, 680.0))
        )
        some = y > 0
        log_y = m.log(m.where(some, y, 0.0 * y + 1.0))
        log_phi = saturate(dispersion.log, low=low)
        log_rate = saturate(rest * mean.log - log_phi - math.log(rest), high=most)
        log_m = rest * log_y - log_phi - math.log(rest)
        t = saturate(log_y - mean.log, low=-far, high=far)
        w = self.power - 1.0
        # Half of the deviance, a sum of two terms that are never negative.
        gap = w * exp_excess(-rest * t) + rest * exp_excess(w * t)
        density = self._log_series(log_m) - m.exp(log_m) / w * gap - log_y
        return m.where(some, density, -m.exp(log_rate))

    def log_density(self, y: Any, **params: Any) -> Floats:
        """Return the log-density, some rows at once: each is a sum of many terms."""
        y, *values = np.broadcast_arrays(np.asarray(y, dtype="float64"), *params.values())
        found = np.empty(y.size)
        for first in range(0, y.size, _FEW):
            part = slice(first, first + _FEW)
            each = (v.ravel()[part] for v in values)
            each = dict(zip(params, each, strict=True))
            found[part] = super().log_density(y.ravel()[part], **each)
        return found.reshape(y.shape)[()]

    def derivatives(
        self, y: Any, raw: Tensor, second: bool = True, columns: Sequence[int] | None = None
    ) -> tuple[Floats, Floats, Floats | None]:
        """Return what `Family.derivatives` does: of the mean alone, without the series."""
        known = None if columns is None or 1 in columns else self._slopes(y, raw, False)
        return super().derivatives(y, raw, second) if known is None else known

    def _derivatives(self, y, raw):
        return self._slopes(y, raw, True)

    def _slopes(self, y, raw, dispersed):
        """Return `_derivatives`, or those of the mean alone."""
        if any(link.name != "log" for link in self.links.values()):
            return None
        rest, w, some = 2.0 - self.power, self.power - 1.0, y > 0
        log_mean, log_phi = raw[:, 0], np.maximum(raw[:, 1], -300.0)
        gradient, hessian = np.empty((len(y), 2)), np.empty((len(y), 2, 2))
        with np.errstate(all="ignore"):
            log_y = np.log(np.where(some, y, 1.0))
            log_m = rest * log_y - log_phi - math.log(rest)
            m = np.exp(log_m)
            rate = np.exp(np.minimum(rest * log_mean - log_phi - math.log(rest), 680.0))
            t = np.clip(log_y - log_mean, -340.0, 340.0)
            half = m / w * (w * exp_excess(-rest * t) + rest * exp_excess(w * t))
            falling, rising = np.expm1(-rest * t), np.expm1(w * t)
            series = np.zeros((3, len(y)))
            if dispersed:
                series[:, some] = self._series_slopes(log_m[some])
            value = np.where(some, half - series[0] + log_y, rate)
            by_mean = rest * np.where(some, m * (falling - rising), rate)
            bend = rest * (1.0 + falling) + w * (1.0 + rising)
            hessian[:, 0, 0] = rest * np.where(some, m * bend, rest * rate)
        gradient[:, 0], gradient[:, 1] = by_mean, np.where(some, series[1] - half, -rate)
        hessian[:, 0, 1] = hessian[:, 1, 0] = -by_mean
        hessian[:, 1, 1] = np.where(some, half - series[2], rate)
        return value, gradient, hessian

    def _series_slopes(self, log_m):
        """Return `_log_series` of an array (n,) and its first two derivatives, (3, n)."""
        found, w = np.empty((3, len(log_m))), self.power - 1.0
        for first in range(0, len(log_m), _FEW):
            part = slice(first, first + _FEW)
            terms, delta = self._terms(log_m[part])
            top = terms.max(axis=-1)
            weights = np.exp(terms - top[:, None])
            total = weights.sum(axis=-1)
            weights /= total[:, None]
            # A term's logarithm has the slope (j - m) / w, and bends by -m / w.
            over = np.exp(log_m[part]) / w
            middle = (weights * delta).sum(axis=-1)
            spread = (weights * (delta - middle[:, None]) ** 2).sum(axis=-1)
            found[:, part] = top + np.log(total), over * middle, over * (over * spread - 1.0)
        return found

    def _log_series(self, log_m):
        """Return the logarithm of the sum over j >= 1, from that of where its terms are largest.

        With r = (2 - power) / (power - 1), the terms are exp(-(1 + r) (j log(j / m) - j + m)) over
        the Stirling quotients of j! and Gamma(r j).
        """
        return backend.math(log_m).logsumexp(self._terms(log_m)[0])

    def _terms(self, log_m):
        """Return the logarithms (..., nodes) of the terms of `_log_series`, and j / m - 1."""
        w = self.power - 1.0
        shape = (1.0 - w) / w
        fixed = backend.math(log_m).stop_gradient(log_m)[..., None]
        moved = log_m[..., None] - fixed
        log_m = log_m[..., None]
        m = backend.math(log_m)
        peak = m.exp(fixed)
        # The trapezoidal rule wants a bell that is wide beside 1, and that is over at j = 0.
        bound = max(2.25, 25.0 * w * w) / w
        wide = peak > bound
        width = m.exp(0.5 * (fixed + math.log(w)))  # of the bell
        nodes = max(42, math.ceil(75.0 * w) + 10)
        index = m.like(np.arange(nodes), fixed)
        step = width / 1.5
        held = m.minimum(peak, bound)
        first = m.maximum(m.floor(held - 8.5 * m.minimum(width, math.sqrt(bound * w))), 1.0)
        counts = first + index
        offset = (index - 14.0) * step
        j = m.where(wide, peak + offset, counts)
        valid = j > 0
        delta = m.where(
            wide, offset / m.where(wide, peak, 0.0 * peak + 1.0), (counts - held) / held
        )
        near = m.maximum(m.minimum(delta, 0.25), -0.25)
        log_j = m.log(m.where(valid, j, 0.0 * j + 1.0))
        u = near + (1.0 + near) * m.expm1(-moved)
        value = m.exp(log_m)
        close = value * ((1.0 + u) * log1p_minus(u) + u * u)
        direct = j * (log_j - log_m) - j + value
        exponent = -(1.0 + shape) * m.where(near == delta, close, direct)
        stirling = log_gamma_excess(log_j) + log_j + log_gamma_excess(log_j + math.log(shape))
        log_step = m.where(wide, m.log(step), 0.0 * step)
        terms = m.where(
            valid, exponent - m.stop_gradient(stirling) + log_step, 0.0 * exponent - 1e30
        )
        return terms, delta

    def with_dispersion(self, phi: float | Floats) -> dict[str, Any]:
        """Return the dispersion, which is a GLM's."""
        return {"dispersion": phi}

    def _start(self, y):
        mean = float(np.mean(y))
        if mean == 0.0:  # only zeros: as many as if half a row's rate were one
            return {"mean": 0.5 / len(y), "dispersion": 1.0}
        variance = float(np.var(y))
        if variance < 1e-12 * mean**2:  # one value: any small dispersion will do to begin with
            return {"mean": mean, "dispersion": 1e-6 * mean ** (2.0 - self.power)}
        return self._maximised(y, {"mean": mean, "dispersion": variance / mean**self.power})

    def _crps(self, y, mean, dispersion):
        return self.frozen(mean, dispersion).crps(y)
