"""What a model believes about y: the distribution of every row, in NumPy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from probnn.data.alignment import RowIndex
from probnn.data.classes import Classes
from probnn.data.frames import to_numpy
from probnn.data.response_labels import ResponseLabels
from probnn.families._frozen import Frozen, FrozenScipy
from probnn.families.registry import of_params
from probnn.predictive.integrals import most_probable, numeric_crps
from probnn.predictive.parameters import numbers, read, read_classes
from probnn.predictive.table import to_frame

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

    import pandas as pd

    from probnn._types import ArrayLike, Floats, NDArray
    from probnn.families.base import Family


class Predictive:
    """The predictive distributions of n rows.

    Every method works on all rows at once and gives float64 arrays whose first axis is the rows;
    of classes, y is a label wherever it is asked for or returned.

    Parameters
    ----------
    family : str or Family
        The family of all rows. Of a name alone, the number of classes is that of `params`.
    params : dict
        Name -> array, shape (n,), or (n, d) for d responses, or (n, classes) for a parameter that
        is a vector; or a number, or one vector, for all rows. The family's natural parameters; and
        `trials` of a binomial family without them.
    classes : sequence, optional
        The labels of classes, in the order of their codes; the codes 0, 1, ... by default.

    Attributes
    ----------
    shape : tuple
        (n,), or (n, d) for d responses.

    Raises
    ------
    ParameterDomainError
        For values outside the domain of their parameter; a ValueError.
    ValueError
        For names that are not the family's parameters, shapes that do not agree, or classes that
        are not as many as the family has.

    Examples
    --------
    >>> import numpy as np, probnn as pn
    >>> d = pn.Predictive("normal", {"loc": np.array([0.0, 1.0]), "scale": np.array([1.0, 2.0])})
    >>> len(d), d.mean().tolist()
    (2, [0.0, 1.0])
    >>> lower, upper = d.interval(0.95)
    >>> upper.round(2).tolist()
    [1.96, 4.92]
    >>> d[:1].crps(0.0).round(4).tolist()
    [0.2337]
    >>> d = pn.Predictive("categorical", {"probs": [0.5, 0.2, 0.3]}, classes=["bus", "car", "rail"])
    >>> d.mode().tolist(), np.exp(d.log_prob("rail")).round(6).tolist()
    (['bus'], [0.3])
    """

    members = ()  # those of a pool of models
    labels = ResponseLabels()  # of rows, where x had some, and of the columns of y, by which y goes

    def __init__(
        self,
        family: str | dict[str, Any] | Family,
        params: Mapping[str, ArrayLike],
        classes: ArrayLike | None = None,
    ) -> None:
        self.family = of_params(family, params)
        self.params, self.given, self.shape = read(self.family, params)
        self._coding = read_classes(self.family, classes)
        self._y_shape = (*self.shape, *(self.family.y_shape if self.family.vector else ()))
        self._frozen = None

    @property
    def classes(self) -> NDArray[Any]:
        """The labels of classes, an array (C,) in the order of their codes; None of numbers."""
        if self._coding is not None:
            return self._coding.labels
        return np.arange(self.family.classes or 2) if self.family.has_classes else None

    @property
    def ordered(self) -> bool:
        """Whether some y are greater than others: not those of classes without an order."""
        if self._coding is not None:
            return self._coding.ordered
        return self.family.kind != "categorical"

    @property
    def frozen(self) -> Any:
        """The frozen SciPy distribution of all rows."""
        if self._frozen is None:
            frozen = self.family.frozen(**self.params, **self.given)
            whole = isinstance(frozen, Frozen)
            self._frozen = frozen if whole else FrozenScipy(self.family, frozen, **self.params)
        return self._frozen

    # ---- moments and quantiles --------------------------------------------------------------

    def mean(self) -> Floats:
        """Return the mean of each row, shape (n,); (n, classes) probabilities if categorical."""
        return np.array(self.family.mean(**self.params, **self.given), dtype="float64")

    def variance(self) -> Floats:
        """Return the variance of each row, shape (n,); of the class indicators if categorical."""
        return np.asarray(self.frozen.var())

    def stddev(self) -> Floats:
        """Return the standard deviation of each row, shape (n,)."""
        return np.sqrt(self.variance())

    def entropy(self) -> Floats:
        """Return the (differential) entropy of each row in nats, shape (n,)."""
        return np.asarray(self.frozen.entropy())

    def mode(self) -> NDArray[Any]:
        """Return the most probable class, or count, of each row; of several, the first.

        Returns
        -------
        numpy.ndarray, shape (n,)
            Labels of classes, or counts.

        Raises
        ------
        ValueError
            If y is continuous or a vector.

        Examples
        --------
        >>> import probnn as pn
        >>> pn.Predictive("poisson", {"rate": [0.4, 7.5]}).mode().tolist()
        [0.0, 7.0]
        """
        family = self.family
        if family.has_classes:
            probs = self.mean()
            return self.classes[probs.argmax(-1) if family.classes else (probs > 0.5).astype(int)]
        if family.vector or not family.discrete:
            raise ValueError(
                f"Expected classes or counts, for the most probable one. Received: {self!r}, whose "
                "y is neither. Ask mean(), or quantile(0.5), the median."
            )
        return most_probable(self)

    def quantile(self, p: ArrayLike) -> NDArray[Any]:
        """Return quantiles.

        Parameters
        ----------
        p : float, or array_like of shape (m,)
            Probabilities in [0, 1].

        Returns
        -------
        numpy.ndarray, shape (n,), or (n, m) for m probabilities
            The smallest y with cdf(y) >= p.

        Raises
        ------
        ValueError
            If a p is outside [0, 1], or classes have no order.
        """
        self._need_order("quantiles")
        p = np.asarray(p, dtype="float64")
        if p.ndim > 1 or not ((p >= 0) & (p <= 1)).all():
            raise ValueError(
                f"Expected probabilities in [0, 1], one or a list of them. Received: {p!r}."
            )
        if p.ndim == 0:
            return self._labels(self._ppf(np.broadcast_to(p, self._y_shape)))
        each = (len(p), *[1] * len(self._y_shape))
        if not len(p):
            found = np.empty((0, *self._y_shape))
        elif self.frozen.stepwise:  # all levels in one table
            found = self._ppf(np.broadcast_to(p.reshape(each), (len(p), *self._y_shape)))
        else:
            found = np.stack([self._ppf(np.broadcast_to(one, self._y_shape)) for one in p])
        return self._labels(np.moveaxis(found, 0, -1))

    def _ppf(self, p):
        # SciPy gives the count below the smallest one at p = 0.
        return np.maximum(self.frozen.ppf(p), self.frozen.support()[0])

    def _labels(self, y):
        return y if self._coding is None else self._coding.decode(y)

    def _need_order(self, what):
        if not self.ordered:
            raise ValueError(
                f"Expected numbers, or classes in an order, for {what}. Received: {self!r}, whose "
                "classes have none. Ask mode() for the most probable class, mean() for "
                "probabilities, or calibration.conformal for sets of classes."
            )

    def interval(self, level: float = 0.9) -> tuple[Floats, Floats]:
        """Return the central interval.

        Parameters
        ----------
        level : float
            The probability in it, in (0, 1).

        Returns
        -------
        lower, upper : numpy.ndarray, shape (n,)
            The quantiles at (1 - level) / 2 and (1 + level) / 2. For a discrete family the interval
            has at least that probability.

        Raises
        ------
        ValueError
            If the level is not in (0, 1), or classes have no order.
        """
        self._need_order("an interval")
        if np.ndim(level) or not 0 < level < 1:
            raise ValueError(f"Expected a level between 0 and 1, as 0.9. Received: {level!r}.")
        found = self.quantile([(1 - level) / 2, (1 + level) / 2])
        return found[..., 0], found[..., 1]

    # ---- densities and scores ---------------------------------------------------------------

    def cdf(self, y: ArrayLike) -> Floats:
        """Return P(Y <= y) of each row.

        Parameters
        ----------
        y : array_like, shape (n,) or (n, 1), or a number for all rows

        Raises
        ------
        ValueError
            If y has another shape, or classes have no order.
        """
        self._need_order("P(Y <= y)")
        d, y = self.conditioned(y, exact=True)
        return np.asarray(d.frozen.cdf(y))

    def log_prob(self, y: ArrayLike) -> Floats:
        """Return the log-density, or log-probability, of y in each row; -inf outside the support.

        Parameters
        ----------
        y : array_like, shape (n,) or (n, 1), or a number for all rows

        Raises
        ------
        ValueError
            If y has another shape, or is no class where classes have labels.
        """
        d, y = self.conditioned(y)
        return np.asarray(d._log_prob(y))

    def _log_prob(self, y):
        return self.family.log_density(y, **self.params, **self.given)

    def pit(self, y: ArrayLike, seed: int | np.random.Generator | None = None) -> Floats:
        """Return the probability integral transform of y: uniform if the model is right.

        Parameters
        ----------
        y : array_like, shape (n,) or (n, 1), or a number for all rows
        seed : int or numpy.random.Generator, optional
            For discrete families, whose transform is randomised between P(Y < y) and P(Y <= y),
            as at the zeros of the Tweedie family, and for censored y, between P(Y <= lower) and
            P(Y <= upper). Classes without an order are taken in that of their codes: if the model
            is right, the transform is uniform in any.

        Returns
        -------
        numpy.ndarray, shape (n,)

        Notes
        -----
        Smith (1985), doi:10.1002/for.3980040305; for counts, Czado, Gneiting and Held (2009),
        doi:10.1111/j.1541-0420.2009.01191.x.
        """
        d, y = self.conditioned(y)
        lower, upper = (np.asarray(end) for end in self.family.cdf_range(d.frozen, y))
        return lower + np.random.default_rng(seed).random(upper.shape) * (upper - lower)

    def crps(self, y: ArrayLike) -> Floats:
        """Return the continuous ranked probability score of y in each row: smaller is better.

        Parameters
        ----------
        y : array_like, shape (n,) or (n, 1), or a number for all rows

        Returns
        -------
        numpy.ndarray, shape (n,)
            In the units of y.

        Raises
        ------
        ValueError
            If y has another shape, or a value outside the family's support.

        Notes
        -----
        CRPS(F, y) = integral of (F(x) - 1{y <= x})^2 dx: Gneiting and Raftery (2007),
        doi:10.1198/016214506000001437. In closed form where the family has one, else by quadrature
        over probabilities, or an exact sum over counts. Of classes it is the ranked probability
        score, in the order of their codes.
        """
        d, y = self.conditioned(y, check=True, exact=True)
        return d._crps(y)

    def _crps(self, y):
        score = self.family._crps(y, **self.params, **self.given)
        score = np.full(self.shape, np.nan) if score is None else np.asarray(score)
        rest = np.isnan(score)
        if rest.any():
            part = self._rows(rest)
            score[rest] = numeric_crps(part, y[rest])
        return score

    def sample(self, size: int = 1, seed: int | np.random.Generator | None = None) -> NDArray[Any]:
        """Return random draws.

        Parameters
        ----------
        size : int
            How many for each row.
        seed : int or numpy.random.Generator, optional
            For the same draws again.

        Returns
        -------
        numpy.ndarray, shape (size, n)
        """
        rng = np.random.default_rng(seed)
        drawn = self.frozen.rvs(size=(size, *self.shape), random_state=rng)
        return self._labels(np.asarray(drawn, dtype=float))

    def coded(self, y: ArrayLike) -> tuple[Predictive, NDArray[Any]]:
        """Return the distributions of the codes of classes, and labels as codes, a row for each.

        A series goes by its labels where those of the rows are known, and a frame by the names of
        its columns where those of y are. Of numbers, and of classes whose labels are their codes,
        both are then returned as they are.

        Parameters
        ----------
        y : array_like
            Labels.

        Returns
        -------
        d : Predictive
        y : numpy.ndarray

        Raises
        ------
        ValueError
            If a y is no class.

        Examples
        --------
        >>> import probnn as pn
        >>> d = pn.Predictive("bernoulli", {"probs": [0.9]}, classes=["no", "yes"])
        >>> d, y = d.coded(["yes"])
        >>> d.classes.tolist(), y.tolist()
        ([0, 1], [1.0])
        """
        y = self.labels.align(y)
        if self._coding is not None and not self._coding.are_codes:
            return self._of_codes(), self._coding.encode(y)
        if self.family.has_classes and to_numpy(y).dtype.kind not in "biuf":
            raise ValueError(
                f"Expected y to be numeric: the codes of classes, 0 to {len(self.classes) - 1}. "
                f"Received: values of type {to_numpy(y).dtype}, and {self!r}, which knows no "
                "labels. Encode them, or give the labels in the order of their codes: "
                "probnn.Predictive(family, params, classes=[...])."
            )
        return self, y

    def _of_codes(self):
        other = copy.copy(self)
        other._coding = Classes(range(len(self.classes)), self.ordered)
        return other

    def conditioned(
        self, y: ArrayLike, *, check: bool = False, exact: bool = False
    ) -> tuple[Predictive, Floats]:
        """Return the distributions given what y tells of them, and what of y is random.

        Parameters
        ----------
        y : array_like, shape (n,) or (n, 1), or (n, y_columns) of the family; or a number
            Responses, or one number for all rows.
        check : bool
            Whether to raise if a value is none that the family supports.
        exact : bool
            Whether to raise if some rows are known by bounds alone.

        Returns
        -------
        d : Predictive
            Of successes and trials, that of so many trials; of classes, that of their codes; else
            these distributions.
        y : numpy.ndarray, shape (n,)
            Of successes and trials, the successes; of classes, their codes; (n, 2) of bounds that
            differ, (n, d) of vectors.

        Raises
        ------
        ValueError
            If y has another shape, or for what `check` and `exact` say.

        Examples
        --------
        >>> import probnn as pn
        >>> d, y = pn.Predictive("binomial", {"probs": [0.5]}).conditioned([[3, 10]])
        >>> d.mean().tolist(), y.tolist()
        ([5.0], [3.0])
        """
        d, y = self.coded(y)
        family, y = d.family, numbers(y)
        if check and np.isnan(y).any():
            raise self._unseen(np.isnan(np.atleast_1d(y)))
        if not family.vector and y.shape == (*self.shape, family.y_columns):
            if check:
                family.check(y)
            y, given = family.conditioned(y)
            d = Predictive(family, {**self.params, **given}) if given else d
        else:
            y = y[..., 0] if y.shape == (*self._y_shape, 1) else y
            y = y if y.ndim else np.broadcast_to(y, self._y_shape)
            if y.shape != self._y_shape:
                codes = "Give classes as codes: indicator columns become codes by argmax(axis=1)."
                raise ValueError(
                    f"Expected y of shape {self._y_shape}, one value for each row, or one number "
                    f"for all rows. Received: shape {y.shape}."
                    f"{'' if family.classes is None else ' ' + codes}"
                )
            if check:
                family.check_seen(y, **self.given)
        if exact and y.shape != self._y_shape:
            raise ValueError(
                "Expected a y that was seen in every row. Received: bounds that differ. log_prob "
                "and pit take censored y."
            )
        return d, y

    def _unseen(self, missing):
        rows = self.rows or RowIndex("y", len(missing))
        which = missing.any(axis=tuple(range(1, missing.ndim)))
        return ValueError(
            f"Expected every y to lie in the support of the {self.family.name} family, "
            f"{self.family.support}. Received: nan in {rows.named(which)}. Take the rows that were "
            "seen: y[seen] with d[seen], where seen is ~numpy.isnan(y)."
        )

    # ---- a container of rows ----------------------------------------------------------------

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Self:
        """Return the distributions of some rows: an int, a slice, or an array, as NumPy takes."""
        if isinstance(rows, (int, np.integer)):
            rows = [rows]
        found = self._rows(rows)
        return found.labelled(self.labels.part(rows))

    @property
    def rows(self) -> RowIndex | None:
        """The `RowIndex` by whose labels y goes; None where x had none."""
        return self.labels.rows

    def labelled(self, labels: ResponseLabels) -> Self:
        """Return the distributions as those of rows and columns with these `ResponseLabels`."""
        other = copy.copy(self)
        other.labels = labels
        return other

    def aligned(self, labels: ResponseLabels) -> Self:
        """Return the distributions in the order of the rows of `ResponseLabels`, if both know."""
        order = labels.order_in(self.labels)
        return self if order is None else self[order]

    def flatten(self, where: ArrayLike | None = None) -> Self:
        """Return the distributions of all responses, or time steps, one after the other: (m,).

        Scores, calibration and plots then pool them, with y.ravel(), or with y[where].

        Parameters
        ----------
        where : array_like of bool, of the shape of these distributions, optional
            Which ones, as those that a mask leaves; all by default.

        Examples
        --------
        >>> import numpy as np, probnn as pn
        >>> d = pn.Predictive("poisson", {"rate": np.ones((5, 3))})
        >>> mask = np.arange(3) < np.array([[1], [2], [3], [3], [0]])
        >>> d.flatten().shape, d.flatten(mask).shape
        ((15,), (9,))
        """
        where = np.ones(self.shape, bool) if where is None else np.asarray(where)
        if where.shape != self.shape or where.dtype != bool:
            raise ValueError(
                f"Expected `where` as booleans of shape {self.shape}. Received: {where.dtype} of "
                f"shape {where.shape}."
            )
        return self._rows(np.nonzero(where))

    def _rows(self, index):
        values = {**self.params, **self.given}
        rows = {name: v[index] for name, v in values.items()}
        return Predictive(self.family, rows, classes=self._coding)

    def __getstate__(self):
        return {**self.__dict__, "_frozen": None}

    def to_frame(self, level: float = 0.9) -> pd.DataFrame:
        """Return a table of the parameters, mean, standard deviation and interval.

        Of pandas, its index is that of x; where x had none, rows are numbered from 0. Where x was
        a polars frame or a pyarrow table, so is this.

        Parameters
        ----------
        level : float
            The probability of the central interval, between `lower` and `upper`.

        Returns
        -------
        pandas.DataFrame, or a frame of the library that x was of
            One row for each row. Columns of several responses are numbered, those of classes have
            their labels: `probs[bus]`, `probs[car]`. Classes without an order have no interval:
            `mode` is the most probable one.
        """
        return to_frame(self, level, self.labels.library)

    def __repr__(self):
        note = f" ({self.rows.note})" if self.rows is not None and self.rows.note else ""
        return f"<Predictive {self.family.name}: n={len(self)}{note}, {', '.join(self.params)}>"

    def _repr_html_(self):
        shown = to_frame(self[:5], 0.9)._repr_html_()
        more = f" The first {min(5, len(self))}:" if len(self) > 5 else ""
        return f"<p>{len(self)} {self.family.name} distributions.{more}</p>{shown}"


def check_predictive(d):
    """Raise if d is not a Predictive with rows."""
    if not isinstance(d, Predictive):
        raise ValueError(
            "Expected a Predictive, as model.predict_distribution(x) returns. Received: "
            f"{type(d).__name__}."
        )
    if not len(d):
        raise ValueError("Expected at least one row. Received: zero rows.")


def check_same_responses(predictives):
    """Raise if the columns of y that distributions are of are known, and in different orders."""
    known = {d.labels.columns for d in predictives if d.labels.columns.names is not None}
    if len(known) > 1:
        orders = sorted(str(each.names[0]) for each in known)
        raise ValueError(
            "Expected distributions of the same columns of y, in one order. Received: "
            f"{' and '.join(orders)}."
        )
