"""Generalized linear models as estimators."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted, validate_data

from probnn.data.tables import to_frame
from probnn.design.rank import DependentColumnsError
from probnn.estimators.arguments import check_number, check_one_of, check_whole
from probnn.estimators.base import (
    Classifier,
    Estimator,
    Regressor,
    family_of_classes,
    family_of_numbers,
)
from probnn.glm import GLM, ConvergenceWarning, PerfectSeparationError, glm

if TYPE_CHECKING:
    from typing import Any, Literal

    from probnn._types import Rows
    from probnn.families.base import Family
    from probnn.glm.results import Results
    from probnn.links import Link


class _GLM(Estimator):
    """What both estimators share: the arguments, and the fit."""

    _of_rows = ("offset", "exposure")
    # What scikit-learn is told, as signatures do not tell it, that may be routed.
    __metadata_request__fit = __metadata_request__predict = dict.fromkeys(_of_rows)
    __metadata_request__score = dict.fromkeys(_of_rows)

    def __init__(
        self,
        family: str | Family | None = None,
        link: str | Link | None = None,
        *,
        formula: str | None = None,
        alpha: float = 0.0,
        l1_ratio: float = 0.0,
        fit_intercept: bool = True,
        undetermined: Literal["ridge", "raise"] = "ridge",
        cov_type: str = "nonrobust",
        max_iter: int = 100,
        tol: float = 1e-9,
    ) -> None:
        self.family = family
        self.link = link
        self.formula = formula
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.undetermined = undetermined
        self.cov_type = cov_type
        self.max_iter = max_iter
        self.tol = tol

    @property
    def model_(self) -> GLM:
        """The `GLM` that was fitted."""
        return self.results_.model

    @property
    def fitted_(self) -> Results:
        """The results, which predict."""
        return self.results_

    def table(self, X: Rows) -> Any:
        """Return X as the columns that the results take: those of the formula, if there is one."""
        check_is_fitted(self)
        if self._by_columns(False):
            return self._design(self._numbers(X, reset=False))
        return to_frame(X)

    def _by_columns(self, reset):
        """Return whether there is no formula; after a fit, whether there was none."""
        return self.formula is None if reset else self.names_ is not None

    def _numbers(self, X, reset):
        if self._by_columns(reset):
            return super()._numbers(X, reset)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if reset:
            self.names_ = None
        return to_frame(X)

    def _check_arguments(self):
        check_number("alpha", self.alpha, 0.0, ends=True)
        check_number("l1_ratio", self.l1_ratio, 0.0, 1.0, ends=True)
        check_one_of("fit_intercept", self.fit_intercept, (True, False))
        check_one_of("undetermined", self.undetermined, ("ridge", "raise"))
        check_whole("max_iter", self.max_iter, 1)
        check_number("tol", self.tol, 0.0)
        if not isinstance(self.formula, (str, type(None))):
            raise ValueError(
                f"Expected formula to be text, as 'age + C(region)'. Received: {self.formula!r}."
            )

    def _fit(self, x, y, sample_weight, **of_rows):
        self.results_ = self._solve(self._model(x, y, sample_weight, of_rows))
        self.n_iter_ = max(len(self.results_.fit_history["nll"]), 1)

    def _model(self, x, y, sample_weight, of_rows):
        family = self._family()
        options = {"freq_weights": sample_weight, **of_rows, **self._options()}
        if self.formula is None:
            self._columns = self._determined(x)
            constant = self.fit_intercept and family.location not in family.no_intercept
            self._constant = _free("const", self.names_) if constant else None
            return GLM(y, self._design(x), family, **options)
        left, _, right = self.formula.rpartition("~")
        name = left.strip().strip("`") or "y"
        if not re.fullmatch(r"[\w ]+", name):
            raise ValueError(
                f"Expected a name, or nothing, on the left side of a formula. Received: {left!r}. "
                "What is done to y is done before: sklearn.compose.TransformedTargetRegressor."
            )
        # Neither a column of X nor what a formula names is the response.
        name = _free(name, {*x.columns, *re.findall(r"\w+", right)})
        data = x.assign(**{name: y})
        return glm(f"`{name}` ~ {right}", data, family, missing="none", context={}, **options)

    def _determined(self, x):
        """Return the names of columns that are not all 0; the coefficients of others would be 0."""
        some = x.any(axis=0)
        if some.all() or (self.undetermined == "raise" and not self.alpha):
            return self.names_
        names = np.array(self.names_, dtype=object)
        if not self.alpha:
            warnings.warn(
                f"Expected columns of X that are not 0 in every row that has weight. Received: "
                f"{', '.join(map(repr, names[~some]))}. No data determine their coefficients, "
                "which are 0 here; undetermined='raise' raises.",
                ConvergenceWarning,
                stacklevel=6,
            )
        return names[some].tolist()

    def _link(self):
        return {} if self.link is None else {"link": self.link}

    def _options(self):
        return {}

    def _solve(self, model):
        if self.alpha:
            return self._penalised(model, self.alpha, self.l1_ratio)
        try:
            return model.fit(maxiter=self.max_iter, tol=self.tol, cov_type=self.cov_type)
        except (DependentColumnsError, PerfectSeparationError) as error:
            if self.undetermined == "raise":
                raise
            warnings.warn(
                f"{error} These are the coefficients of a ridge penalty of 1 / n, without standard "
                "errors; alpha=... sets another, and undetermined='raise' none.",
                ConvergenceWarning,
                stacklevel=6,
            )
            return self._penalised(model, 1.0 / model.nobs, 0.0)

    def _penalised(self, model, alpha, l1_ratio):
        # Of rows that stand for several, n is their sum.
        of_columns = np.full(model.p, alpha * model.nobs / model.n_used)
        if model.constant_index is not None:
            of_columns[model.constant_index] = 0.0
        location = model.family.location
        weights = np.concatenate(
            [
                of_columns if name == location else np.zeros(width)
                for name, width in zip(model.raw_names, model.widths, strict=True)
                if width
            ]
        )
        return model.fit_regularized(weights, l1_ratio, maxiter=2 * self.max_iter, tol=self.tol)

    def _design(self, x):
        design = pd.DataFrame(x, columns=self.names_)[self._columns]
        if self._constant is not None:
            design.insert(0, self._constant, 1.0)
        return design

    def _distribution(self, x, **of_rows):
        x = self._design(x) if self._by_columns(False) else x
        return self.results_.predict_distribution(x, **of_rows)


def _free(name, taken):
    """Return a name that is not taken."""
    while name in taken:
        name += "_"
    return name


class GLMRegressor(Regressor, _GLM):
    """A generalized linear model of numbers, by scikit-learn's contract.

    Parameters
    ----------
    family : str or Family
        A name from `probnn.families.FAMILIES`, or a family with options.
    link : str or Link, optional
        The link of the location; the family's default.
    formula : str, optional
        What the columns of a frame make of the mean, as in R: "age + C(region)". It sees columns
        of X alone. The left side may be left out; else it names y. By default all columns, and a
        constant.
    alpha, l1_ratio : float
        Elastic net: -llf / n + alpha (l1_ratio sum(abs(b)) + (1 - l1_ratio) sum(b^2) / 2) is
        minimised; the constant is free. Of alpha 0 there are standard errors.
    fit_intercept : bool
        Whether there is a constant, where no formula says.
    undetermined : {"ridge", "raise"}
        What is done where the data do not determine the coefficients, for dependent columns or
        separated classes: a ridge penalty of 1 / n and a warning, or an error. Columns of zeros are
        left out, which is what a penalty makes of them.
    cov_type : str
        What standard errors allow for, as in `GLM.fit`.
    max_iter, tol : int, float
        As in `GLM.fit`.

    Notes
    -----
    `fit`, `score` and all that predicts take `offset=` and `exposure=`, one number for each row,
    as `GLM` does: a model that was fitted with one needs it for new rows. They may be routed, by
    `set_fit_request(exposure=True)` and the like.

    Attributes
    ----------
    results_ : probnn.glm.Results
        With `summary()`, standard errors, tests.
    model_ : probnn.glm.GLM
    n_features_in_, feature_names_in_ : int, numpy.ndarray
        The columns of X; names where it was a frame.
    n_iter_ : int
        How many iterations the fit took.

    Examples
    --------
    >>> import numpy as np
    >>> from probnn.estimators import GLMRegressor
    >>> x, y = np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([1, 3, 5, 7])
    >>> counts = GLMRegressor("poisson").fit(x, y)
    >>> counts.predict([[0.0], [1.0]]).round(6).tolist()
    [2.0, 6.0]
    >>> counts.predict_interval([[1.0]], 0.9).tolist()
    [[2.0, 10.0]]
    """

    def __init__(
        self,
        family: str | Family = "normal",
        link: str | Link | None = None,
        *,
        formula: str | None = None,
        alpha: float = 0.0,
        l1_ratio: float = 0.0,
        fit_intercept: bool = True,
        undetermined: Literal["ridge", "raise"] = "ridge",
        cov_type: str = "nonrobust",
        max_iter: int = 100,
        tol: float = 1e-9,
    ) -> None:
        super().__init__(
            family,
            link,
            formula=formula,
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            undetermined=undetermined,
            cov_type=cov_type,
            max_iter=max_iter,
            tol=tol,
        )

    def _family(self):
        return family_of_numbers(self.family, **self._link())


class GLMClassifier(Classifier, _GLM):
    """Logistic regression of classes, binary, multinomial or ordinal, by scikit-learn's contract.

    Parameters
    ----------
    family : str or Family, optional
        By default Bernoulli for two classes, and the categorical family for more; "ordinal" for
        classes in the order of an ordered categorical y, else of `classes_`.
    link, formula, alpha, l1_ratio, fit_intercept, undetermined, cov_type, max_iter, tol
        As for `GLMRegressor`.

    Attributes
    ----------
    classes_ : numpy.ndarray, shape (C,)
        The labels, sorted. The first is the reference of the coefficients.
    results_, model_, n_features_in_, feature_names_in_, n_iter_
        As for `GLMRegressor`.

    Examples
    --------
    >>> from probnn.estimators import GLMClassifier
    >>> x, y = [[0.0], [0.0], [0.0], [1.0], [1.0], [1.0]], ["no", "no", "yes", "no", "yes", "yes"]
    >>> classifier = GLMClassifier().fit(x, y)
    >>> classifier.predict_proba([[1.0]]).round(6).tolist()
    [[0.333333, 0.666667]]
    """

    __metadata_request__predict_proba = dict.fromkeys(_GLM._of_rows)
    __metadata_request__predict_log_proba = dict.fromkeys(_GLM._of_rows)

    def _family(self):
        return family_of_classes(self.family, len(self.classes_), **self._link())

    def _options(self):
        return {"classes": self._labels}
