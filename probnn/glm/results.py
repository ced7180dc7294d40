"""What a fitted model says: estimates, their uncertainty, tests, and goodness of fit."""

import copy
import pickle
from functools import cached_property
from types import SimpleNamespace

import numpy as np

from probnn.glm import covariance, rows
from probnn.glm.wrap import Labels

_SCALARS = (
    *("llf", "llnull", "deviance", "null_deviance", "pearson_chi2", "scale", "scale_ml"),
    *("nobs", "df_model", "df_resid", "converged"),
)


class Results:
    """Estimates of a model, with statsmodels' names.

    Made by `fit`, `fit_regularized` and `probnn.inference`. Arrays come as pandas objects with the
    names of the columns where the data had names, else as NumPy arrays.

    Attributes
    ----------
    params : (p,)
        The coefficients; constant parameters, as a dispersion, in natural units. For classes,
        (p, C - 1), a column for each class but the first.
    bse, tvalues, pvalues : as params
        Standard errors, params / bse, and two-sided p-values.
    mu, fittedvalues : (n,)
        Fitted means.
    resid_response, resid_pearson, resid_deviance, resid_working, resid_anscombe : (n,)
        Residuals.
    llf, llnull : float
        Log-likelihood of the model, and of one with a constant alone.
    scale : float
        The dispersion; 1 for families without one.
    aic, bic, bic_deviance : float
        Information criteria; bic is that of the log-likelihood.
    deviance, null_deviance, pearson_chi2 : float
        Goodness of fit.
    nobs, df_model, df_resid : float
        Rows, and degrees of freedom.
    converged : bool
        Whether the optimum was reached.
    fit_history : dict
        The iterations: `nll`, `decrement`, `score_norm`, `step`.
    """

    def __init__(
        self,
        model,
        optimum,
        *,
        cov_type="nonrobust",
        cov_kwds=None,
        use_t=None,
        scale=None,
        information=None,
        method="newton",
        penalty=None,
        certificate=None,
    ):
        if cov_type not in covariance.COV_TYPES:
            raise ValueError(
                f"Expected cov_type to be one of {', '.join(covariance.COV_TYPES)}. Received: "
                f"{cov_type!r}."
            )
        if information not in (None, "expected", "observed"):
            raise ValueError(
                f"Expected information 'expected' or 'observed'. Received: {information!r}."
            )
        if not (scale in (None, "X2", "dev", "ml") or (np.ndim(scale) == 0 and np.isreal(scale))):
            raise ValueError(f"Expected scale 'X2', 'dev', 'ml' or a number. Received: {scale!r}.")
        self.model, self.method, self.penalty = model, method, penalty
        self.family = model.family
        self.coef = np.asarray(optimum.coef)  # on the raw scale
        self.cov_type, self.cov_kwds = cov_type, dict(cov_kwds or {})
        self.scale_type, self.converged = scale, optimum.converged
        self.fit_history, self.certificate = optimum.history, certificate
        self.is_conditional = False
        self.k_constant, self.nobs = model.k_constant, len(model)
        self._optimum = optimum
        self._labels = Labels(model)
        # Models of the mean alone are GLMs; the likelihood of several parameters is its own.
        is_mean = set(model.predicted) == {self.family.location}
        self.information = information or ("expected" if is_mean else "observed")
        if self.information == "expected" and not is_mean:
            raise ValueError(
                "Expected information='observed' for a model of several parameters. Received: "
                "'expected', which is known for models of the mean alone."
            )
        self._is_mean = is_mean
        self.df_resid = float(model.nobs - len(self.coef) + len(model.constants))
        self.df_model = float(len(self.coef) - self._constants_in_df * len(model.predicted))
        self.df_resid_inference = self.df_resid
        self._use_t = use_t if use_t is not None else model._use_t and cov_type == "nonrobust"

    @property
    def _constants_in_df(self):  # statsmodels' GLM counts one whether X has a constant or not
        return 1

    @property
    def use_t(self):
        """Whether tests use Student's t and F in place of the normal and chi-squared."""
        return self._use_t

    # ---- estimates --------------------------------------------------------------------------

    @cached_property
    def _natural(self):
        """The coefficients, constants in natural units, and the derivatives of that."""
        params, slope = self.coef.copy(), np.ones(len(self.coef))
        for j, name in self.model.constants.items():
            from probnn import backend

            link = self.family.links[name]
            value, gradient, _ = backend.derivatives(
                lambda raw, link=link: link.inverse(raw[:, 0]), params[None, [j]], False
            )
            params[j], slope[j] = value[0], gradient[0, 0]
        return params, slope

    @property
    def params(self):
        """The estimates."""
        return self._labels.params(self._natural[0])

    @cached_property
    def _expected_weights(self):
        raw = self._raw
        return covariance.expected_weights(self.family, self._data, raw)

    @cached_property
    def normalized_cov_params(self):
        """The inverse of the information at dispersion 1, (p, p), on the raw scale."""
        likelihood, hessian = self.model.likelihood(), self._optimum.hessian
        if self._optimum.inverse is not None:
            return self._optimum.inverse
        vector = self.family.params[self.family.location].size is not None
        if self.information == "expected" and not vector and not self._is_canonical:
            weights = self._expected_weights
            n, k = len(self._data), self.family.size
            curvature = np.zeros((n, k, k))
            curvature[:, 0, 0] = weights
            hessian = likelihood.information(curvature)
            return covariance.inverse_information(likelihood, self.coef, hessian, weights)
        return covariance.inverse_information(likelihood, self.coef, hessian)

    @property
    def _is_canonical(self):
        """Whether the observed information is the expected one."""
        canonical = {"bernoulli": "logit", "poisson": "log", "categorical": "multinomial_logit"}
        canonical["normal"] = "identity"
        link = self.family.links[self.family.location].name
        return canonical.get(self.family.name) == link

    @cached_property
    def _cov(self):
        """The covariance of the coefficients, (p, p), constants in natural units."""
        if self.penalty is not None:
            raise AttributeError(
                "A penalised fit has no standard errors: the penalty biases the estimates. Fit "
                "without it, or use bootstrap()."
            )
        slope = self._natural[1]
        if self.cov_type == "nonrobust":
            cov = self.scale * self.normalized_cov_params
        else:
            bread = self._bread
            meat, df = covariance.meat(
                self.model.likelihood().scores(self.coef),
                self.cov_type,
                self.cov_kwds,
                nobs=self.model.nobs,
                size=len(self.coef),
                freq_weights=self._data.freq_weights,
                leverage=self.hat_matrix_diag if self.cov_type in ("HC2", "HC3") else None,
            )
            if df is not None:
                self.df_resid_inference = df
            cov = bread @ meat @ bread
        return cov * np.outer(slope, slope)

    @property
    def _bread(self):
        """The inverse of the observed information at dispersion 1: of the sandwich."""
        if self.information == "observed" or self._is_canonical:
            return self.normalized_cov_params
        return covariance.inverse_information(
            self.model.likelihood(), self.coef, self._optimum.hessian
        )

    @cached_property
    def hat_matrix_diag(self):
        """The leverage of each row: the diagonal of the hat matrix, for models of the mean."""
        if not self._is_mean or self.family.params[self.family.location].size is not None:
            raise AttributeError("Leverages are for models of a single mean.")
        x, n = self.model.X, self.normalized_cov_params
        return self._expected_weights * np.einsum("ij,ij->i", x @ n, x)

    def cov_params(self):
        """Return the covariance matrix of the estimates, (p, p)."""
        return self._labels.matrix(self._cov)

    @property
    def bse(self):
        """Standard errors of the estimates."""
        return self._labels.params(np.sqrt(np.diag(self._cov)))

    @property
    def tvalues(self):
        """Estimates over their standard errors."""
        return self.params / self.bse

    @property
    def pvalues(self):
        """Two-sided p-values of the estimates being 0."""
        t = np.abs(self._natural[0]) / np.sqrt(np.diag(self._cov))
        return self._labels.params(2.0 * self._reference.sf(t))

    @property
    def _reference(self):
        from scipy import stats

        _ = self._cov  # clusters decide on the degrees of freedom
        return stats.t(self.df_resid_inference) if self.use_t else stats.norm

    def conf_int(self, alpha=0.05):
        """Return confidence intervals of the estimates at level 1 - alpha, (p, 2)."""
        half = self._reference.ppf(1.0 - alpha / 2.0) * np.sqrt(np.diag(self._cov))
        center = self._natural[0]
        return self._labels.intervals(np.column_stack([center - half, center + half]))

    # ---- fitted rows ------------------------------------------------------------------------

    @property
    def _data(self):
        if self.model.data is None:
            raise AttributeError(
                "This needs the rows of the training data, which are not part of the results: they "
                "were loaded from a file, or fitted in batches."
            )
        return self.model.data

    @cached_property
    def _raw(self):
        _ = self._data
        return self.model.likelihood().raw(self.coef)

    @cached_property
    def mu(self):
        """Fitted means, (n,), or (n, C) probabilities."""
        return self._labels.rows(rows.means(self.family, self._raw))

    @property
    def fittedvalues(self):
        """Fitted means: `mu`."""
        return self.mu

    def _residual(self, kind):
        return self._labels.rows(rows.residuals(kind, self.family, self._data, self._raw))

    @cached_property
    def resid_response(self):
        """The responses less their means; of several trials, in numbers of successes."""
        return self._residual("response")

    @cached_property
    def resid_pearson(self):
        """Response residuals over the square root of their variance at dispersion 1."""
        return self._residual("pearson")

    @cached_property
    def resid_deviance(self):
        """The square roots of the rows' deviances, with the signs of response residuals."""
        return self._residual("deviance")

    @cached_property
    def resid_working(self):
        """Response residuals on the scale of the linear predictor."""
        return self._residual("working")

    @cached_property
    def resid_anscombe(self):
        """Anscombe's residuals, the nearest to normal ones, over the square root of `scale`."""
        return self._residual("anscombe") / np.sqrt(self.scale)

    # ---- goodness of fit --------------------------------------------------------------------

    def _total(self, function, coef=None):
        """Return the sum over rows, each as often as its frequency says."""
        total, coef = 0.0, self.coef if coef is None else coef
        for data in self.model.parts():
            raw = data.likelihood(self.family, self.model.known).raw(coef)
            values = function(data, raw)
            total += float(
                np.sum(values if data.freq_weights is None else data.freq_weights * values)
            )
        return total

    def _deviance_at(self, coef):
        def deviance(data, raw):
            found = rows.deviances(self.family, data, raw)
            return found if data.precision is None else data.precision * found

        return self._total(deviance, coef)

    @cached_property
    def deviance(self):
        """Twice the log-likelihood lacking to a perfect fit, at dispersion 1."""
        return self._deviance_at(self.coef)

    @cached_property
    def pearson_chi2(self):
        """The sum of squared Pearson residuals."""
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
            lambda log_phi: -self._llf_at(self.coef, np.exp(log_phi)),
            bracket=(start - 0.1, start + 0.1),
            options={"xtol": 1e-12},
        )
        return float(np.exp(found.x))

    def _llf_at(self, coef, phi):
        phi = phi if self.model.dispersion else None
        return self._total(lambda data, raw: rows.log_likelihood(self.family, data, raw, phi), coef)

    @cached_property
    def llf(self):
        """The log-likelihood, at `scale`; of a linear model, at its maximum over the dispersion."""
        return self._llf_at(self.coef, self.scale_ml if self.model.is_linear else self.scale)

    @cached_property
    def _null_coef(self):
        """The coefficients of the model with a constant alone, in a model of that form."""
        null = self.model.null_model()
        return null._newton(null._start(), 100, 1e-9).coef

    @cached_property
    def llnull(self):
        """The log-likelihood with a constant alone, at the same dispersion."""
        null, coef = self.model.null_model(), self._null_coef
        part = copy.copy(self)
        part.model = null
        return part._llf_at(coef, self.scale)

    @cached_property
    def null_deviance(self):
        """The deviance with a constant alone."""
        part = copy.copy(self)
        part.model = self.model.null_model()
        return part._deviance_at(self._null_coef)

    @property
    def llr(self):
        """The likelihood-ratio statistic against a constant alone."""
        return -2.0 * (self.llnull - self.llf)

    @property
    def llr_pvalue(self):
        """The p-value of `llr`, by its chi-squared distribution."""
        from scipy import stats

        return float(stats.chi2.sf(self.llr, self.df_model))

    @property
    def prsquared(self):
        """McFadden's pseudo R-squared, 1 - llf / llnull."""
        return 1.0 - self.llf / self.llnull

    def pseudo_rsquared(self, kind="cs"):
        """Return a pseudo R-squared: "cs" (Cox and Snell) or "mcf" (McFadden)."""
        if str(kind).lower() in ("cs", "lr", "cox"):
            return 1.0 - np.exp((self.llnull - self.llf) * 2.0 / self.nobs)
        if str(kind).lower().startswith("mcf"):
            return self.prsquared
        raise ValueError(f"Expected kind 'cs' or 'mcf'. Received: {kind!r}.")

    @property
    def aic(self):
        """-2 llf + 2 p, with p the number of `params`."""
        return -2.0 * self.llf + 2.0 * len(self.coef)

    @property
    def bic(self):
        """-2 llf + log(n) p."""
        return -2.0 * self.llf + np.log(self.model.nobs) * len(self.coef)

    bic_llf = bic

    @property
    def bic_deviance(self):
        """The deviance less log(n) times the residual degrees of freedom."""
        return self.deviance - self.df_resid * np.log(self.model.nobs)

    # ---- tests ------------------------------------------------------------------------------

    def _statsmodels(self):
        """Return statsmodels' own results object around these estimates: it makes the tests."""
        from statsmodels.base.model import LikelihoodModelResults

        cov = self._cov
        names = self.model.parameter_names
        data = SimpleNamespace(cov_names=names, param_names=names, model_spec=None)
        shim = SimpleNamespace(data=data, exog_names=names)
        found = LikelihoodModelResults(shim, self._natural[0], cov, scale=1.0)
        found.use_t, found.df_resid = self.use_t, self.df_resid
        found.df_resid_inference = self.df_resid_inference
        return found

    def t_test(self, r_matrix, **kwargs):
        """Test linear hypotheses one by one: "x1 = x2", or a matrix (m, p); as statsmodels."""
        return self._statsmodels().t_test(r_matrix, **kwargs)

    def wald_test(self, r_matrix, scalar=True, **kwargs):
        """Test linear hypotheses together, by chi-squared, or by F with `use_f=True`."""
        return self._statsmodels().wald_test(r_matrix, scalar=scalar, **kwargs)

    def f_test(self, r_matrix, **kwargs):
        """Test linear hypotheses together, by F; as statsmodels."""
        return self._statsmodels().f_test(r_matrix, **kwargs)

    def wald_test_terms(self, skip_single=False):
        """Test each term of the formula, or each column: a table with `summary_frame()`."""
        import pandas as pd
        from statsmodels.stats.contrast import WaldTestResults

        identity, table = np.eye(len(self.coef)), {}
        for name, columns in self.model.terms().items():
            if skip_single and len(columns) == 1:
                continue
            test = self.wald_test(identity[columns])
            entry = {"statistic": test.statistic, "pvalue": float(test.pvalue)}
            entry["df_constraint"] = len(columns)
            table[name] = {**entry, **({"df_denom": test.df_denom} if self.use_t else {})}
        frame = pd.DataFrame.from_dict(table, orient="index")
        return WaldTestResults(None, "F" if self.use_t else "chi2", None, table=frame)

    def compare_lr_test(self, restricted):
        """Return the likelihood-ratio statistic against a nested model, its p-value, and df."""
        from scipy import stats

        if restricted.nobs != self.nobs or restricted.family.name != self.family.name:
            raise ValueError(
                "Expected a restricted model of the same rows and family. Received: "
                f"{restricted.nobs} rows of {restricted.family.name}, against {self.nobs} of "
                f"{self.family.name}."
            )
        df = len(self.coef) - len(restricted.coef)
        if df <= 0:
            raise ValueError(
                f"Expected a restricted model with fewer coefficients than {len(self.coef)}. "
                f"Received: {len(restricted.coef)}."
            )
        statistic = 2.0 * (self.llf - restricted.llf)
        return float(statistic), float(stats.chi2.sf(statistic, df)), df

    def score_test(self, exog_extra):
        """Test whether further columns (n, q) belong in the model, without fitting it.

        Returns
        -------
        statistic, pvalue, df
            Rao's score statistic with the observed information, its chi-squared p-value, and q.

        Notes
        -----
        Rao (1948), doi:10.1017/S0305004100023987.
        """
        from scipy import stats

        from probnn.glm.data import read_design

        if self.family.params[self.family.location].size is not None:
            raise ValueError("Expected a model of one location. Received: one of classes.")
        extra, _ = read_design(exog_extra, "exog_extra")
        data = copy.copy(self._data)
        data.designs = [np.column_stack([self.model.X, extra]), *data.designs[1:]]
        likelihood = data.likelihood(self.family, self.model.known)
        p, q = self.model.X.shape[1], extra.shape[1]
        coef = np.concatenate([self.coef[:p], np.zeros(q), self.coef[p:]])
        _, gradient, hessian = likelihood(coef)
        statistic = gradient @ np.linalg.solve(hessian, gradient) / self.scale
        return float(statistic), float(stats.chi2.sf(statistic, q)), q

    # ---- rooms of their own -----------------------------------------------------------------

    def predict(self, exog=None, **kwargs):
        """Return means for rows of a design or, after a formula, of a data frame.

        Parameters
        ----------
        exog : array_like, optional
            New rows; the training rows by default.
        **kwargs
            `offset`, `exposure`, `designs`: as for the model; `which`: "mean" or "linear".
        """
        from probnn.glm.prediction import predict

        return predict(self, exog, **kwargs)

    def predict_distribution(self, exog=None, **kwargs):
        """Return a `probnn.Predictive` of new rows, at the estimates and `scale`."""
        from probnn.glm.prediction import predict_distribution

        return predict_distribution(self, exog, **kwargs)

    def get_prediction(self, exog=None, **kwargs):
        """Return means with confidence intervals, and prediction intervals: a `Prediction`."""
        from probnn.glm.prediction import Prediction

        return Prediction(self, exog, **kwargs)

    def get_margeff(self, at="overall", method="dydx", dummy=False, count=False):
        """Return marginal effects with standard errors: a `probnn.glm.margins.Margins`."""
        from probnn.glm.margins import Margins

        return Margins(self, at, method, dummy, count)

    def get_influence(self):
        """Return leverage, Cook's distance, dfbetas: a `probnn.glm.influence.Influence`."""
        from probnn.glm.influence import Influence

        return Influence(self)

    def bootstrap(self, nrep=1000, seed=None, verbose="auto"):
        """Return estimates from resampled rows: a `probnn.glm.bootstrap.Bootstrap`."""
        from probnn.glm.bootstrap import Bootstrap

        return Bootstrap(self, nrep, seed, verbose)

    def summary(self, alpha=0.05, title=None):
        """Return the table as statsmodels' `Summary`: text, `as_html()`, `as_latex()`."""
        from probnn.glm.summary import summary

        return summary(self, alpha, title)

    @property
    def network(self):
        """A Keras model with these coefficients, whose `predict(X)` gives the same means."""
        from probnn.glm.network import from_results

        return from_results(self)

    # ---- files ------------------------------------------------------------------------------

    def save(self, path):
        """Save the results to a file, without the rows of the training data.

        Parameters
        ----------
        path : str or path-like
            Where; `Results.load` reads it. It is a pickle: load what you trust.
        """
        for name in self._scalars():
            getattr(self, name)
        _ = self._cov if self.penalty is None else None
        with open(path, "wb") as file:
            pickle.dump(self, file)

    @staticmethod
    def load(path):
        """Return results from a file that `save` wrote."""
        with open(path, "rb") as file:
            return pickle.load(file)

    def _scalars(self):
        return _SCALARS

    def __getstate__(self):
        keep = {*self._scalars(), "_natural", "_cov", "normalized_cov_params", "scale"}
        cached = {n for n in dir(type(self)) if isinstance(getattr(type(self), n), cached_property)}
        state = {k: v for k, v in self.__dict__.items() if k not in cached or k in keep}
        return {**state, "model": self.model.without_data()}

    def __repr__(self):
        shown = ", ".join(
            f"{name}={value:.4g}"
            for name, value in zip(self.model.parameter_names[:4], self._natural[0], strict=False)
        )
        more = ", ..." if len(self.coef) > 4 else ""
        return f"<{type(self).__name__} {self.family.name}: {shown}{more}; llf={self.llf:.6g}>"
