"""Linear and logistic regression: models, and results with their own names in statsmodels."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from probnn.glm.model import GLM
from probnn.glm.results import SCALARS, Results
from probnn.glm.results.nested import check_nested, warn_if_robust

if TYPE_CHECKING:
    from typing import Any

    from probnn._types import ArrayLike, Rows
    from probnn.families.base import Family


class OLSResults(Results):
    """Results of `OLS`, with statsmodels' names for linear regression.

    Attributes
    ----------
    resid : (n,)
        The residuals y - X b.
    ssr, ess, centered_tss, uncentered_tss : float
        Sums of squares: residual, explained, total. `tss` is the one that R-squared uses.
    rsquared, rsquared_adj : float
        The share of the total sum of squares that is explained; uncentered without a constant.
    fvalue, f_pvalue : float
        The F-test of all coefficients but the constant.
    mse_model, mse_resid, mse_total : float
        Mean squares.
    """

    _summary, _t_by_default = "ols", True

    @property
    def _constants_in_df(self):
        return self.model.k_constant

    @property
    def resid(self):
        """The residuals."""
        return self.resid_response

    @property
    def resid_pearson(self):
        """The residuals over the square root of `scale`."""
        weights = self._data.precision
        root = 1.0 if weights is None else np.sqrt(weights)
        return self._labels.rows(np.asarray(self.resid_response) * root / np.sqrt(self.scale))

    def _sum_of_squares(self, center):
        return self._total(
            lambda data, _: (
                (1.0 if data.precision is None else data.precision)
                * (data.y - data.offsets.get(0, 0.0) - center) ** 2
            )
        )

    @property
    def ssr(self):
        """The sum of squared residuals."""
        return self.deviance

    @cached_property
    def centered_tss(self):
        """The sum of squares about the mean."""
        data, weights = self._data, self._data.weights
        return self._sum_of_squares(np.average(data.y - data.offsets.get(0, 0.0), weights=weights))

    @cached_property
    def uncentered_tss(self):
        """The sum of squares about 0."""
        return self._sum_of_squares(0.0)

    @property
    def tss(self):
        """The total sum of squares: centered where the model has a constant."""
        return self.centered_tss if self.k_constant else self.uncentered_tss

    @property
    def ess(self):
        """The explained sum of squares."""
        return self.tss - self.ssr

    @property
    def rsquared(self):
        """1 - ssr / tss."""
        return 1.0 - self.ssr / self.tss

    @property
    def rsquared_adj(self):
        """R-squared, adjusted for the number of coefficients."""
        return 1.0 - (self.model.nobs - self.k_constant) / self.df_resid * (1.0 - self.rsquared)

    @property
    def mse_model(self):
        """The explained mean square."""
        return self.ess / self.df_model

    @property
    def mse_resid(self):
        """The residual mean square: the variance estimate."""
        return self.ssr / self.df_resid

    @property
    def mse_total(self):
        """The total mean square."""
        return self.tss / (self.df_resid + self.df_model)

    @property
    def _f(self):
        """The test of all coefficients but the constant, where the covariance is robust."""
        identity = np.eye(len(self.coef))
        if self.k_constant:
            constant = self.model.constant_index
            if constant is None:
                return None
            identity = np.delete(identity, constant, axis=0)
        return self.f_test(identity)

    @property
    def fvalue(self):
        """The F statistic of all coefficients but the constant."""
        if self.df_model == 0:
            return float("nan")
        if self.cov_type == "nonrobust":
            return self.mse_model / self.mse_resid
        test = self._f
        return float("nan") if test is None else float(test.fvalue)

    @property
    def f_pvalue(self):
        """The p-value of `fvalue`."""
        from scipy import stats

        return float(stats.f.sf(self.fvalue, self.df_model, self.df_resid_inference))

    def compare_f_test(self, restricted):
        """Return the F statistic against a nested model, its p-value, and df; as statsmodels.

        What is nested, and the warning of robust covariances, are as in `compare_lr_test`.
        """
        from scipy import stats

        df = restricted.df_resid - self.df_resid
        check_nested(self, restricted, df)
        warn_if_robust("The F test", self, restricted)
        statistic = (restricted.ssr - self.ssr) / df / self.mse_resid
        return float(statistic), float(stats.f.sf(statistic, df, self.df_resid)), df

    def get_influence(self, observed=True):
        """Return leverage, Cook's distance, dfbetas: an `OLSInfluence`."""
        from probnn.glm.results.influence import OLSInfluence

        return OLSInfluence(self, observed)

    def _scalars(self):
        return [*SCALARS, "centered_tss", "uncentered_tss"]


class OLS(GLM):
    """Linear regression: the normal family with the identity link.

    Parameters
    ----------
    y : array_like, shape (n,)
        The response.
    X : array_like, shape (n, p)
        The design; no constant is added.
    family : str or Family
        The normal family, or one made by subclassing it.
    **kwargs
        `offset`, `freq_weights`, `var_weights`, `missing`: as for `GLM`.

    Notes
    -----
    Solved by QR of the scaled columns, refined by residuals in twice the precision; of many rows
    whose columns are far from dependent, by the Cholesky factor of X'X, refined too. Results
    have what statsmodels' RegressionResults have: `rsquared`, `fvalue`, t-tests.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.OLS([1.0, 3.0, 5.0], [[1, 0], [1, 1], [1, 2]]).fit()
    >>> results.params.tolist(), results.df_resid
    ([1.0, 2.0], 1.0)
    """

    results_class = OLSResults

    def __init__(
        self, y: ArrayLike, X: Rows, *, family: str | Family = "normal", **kwargs: Any
    ) -> None:
        super().__init__(y, X, family, **kwargs)
        if self.family.loss != "squared_error":
            raise ValueError(f"Expected a normal family, for OLS. Received: {self.family!r}.")


class LogitResults(Results):
    """Results of `Logit`, with statsmodels' names for discrete models."""

    _summary = "logit"

    @property
    def fittedvalues(self):
        """The linear predictor, as in statsmodels' Logit; the probabilities are `mu`."""
        return self._labels.rows(self._raw[:, 0])


class Logit(GLM):
    """Logistic regression: the Bernoulli family with the logit link.

    Parameters
    ----------
    y : array_like, shape (n,)
        0 and 1; or (n, 2), successes and failures.
    X : array_like, shape (n, p)
        The design; no constant is added.
    family : str or Family
        The Bernoulli family, or one made by subclassing it.
    **kwargs
        `offset`, `freq_weights`, `var_weights`, `missing`: as for `GLM`.

    Examples
    --------
    >>> import probnn as pn
    >>> results = pn.glm.Logit([0, 1, 1, 0, 1, 1], [[1]] * 6).fit()
    >>> float(results.params[0].round(6))  # log(4 / 2)
    0.693147
    """

    results_class = LogitResults

    def __init__(
        self, y: ArrayLike, X: Rows, *, family: str | Family = "bernoulli", **kwargs: Any
    ) -> None:
        super().__init__(y, X, family, **kwargs)
        if self.family.kind != "binary":
            raise ValueError(f"Expected a family of 0 and 1, for Logit. Received: {self.family!r}.")
