"""The results of `probnn.glm` as fitted models."""

from dataclasses import replace

import numpy as np
import pandas as pd

from probnn import data
from probnn.fitted.base import FittedModel
from probnn.fitted.fit import Fit, divisor, known_of, log_prob, quantile, shifted, weighted
from probnn.fitted.tables import matrix, renamed
from probnn.glm.results import rows
from probnn.glm.results.covariance import SingularInformationError
from probnn.glm.results.delta import error_of_means


class FittedResults(FittedModel):
    """Results of `probnn.glm`: they have coefficients, and perhaps their training rows."""

    takes_verbose = False
    richer = "more columns"

    def __init__(self, results):
        super().__init__(results)
        self._glm = results.model
        self.y_name, self.x_names = self._glm.y_name, self._glm.x_names
        held = self._glm.data.rows
        self.holds_rows = held is not None
        self.trials = None if held is None else held.trials
        self.counts = None if held is None else held.counts
        self.var_weighted = held is not None and held.var_weights is not None
        self.offset = self._glm.has_offset
        self.designs = () if self._glm.formula is not None else tuple(self._glm.modelled)
        self.fixed = self._glm.fixed
        self.constants = {self._glm.dispersion, *self._glm.constants.values(), *self.fixed} - {None}
        if results.optimum.penalty is not None:
            self.penalised = "the model is penalised"
        if results.optimum.has_covariance:
            self.convergence = results.converged, results.optimum.decrement

    @property
    def label(self):
        """The class of the model."""
        return type(self._glm).__name__

    @property
    def family(self):
        """The model's family."""
        return self.model.family

    @property
    def head(self):
        """What reads y, as a head of the family does."""
        return data.Reader(self.family)

    def training(self):
        """Return the rows in memory: y as labels of classes; of proportions, as both counts."""
        if not self.holds_rows:
            return super().training()
        held, classes = self._glm.data.rows, self._glm.classes
        x, y = held.frame, held.y
        if x is None:
            x = pd.DataFrame(self._glm.X, columns=self.x_names)
        if self.trials is not None:
            successes = np.round(y * self.trials)
            y = np.column_stack([successes, self.trials - successes])
        return x, y if classes is None else classes.decode(y)

    def read(self, name, table=None, y=None):
        """Return the `Fit`."""
        return renamed(fit_of(self.model, name), table)

    def rows(self, x):
        """Return the `RowIndex` of x; for None, and for the frame fitted, that of training rows."""
        fitted = self._glm.rows if x is None else self._glm.fitted_rows(x)
        return super().rows(x) if fitted is None else fitted

    def left_out(self, x):
        """Return in words which of the rows of x, or of those fitted to, are left out."""
        none = 0 if x is not None or self.counts is None else int(np.sum(~self.counts))
        weightless = f"{none} row{'s' * (none != 1)} of weight 0 left out" if none else ""
        return ", ".join(filter(None, [super().left_out(x), weightless]))

    def columns(self, x):
        """Return the design of the location; that of the training rows for None."""
        return np.asarray(self._glm.X if x is None else self._glm.new_rows(x).designs[0])

    def used(self, table, named):
        """Return the columns of the formula, or those of the design by the model's names."""
        return used_of(self._glm, table, named)

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

    def to_hold(self, name):
        """Return how a parameter is made one number for all rows."""
        return f'one "{name}" for all rows: no design or formula for it; '

    def to_predict(self, name):
        """Return how a parameter is predicted from x."""
        code = f'designs={{"{name}": X}} of pn.glm.GLM'
        if self._glm.formula is not None:
            code = f'formulas={{"{name}": "~ ..."}} of pn.glm.glm'
        return code + ", in place of its fixed value" * (name in self.fixed) + "."


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
    given = {n: getattr(data, n) for n in ("freq_weights", "var_weights")}
    each = rows.log_likelihood(family, data, model.likelihood().raw(results.coef), phi)
    x = model.location_design(data).toarray()

    def held_out(table, y):
        if model.formula is not None:
            return log_prob(results.predict_distribution(table), y)
        designs = {key: matrix(names, table) for key, names in model.modelled.items()}
        x = matrix(model.x_names, table)
        return log_prob(results.predict_distribution(x, designs=designs or None), y)

    return replace(
        found,
        nobs=model.nobs,
        predictive=found.divisor,
        y=data.y,
        log_likelihood=each if data.freq_weights is None else None,
        inputs=dict(zip(model.x_names, x.T, strict=True)),
        weights=weighted(given),
        offset=shifted([*data.offsets.values()][:1]),
        given=known_of({**given, "offset": next(iter(data.offsets.values()), None)}),
        log_prob=held_out,
    )


def used_of(model, table, named):
    """Return the columns of a table that a model of columns uses, by the names that it has."""
    if model.formula is not None:
        parts = model.formula.parts.values()
        wanted = set().union(*(part.required_variables for part in parts))
        return table[[c for c in table.columns if c in wanted]]
    if not named:
        data.features(table)
        model.new_rows(table.to_numpy())  # raises if the columns are not the model's
        table = table.set_axis(model.x_names, axis=1)
    return table


def names_of(model):
    """Return the names of coefficients by codes of classes, and code -> label, as in `Fit`."""
    pairs = list(zip(model.parameter_names, model.class_ends, strict=True))
    names = [name.removesuffix(label) + code for name, (code, label) in pairs]
    return names, {code: label for code, label in model.class_ends if code != label}


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
