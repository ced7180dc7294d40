"""Goodness of fit: what sums over rows say of a model."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from probnn.fitting import dispersion
from probnn.fitting.solve import solve
from probnn.glm.results import rows
from probnn.glm.results.nested import warn_if_robust

if TYPE_CHECKING:
    from typing import Literal


class GoodnessOfFit:
    """The part of `Results` that sums over rows, whether they are in memory or in batches."""

    def _total(self, function):
        """Return the sum of what rows that count have, (n,) or (n, k), by their frequencies."""
        total = 0.0
        for data in self.model.data.parts():
            raw = data.likelihood(self.family, self.model.known).raw(self.coef)
            values = function(data, raw)
            if data.freq_weights is not None:
                values = (data.freq_weights * values.T).T
            total = total + values.sum(axis=0)
        return float(total) if np.ndim(total) == 0 else total

    def _sum_of_deviances(self):
        def deviance(data, raw):
            found = rows.deviances(self.family, data, raw)
            return found if data.precision is None else data.precision * found

        return self._total(deviance)

    @cached_property
    def deviance(self) -> float:
        """Twice the log-likelihood lacking to a perfect fit, at dispersion 1."""
        if self.optimum.ssr is not None:
            return self.optimum.ssr
        return self._sum_of_deviances()

    @cached_property
    def condition_number(self) -> float:
        """The ratio of the largest to the smallest singular value of X; not of batches: NaN."""
        if self.model.data.rows is None:
            return float("nan")
        used = self.model.location_design(self.model.data.rows.used)
        singular = np.linalg.svd(used.toarray(), compute_uv=False)
        return float(singular[0] / singular[-1])

    @cached_property
    def pearson_chi2(self) -> float:
        """The sum of squared Pearson residuals."""
        if self.optimum.ssr is not None:
            return self.optimum.ssr
        return self._total(lambda data, raw: rows.residuals("pearson", self.family, data, raw) ** 2)

    @cached_property
    def scale(self) -> float:
        """The dispersion: Pearson's chi-squared over n - p unless `fit(scale=...)` says other.

        Of a penalised fit of as many columns as rows or more, p is what its estimates are worth.
        """
        kind = self.scale_type
        if kind is None:
            kind = "X2" if self.model.dispersion else 1.0
        if kind == "ml":
            return self.scale_ml
        if isinstance(kind, str):
            total = self.pearson_chi2 if kind == "X2" else self.deviance
            df = self.df_resid if self.df_resid > 0 else self._df_penalised()
            return total / df if df > 0 else float("nan")
        return float(kind)

    def _df_penalised(self):
        """Return n less what penalised estimates are worth: of more columns than rows."""
        optimum = self.optimum
        if optimum.penalty is None or optimum.penalty.keeps_covariance:
            return 0.0
        penalty = optimum.penalty.on(self.model.likelihood())
        return self.model.nobs - penalty.degrees_of_freedom(optimum.coef, optimum.hessian)

    @cached_property
    def scale_ml(self) -> float:
        """The maximum-likelihood estimate of the dispersion."""
        if not self.model.dispersion:
            return 1.0
        if self.model.is_linear:
            return self.pearson_chi2 / self.model.nobs

        def slopes(phi):
            return self._total(
                lambda data, raw: rows.dispersion_slopes(self.family, data, raw, phi)
            )

        return dispersion.root(slopes, self.pearson_chi2 / self.model.nobs)

    def _llf_at(self, phi):
        phi = phi if self.model.dispersion else None
        return self._total(lambda data, raw: rows.log_likelihood(self.family, data, raw, phi))

    @property
    def _is_given(self):
        """Whether `fit(scale=...)` gave the dispersion as a number."""
        return isinstance(self.scale_type, (int, float, np.number))

    @property
    def _dispersions(self):
        """How many numbers are estimated after the coefficients."""
        return int(self.model.dispersion is not None and not self._is_given)

    @property
    def _quasi(self):
        """What twice a difference of log-likelihoods is divided by: 1 but of quasi-likelihoods."""
        return self.scale if self.model.dispersion is None else 1.0

    @cached_property
    def llf(self) -> float:
        """The log-likelihood, at its maximum over the dispersion unless that is given.

        Models of different families are compared by it, and so it is not at `scale`, which is
        Pearson's. R's `logLik` of a gamma GLM is at the deviance over n, near that maximum.
        """
        return self._llf_at(self.scale if self._is_given else self.scale_ml)

    def llf_scaled(self, scale: float | None = None) -> float:
        """Return the log-likelihood at a dispersion, by default at `scale`: statsmodels' `llf`.

        Of a linear model the default is the maximum over the dispersion, there too.
        """
        if scale is None:
            scale = self.scale_ml if self.model.is_linear else self.scale
        return self._llf_at(scale)

    @cached_property
    def _null(self):
        """The results of a constant alone, at its optimum."""
        model = self.model.null_model()
        return type(self)(model, solve(model.likelihood(), model._start), scale=self.scale_type)

    @cached_property
    def llnull(self) -> float:
        """The log-likelihood with a constant alone, at its own maximum over the dispersion."""
        return self._null.llf

    @cached_property
    def null_deviance(self) -> float:
        """The deviance with a constant alone."""
        return self._null._sum_of_deviances()

    def _check_maximum(self, what):
        """Raise if the estimates do not maximise the likelihood, as a penalised fit's do not."""
        if self.optimum.penalty is not None:
            raise AttributeError(
                f"{what} supposes the maximum of the likelihood. This fit is penalised: compare "
                "such fits on held-out rows."
            )

    @property
    def llr(self) -> float:
        """The likelihood-ratio statistic against a constant alone.

        It is divided by `scale` where that is estimated of a family without a dispersion.
        """
        self._check_maximum("A likelihood ratio")
        return -2.0 * (self.llnull - self.llf) / self._quasi

    @property
    def llr_pvalue(self) -> float:
        """The p-value of `llr`, by its chi-squared distribution.

        There is a warning, statsmodels' InvalidTestWarning, if the covariance is robust.
        """
        from scipy import stats

        warn_if_robust("The likelihood-ratio test", self)
        return float(stats.chi2.sf(self.llr, self.df_model))

    @property
    def prsquared(self) -> float:
        """McFadden's pseudo R-squared, 1 - llf / llnull, of probabilities; NaN of densities.

        A density may be above 1 and changes with the units of y: the ratio of its logarithms has
        neither bounds nor a meaning. `pseudo_rsquared("cs")` has, which is R-squared for `OLS`.
        """
        return 1.0 - self.llf / self.llnull if self.family.discrete else float("nan")

    def pseudo_rsquared(self, kind: Literal["cs", "mcf"] = "cs") -> float:
        """Return a pseudo R-squared: "cs" (Cox and Snell) or "mcf" (McFadden, `prsquared`)."""
        if str(kind).lower() in ("cs", "lr", "cox"):
            return 1.0 - np.exp((self.llnull - self.llf) * 2.0 / self.model.nobs)
        if str(kind).lower().startswith("mcf"):
            return self.prsquared
        raise ValueError(f"Expected kind 'cs' or 'mcf'. Received: {kind!r}.")

    @property
    def k_params(self) -> int:
        """The number of estimates that `aic` and `bic` count.

        A dispersion is one of them, as in R, but the variance of a linear model is not, as in
        statsmodels.
        """
        return len(self.coef) + (0 if self.model.is_linear else self._dispersions)

    @property
    def aic(self) -> float:
        """-2 llf + 2 p, with p as `k_params`."""
        self._check_maximum("aic")
        return -2.0 * self.llf + 2.0 * self.k_params

    @property
    def bic(self) -> float:
        """-2 llf + log(n) p, with p as `k_params`."""
        self._check_maximum("bic")
        return -2.0 * self.llf + np.log(self.model.nobs) * self.k_params

    bic_llf = bic

    @property
    def bic_deviance(self) -> float:
        """The deviance less log(n) times the residual degrees of freedom."""
        return self.deviance - self.df_resid * np.log(self.model.nobs)
