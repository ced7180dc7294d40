"""Influence: what leaving a row out does to the estimates."""

from functools import cached_property

import numpy as np

from probnn.glm.results import covariance, rows


class Influence:
    """Leverages, studentized residuals, and the change of the estimates without each row.

    Made by `Results.get_influence`, with the names and numbers of statsmodels' GLMInfluence, and
    for `OLS` of its OLSInfluence. Changes are of one Newton step, exact for linear models; nothing
    is fitted again. They are the values with the row less those without it.

    Parameters
    ----------
    results : probnn.glm.results.Results
        A fitted model of a single mean.
    observed : bool
        Whether rows have their weights in the observed information, as statsmodels has them, or
        those in the expected one, as R has them. They are the same for canonical links.

    Attributes
    ----------
    hat_matrix_diag, hat_matrix_exog_diag : (n,)
        Leverages: the diagonal of the hat matrix, under two names.
    resid_studentized : (n,)
        Pearson residuals over their standard deviation.
    cooks_distance : tuple of two (n,)
        Cook's distances, and their p-values by the F distribution.
    d_params, dfbetas, params_one : (n, p)
        Changes of `params`, the same over standard errors, and the `params` without the row.
    d_linpred, d_linpred_scaled, d_fittedvalues, d_fittedvalues_scaled : (n,)
        Changes of the row's own linear predictor and mean, and the same over standard errors.

    Raises
    ------
    ValueError
        For models of several parameters or classes, penalised fits, or a row whose observed
        information is negative.

    Notes
    -----
    With w_i the weight of a row in the information, W their diagonal and h_i its leverage, the
    estimates change by (X' W X)^-1 x_i sqrt(w_i) r_i / (1 - h_i), r_i the Pearson residual:
    Pregibon (1981), doi:10.1214/aos/1176345513; Cook (1977), doi:10.1080/00401706.1977.10489493.
    The leverages come from an orthogonal factorisation of the weighted rows. A row is left out
    with all the observations that its frequency says it stands for; statsmodels mixes these with
    one of them where there are freq_weights. A row that alone determines a coefficient, h_i = 1,
    cannot be left out: it has NaN.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> results = pn.glm.OLS([0.0, 1.0, 5.0], np.vander([0.0, 1.0, 2.0], 2)).fit()
    >>> results.get_influence().hat_matrix_diag.round(4).tolist()
    [0.8333, 0.3333, 0.8333]
    """

    def __init__(self, results, observed=True):
        from scipy.linalg import qr

        _check(results)
        self.results, data = results, results._data
        used = data.used
        likelihood = used.likelihood(results.family, results.model.known)
        if observed:
            weights = likelihood.curvatures(results.coef)[:, 0, 0]
        else:
            raw = likelihood.raw(results.coef)
            weights = covariance.expected_weights(results.family, used, raw)
        weights = data.filled(weights)
        if weights.min() < 0:
            raise ValueError(
                "Expected rows with a positive observed information. Received: "
                f"{weights.min():.4g} in row {int(weights.argmin())}. Use observed=False."
            )
        self._q, self._r = qr(
            results.model.X * np.sqrt(weights)[:, None], mode="economic", check_finite=False
        )
        self._h = np.einsum("ij,ij->i", self._q, self._q)
        self._frequency = 1.0 if data.freq_weights is None else data.freq_weights
        pearson = rows.residuals("pearson", results.family, data, results._raw)
        self._resid = np.sqrt(self._frequency) * pearson
        self._rest = np.where(1.0 - self._h > 1e-12, 1.0 - self._h, np.nan)

    @property
    def _scale(self):
        return self.results.scale

    def _rows(self, values):
        return self.results._labels.rows(values)

    def _table(self, values):
        return self.results._labels.matrix_of_rows(values, self.results.model.x_names)

    # ---- each row ---------------------------------------------------------------------------

    @property
    def hat_matrix_diag(self):
        """Leverages: the diagonal of the hat matrix."""
        return self._rows(self._h)

    @property
    def hat_matrix_exog_diag(self):
        """Leverages: the diagonal of the hat matrix."""
        return self.hat_matrix_diag

    @cached_property
    def _studentized(self):
        return self._resid / np.sqrt(self._scale * self._rest)

    @property
    def resid_studentized(self):
        """Pearson residuals over their standard deviation."""
        return self._rows(self._studentized)

    @cached_property
    def cooks_distance(self):
        """Cook's distances, and their p-values."""
        from scipy import stats

        p = self.results.model.p
        distance = self._studentized**2 * self._h / (self._rest * p)
        pvalues = stats.f.sf(distance, p, self.results.df_resid)
        return self._rows(distance), self._rows(pvalues)

    # ---- leaving one out --------------------------------------------------------------------

    @cached_property
    def _d_params(self):
        from scipy.linalg import solve_triangular

        moved = self._q * (self._resid / self._rest)[:, None]
        return solve_triangular(self._r, moved.T, check_finite=False).T

    @property
    def d_params(self):
        """Changes of the estimates."""
        return self._table(self._d_params)

    @property
    def params_one(self):
        """The estimates without the row."""
        return self._table(self.results.coef - self._d_params)

    @property
    def _dfbetas(self):
        return self._d_params / np.sqrt(np.diag(self.results._cov))

    @property
    def dfbetas(self):
        """Changes of the estimates, over standard errors."""
        return self._table(self._dfbetas)

    @cached_property
    def _d_linpred(self):
        return np.einsum("ij,ij->i", self.results.model.X, self._d_params)

    @cached_property
    def _linpred_se(self):
        x = self.results.model.X
        return np.sqrt(np.einsum("ij,ij->i", x @ self.results._cov, x))

    @cached_property
    def _mean_slope(self):
        return self.results.family.mean_derivatives(self.results._raw, second=False)[1][:, 0]

    @property
    def d_linpred(self):
        """Changes of the row's own linear predictor."""
        return self._rows(self._d_linpred)

    @property
    def d_linpred_scaled(self):
        """Changes of the row's own linear predictor, over its standard error."""
        return self._rows(self._d_linpred / self._linpred_se)

    @property
    def d_fittedvalues(self):
        """Changes of the row's own mean."""
        return self._rows(self._mean_slope * self._d_linpred)

    @property
    def d_fittedvalues_scaled(self):
        """Changes of the row's own mean, over its standard error."""
        return self._rows(np.sign(self._mean_slope) * self._d_linpred / self._linpred_se)

    # ---- the table --------------------------------------------------------------------------

    def _columns(self):
        return {
            "cooks_d": self.cooks_distance[0],
            "standard_resid": self._studentized,
            "hat_diag": self._h,
            "dffits_internal": self.d_fittedvalues_scaled,
        }

    def summary_frame(self):
        """Return `dfbetas` and the measures of each row as a data frame, as statsmodels.

        Of a polars frame or a pyarrow table it is one of these.
        """
        names = [f"dfb_{name}" for name in self.results.model.x_names]
        table = dict(zip(names, self._dfbetas.T, strict=True))
        table |= {name: np.asarray(values) for name, values in self._columns().items()}
        return self.results._labels.table(table)

    def __repr__(self):
        return f"<{type(self).__name__} of {len(self._h)} rows: leverage to {self._h.max():.3g}>"


class OLSInfluence(Influence):
    """Influence in a linear regression: every measure is exact.

    Attributes
    ----------
    resid_studentized_internal, resid_studentized_external : (n,)
        Residuals over their standard deviation, the variance estimated with and without the row.
    resid_press : (n,)
        The row's response less its prediction without the row.
    ess_press : float
        The sum of their squares.
    dffits, dffits_internal : tuple of (n,) and float
        Changes of the row's own mean over its standard error, that without and with the row, and
        the bound above which one is large.
    dfbeta, dfbetas, params_not_obsi : (n, p)
        Changes of `params`, the same over standard errors without the row, and the `params`
        without the row.
    sigma2_not_obsi : (n,)
        The residual variance without the row.
    cov_ratio : (n,)
        The determinant of the covariance of `params` without the row, over the one with it.

    Notes
    -----
    Belsley, Kuh and Welsch (1980), chapter 2, doi:10.1002/0471725153. With var_weights the numbers
    are those of rows that are multiplied by the weights' square roots, but for `resid_press`, which
    is in units of the response; statsmodels leaves weights out here.
    """

    @property
    def _scale(self):
        return self.results.mse_resid

    @property
    def resid_studentized_internal(self):
        """Residuals over their standard deviation."""
        return self.resid_studentized

    @cached_property
    def _sigma2(self):
        df = self.results.df_resid - self._frequency
        ssr = self.results.ssr - self._resid**2 / self._rest
        return np.maximum(ssr, 0.0) / np.where(df > 0, df, np.nan)

    @property
    def sigma2_not_obsi(self):
        """The residual variance without the row."""
        return self._rows(self._sigma2)

    @cached_property
    def _external(self):
        return self._resid / np.sqrt(self._sigma2 * self._rest)

    @property
    def resid_studentized_external(self):
        """Residuals over their standard deviation, the variance estimated without the row."""
        return self._rows(self._external)

    @property
    def resid_press(self):
        """The row's response less its prediction without the row."""
        return self._rows(np.asarray(self.results.resid_response) / self._rest)

    @property
    def ess_press(self):
        """The sum of squared `resid_press`, with the rows' weights."""
        return float(np.sum((self._resid / self._rest) ** 2))

    def _dffits(self, studentized):
        model = self.results.model
        values = studentized * np.sqrt(self._h / self._rest)
        return self._rows(values), 2.0 * float(np.sqrt(model.p / model.nobs))

    @property
    def dffits_internal(self):
        """Changes of the row's own mean over its standard error, and a bound."""
        return self._dffits(self._studentized)

    @property
    def dffits(self):
        """Changes of the row's own mean over its standard error without the row, and a bound."""
        return self._dffits(self._external)

    @property
    def dfbeta(self):
        """Changes of the estimates."""
        return self.d_params

    @property
    def params_not_obsi(self):
        """The estimates without the row."""
        return self.params_one

    @property
    def _dfbetas(self):
        unit = np.sqrt(np.diag(self.results.normalized_cov_params))
        return self._d_params / (np.sqrt(self._sigma2)[:, None] * unit)

    @property
    def cov_ratio(self):
        """The determinant of the covariance of the estimates without the row, over that with it."""
        ratio = (self._sigma2 / self._scale) ** self.results.model.p
        return self._rows(ratio / self._rest)

    def _columns(self):
        return {
            "cooks_d": self.cooks_distance[0],
            "standard_resid": self._studentized,
            "hat_diag": self._h,
            "dffits_internal": self.dffits_internal[0],
            "student_resid": self._external,
            "dffits": self.dffits[0],
        }


def _check(results):
    family = results.family
    if not results._is_mean or family.params[family.location].size is not None:
        raise ValueError(
            "Expected a model of a single mean, for influence. Received: the coefficients of "
            f"{', '.join(results.model.parameter_names)}. Fix the other parameters, fixed=..., or "
            "leave rows out and fit again."
        )
    if not results.optimum.has_covariance:
        raise ValueError(
            "Expected a fit without a penalty, for influence. Received: "
            f"{results.method!r}. Fit without it: fit()."
        )
