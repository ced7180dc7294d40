"""The gamma distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._numerics import (
    bernoulli_divergence,
    by_precision,
    exp_excess,
    gamma_tail,
    kernel_score,
    log_gamma_excess,
    polygamma_excess,
    saturate,
)
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Floats, Tensor


@register
class Gamma(Family):
    """The gamma distribution of positive responses whose spread grows with their mean.

    Parameters are `mean` and `shape`: the variance is mean^2 / shape, so that 1 / shape is the
    dispersion (`scale`) of a gamma GLM. The default links are logarithms.

    Notes
    -----
    With d = log(y / mean), log p(y) = -shape (exp(d) - 1 - d) - log(y) - (log Gamma(shape) - shape
    log(shape) + shape): McCullagh and Nelder (1989), section 8.2, doi:10.1201/9780203753736. A
    shape, or a ratio y / mean, above exp(40) in float32 and exp(340) in float64 counts as that
    bound. CRPS: Moeller and Scheuerer (2015), doi:10.1002/qj.2512.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.Gamma().frozen(mean=3.0, shape=4.0).var())
    2.25
    """

    name = "gamma"
    parameters = {
        "mean": Param("log", domains.NON_NEGATIVE),
        "shape": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.POSITIVE
    of_mean = True
    canonical_link = "inverse"

    def distribution(self, mean: Tensor, shape: tuple[int, ...]) -> Any:
        """Return the backend's Gamma."""
        return backend.distributions.Gamma(shape, shape / mean)

    def frozen(self, mean: Tensor, shape: tuple[int, ...]) -> Any:
        """Return `scipy.stats.gamma`."""
        from scipy import stats

        return FrozenGamma(
            self, Scipys(stats.gamma, shape, scale=mean / shape), mean=mean, shape=shape
        )

    def variance(self, mean: Tensor, shape: Tensor) -> Any:
        """Return mean^2 / shape."""
        return mean * (mean / shape)

    def _log_prob(self, y, mean, shape):
        m = backend.math(mean.raw)
        bound = by_precision(mean.raw, 40.0, 340.0)
        log_shape = saturate(shape.log, high=bound)
        log_y = m.log(y)
        d = saturate(log_y - mean.log, high=bound)
        return -m.exp(log_shape) * exp_excess(d) - log_y - log_gamma_excess(log_shape)

    def _derivatives(self, y, raw):
        if (self.links["mean"].name, self.links["shape"].name) != ("log", "log"):
            return None
        from scipy.special import digamma, polygamma

        log_shape = raw[:, 1]
        shape, log_y = np.exp(log_shape), np.log(y)
        d = log_y - raw[:, 0]
        ratio = np.exp(d)
        gap = np.expm1(d) - d
        value = shape * gap + log_y + log_gamma_excess(log_shape)
        slope = shape * (gap + digamma(shape) - log_shape)
        cross = shape * (1.0 - ratio)
        last = slope + shape * (shape * polygamma(1, shape) - 1.0)
        hessian = np.stack([shape * ratio, cross, cross, last], axis=-1).reshape(-1, 2, 2)
        return value, np.stack([cross, slope], axis=-1), hessian

    def with_dispersion(self, phi: float | Floats) -> dict[str, Any]:
        """Return the shape that a GLM's dispersion phi stands for."""
        return {"shape": 1.0 / phi}

    def _start(self, y):
        from scipy.special import digamma, polygamma

        mean = float(np.mean(y))
        spread = np.log(mean) - float(np.mean(np.log(y)))
        if spread < 1e-12:  # one value: any large shape will do to begin with
            return {"mean": mean, "shape": 1e6}
        # Newton in 1 / shape, from the value that is right to 1.5 per cent (Minka 2002).
        shape = (3.0 - spread + np.sqrt((spread - 3.0) ** 2 + 24.0 * spread)) / (12.0 * spread)
        for _ in range(8):
            slope = shape - shape**2 * polygamma(1, shape)
            shape = 1.0 / (1.0 / shape + (np.log(shape) - digamma(shape) - spread) / slope)
        return {"mean": mean, "shape": float(shape)}

    def _crps(self, y, mean, shape):
        from scipy.special import beta, gammainc

        ratio = y * shape / mean
        lower = gammainc(shape, ratio)
        raised = gammainc(shape + 1.0, ratio)
        mad = mean / (shape * beta(0.5, shape))
        return y * (2.0 * lower - 1.0) - mean * (2.0 * raised - 1.0) - mad

    def _mixture_crps(self, y, weights, mean, shape):
        from scipy.special import betainc

        scale = mean / shape

        def pair(i, j):
            # (m_i - m_j) (2 P(X_i > X_j) - 1) + 2 (s_i + s_j) p (1 - p) b(p), p = s_i / (s_i + s_j)
            # and b the density of a beta distribution with shapes a_j, a_i.
            a, b, m, n = shape[..., j], shape[..., i], mean[..., j], mean[..., i]
            both = scale[..., i] + scale[..., j]
            share, total = a / (a + b), a + b
            d, e = np.log1p(b * (n - m) / (b * m + a * n)), np.log1p(a * (m - n) / (b * m + a * n))
            excess = [log_gamma_excess(np.log(each)) for each in (total, a, b)]
            log_term = excess[0] - excess[1] - excess[2]
            log_term -= total * bernoulli_divergence(share, d, b / total, e)
            above = 0.5 if i == j else betainc(a, b, scale[..., i] / both)
            return (n - m) * (2.0 * above - 1.0) + 2.0 * both * np.exp(log_term)

        with np.errstate(all="ignore"):
            y = np.asarray(y, dtype="float64")[..., None]
            lower = gamma_tail(shape, y / scale, False)
            density = np.exp(self.log_density(y, mean=mean, shape=shape))
            apart = (y - mean) * (2.0 * lower - 1.0) + 2.0 * scale * y * density
            return kernel_score(weights, apart, pair, apart)


class FrozenGamma(FrozenScipy):
    """Gamma distributions, with tails and quantiles of any shape."""

    def cdf(self, y):
        """Return P(Y <= y)."""
        return self._tail(y, False)

    def sf(self, y):
        """Return P(Y > y)."""
        return self._tail(y, True)

    def _tail(self, y, upper):
        mean, shape = self.params.values()
        with np.errstate(all="ignore"):
            y = np.asarray(y, dtype="float64")
            return gamma_tail(shape, np.maximum(y, 0.0) / mean * shape, upper)

    def entropy(self):
        """Return the differential entropy, in nats."""
        mean, shape = self.params.values()
        with np.errstate(all="ignore"):
            slope = (0.5 + polygamma_excess(shape)[0]) / shape  # log(shape) - digamma(shape)
            of_one = log_gamma_excess(np.log(shape)) + (shape - 1.0) * slope
            return (np.log(mean) + of_one)[()]

    def ppf(self, p):
        """Return the y with cdf(y) = p."""
        return self._improved(self.scipys.ppf(p), p, 1.0 - np.asarray(p))

    def isf(self, q):
        """Return the y with sf(y) = q."""
        return self._improved(self.scipys.isf(q), 1.0 - np.asarray(q), q)

    def _improved(self, y, p, q):
        """Return quantiles of large shapes after Newton's steps in the nearer tail."""
        large = (self.params["shape"] > 1e5) & np.isfinite(y) & (y > 0)
        for _ in range(3 if np.any(large) else 0):
            lower, upper = self.cdf(y), self.sf(y)
            with np.errstate(all="ignore"):
                left = np.asarray(p) < 0.5
                tail = np.where(left, lower, -upper)
                log_gap = np.where(left, np.log(p / lower), np.log(q / upper))
                y = np.where(large, y + log_gap * tail * np.exp(-self.logpdf(y)), y)
        return y
