"""The results of `probnn.glm` as fitted models."""

from dataclasses import replace

import numpy as np

from probnn.fitted.columns import FittedColumns, names_of, rows_of
from probnn.fitted.fit import Fit, divisor, quantile
from probnn.fitted.tables import renamed
from probnn.glm.results import rows
from probnn.glm.results.covariance import SingularInformationError
from probnn.glm.results.delta import error_of_means


class FittedResults(FittedColumns):
    """Results of `probnn.glm`: they have coefficients."""

    def __init__(self, results):
        super().__init__(results, results.model)
        if results.optimum.penalty is not None:
            self.penalised = "the model is penalised"
        if results.optimum.has_covariance:
            self.convergence = results.converged, results.optimum.decrement

    @property
    def label(self):
        """The class of the model."""
        return type(self._glm).__name__

    def read(self, name, table=None, y=None):
        """Return the `Fit`."""
        return renamed(fit_of(self.model, name), table)

    def half_width(self, x, parts, of, level):
        """Return half the widths by the delta method; NaN if the model is penalised."""
        if not self.model.optimum.has_covariance:
            return np.full(parts, np.nan)
        factor = quantile(0.5 + level / 2.0, _df(self.model))
        return factor * error_of_means(self.model, x, parts, of)

    @property
    def penalising(self):
        """How a model of classes is penalised."""
        if self.family.kind == "binary" and self.family.is_canonical:
            return 'fit(method="firth")'
        return "fit_regularized(alpha=..., L1_wt=0)"


def fit_of(results, name):
    """Return the `Fit` of results, with the names of their own columns."""
    model, family = results.model, results.family
    dispersed = model.dispersion is not None
    names, classes = names_of(model)
    se = dict(zip(names, _standard_errors(results), strict=False))
    found = Fit(
        name=name,
        family=family.name,
        link=family.links[family.location].name,
        known=family,
        coef=dict(zip(names, _flat(results.params), strict=True)),
        se=se,
        classes=classes,
        size=results.k_params,
        uncounted=dispersed and model.is_linear,
        df=_df(results),
        nobs=results.nobs,
        llf=results.llf,
        scale=results.scale if dispersed else np.nan,
        cov_type=results.cov_type if se else None,
        information=None if results.is_one_information else results.information,
        penalty=str(results.optimum.penalty or ""),
        dropped=model.n_missing,
        stopped="" if results.converged else "Newton's method ended before the optimum",
        maximised=results.scale_type in ((None, "X2", "dev", "ml") if dispersed else (None, "ml")),
    )
    if model.data.rows is None:
        return found
    data = model.data.rows.used
    if dispersed:
        found.divisor = divisor(results.pearson_chi2, results.scale, results.nobs, results.df_resid)
    is_given = isinstance(results.scale_type, (int, float, np.number))
    phi = (results.scale if is_given else results.scale_ml) if dispersed else None
    each = rows.log_likelihood(family, data, model.likelihood().raw(results.coef), phi)
    return replace(
        found,
        **rows_of(model, results.predict_distribution),
        predictive=found.divisor,
        log_likelihood=each if data.freq_weights is None else None,
    )


def _df(results):
    """Return the degrees of freedom of the t distribution of its intervals."""
    return results.df_resid_inference if results.use_t else np.inf


def _standard_errors(results):
    """Return the standard errors: none where the likelihood does not tell them."""
    if not results.optimum.has_covariance:
        return []
    try:
        return _flat(results.bse)
    except SingularInformationError:
        return []


def _flat(params):
    """Return parameters as one array, those of one class after those of another."""
    return np.ravel(np.asarray(params), order="F")
