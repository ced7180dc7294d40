"""The Dirichlet distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend, domains
from probnn.families._frozen.vector import FrozenVector
from probnn.families._numerics import log1p_minus, log_gamma_excess, of_others, polygamma_excess
from probnn.families._params import Param
from probnn.families.base import Family
from probnn.families.categorical import MultinomialLogit
from probnn.families.registry import register

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from probnn._types import Tensor
    from probnn.links import Link

_SMALL = 0.1  # a shape whose gamma variables may underflow


@dataclass(frozen=True)
class OpenSimplex(domains.Domain):
    """The vectors of positive shares, along the last axis, that sum to 1 to five digits."""

    def contains(self, values):
        """Return, for each value, whether it is a share and its vector sums to 1."""
        total = sum(values[..., i] for i in range(values.shape[-1]))
        return super().contains(values) & (values > 0) & (abs(total - 1.0) <= 1e-5)[..., None]


@register
class Dirichlet(Family):
    """The Dirichlet distribution of shares of a whole: compositions, such as times or votes.

    A response is a vector of d positive numbers that sum to 1. Parameters are `mean`, the d mean
    shares, from d - 1 raw log-odds against the first; and `precision`: the variance of a share is
    mean (1 - mean) / (1 + precision), as in the alternative parametrisation of R's DirichletReg.
    SciPy's alpha is mean * precision. The default link of the precision is the logarithm.

    Parameters
    ----------
    units : int
        The number of shares d, at least 2.

    Notes
    -----
    With E(a) = log Gamma(a) - a log(a) + a, n the precision and KL the divergence of two sets of
    shares, log p(y) = E(n) - sum of E(n mean_i) - n KL(mean || y) - sum of log(y_i), which has no
    large terms that cancel. Maier (2014), "DirichletReg: Dirichlet
    regression for compositional data in R", doi:10.57938/ad3142d3-2fcd-4c37-aec6-8e0bd7d077e1.
    Estimates: Minka (2000), "Estimating a Dirichlet distribution", technical report, MIT.

    Quantiles, cdf, variances and CRPS of `Predictive` are those of each share alone, in an array
    (n, d): the marginal distributions, which are beta. Densities, entropy and draws are those of
    the whole vector.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> family = pn.families.Dirichlet(units=3)
    >>> frozen = family.frozen(mean=np.array([0.5, 0.3, 0.2]), precision=np.array(9.0))
    >>> frozen.var().round(3).tolist()
    [0.025, 0.021, 0.016]
    """

    name = "dirichlet"
    vector = True
    y_meaning = "shares that sum to 1"

    def __init__(self, units: int = 3, links: Mapping[str, str | Link] | None = None) -> None:
        if int(units) != units or units < 2:
            raise ValueError(f"Expected `units` to be a whole number >= 2. Received: {units}.")
        self.units = self.y_columns = int(units)
        self.support = OpenSimplex("the positive shares that sum to 1", inside=1.0 / self.units)
        super().__init__(links=links)

    def _parameters(self):
        return {
            "mean": Param(MultinomialLogit(), domains.SIMPLEX, self.units - 1, self.units),
            "precision": Param("log", domains.NON_NEGATIVE),
        }

    def distribution(self, mean: Tensor, precision: Tensor) -> Any:
        """Return the backend's Dirichlet."""
        return backend.distributions.Dirichlet(mean * precision[..., None])

    def frozen(self, mean: Tensor, precision: Tensor) -> Any:
        """Return SciPy-like functions: joint densities and draws, marginal cdf and quantiles."""
        return FrozenDirichlet(self, mean, precision)

    def _log_prob(self, y, mean, precision):
        m = backend.math(mean.raw)
        log_n, log_y = precision.log, m.log(y)
        return (
            log_gamma_excess(log_n)
            - m.total(log_gamma_excess(log_n[..., None] + mean.log))
            - m.exp(log_n) * _divergence(mean, log_y - mean.log)
            - m.total(log_y)
        )

    def _start(self, y):
        mean, variance = y.mean(axis=0), y.var(axis=0)
        most = mean * (1.0 - mean)
        if variance.sum() < 1e-12 * most.sum() ** 2:  # one value: any large precision will do
            return {"mean": mean / mean.sum(), "precision": 1e6}
        precision = max(most.sum() / variance.sum() - 1.0, 1e-3)
        alpha = _maximum(np.log(y).mean(axis=0), precision * mean / mean.sum())
        return {"mean": alpha / alpha.sum(), "precision": float(alpha.sum())}

    def _crps(self, y, mean, precision):
        from probnn.families.beta import Beta

        y, mean, n = np.broadcast_arrays(y, mean, np.asarray(precision)[..., None])
        held = np.minimum(y.ravel(), 1.0 - 2.0**-53)  # a share may be 1 but for rounding
        score = Beta()._crps(held, mean=mean.ravel(), precision=n.ravel())
        return score.reshape(y.shape)

    def _support_hint(self):
        return (
            f"A response of this family is {self.units} shares, none of them 0: y has shape "
            f"(n, {self.units})."
        )

    def __repr__(self):
        return f"<family dirichlet: {self.units} units>"


class FrozenDirichlet(FrozenVector):
    """Dirichlet distributions of d shares in each row.

    Parameters
    ----------
    family : Dirichlet
        The family.
    mean : array_like, shape (..., d)
        The mean shares.
    precision : array_like, shape (...)
        The precision.
    """

    def __init__(self, family, mean, precision):
        mean, precision = (np.asarray(v, dtype="float64") for v in (mean, precision))
        self.shape = np.broadcast_shapes(mean.shape[:-1], precision.shape)
        self._mean = np.broadcast_to(mean, (*self.shape, mean.shape[-1]))
        self.precision = np.broadcast_to(precision, self.shape)
        self.family, self.params = family, {"mean": self._mean, "precision": self.precision}
        self.alpha = self._mean * self.precision[..., None]

    # ---- of the vector ----------------------------------------------------------------------

    def entropy(self):
        """Return the entropy of the vector, in nats."""
        from scipy.special import digamma

        n, a = self.precision, self.alpha
        constant = log_gamma_excess(np.log(n)) - log_gamma_excess(np.log(a)).sum(axis=-1)
        # The mean of n KL(mean || Y), and that of the sum of log(Y_i).
        spread = (0.5 + polygamma_excess(a)[0]).sum(axis=-1) - (0.5 + polygamma_excess(n)[0])
        return spread - constant + (digamma(a) - digamma(n)[..., None]).sum(axis=-1)

    def mean(self):
        """Return the mean shares."""
        return self._mean

    def _draw(self, rng, size):
        shape = (*size, self._mean.shape[-1])
        some = (self.alpha < _SMALL).any(axis=-1)
        shares = rng.standard_gamma(np.where(some[..., None], 1.0, self.alpha), shape)
        if some.any():  # by logarithms of gamma variables, most of which underflow
            alpha = self.alpha[some]
            with np.errstate(divide="ignore"):
                logs = np.log(rng.standard_gamma(alpha + 1.0, shares[..., some, :].shape))
                logs -= rng.standard_exponential(logs.shape) / alpha
            shares[..., some, :] = np.exp(logs - logs.max(axis=-1, keepdims=True))
        return np.maximum(shares / shares.sum(axis=-1, keepdims=True), 1e-300)

    # ---- of each share ----------------------------------------------------------------------

    def _marginal(self):
        from probnn.families.beta import Beta

        return Beta().frozen(mean=self._mean, precision=self.precision[..., None])

    def var(self):
        """Return the variances."""
        return self._mean * of_others(self._mean) / (1.0 + self.precision[..., None])

    def support(self):
        """Return the ends of the interval of a share."""
        return 0.0, 1.0


def _divergence(mean, d):
    """Return KL(mean || y) with d = log(y / mean): where all d are small, without cancelling."""
    m = backend.math(d)
    near = m.minimum(m.maximum(d, -0.2), 0.2)
    shares = m.exp(mean.log)
    # The sum of mean (exp(d) - 1) is that of y, less 1: nothing.
    small = m.total(shares * log1p_minus(m.expm1(near)))
    far = m.total(m.where(near == d, 0.0 * d, 0.0 * d + 1.0))
    return -m.where(far > 0, m.total(shares * d), small)


def _maximum(mean_log, alpha):
    """Return the alpha of the largest likelihood, given the mean of log(y): Newton's method.

    Notes
    -----
    The Hessian is a diagonal plus a constant (Minka 2000). A step that would leave the positive
    numbers, or lower the likelihood, is halved.
    """
    from scipy.special import digamma, gammaln, polygamma

    def likelihood(alpha):
        return gammaln(alpha.sum()) - gammaln(alpha).sum() + ((alpha - 1.0) * mean_log).sum()

    value = likelihood(alpha)
    for _ in range(200):
        gradient = digamma(alpha.sum()) - digamma(alpha) + mean_log
        diagonal, constant = -polygamma(1, alpha), polygamma(1, alpha.sum())
        shift = (gradient / diagonal).sum() / (1.0 / constant + (1.0 / diagonal).sum())
        step = -(gradient - shift) / diagonal
        while (alpha + step <= 0).any() or not likelihood(alpha + step) >= value - 1e-12 * abs(
            value
        ):
            step *= 0.5
            if (abs(step) <= 1e-16 * alpha).all():
                return alpha
        alpha = alpha + step
        value = likelihood(alpha)
        if (abs(step) <= 1e-12 * alpha).all():
            break
    return alpha
