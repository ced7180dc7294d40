"""What a fitted model says: estimates and their uncertainty, and the doors to all the rest."""

from __future__ import annotations

import contextlib
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from probnn import backend
from probnn.glm.results import covariance, rows
from probnn.glm.results.goodness import GoodnessOfFit
from probnn.glm.results.hypotheses import Hypotheses
from probnn.glm.results.reference import Reference
from probnn.glm.results.wrap import Labels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from typing import Any

    import keras

    from probnn._types import ArrayLike, Floats, Labelled, Rows
    from probnn.fitting.certificate import Certificate
    from probnn.fitting.optimum import Optimum
    from probnn.glm.model import GLM
    from probnn.glm.results.bootstrap import Bootstrap
    from probnn.glm.results.influence import Influence
    from probnn.glm.results.margins import Margins
    from probnn.glm.results.prediction import Prediction
    from probnn.predictive import Predictive

SCALARS = (
    *("llf", "llnull", "deviance", "null_deviance", "pearson_chi2", "scale", "scale_ml"),
    "condition_number",
    *("nobs", "df_model", "df_resid", "converged"),
)


@lru_cache(maxsize=64)
def _inverse_of(link):
    """Return a function of raw values that gives a link's inverse and its slope."""
    return backend.derivatives(lambda raw: link.inverse(raw[..., 0]), second=False)


class Results(GoodnessOfFit, Hypotheses):
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
        Log-likelihood of the model, and of one with a constant alone, each at its maximum over the
        dispersion; `llf_scaled()` is that at `scale`.
    scale : float
        The dispersion; 1 for families without one.
    aic, bic, bic_deviance : float
        Information criteria; bic is that of the log-likelihood.
    deviance, null_deviance, pearson_chi2 : float
        Goodness of fit.
    nobs, df_model, df_resid : float
        Rows of a weight other than 0, and degrees of freedom.
    condition_number : float
        The ratio of the largest to the smallest singular value of X.
    converged : bool
        Whether the optimum was reached.
    fit_history : dict
        The iterations: `nll`, `decrement`, `score_norm`, `step`.
    use_t : bool
        Whether tests use Student's t and F in place of the normal and chi-squared.
    method : str
        "newton", "network", or the penalty: "firth" or "elastic net".
    penalty : dict or None
        The `alpha` and `L1_wt` of `fit_regularized`.
    optimum : probnn.fitting.optimum.Optimum
        Where the solver stopped, and with which `Penalty`.
    """

    def __init__(
        self,
        model: GLM,
        optimum: Optimum,
        *,
        cov_type: str = "nonrobust",
        cov_kwds: Mapping[str, Any] | None = None,
        use_t: bool | None = None,
        scale: Any = None,
        information: Any = None,
        method: str = "newton",
        certificate: Certificate | None = None,
    ) -> None:
        cov_kwds = covariance.options(model, cov_type, cov_kwds)
        if information not in (None, "expected", "observed"):
            raise ValueError(
                f"Expected information 'expected' or 'observed'. Received: {information!r}."
            )
        is_number = isinstance(scale, (int, float, np.number)) and 0.0 < scale < np.inf
        if scale not in (None, "X2", "dev", "ml") and not is_number:
            raise ValueError(
                f"Expected scale 'X2', 'dev', 'ml' or a positive number. Received: {scale!r}."
            )
        self.model, self.family, self.optimum = model, model.family, optimum
        self.method = method if optimum.penalty is None else optimum.penalty.label.lower()
        self.coef = np.asarray(optimum.coef)  # on the raw scale
        self.cov_type, self.cov_kwds = cov_type, cov_kwds
        self.scale_type, self.converged = scale, optimum.converged
        self.fit_history = optimum.history
        self.certificate: Certificate | Any = certificate  # None but for networks
        self.is_conditional = False
        self.k_constant, self.nobs = model.k_constant, model.n_used
        self._labels = Labels(model, model.index, model.library)
        # Models of the mean alone are GLMs; the likelihood of several parameters is its own.
        is_mean = self.family.of_mean and set(model.predicted) == {self.family.location}
        self.information = information or ("expected" if is_mean else "observed")
        if self.information == "expected" and not is_mean:
            self.family.check_expected()
        self._is_mean = is_mean
        self.df_resid = float(model.nobs - len(self.coef) + len(model.natural))
        intercepts = sum(name not in self.family.no_intercept for name in model.predicted)
        self.df_model = float(len(self.coef) - self._constants_in_df * intercepts)
        self.df_resid_inference = self.df_resid
        by_default = self._t_by_default and cov_type == "nonrobust"
        self.use_t = by_default if use_t is None else use_t
        if cov_type != "nonrobust":
            _ = self._cov  # clusters decide on degrees of freedom, and bad options raise now

    _summary = "glm"  # whose table: statsmodels has one for each of these
    _t_by_default = False

    @property
    def _constants_in_df(self):  # statsmodels' GLM counts one whether X has a constant or not
        return 1

    @property
    def penalty(self) -> Any:
        """The arguments of the penalty, name -> value, if it has some; else None."""
        return None if self.optimum.penalty is None else self.optimum.penalty.given

    # ---- estimates --------------------------------------------------------------------------

    @cached_property
    def _natural(self):
        """The coefficients, constants in natural units, and the derivatives of that."""
        params, slope = self.coef.copy(), np.ones(len(self.coef))
        for j, name in self.model.natural.items():
            value, gradient, _ = _inverse_of(self.family.links[name])(params[None, [j]])
            params[j], slope[j] = value[0], gradient[0, 0]
        return params, slope

    @property
    def params(self) -> Labelled:
        """The estimates."""
        return self._labels.params(self._natural[0])

    @property
    def is_one_information(self) -> bool:
        """Whether the observed and the expected information are the same at any coefficients."""
        return self._is_mean and self.family.is_canonical

    @property
    def normalized_cov_params(self) -> Floats:
        """The inverse of the information at dispersion 1, (p, p), on the raw scale."""
        known = self.optimum.inverse
        return self._root @ self._root.T if known is None else known

    @cached_property
    def _root(self):
        """A square root of `normalized_cov_params`: products of roots keep more digits."""
        if self.optimum.inverse_root is not None:
            return self.optimum.inverse_root
        if self.information == "observed" or self.is_one_information:
            return self._inverse_root(self.optimum.hessian)
        total, weights = 0.0, None
        for data in self.model.data.parts():
            likelihood = data.likelihood(self.family, self.model.known)
            if self._is_mean:
                raw = likelihood.raw(self.coef)
                weights = covariance.expected_weights(self.family, data, raw)
                curvature = np.zeros((len(data), self.family.size, self.family.size))
                curvature[:, 0, 0] = weights
            else:
                curvature = likelihood.expected_curvatures(self.coef)
            total = total + likelihood.information(curvature)
        return self._inverse_root(total, weights)

    def _inverse_root(self, information, weights=None):
        return covariance.inverse_root(information, self.model.likelihood(), self.coef, weights)

    @cached_property
    def _cov(self):
        """The covariance of the coefficients, (p, p), constants in natural units."""
        if not self.optimum.has_covariance:
            raise AttributeError(
                "A penalised fit has no standard errors: the penalty biases the estimates. Fit "
                "without it, or use bootstrap()."
            )
        slope = self._natural[1]
        if self.cov_type == "nonrobust":
            cov = self.scale * self.normalized_cov_params
        else:
            root = self._bread_root
            cov = root @ self._meat(root) @ root.T
        return slope[:, None] * cov * slope

    @property
    def cov_raw(self) -> Floats:
        """The covariance of the coefficients, (p, p), all on the raw scale."""
        slope = self._natural[1]
        return self._cov / np.outer(slope, slope)

    @property
    def _bread_root(self):
        """A square root of the inverse of the observed information, the sandwich's bread."""
        if self.information == "observed" or self.is_one_information:
            return self._root
        return self._inverse_root(self.optimum.hessian)

    def _meat(self, root):
        """Return the middle of the sandwich between roots; clusters settle df too."""
        total, leverage = 0.0, None
        if self.cov_type not in ("HC0", "HC1"):  # these need all rows at once
            _ = self._data
            if self.cov_type in ("HC2", "HC3"):
                counts = self._data.counts
                leverage = self.hat_matrix_diag[... if counts is None else counts]
        for data in self.model.data.parts():
            part, df = covariance.meat(
                data.likelihood(self.family, self.model.known).scores(self.coef) @ root,
                self.cov_type,
                self.cov_kwds,
                nobs=self.model.nobs,
                size=len(self.coef),
                freq_weights=data.freq_weights,
                leverage=leverage,
            )
            total = total + part
            if df is not None:
                self.df_resid_inference = df
        return total

    @cached_property
    def hat_matrix_diag(self) -> Floats:
        """The leverage of each row: the diagonal of the hat matrix, for models of the mean."""
        if not self._is_mean or self.family.params[self.family.location].size is not None:
            raise ValueError(
                "Expected a model of a single mean: its rows have leverages, which HC2, HC3 and "
                "influence need. Received one of several parameters or classes."
            )
        used = self._data.used
        raw = used.likelihood(self.family, self.model.known).raw(self.coef)
        weights = covariance.expected_weights(self.family, used, raw)
        x = self.model.location_design(used)
        return self._data.filled(weights * (x.dot(self._root) ** 2).sum(axis=1))

    def cov_params(self) -> Labelled:
        """Return the covariance matrix of the estimates, (p, p)."""
        return self._labels.matrix(self._cov)

    @property
    def bse(self) -> Labelled:
        """Standard errors of the estimates."""
        return self._labels.params(np.sqrt(self._cov.diagonal()))

    @property
    def tvalues(self) -> Labelled:
        """Estimates over their standard errors."""
        return self.params / self.bse

    @property
    def pvalues(self) -> Labelled:
        """Two-sided p-values of the estimates being 0."""
        t = np.abs(self._natural[0]) / np.sqrt(np.diag(self._cov))
        return self._labels.params(2.0 * self._reference.sf(t))

    @property
    def _reference(self):
        return Reference(self.df_resid_inference if self.use_t else None)

    def conf_int(self, alpha: float = 0.05) -> Labelled:
        """Return confidence intervals of the estimates at level 1 - alpha, (p, 2).

        Those of constants in natural units, as a dispersion, are sent through the inverse link from
        its scale, where the estimate is nearer to normal, and so stay in the parameter's domain.
        """
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"Expected alpha between 0 and 1. Received: {alpha}.")
        with np.errstate(divide="ignore", invalid="ignore"):  # of a dispersion at its edge
            half = self._reference.ppf(1.0 - alpha / 2.0) * np.sqrt(np.diag(self.cov_raw))
        ends = np.column_stack([self.coef - half, self.coef + half])
        with np.errstate(over="ignore"):
            for j, name in self.model.natural.items():
                ends[j] = np.sort(self.family.links[name].inverse(ends[j]))
        return self._labels.intervals(ends)

    # ---- fitted rows ------------------------------------------------------------------------

    @property
    def _data(self):
        return self.model.data.whole()

    @cached_property
    def _raw(self):
        return self._data.likelihood(self.family, self.model.known).raw(self.coef)

    @cached_property
    def mu(self) -> Labelled:
        """Fitted means, (n,), or (n, C) probabilities."""
        return self._labels.rows(rows.means(self.family, self._raw))

    @property
    def fittedvalues(self) -> Labelled:
        """Fitted means: `mu`."""
        return self.mu

    def _residual(self, kind):
        return self._labels.rows(rows.residuals(kind, self.family, self._data, self._raw))

    @cached_property
    def resid_response(self) -> Labelled:
        """The responses less their means; of several trials, in numbers of successes."""
        return self._residual("response")

    @cached_property
    def resid_pearson(self) -> Labelled:
        """Response residuals over the square root of their variance at dispersion 1."""
        return self._residual("pearson")

    @cached_property
    def resid_deviance(self) -> Labelled:
        """The square roots of the rows' deviances, with the signs of response residuals."""
        return self._residual("deviance")

    @cached_property
    def resid_working(self) -> Labelled:
        """Response residuals on the scale of the linear predictor."""
        return self._residual("working")

    @cached_property
    def resid_anscombe(self) -> Labelled:
        """Anscombe's residuals, the nearest to normal ones, over the square root of `scale`."""
        return self._residual("anscombe") / np.sqrt(self.scale)

    # ---- rooms of their own -----------------------------------------------------------------

    def predict(self, exog: Rows = None, **kwargs: Any) -> Labelled:
        """Return means for rows of a design or, after a formula, of a data frame.

        Parameters
        ----------
        exog : array_like, optional
            New rows; the training rows by default.
        **kwargs
            `offset`, `exposure`, `designs`: as for the model; `which`: "mean" or "linear".

        Raises
        ------
        ValueError
            For other columns, or rows with a missing value, which it names: R and statsmodels
            return NaN for them. `predict(data.dropna(subset=[...]))` has the labels of the others.
        """
        from probnn.glm.results.prediction import predict

        return predict(self, exog, **kwargs)

    def predict_distribution(self, exog: Rows = None, **kwargs: Any) -> Predictive:
        """Return a `probnn.Predictive` of new rows, at the estimates and `scale`.

        Rows with a missing value raise, as in `predict`; of the frame that was fitted, those that
        the fit left out are left out again, which the `Predictive` says.
        """
        from probnn.glm.results.prediction import predict_distribution

        return predict_distribution(self, exog, **kwargs)

    def get_prediction(self, exog: Rows = None, **kwargs: Any) -> Prediction:
        """Return means with confidence intervals, and prediction intervals: a `Prediction`.

        Rows with a missing value raise, as in `predict`.
        """
        from probnn.glm.results.prediction import Prediction

        return Prediction(self, exog, **kwargs)

    def get_margeff(
        self, at: str = "overall", method: str = "dydx", dummy: bool = False, count: bool = False
    ) -> Margins:
        """Return effects of the variables on the mean: a `probnn.glm.results.margins.Margins`."""
        from probnn.glm.results.margins import Margins

        return Margins(self, at, method, dummy, count)

    def get_influence(self, observed: ArrayLike = True) -> Influence:
        """Return leverage, Cook's distance, dfbetas: a `probnn.glm.results.influence.Influence`.

        Parameters
        ----------
        observed : bool
            Whether leverages come from the observed information, as in statsmodels, or the
            expected.
        """
        from probnn.glm.results.influence import Influence

        return Influence(self, observed)

    def bootstrap(
        self,
        nrep: int = 1000,
        seed: int | np.random.Generator | None = None,
        verbose: int | str = "auto",
    ) -> Bootstrap:
        """Return estimates from resampled rows: a `probnn.glm.results.bootstrap.Bootstrap`."""
        from probnn.glm.results.bootstrap import Bootstrap

        return Bootstrap(self, nrep, seed, verbose)

    def summary(self, alpha: float = 0.05, title: str | None = None) -> Any:
        """Return the table as statsmodels' `Summary`: text, `as_html()`, `as_latex()`."""
        from probnn.glm.results.summary import summary

        return summary(self, alpha, title, self._summary)

    @property
    def network(self) -> keras.Model:
        """A Keras model with these coefficients, whose `predict(X)` gives the same means.

        It knows the columns of a frame by name, those of further designs as "scale: x", and classes
        by their labels.
        """
        from probnn.glm.results.as_network import from_results

        return from_results(self)

    # ---- files ------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Save the results to a file, without the rows of the training data.

        Parameters
        ----------
        path : str or path-like
            Where; `probnn.glm.load` reads it. An earlier file is replaced at the end, in one step.

        Raises
        ------
        ValueError
            Before anything is written, if the results need what a file cannot hold: a function in
            a formula that has no name in a module, or a family or link that is not registered.

        Notes
        -----
        The file is a zip of JSON and arrays of NumPy, with a checksum of each: it runs nothing.
        """
        from probnn.glm.results.saving import save

        # A perfect fit has an infinite likelihood; what is for numbers has no value of classes, and
        # a deviance is that of a mean.
        with np.errstate(divide="ignore", invalid="ignore"):
            for name in self._scalars():
                with contextlib.suppress(ValueError, AttributeError):
                    getattr(self, name)
        _ = self._cov if self.optimum.has_covariance else None
        save(self, path)

    def _scalars(self):
        return SCALARS

    def __getstate__(self):
        keep = {*self._scalars(), "_natural", "_cov", "_root", "scale"}
        cached = {n for n in dir(type(self)) if isinstance(getattr(type(self), n), cached_property)}
        state = {k: v for k, v in self.__dict__.items() if k not in cached or k in keep}
        model = self.model.without_data()
        options = {name: value for name, value in self.cov_kwds.items() if name != "groups"}
        return {**state, "model": model, "_labels": Labels(model, None), "cov_kwds": options}

    def __repr__(self):
        shown = ", ".join(
            f"{name}={value:.4g}"
            for name, value in zip(self.model.parameter_names[:4], self._natural[0], strict=False)
        )
        more = ", ..." if len(self.coef) > 4 else ""
        return f"<{type(self).__name__} {self.family.label}: {shown}{more}; llf={self.llf:.6g}>"
