"""The log-logistic distribution."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.scipys import FrozenScipy, Scipys
from probnn.families._location_scale import LogLocationScale
from probnn.families._params import Param
from probnn.families._standard import StandardLogistic
from probnn.families.registry import register

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import Tensor


@register
class LogLogistic(LogLocationScale):
    """The log-logistic distribution of times to an event: proportional odds, accelerated failure.

    Parameters are `scale`, the median, and `shape`: the hazard rises and falls with a shape above
    1, as in `scipy.stats.fisk`, lifelines' `alpha_` and `beta_`, and R's `survreg` with scale =
    1 / shape. The default links are logarithms.

    Notes
    -----
    With z = shape log(y / scale), log p(y) = log(shape / y) - z - 2 log(1 + exp(-z)): Kalbfleisch
    and Prentice, *The Statistical Analysis of Failure Time Data*, 2nd ed., 2002,
    doi:10.1002/9781118032985, section 2.2. The mean is scale b / sin(b) with b = pi / shape, and
    infinite for a shape of at most 1; the variance for one of at most 2; the CRPS for one of at
    most 1/2. A shape above exp(28) in float32 and exp(300) in float64 counts as that bound. CRPS:
    Jordan, Krueger and Lerch (2019), doi:10.18637/jss.v090.i12.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.LogLogistic().frozen(scale=2.0, shape=3.0).median())
    2.0
    """

    name = "log_logistic"
    parameters = {
        "scale": Param("log", domains.NON_NEGATIVE),
        "shape": Param("log", domains.NON_NEGATIVE),
    }
    support = domains.POSITIVE
    standard = StandardLogistic()
    heavier = ()

    def distribution(self, scale: Tensor, shape: tuple[int, ...]) -> Any:
        """Return TFP's LogLogistic; torch has none."""
        if not hasattr(backend.distributions, "LogLogistic"):
            return super().distribution(scale=scale, shape=shape)
        return backend.distributions.LogLogistic(backend.math(scale).log(scale), 1.0 / shape)

    def frozen(self, scale: Tensor, shape: tuple[int, ...]) -> Any:
        """Return `scipy.stats.fisk`, by way of the logistic distribution of log(y)."""
        return FrozenScipy(self, Scipys(_corrected(), shape, scale=scale), scale=scale, shape=shape)

    def mean(self, scale: Tensor, shape: tuple[int, ...]) -> Any:
        """Return scale (pi / shape) / sin(pi / shape), infinite for a shape of at most 1."""
        m = backend.math(shape)
        exists = shape > 1.0
        safe = m.where(exists, shape, 0.0 * shape + 2.0)
        b = math.pi / safe
        # Near pi the sine is that of the rest.
        sine = m.sin(m.where(safe > 2.0, b, math.pi * (1.0 - 1.0 / safe)))
        return m.where(exists, scale * (b / sine), 0.0 * scale + math.inf)

    def _line(self, scale, shape):
        return scale.log, -shape.log

    def _start(self, y):
        log_y = np.log(y)
        deviation = float(np.std(log_y))
        # The standard deviation of log(y) is pi / (sqrt(3) shape), its mean log(scale).
        shape = min(np.pi / np.sqrt(3.0) / max(deviation, 1e-300), 100.0)
        guess = {"scale": float(np.exp(np.mean(log_y))), "shape": shape}
        return guess if deviation < 1e-12 else self._maximised(y, guess)

    def _crps(self, y, scale, shape):
        from scipy.special import expit, gamma

        z, s = shape * (np.log(y) - np.log(scale)), 1.0 / shape
        s = np.where(np.abs(s - 1.0) < 1e-5, np.nan, s)  # removable, but not by these formulas
        with np.errstate(all="ignore"):
            smaller = gamma(1.0 + s) * gamma(2.0 - s)  # the expected smaller one of two draws
            score = y * np.tanh(0.5 * z) + scale * (smaller - 2.0 * _mean_below(expit(z), z, s))
        return np.where(s < 2.0, score, np.where(s >= 2.0, np.inf, np.nan))


def _mean_below(p, z, s):
    """Return the integral of (u / (1 - u))^s from 0 to p, the logistic function of z."""
    from scipy.special import betainc, betaincc, expit, gamma

    tail = expit(-z)
    inner = np.where(s < 1.0, s, 0.5)
    total = gamma(1.0 + inner) * gamma(1.0 - inner)
    left = betainc(1.0 + inner, 1.0 - inner, np.minimum(p, 0.5))
    right = betaincc(1.0 - inner, 1.0 + inner, np.minimum(tail, 0.5))
    finite = total * np.where(p < 0.5, left, right)
    # By parts, where the whole integral is infinite.
    outer = np.where((s > 1.0) & (s < 2.0), s, 1.5)
    rest = gamma(outer) * gamma(2.0 - outer) * betainc(outer, 2.0 - outer, p)
    parts = (np.exp(outer * z) * tail - outer * rest) / (outer - 1.0)
    return np.where(s < 1.0, finite, np.where(s > 1.0, parts, np.nan))


@functools.cache
def _corrected():
    """Return SciPy's distribution, whose powers overflow and whose variance cancels."""
    from scipy import special, stats

    class Corrected(type(stats.fisk)):
        def _logpdf(self, x, c):
            log_x = np.log(x)
            z = c * log_x
            return np.log(c) - log_x - z - 2.0 * np.logaddexp(0.0, -z)

        def _pdf(self, x, c):
            return np.exp(self._logpdf(x, c))

        def _cdf(self, x, c):
            return special.expit(c * np.log(x))

        def _sf(self, x, c):
            return special.expit(-c * np.log(x))

        def _logcdf(self, x, c):
            return -np.logaddexp(0.0, -c * np.log(x))

        def _logsf(self, x, c):
            return -np.logaddexp(0.0, c * np.log(x))

        def _ppf(self, q, c):
            return np.exp(special.logit(q) / c)

        def _isf(self, q, c):
            return np.exp(-special.logit(q) / c)

        def _stats(self, c):
            mean = LogLogistic().mean(np.ones_like(c), c)
            exists = c > 2.0
            b = np.pi / np.where(exists, c, 3.0)
            # sin(b) - b cos(b), by its series where the two cancel.
            series, term = 0.0 * b, b
            for k in range(1, 12):
                term = -term * b * b / (2 * k * (2 * k + 1))
                series = series - 2 * k * term
            gap = np.where(b < 1.0, series, np.sin(b) - b * np.cos(b))
            variance = b * gap / (np.sin(b) ** 2 * np.cos(b))
            return mean, np.where(exists, variance, np.inf), np.nan, np.nan

    return Corrected(a=0.0, name="fisk", shapes="c")
