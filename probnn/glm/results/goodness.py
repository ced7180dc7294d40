"""Goodness of fit: what sums over rows say of a model."""

import copy
from functools import cached_property

import numpy as np

from probnn.fitting.solve import solve
from probnn.glm.results import rows


class GoodnessOfFit:
    """The part of `Results` that sums over rows, whether they are in memory or in batches."""

    def _total(self, function):
        """Return the sum over rows, each as often as its frequency says."""
        total = 0.0
        for data in self.model.data.parts():
            raw = data.likelihood(self.family, self.model.known).raw(self.coef)
            values = function(data, raw)
            total += float(
                np.sum(values if data.freq_weights is None else data.freq_weights * values)
            )
        return total

    def _sum_of_deviances(self):
        def deviance(data, raw):
            found = rows.deviances(self.family, data, raw)
            return found if data.precision is None else data.precision * found

        return self._total(deviance)

    @cached_property
    def deviance(self):
        """Twice the log-likelihood lacking to a perfect fit, at dispersion 1."""
        if self.optimum.ssr is not None:
            return self.optimum.ssr
        return self._sum_of_deviances()

    @cached_property
    def condition_number(self):
        """The ratio of the largest to the smallest singular value of X; not of batches: NaN."""
        if self.model.data.rows is None:
            return float("nan")
        singular = np.linalg.svd(self.model.X, compute_uv=False)
        return float(singular[0] / singular[-1])

    @cached_property
    def pearson_chi2(self):
        """The sum of squared Pearson residuals."""
        if self.optimum.ssr is not None:
            return self.optimum.ssr
        return self._total(lambda data, raw: rows.residuals("pearson", self.family, data, raw) ** 2)

    @cached_property
    def scale(self):
        """The dispersion: Pearson's chi-squared over n - p unless `fit(scale=...)` says other."""
        kind = self.scale_type
        if kind is None:
            kind = "X2" if self.model.dispersion else 1.0
        if kind == "ml":
            return self.scale_ml
        if isinstance(kind, str):
            total = self.pearson_chi2 if kind == "X2" else self.deviance
            return total / self.df_resid if self.df_resid > 0 else float("nan")
        return float(kind)

    @cached_property
    def scale_ml(self):
        """The maximum-likelihood estimate of the dispersion."""
        if not self.model.dispersion:
            return 1.0
        if self.model.is_linear:
            return self.pearson_chi2 / self.model.nobs
        from scipy.optimize import minimize_scalar

        start = np.log(self.pearson_chi2 / self.model.nobs)
        found = minimize_scalar(
            lambda log_phi: -self._llf_at(np.exp(log_phi)),
            bracket=(start - 0.1, start + 0.1),
            options={"xtol": 1e-12},
        )
        return float(np.exp(found.x))

    def _llf_at(self, phi):
        phi = phi if self.model.dispersion else None
        return self._total(lambda data, raw: rows.log_likelihood(self.family, data, raw, phi))

    @cached_property
    def llf(self):
        """The log-likelihood, at `scale`; of a linear model, at its maximum over the dispersion."""
        return self._llf_at(self.scale_ml if self.model.is_linear else self.scale)

    @cached_property
    def _null(self):
        """These results with a constant alone for a model, at its optimum."""
        null = copy.copy(self)
        null.model = self.model.null_model()
        null.coef = solve(null.model.likelihood(), null.model._start).coef
        return null

    @cached_property
    def llnull(self):
        """The log-likelihood with a constant alone, at the same dispersion."""
        return self._null._llf_at(self.scale)

    @cached_property
    def null_deviance(self):
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
    def llr(self):
        """The likelihood-ratio statistic against a constant alone."""
        self._check_maximum("A likelihood ratio")
        return -2.0 * (self.llnull - self.llf)

    @property
    def llr_pvalue(self):
        """The p-value of `llr`, by its chi-squared distribution."""
        from scipy import stats

        return float(stats.chi2.sf(self.llr, self.df_model))

    @property
    def prsquared(self):
        """McFadden's pseudo R-squared, 1 - llf / llnull, of probabilities; NaN of densities.

        A density may be above 1 and changes with the units of y: the ratio of its logarithms has
        neither bounds nor a meaning. `pseudo_rsquared("cs")` has, which is R-squared for `OLS`.
        """
        return 1.0 - self.llf / self.llnull if self.family.discrete else float("nan")

    def pseudo_rsquared(self, kind="cs"):
        """Return a pseudo R-squared: "cs" (Cox and Snell) or "mcf" (McFadden, `prsquared`)."""
        if str(kind).lower() in ("cs", "lr", "cox"):
            return 1.0 - np.exp((self.llnull - self.llf) * 2.0 / self.model.nobs)
        if str(kind).lower().startswith("mcf"):
            return self.prsquared
        raise ValueError(f"Expected kind 'cs' or 'mcf'. Received: {kind!r}.")

    @property
    def aic(self):
        """-2 llf + 2 p, with p the number of `params`."""
        self._check_maximum("aic")
        return -2.0 * self.llf + 2.0 * len(self.coef)

    @property
    def bic(self):
        """-2 llf + log(n) p."""
        self._check_maximum("bic")
        return -2.0 * self.llf + np.log(self.model.nobs) * len(self.coef)

    bic_llf = bic

    @property
    def bic_deviance(self):
        """The deviance less log(n) times the residual degrees of freedom."""
        return self.deviance - self.df_resid * np.log(self.model.nobs)
