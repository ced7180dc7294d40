"""What all estimators share: what they read, and what they answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from probnn import families
from probnn.data import ResponseLabels
from probnn.data.classes import Classes
from probnn.data.frames import frame_of
from probnn.data.tables import to_frame
from probnn.estimators.arguments import read_of_rows
from probnn.estimators.inputs import (
    check_classes,
    check_columns,
    check_no_surprise,
    encoder_of,
    order_of,
)
from probnn.fitted import FittedModel, adapt

if TYPE_CHECKING:
    from typing import Any, Self

    from probnn._types import ArrayLike, Floats, NDArray, Rows
    from probnn.predictive import Predictive


class Estimator(BaseEstimator):
    """An estimator whose predictions are distributions.

    A subclass writes `_check_arguments()`, `_fit(x, y, sample_weight, **of_rows)`, of float64
    arrays without rows of weight 0, `_distribution(x, **of_rows)`, and `fitted_`, whose predictions
    they are.
    """

    _fewest = 2  # rows
    _of_rows = ()  # what it takes of each row beside X, y and weights

    def fit(
        self,
        X: Rows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **of_rows: ArrayLike | None,
    ) -> Self:
        """Fit to rows.

        Parameters
        ----------
        X : array_like, sparse matrix or frame, shape (n, p)
            Columns of text and categories of a frame become indicator columns, of all but their
            first category, which is remembered. What is sparse is made dense.
        y : array_like, shape (n,)
            The responses; of a classifier, labels of classes. They go with the rows of X by their
            positions, as everywhere in scikit-learn: labels of an index are not looked at.
        sample_weight : array_like, shape (n,), optional
            How many rows each stands for; or shares, which sum to 1, of the rows. Rows of weight 0
            are left out.
        **of_rows
            Of a GLM: `offset` and `exposure`, array_like of shape (n,).

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For an argument that makes no sense, shapes that do not agree, a missing value, a y
            outside the support of the family, or a single class. The estimator is then as it was
            before.
        """
        before = {**vars(self)}
        try:
            self._check_arguments()
            self._fit_rows(X, y, sample_weight, of_rows)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _fit_rows(self, X, y, sample_weight, of_rows):
        x = self._numbers(X, reset=True)
        if y is None:
            raise ValueError(
                f"Expected y: this {type(self).__name__} estimator requires y to be passed, but "
                "the target y is None. Received: None."
            )
        y = self._read_y(y)
        check_consistent_length(x, y)
        of_rows = read_of_rows(self, self._of_rows, of_rows, x)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, x, dtype="float64", ensure_non_negative=True
            )
            rows = np.flatnonzero(sample_weight)
            x, y, sample_weight = _take(x, rows), y[rows], sample_weight[rows]
            of_rows = {name: values[rows] for name, values in of_rows.items()}
            if np.isclose(sample_weight.sum(), 1.0, rtol=1e-6):
                sample_weight = sample_weight * len(rows)
        self._fit(x, self._learn_y(y), sample_weight, **of_rows)
        self._given_ = frozenset(of_rows)

    def predict_distribution(self, X: Rows, **of_rows: ArrayLike | None) -> Predictive:
        """Return what the model believes about the y of every row.

        Parameters
        ----------
        X : array_like, sparse matrix or frame, shape (n, p)
        **of_rows
            What `fit` was given of each row, of these.

        Returns
        -------
        Predictive
            With mean, quantiles, intervals, densities and scores; of classes, by their labels. A y
            that has labels of rows goes by them there, where X had some.
        """
        check_is_fitted(self)
        x = self._numbers(X, reset=False)
        of_rows = read_of_rows(self, self._of_rows, of_rows, x)
        if missing := self._given_ - of_rows.keys():
            raise ValueError(
                f"Expected {' and '.join(sorted(missing))} of the rows to predict, as of those "
                "that the model was fitted on. Received: none."
            )
        d = self._distribution(x, **of_rows)
        return d.labelled(ResponseLabels() if frame_of(X) is None else ResponseLabels.of(X))

    def predict_interval(self, X: Rows, level: float = 0.9, **of_rows: ArrayLike | None) -> Floats:
        """Return the central prediction interval of every row.

        Parameters
        ----------
        X : array_like, sparse matrix or frame, shape (n, p)
        level : float
            The probability in it, in (0, 1).
        **of_rows
            As in `predict_distribution`.

        Returns
        -------
        numpy.ndarray, shape (n, 2)
            Lower and upper ends.
        """
        return np.column_stack(self.predict_distribution(X, **of_rows).interval(level))

    def predict_quantile(self, X: Rows, q: ArrayLike = 0.5, **of_rows: ArrayLike | None) -> Floats:
        """Return quantiles of every row.

        Parameters
        ----------
        X : array_like, sparse matrix or frame, shape (n, p)
        q : float, or array_like of shape (m,)
            Probabilities in [0, 1].
        **of_rows
            As in `predict_distribution`.

        Returns
        -------
        numpy.ndarray, shape (n,), or (n, m)
        """
        return self.predict_distribution(X, **of_rows).quantile(q)

    def table(self, X: Rows) -> Any:
        """Return X as the columns that `fitted_` takes, a pandas frame."""
        check_is_fitted(self)
        return pd.DataFrame(self._numbers(X, reset=False), columns=self.names_)

    def _numbers(self, X, reset):
        """Return X as numbers; columns of text and categories by indicators."""
        frame = frame_of(X)
        options = {
            "accept_sparse": True,
            "dtype": "float64",
            "ensure_min_samples": self._fewest if reset else 1,
        }
        if frame is None or len(frame.shape) == 1:
            check_no_surprise(X, "X")
            x = validate_data(self, X, reset=reset, **options)
            if reset:
                self.encoder_, self.names_ = None, [f"x{j + 1}" for j in range(x.shape[1])]
        else:
            validate_data(self, X, reset=reset, skip_check_array=True)
            X = to_frame(X)
            X = X.set_axis([*map(str, X.columns)], axis=1)
            check_columns(X)
            if reset:
                self.encoder_ = encoder_of(X)
                self.names_ = (
                    [*X.columns]
                    if self.encoder_ is None
                    else [*map(str, self.encoder_.get_feature_names_out())]
                )
            x = X if self.encoder_ is None else self.encoder_.transform(X)
            x = check_array(x, estimator=self, input_name="X", **options)
        return x.toarray() if hasattr(x, "toarray") else x

    def _read_y(self, y):
        if len(shape := np.asarray(y).shape) == 2 and shape[1] > 1:
            raise ValueError(
                f"Expected y of one number for each row: y should be a 1d array, got an array of "
                f"shape {shape} instead. Received: {shape[1]} columns. Successes and failures are "
                "GLMClassifier's: each row twice, of y 1 and 0, with counts as sample_weight; "
                "probnn.glm.GLM and probnn.Head take all else."
            )
        y = column_or_1d(y, warn=True)
        check_no_surprise(y, "y")
        return check_array(y, ensure_2d=False, dtype="float64", estimator=self, input_name="y")

    def _learn_y(self, y):
        return y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class Scored:
    """The score of scikit-learn's mixins, of models that take more of each row than X."""

    def score(
        self,
        X: Rows,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **of_rows: ArrayLike | None,
    ) -> float:
        """Return R squared of a regressor, the accuracy of a classifier.

        `probnn.estimators.scorers` has scores of distributions.

        Parameters
        ----------
        X : array_like, sparse matrix or frame, shape (n, p)
        y : array_like, shape (n,)
        sample_weight : array_like, shape (n,), optional
        **of_rows
            As in `predict_distribution`.

        Returns
        -------
        float
        """
        from sklearn import metrics

        found = self.predict(X, **of_rows)
        return getattr(metrics, self._metric)(y, found, sample_weight=sample_weight)


class Regressor(Scored, RegressorMixin, Estimator):
    """An estimator of numbers."""

    _metric = "r2_score"

    def predict(self, X: Rows, **of_rows: ArrayLike | None) -> Floats:
        """Return the mean of every row, shape (n,)."""
        return self.predict_distribution(X, **of_rows).mean()


class Classifier(Scored, ClassifierMixin, Estimator):
    """An estimator of classes."""

    _metric = "accuracy_score"

    def predict(self, X: Rows, **of_rows: ArrayLike | None) -> NDArray[Any]:
        """Return the most probable class of every row, shape (n,)."""
        return self.predict_distribution(X, **of_rows).mode()

    def predict_proba(self, X: Rows, **of_rows: ArrayLike | None) -> Floats:
        """Return the probabilities of the classes, in the order of `classes_`, shape (n, C)."""
        mean = self.predict_distribution(X, **of_rows).mean()
        if mean.ndim == 1:
            return np.column_stack([1.0 - mean, mean])
        return mean[:, np.argsort(self._levels)]

    def predict_log_proba(self, X: Rows, **of_rows: ArrayLike | None) -> Floats:
        """Return the logarithms of the probabilities of the classes, shape (n, C)."""
        d = self.predict_distribution(X, **of_rows)
        return np.column_stack([d.log_prob(label) for label in self.classes_])

    @property
    def _labels(self):
        """The classes, in the order that the family knows."""
        return Classes(self._levels, ordered=self._family().kind == "ordinal")

    def _read_y(self, y):
        self._order = order_of(y)
        y = column_or_1d(y, warn=True)
        check_classes(y)
        check_classification_targets(y)
        return y

    def _learn_y(self, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"Expected at least 2 classes, in rows that have weight. Received: one class, "
                f"{self.classes_.tolist()}. A classifier of one class has nothing to tell."
            )
        self._levels = self.classes_
        if self._order is not None and self._family().kind == "ordinal":
            places = np.argsort([self._order.index(each) for each in self.classes_.tolist()])
            self._levels, codes = self.classes_[places], np.argsort(places)[codes]
        return codes.astype("float64")


def family_of_numbers(family, **options):
    """Return the family of numbers, by name or as it is."""
    found = families.get(family, **options)
    if found.classes is not None:
        raise ValueError(
            f"Expected a family of numbers. Received: {found!r}, of classes. Take a classifier, "
            "GLMClassifier or NetworkClassifier."
        )
    if found.y_columns is not None:
        raise ValueError(
            f"Expected a family of one number for each row. Received: {found!r}, whose y has more. "
            "Take probnn.glm.GLM, or a probnn.Head, which take such a y."
        )
    return found


def family_of_classes(family, count, **options):
    """Return the family of so many classes: by default Bernoulli of two, categorical of more."""
    if family is None:
        family = "bernoulli" if count == 2 else "categorical"
    found = families.get(family, **options)
    if isinstance(family, str) and found.classes is not None:
        found = families.get(family, classes=count, **options)
    if not found.has_classes or (found.classes or 2) != count:
        raise ValueError(
            f"Expected a family of {count} classes. Received: {found!r}. Leave `family` out, or "
            "give 'ordinal' for classes in order."
        )
    return found


def _take(x, rows):
    return x.iloc[rows] if hasattr(x, "iloc") else x[rows]


class FittedEstimator(FittedModel):
    """An estimator of this package: what its results or its network are, on the columns of X."""

    def __init__(self, model):
        super().__init__(model)
        check_is_fitted(model)
        self.inner = adapt(model.fitted_)

    @property
    def label(self):
        """The class of the estimator."""
        return type(self.model).__name__

    @property
    def family(self):
        """The family of its results or its network."""
        return self.inner.family

    @property
    def constants(self):
        """The parameters that are one number for all rows."""
        return self.inner.constants

    @property
    def offset(self):
        """Whether its results have an offset, which X does not tell."""
        return self.inner.offset

    @property
    def convergence(self):
        """Whether Newton's method converged, and its decrement."""
        return self.inner.convergence

    @property
    def penalised(self):
        """What takes its optimum away from that of the likelihood, in words."""
        return self.inner.penalised

    def read(self, name, table=None, y=None):
        """Return the `Fit`."""
        found = self.inner.read(name, None if table is None else self._own(table), y)
        log_prob = found.log_prob
        return replace(found, log_prob=lambda table, y: log_prob(self._own(table), y))

    def _own(self, table):
        named = hasattr(self.model, "feature_names_in_")
        return self.model.table(table if named else table.to_numpy())


adapt.register(Estimator, FittedEstimator)
