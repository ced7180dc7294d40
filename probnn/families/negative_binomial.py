"""The negative binomial distribution."""

import numpy as np

from probnn import backend, domains
from probnn.families._base import Family, Param, register
from probnn.families._numerics import log_negative_binomial


@register
class NegativeBinomial(Family):
    """The negative binomial distribution of counts, in the form known as NB2.

    Parameters are `mean` and `dispersion` (alpha in statsmodels, 1 / theta in R's MASS): the
    variance is mean + dispersion * mean^2, and the Poisson distribution is the limit of dispersion
    0. The default links are logarithms.

    Notes
    -----
    With r = 1 / dispersion, log p(y) = log(Gamma(y + r) / (Gamma(r) y!)) + y log(mean) - y log(r +
    mean) + r log(r / (r + mean)). Cameron and Trivedi, *Regression Analysis of Count Data*, 2nd
    ed., 2013, doi:10.1017/CBO9781139013567, section 3.3. CRPS: Wei and Held (2014),
    doi:10.1007/s11749-014-0380-8.

    Examples
    --------
    >>> import probnn as pn
    >>> float(pn.families.NegativeBinomial().frozen(mean=3.0, dispersion=0.5).var().round(6))
    7.5
    """

    name = "negative_binomial"
    parameters = {"mean": Param("log"), "dispersion": Param("log")}  # noqa: RUF012
    support = domains.COUNTS
    discrete = True

    def distribution(self, mean, dispersion):
        """Return the backend's NegativeBinomial."""
        # As log-odds, because 1 / (1 + dispersion * mean) may round to 1.
        log_odds = backend.math(mean).log(dispersion * mean)
        return backend.distributions.NegativeBinomial(1.0 / dispersion, logits=log_odds)

    def frozen(self, mean, dispersion):
        """Return `scipy.stats.nbinom`.

        A dispersion below 1e-8 / mean counts as that bound: SciPy's success probability would round
        to 1. The variance is then wrong by at most one part in 1e8.
        """
        from scipy import stats

        dispersion = np.maximum(dispersion, 1e-8 / np.asarray(mean))
        return stats.nbinom(1.0 / dispersion, 1.0 / (1.0 + dispersion * mean))

    def _log_prob(self, y, mean, dispersion):
        return log_negative_binomial(y, mean.log, dispersion.log)

    def _start(self, y):
        from scipy.optimize import minimize_scalar

        mean = max(float(np.mean(y)), 0.5 / len(y))
        # The estimate of the mean is the sample mean, whatever the dispersion.
        values, counts = np.unique(y, return_counts=True)

        def loss(log_dispersion):
            return -np.sum(counts * self.frozen(mean, np.exp(log_dispersion)).logpmf(values))

        best = minimize_scalar(loss, bounds=(-9.0, 9.0), method="bounded", options={"xatol": 1e-9})
        return {"mean": mean, "dispersion": float(np.exp(best.x))}
