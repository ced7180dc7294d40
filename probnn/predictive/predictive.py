"""What a model believes about y: the distribution of every row, in NumPy."""

import numpy as np

from probnn import families
from probnn.predictive.integrals import numeric_crps, sum_over_counts


class ParameterDomainError(ValueError):
    """A parameter of a distribution is none that its family has.

    Attributes
    ----------
    parameter : str
        Its name.
    value : float
        The first such value.
    """

    def __init__(self, message, parameter=None, value=None):
        super().__init__(message)
        self.parameter, self.value = parameter, value


class Predictive:
    """The predictive distributions of n rows.

    Every method works on all rows at once and gives float64 arrays whose first axis is the rows.

    Parameters
    ----------
    family : str or Family
        The family of all rows.
    params : dict
        Name -> array, shape (n,), or (n, d) for d responses, or (n, classes) for a parameter that
        is a vector; or a number, or one vector, for all rows. The family's natural parameters; and
        `trials` of a binomial family without them.

    Attributes
    ----------
    shape : tuple
        (n,), or (n, d) for d responses.

    Raises
    ------
    ParameterDomainError
        For values outside the domain of their parameter; a ValueError.
    ValueError
        For names that are not the family's parameters, or shapes that do not agree.

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
    """

    members = ()  # those of a pool of models

    def __init__(self, family, params):
        self.family = families.get(family)
        params = dict(params)
        given = {name: params.pop(name) for name in self.family.given if name in params}
        self.family.check_names(params, "params")
        missing = [name for name in self.family.params if name not in params]
        if missing:
            raise ValueError(
                f"Expected the parameters {', '.join(self.family.params)} of the "
                f"{self.family.name} family. Received none for {', '.join(missing)}."
            )
        self.params = {name: self._read(name, params[name]) for name in self.family.params}
        leads = {
            name: values.shape[: values.ndim - len(self.family.params[name].shape)]
            for name, values in self.params.items()
        }
        shapes = {lead for lead in leads.values() if lead}
        shapes |= {np.shape(values) for values in given.values() if np.ndim(values)}
        shapes = shapes or {(1,)}
        if len(shapes) > 1:
            both = {**self.params, **given}
            listed = ", ".join(f"{name} {np.shape(values)}" for name, values in both.items())
            raise ValueError(
                f"Expected parameters of one shape, one value for each row. Received: {listed}."
            )
        (self.shape,) = shapes
        for name, values in self.params.items():
            domain = self.family.params[name].domain
            bad = ~domain.contains(values)
            if bad.any():
                raise ParameterDomainError(
                    f"Expected {name} of the {self.family.name} family to lie in {domain}. "
                    f"Received: {values[bad][0]}, and {int(bad.sum())} such value(s) in all.",
                    name,
                    float(values[bad][0]),
                )
            if not leads[name]:
                shape = (*self.shape, *self.family.params[name].shape)
                self.params[name] = np.broadcast_to(values, shape)
        self.given = {name: self._read_given(name, values) for name, values in given.items()}
        self._y_shape = (*self.shape, *(self.family.y_shape if self.family.vector else ()))
        self._frozen = None

    def _read(self, name, values):
        """Return one parameter as an array, whose last axis is that of a vector."""
        values, shape = np.asarray(values, dtype="float64"), self.family.params[name].shape
        if not values.ndim:
            return np.broadcast_to(values, shape)
        if shape and values.shape[-1:] != shape:
            raise ValueError(
                f"Expected {name} of the {self.family.name} family with {shape[0]} values in each "
                f"row. Received: shape {values.shape}."
            )
        return values

    def _read_given(self, name, values):
        """Return whole numbers from 1 on, one for each row."""
        values = np.asarray(values, dtype="float64")
        if values.shape not in ((), self.shape) or not (
            np.isfinite(values).all() and (values >= 1).all() and (values % 1 == 0).all()
        ):
            raise ValueError(
                f"Expected {name} to be whole numbers from 1 on, one for all rows or of shape "
                f"{self.shape}. Received: {name}={values!r}."
            )
        return np.broadcast_to(values, self.shape)

    @property
    def frozen(self):
        """The frozen SciPy distribution of all rows."""
        if self._frozen is None:
            self._frozen = self.family.frozen(**self.params, **self.given)
        return self._frozen

    # ---- moments and quantiles --------------------------------------------------------------

    def mean(self):
        """Return the mean of each row, shape (n,); (n, classes) probabilities if categorical."""
        return np.array(self.family.mean(**self.params, **self.given), dtype="float64")

    def variance(self):
        """Return the variance of each row, shape (n,); of the class indicators if categorical."""
        return np.asarray(self.frozen.var())

    def stddev(self):
        """Return the standard deviation of each row, shape (n,)."""
        return np.sqrt(self.variance())

    def entropy(self):
        """Return the (differential) entropy of each row in nats, shape (n,)."""
        if not self.family.discrete or np.all(np.isfinite(self.frozen.support()[1])):
            return np.asarray(self.frozen.entropy())
        from scipy.special import entr

        return sum_over_counts(self, lambda frozen, k, _: entr(frozen.pmf(k)))

    def quantile(self, p):
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
            If a p is outside [0, 1].
        """
        p = np.asarray(p, dtype="float64")
        if p.ndim > 1 or not ((p >= 0) & (p <= 1)).all():
            raise ValueError(
                f"Expected probabilities in [0, 1], one or a list of them. Received: {p!r}."
            )
        if p.ndim == 0:
            return self._ppf(np.broadcast_to(p, self._y_shape))
        columns = [self._ppf(np.broadcast_to(each, self._y_shape)) for each in p]
        return np.stack(columns, axis=-1) if columns else np.empty((*self._y_shape, 0))

    def _ppf(self, p):
        # SciPy gives the count below the smallest one at p = 0.
        return np.maximum(self.frozen.ppf(p), self.frozen.support()[0])

    def interval(self, level=0.9):
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
            If the level is not in (0, 1).
        """
        if np.ndim(level) or not 0 < level < 1:
            raise ValueError(f"Expected a level between 0 and 1, as 0.9. Received: {level!r}.")
        return self.quantile((1 - level) / 2), self.quantile((1 + level) / 2)

    # ---- densities and scores ---------------------------------------------------------------

    def cdf(self, y):
        """Return P(Y <= y) of each row.

        Parameters
        ----------
        y : array_like, shape (n,) or (n, 1), or a number for all rows

        Raises
        ------
        ValueError
            If y has another shape.
        """
        d, y = self.conditioned(y, exact=True)
        return np.asarray(d.frozen.cdf(y))

    def log_prob(self, y):
        """Return the log-density, or log-probability, of y in each row; -inf outside the support.

        Parameters
        ----------
        y : array_like, shape (n,) or (n, 1), or a number for all rows

        Raises
        ------
        ValueError
            If y has another shape.
        """
        d, y = self.conditioned(y)
        return np.asarray(self.family.frozen_log_prob(d.frozen, y))

    def pit(self, y, seed=None):
        """Return the probability integral transform of y: uniform if the model is right.

        Parameters
        ----------
        y : array_like, shape (n,) or (n, 1), or a number for all rows
        seed : int or numpy.random.Generator, optional
            For discrete families, whose transform is randomised between P(Y < y) and P(Y <= y),
            as at the zeros of the Tweedie family, and for censored y, between P(Y <= lower) and
            P(Y <= upper).

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

    def crps(self, y):
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
        over probabilities, or an exact sum over counts.
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

    def sample(self, size=1, seed=None):
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
        return np.asarray(self.frozen.rvs(size=(size, *self.shape), random_state=rng), dtype=float)

    def conditioned(self, y, *, check=False, exact=False):
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
            Of successes and trials, that of so many trials; else these distributions.
        y : numpy.ndarray, shape (n,)
            Of successes and trials, the successes; (n, 2) of bounds that differ, (n, d) of vectors.

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
        d, family, y = self, self.family, numbers(y)
        if not family.vector and y.shape == (*self.shape, family.y_columns):
            if check:
                family.check(y)
            y, given = family.conditioned(y)
            d = Predictive(family, {**self.params, **given}) if given else self
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

    # ---- a container of rows ----------------------------------------------------------------

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return the distributions of some rows: an int, a slice, or an array, as NumPy takes."""
        if isinstance(rows, (int, np.integer)):
            rows = [rows]
        return self._rows(rows)

    def _rows(self, index):
        values = {**self.params, **self.given}
        return Predictive(self.family, {name: v[index] for name, v in values.items()})

    def __getstate__(self):
        return {**self.__dict__, "_frozen": None}

    def to_frame(self, level=0.9):
        """Return a pandas DataFrame of the parameters, mean, standard deviation and interval.

        Its rows are numbered from 0, in the order of x, whatever index x had.

        Parameters
        ----------
        level : float
            The probability of the central interval, between `lower` and `upper`.

        Returns
        -------
        pandas.DataFrame
            One row for each row. Columns of several responses, or of classes, are numbered:
            `probs[0]`, `probs[1]`.
        """
        import pandas as pd

        columns = {**self.params, **self.given, "mean": self.mean()}
        if len(self.given) == len(self.family.given):
            lower, upper = self.interval(level)
            columns |= {"stddev": self.stddev(), "lower": lower, "upper": upper}
        frame = {}
        for name, values in columns.items():
            if values.ndim == 1:
                frame[name] = values
            else:
                for index in np.ndindex(values.shape[1:]):
                    frame[f"{name}[{', '.join(map(str, index))}]"] = values[(slice(None), *index)]
        return pd.DataFrame(frame)

    def __repr__(self):
        return f"<Predictive {self.family.name}: n={len(self)}, {', '.join(self.params)}>"

    def _repr_html_(self):
        shown = self[:5].to_frame()._repr_html_()
        more = f" The first {min(5, len(self))}:" if len(self) > 5 else ""
        return f"<p>{len(self)} {self.family.name} distributions.{more}</p>{shown}"


def numbers(y):
    """Return y as a float64 array, or raise if it is of something else."""
    from probnn.data import to_numpy

    y = to_numpy(y)
    if y.dtype.kind not in "biuf":
        raise ValueError(f"Expected y to be numeric. Received: values of type {y.dtype}.")
    return y.astype("float64", copy=False)


def check_predictive(d):
    """Raise if d is not a Predictive with rows."""
    if not isinstance(d, Predictive):
        raise ValueError(
            "Expected a Predictive, as model.predict_distribution(x) returns. Received: "
            f"{type(d).__name__}."
        )
    if not len(d):
        raise ValueError("Expected at least one row. Received: zero rows.")
